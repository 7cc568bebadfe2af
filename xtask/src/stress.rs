//! Many connections, and peers that behave badly, against a broker process: it must serve the
//! others all the while, and be afterwards what it was before.
//!
//! Each scenario has a broker of its own on one core; the load is a process on another, and ends
//! by itself. Times are reported, not judged.

pub(crate) mod crowd;
pub(crate) mod footprint;
mod packets;
mod probe;
mod scenario;
mod size;
pub(crate) mod visitors;

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use self::crowd::{Crowd, Happening};
use self::footprint::Footprint;
use self::scenario::Scenario;
use self::size::Size;
use crate::bench::contender::Contender;
use crate::bench::processor;
use crate::clock::Stopwatch;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::Scheme;
use crate::repository::{self, Profile};

/// How long, and what.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds for each scenario that lasts as long as one likes
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only this scenario; may be repeated
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// Hundreds of connections and a second each, with debug builds
    #[arg(long)]
    short: bool,
}

/// What the process that loads a broker is told.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadOptions {
    #[arg(long)]
    addr: SocketAddr,
    /// Process identifier of the broker
    #[arg(long)]
    broker: u32,
    /// Where it listens for TLS
    #[arg(long, requires = "ca")]
    tls_addr: Option<SocketAddr>,
    /// Certificate of the authority that signed its own
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Where it serves metrics
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// The file that it was started with
    #[arg(long)]
    config: Option<PathBuf>,
    #[arg(long)]
    scenario: Scenario,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    short: bool,
}

/// Runs the scenarios one after the other, up to the first that fails.
///
/// # Errors
///
/// When something cannot be built or started, or a scenario fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let profile = if options.short { Profile::Debug } else { Profile::Release };
    let binaries = repository::build(&["flux-broker", "xtask"], profile)?;
    let contender = Contender::ours(&binaries);
    let chosen =
        |scenario: &&Scenario| options.scenarios.is_empty() || options.scenarios.contains(scenario);
    println!("{}", Footprint::HEADING);
    for scenario in Scenario::ALL.iter().filter(chosen) {
        let mut load = Command::new(binaries.join("xtask"));
        load.args(["stress-load", "--scenario", scenario.name()])
            .args(["--seconds", &options.seconds.to_string()]);
        if options.short {
            load.arg("--short");
        }
        if scenario.needs_file() {
            let workers = if *scenario == Scenario::Reload { 2 } else { 1 };
            run_from_file(&binaries, options, workers, &mut load)
        } else {
            let broker = contender.start()?;
            load.args(["--addr", &broker.address().to_string()])
                .args(["--broker", &broker.id().to_string()]);
            repository::run(&mut processor::pinned(&load, processor::LOAD_CORE))
        }
        .with_context(|| format!("scenario {} failed", scenario.name()))?;
    }
    Ok(())
}

/// Starts a broker from a file, which listens for TLS too, and runs the load against it.
fn run_from_file(
    binaries: &Path,
    options: &Options,
    workers: usize,
    load: &mut Command,
) -> Result<()> {
    let binary = binaries.join("flux-broker");
    let certificates = Certificates::make(&binary, "stress")?;
    let size = Size::of(options.short, options.seconds);
    let (handshakes, seconds) = size.handshakes;
    let config = certificates.file("broker.toml");
    let [cert, key] = ["server.crt", "server.key"].map(|name| certificates.file(name));
    let text = format!(
        "broker.workers = {workers}\nadmin.bind = \"127.0.0.1:0\"\nlimits.handshakes = {handshakes}\n\
         tls.stress = {{ cert = {cert:?}, key = {key:?}, handshake_timeout = \"{seconds}s\" }}\n\
         [[listener]]\nname = \"tls\"\ntransport = \"mqtts\"\nbind = \"127.0.0.1:0\"\ntls = \"stress\"\n\
         [[listener]]\nname = \"plain\"\nbind = \"127.0.0.1:0\"\n"
    );
    fs::write(&config, text).context("cannot write the broker's configuration")?;
    let broker = Broker::start_from(&binary, &config)?;
    let admin = broker.metrics_address().context("it does not say where its metrics are")?;
    let address = |scheme| broker.door(scheme)?.address().context("no address");
    load.args(["--addr", &address(Scheme::Mqtt)?.to_string()])
        .args(["--admin", &admin.to_string()])
        .args(["--tls-addr", &address(Scheme::Mqtts)?.to_string(), "--ca"])
        .arg(certificates.file("ca.crt"))
        .arg("--config")
        .arg(&config)
        .args(["--broker", &broker.id().to_string()]);
    repository::run(&mut processor::pinned(load, processor::LOAD_CORE))?;
    broker.stop()
}

/// Runs one scenario against a broker that is there, and prints what came of it.
///
/// # Errors
///
/// When the broker does not do what it must, or is not what it was before.
pub(crate) fn load(options: &LoadOptions) -> Result<()> {
    ensure!(options.addr.ip().is_loopback(), "{} is not this machine", options.addr);
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    let size = Size::of(options.short, options.seconds);
    let start = first_footprint(options)?;
    // The first connections bring what stays: threads' buffers, pages of code.
    scenario::connections(options.addr, &Size { connections: 100, ..size })?;
    let before = start.after_all_have_left(options.broker)?;
    let watch = Stopwatch::start();
    let report = options.scenario.run(options, &size)?;
    let time = watch.elapsed();
    let after = start.after_all_have_left(options.broker)?;
    options.scenario.run(options, &size).context("the second time")?;
    let again = start.after_all_have_left(options.broker)?;
    probe::still_serves(options.addr)?;
    println!("{}", before.row([&after, &again], options.scenario.name(), time));
    for line in report {
        println!("    {line}");
    }
    before.check([&after, &again])?;
    let Some(clients) = options.scenario.clients(&size) else { return Ok(()) };
    let mut rounds = vec![again];
    for _ in 0..ROUNDS {
        options.scenario.run(options, &size).context("another time")?;
        rounds.push(start.after_all_have_left(options.broker)?);
    }
    println!("    MiB after each further time: {}", Footprint::column(&rounds));
    Footprint::check_each(&rounds, clients)
}

/// Returns what the broker holds once all of it is there: each of its threads has answered a client.
fn first_footprint(options: &LoadOptions) -> Result<Footprint> {
    let mut crowd = Crowd::new(options.addr)?;
    for number in 0..FIRST_CLIENTS {
        crowd.connect(packets::connect(&format!("first-{number}")))?;
    }
    let answered = Cell::new(0);
    crowd.poll_until(
        "the broker has begun",
        |_| answered.get() == FIRST_CLIENTS,
        |_, _, happening| {
            ensure!(happening != Happening::Closed, "a connection was closed");
            answered.update(|count| count + 1);
            Ok(())
        },
    )?;
    Ok(Footprint::of(options.broker)?.without(FIRST_CLIENTS))
}

/// How often a scenario is run once more, to see what each client leaves behind.
const ROUNDS: usize = 5;

/// A new connection goes to the thread that has the fewest: more than there are threads.
const FIRST_CLIENTS: usize = 64;
