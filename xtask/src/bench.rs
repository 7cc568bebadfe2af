//! What a delivered message costs a broker, a connection, a subscription: ours beside others, round by
//! round in turn.
//!
//! The broker has one core and the load another. The cost is the CPU time of the broker's process
//! over the units that were done, so neither a slow load nor a noisy clock counts. `counts` measures the
//! core alone, in instructions.

pub(crate) mod contender;
mod counts;
mod everything;
mod grid;
mod measurement;
mod peers;
pub(crate) mod processor;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use self::contender::{Contender, Running};
use self::grid::Form;
use self::measurement::Measurement;
use self::table::Table;
use crate::background::Background;
use crate::doors::certificates::Certificates;
use crate::load::{Outcome, Scenario, Transport};
use crate::repository::{self, Profile};
use crate::stress::footprint::Footprint;

/// How much to measure, and what beside our broker.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Messages delivered in each round at least, to all subscribers together (scenarios of messages)
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
    /// More brokers: a TOML file that lists them, see docs/performance.md
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Measure our broker also with so many workers, on every core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    workers: Option<u32>,
    /// Measure our broker also with a config file, users, a thousand rules, rates, metrics and a log
    #[arg(long)]
    everything: bool,
    /// A scenario to measure; may be repeated. Without it: the usual ones
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// Measure every scenario
    #[arg(long, conflicts_with = "scenarios")]
    all: bool,
    /// Speak MQTT 5.0 instead of 3.1.1
    #[arg(long)]
    v5: bool,
    /// Clients come over this: our broker and mosquitto are measured behind that door
    #[arg(long, default_value = "tcp", conflicts_with_all = ["brokers", "peers", "workers", "everything", "only_given", "counts"])]
    transport: Transport,
    /// Measure only the brokers given with --broker and --peers
    #[arg(long)]
    only_given: bool,
    /// Count the instructions of the core's hot paths instead, and compare them with docs/counts.toml
    #[arg(long, conflicts_with_all = ["brokers", "peers", "scenarios", "all", "v5"])]
    counts: bool,
    /// Count this path alone; may be repeated
    #[arg(long = "path", value_name = "NAME", requires = "counts")]
    paths: Vec<String>,
    /// Write what was counted to docs/counts.toml
    #[arg(long, requires = "counts")]
    bless: bool,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
}

impl Options {
    /// Returns what is to be measured; a scenario brings along the one that it is compared with.
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        let named = match &self.scenarios[..] {
            [] if self.all => Scenario::ALL.to_vec(),
            [] => Scenario::USUAL.iter().map(|name| name.parse()).collect::<Result<_>>()?,
            named => named.to_vec(),
        };
        let mut scenarios = Vec::new();
        for scenario in named {
            for one in scenario.base.map(str::parse).transpose()?.into_iter().chain([scenario]) {
                if !scenarios.contains(&one) {
                    scenarios.push(one);
                }
            }
        }
        Ok(scenarios)
    }

    fn contenders(
        &self,
        binaries: &Path,
        certificates: Option<&Certificates>,
    ) -> Result<Vec<Contender>> {
        if let Some(certificates) = certificates {
            let ours = Contender::ours_behind(binaries, self.transport, certificates);
            let mosquitto = Contender::mosquitto_behind(self.transport, certificates)?;
            return Ok([ours].into_iter().chain(mosquitto).collect());
        }
        let mut contenders = Vec::new();
        if !self.only_given {
            let ours = Contender::ours(binaries);
            contenders.push(ours.clone());
            contenders.extend(self.workers.map(|workers| ours.with_workers(workers)));
            if self.everything {
                contenders.push(Contender::ours_with_everything(binaries)?);
            }
            if let Some(mosquitto) = Contender::mosquitto() {
                contenders.push(mosquitto.without_limits(binaries)?);
            }
        }
        for line in &self.brokers {
            contenders.push(Contender::parse(line)?);
        }
        if let Some(path) = &self.peers {
            contenders.extend(peers::read(path)?);
        }
        Ok(contenders)
    }
}

