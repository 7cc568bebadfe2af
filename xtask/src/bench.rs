//! What a delivered message costs a broker: ours beside others, round by round in turn.
//!
//! The broker has one core and the load another. The cost is the CPU time of the broker's process
//! over the messages that arrived, so neither a slow load nor a noisy clock counts. `counts` measures the
//! core alone, in instructions.

pub(crate) mod contender;
mod counts;
pub(crate) mod processor;
mod table;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use self::contender::Contender;
use self::table::{Measurement, Table};
use crate::background::Background;
use crate::load::{self, Outcome, Scenario};
use crate::repository::{self, Profile};
use crate::stress::footprint::Footprint;

/// How much to measure, and what beside our broker.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Messages delivered in each round at least, to all subscribers together
    #[arg(long, default_value_t = 400_000)]
    messages: u64,
    /// Repeat them for at least so many seconds: processor time is counted in ticks of 10 ms
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Rounds of every scenario with every broker; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One more broker: its command line with `{port}`, optionally after NAME=; may be repeated
    #[arg(long = "broker", value_name = "COMMAND")]
    brokers: Vec<String>,
    /// A scenario to measure; may be repeated. Without it: the usual ones
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// Measure every scenario
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Speak MQTT 5.0 instead of 3.1.1
    #[arg(long)]
    v5: bool,
    /// Measure only the brokers given with --broker
    #[arg(long, requires = "brokers")]
    only_given: bool,
    /// Count the instructions of the core's hot paths instead, and compare them with docs/counts.toml
    #[arg(long, conflicts_with_all = ["brokers", "scenarios", "all", "v5"])]
    counts: bool,
    /// Count this path alone; may be repeated
    #[arg(long = "path", value_name = "NAME", requires = "counts")]
    paths: Vec<String>,
    /// Write what was counted to docs/counts.toml
    #[arg(long, requires = "counts")]
    bless: bool,
}

impl Options {
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        match &self.scenarios[..] {
            [] if self.all => Ok(Scenario::ALL.to_vec()),
            [] => Scenario::USUAL.iter().map(|name| name.parse()).collect(),
            named => Ok(named.to_vec()),
        }
    }
}

/// Measures every broker and prints one table; or counts instructions.
///
/// # Errors
///
/// When a broker cannot be started, breaks off, or loses a message; or a path takes more instructions than
/// it may.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.counts {
        return counts::run(&options.paths, options.bless);
    }
    let ours: &[&str] = if options.only_given { &[] } else { &["flux-broker"] };
    // The load is built for release too, or it would be the limit.
    let binaries = repository::build(&[ours, &["xtask"]].concat(), Profile::Release)?;
    let mut contenders = Vec::new();
    if !options.only_given {
        contenders.push(Contender::ours(&binaries));
        if let Some(mosquitto) = Contender::mosquitto() {
            contenders.push(mosquitto.without_limits(&binaries)?);
        }
    }
    for line in &options.brokers {
        contenders.push(Contender::parse(line)?);
    }
    if !processor::can_pin() {
        println!("not pinned: this takes taskset and two cores, the figures will be noisy");
    }
    let mut table = Table::default();
    for round in 1..=options.rounds {
        for scenario in options.scenarios()? {
            for contender in &contenders {
                let measurement = measure(contender, scenario, options, &binaries)
                    .with_context(|| format!("{} with {}", scenario.name, contender.name()))?;
                println!(
                    "    round {round} {:<15} {:<14} {measurement}",
                    scenario.name,
                    contender.name()
                );
                table.add(scenario, contender.name(), measurement);
            }
        }
    }
    print!("{table}");
    match table.lost() {
        0 => Ok(()),
        lost => bail!("{lost} messages were lost"),
    }
}

/// Runs one scenario against one broker, freshly started.
fn measure(
    contender: &Contender,
    scenario: Scenario,
    options: &Options,
    binaries: &Path,
) -> Result<Measurement> {
    let broker = contender.start()?;
    let mut load = start_load(broker.address(), scenario, options, binaries)?;
    let ready = |line: &String| (line == load::READY).then_some(());
    load.wait_for(DEADLINE, |lines| lines.iter().find_map(ready))
        .ok_or_else(|| anyhow!("the load did not start: {}", load.text()))?;

    let ids = [broker.id(), load.id()];
    let [broker_before, load_before] = ids.map(processor::time_of);
    let mut stdin = load.stdin().context("the load has no input")?;
    stdin.write_all(b"start\n").context("cannot start the load")?;
    let outcome = load
        .wait_for(DEADLINE, |lines| lines.iter().find_map(|line| Outcome::parse(line)))
        .ok_or_else(|| anyhow!("the load did not end: {}", load.text()))?;
    let broker_after = processor::time_of(broker.id())?;
    let memory = Footprint::of(broker.id())?.peak_kib();
    // The load may have ended already; how busy it was is then unknown.
    let load_after = processor::time_of(load.id()).ok();
    let load_time = load_before.ok().zip(load_after).map(|(before, after)| after - before);
    Ok(Measurement { outcome, broker_time: broker_after - broker_before?, load_time, memory })
}

fn start_load(
    address: SocketAddr,
    scenario: Scenario,
    options: &Options,
    binaries: &Path,
) -> Result<Background> {
    let mut command = Command::new(binaries.join("xtask"));
    command
        .args(["load", "--addr", &address.to_string(), "--scenario", scenario.name])
        .args(["--messages", &options.messages.to_string()])
        .args(["--seconds", &options.seconds.to_string()]);
    if options.v5 {
        command.arg("--v5");
    }
    Background::start(processor::pinned(&command, processor::LOAD_CORE).stdin(Stdio::piped()))
}

/// For connecting, and for one round: far more than either takes.
const DEADLINE: Duration = Duration::from_secs(300);