/// Measures every broker and prints two tables; or counts instructions.
///
/// # Errors
///
/// When a broker cannot be started, breaks off, or loses something, after all else is measured; or a path takes
/// more instructions than it may.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.counts {
        return counts::run(&options.paths, options.bless);
    }
    let ours: &[&str] = if options.only_given { &[] } else { &["flux-broker"] };
    // The load is built for release too, or it would be the limit.
    let binaries = repository::build(&[ours, &["xtask"]].concat(), Profile::Release)?;
    let certificates = match options.transport {
        Transport::Tcp => None,
        _ => Some(Certificates::make(&binaries.join("flux-broker"), "bench")?),
    };
    let contenders = options.contenders(&binaries, certificates.as_ref())?;
    ensure!(!contenders.is_empty(), "there is no broker: --only-given takes --broker or --peers");
    // Brokers and loads inherit it.
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    if !processor::can_pin() {
        println!("not pinned: this takes taskset and two cores, the figures will be noisy");
    }
    let (mut table, mut failures) = (Table::default(), 0);
    for round in 1..=options.rounds {
        for scenario in options.scenarios()? {
            for contender in &contenders {
                let (name, broker) = (scenario.name, contender.name());
                // Others may have limits that a scenario does not fit into: the rest is still worth knowing.
                match measure(contender, scenario, options, &binaries, certificates.as_ref()) {
                    Ok(measurement) => {
                        println!("    round {round} {name:<17} {broker:<14} {measurement}");
                        table.add(broker, measurement);
                    }
                    Err(error) => {
                        println!("    round {round} {name:<17} {broker:<14} FAILED: {error:#}");
                        failures += 1;
                    }
                }
            }
        }
    }
    let form = if options.markdown { Form::Markdown } else { Form::Text };
    println!("\n{}", table.costs(form));
    if let Some(growth) = table.growth(form) {
        println!("What should not matter:\n\n{growth}");
    }
    let lost = table.lost();
    ensure!(lost == 0 && failures == 0, "{lost} units were lost, {failures} measurements failed");
    Ok(())
}

/// Runs one scenario against one broker, freshly started.
fn measure(
    contender: &Contender,
    scenario: Scenario,
    options: &Options,
    binaries: &Path,
    certificates: Option<&Certificates>,
) -> Result<Measurement> {
    let broker = contender.start()?;
    let mut load = start_load(&broker, scenario, options, binaries, certificates)?;
    let outcome = load
        .wait_for(DEADLINE, |lines| lines.iter().find_map(|line| Outcome::parse(line)))
        .ok_or_else(|| anyhow!("the load did not end: {}", load.text()))?;
    let memory = Footprint::of(broker.id())?.peak_kib();
    load.finish(DEADLINE)?;
    Ok(Measurement { scenario, outcome, memory })
}

fn start_load(
    broker: &Running,
    scenario: Scenario,
    options: &Options,
    binaries: &Path,
    certificates: Option<&Certificates>,
) -> Result<Background> {
    let mut command = Command::new(binaries.join("xtask"));
    command
        .args(["load", "--addr", &broker.address().to_string(), "--scenario", scenario.name])
        .args(["--broker", &broker.id().to_string()])
        .args(["--messages", &options.messages.to_string()])
        .args(["--seconds", &options.seconds.to_string()]);
    if let Some(certificates) = certificates {
        command.args(["--transport", options.transport.name(), "--ca"]);
        command.arg(certificates.file("ca.crt"));
    }
    if options.v5 {
        command.arg("--v5");
    }
    Background::start(&mut processor::pinned(&command, processor::LOAD_CORE))
}

/// For connecting, and for one round: far more than either takes.
const DEADLINE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn a_scenario_brings_its_base_along_once() {
        let line = ["bench", "--scenario", "fanout-10", "--scenario", "fanout-1000"];
        let scenarios = Line::parse_from(line).options.scenarios().unwrap();
        let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, ["fanout", "fanout-10", "fanout-1000"]);
    }
}
