//! Loads a broker from one thread (others that only disturb have a second) and counts what it does; `bench`
//! runs it as a process of its own, pinned to its own core.
//!
//! It is made to cost less than any broker: packets are encoded once, many are written at a time,
//! and of what comes back only the stamp is read that says which message it is.

mod beside;
mod client;
mod connections;
mod flow;
mod frames;
mod gateway;
mod kept;
mod messages;
mod meter;
mod outcome;
pub(crate) mod packets;
mod peer;
mod publisher;
mod scenario;
mod subscriber;
#[cfg(test)]
mod tests;
mod traffic;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::gateway::Gateway;
use self::kept::Half;
use self::packets::Version;
use self::scenario::Work;

pub(crate) use self::gateway::Transport;
pub(crate) use self::outcome::{Latency, Outcome};
pub(crate) use self::scenario::Scenario;

/// What to load, and how much.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    addr: SocketAddr,
    /// Process identifier of the broker
    #[arg(long)]
    broker: u32,
    #[arg(long)]
    scenario: Scenario,
    /// Messages delivered to all subscribers together
    #[arg(long)]
    messages: u64,
    /// Go on with as many again until this time is over
    #[arg(long)]
    seconds: u64,
    /// Speak MQTT 5.0
    #[arg(long)]
    v5: bool,
    /// Through a gateway that lays this over the connections
    #[arg(long, default_value = "tcp")]
    transport: Transport,
    /// Certificate of the authority that signed the broker's
    #[arg(long)]
    ca: Option<PathBuf>,
}

/// The broker that is loaded, and how much.
#[derive(Clone, Copy, Debug)]
struct Target {
    address: SocketAddr,
    /// Process identifier.
    broker: u32,
    version: Version,
    messages: u64,
    time: Duration,
    /// What is kept and does not come within this time is lost.
    patience: Duration,
}

/// Does one piece of work with the broker, and says on standard output what came of it.
///
/// # Errors
///
/// When the broker cannot be reached, refuses, breaks off, changes what it forwards or sends it twice; lost
/// messages are counted, not an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX).context("cannot raise the limit of open files")?;
    let gateway = match options.transport {
        Transport::Tcp => None,
        other => Some(Gateway::start(options.addr, other, options.ca.as_deref())?),
    };
    let target = Target {
        address: gateway.as_ref().map_or(options.addr, Gateway::address),
        broker: options.broker,
        version: if options.v5 { Version::V5 } else { Version::V311 },
        messages: options.messages,
        time: Duration::from_secs(options.seconds),
        patience: PATIENCE,
    };
    let mut outcome = work(&target, options.scenario.work)?;
    outcome.resumed = gateway.as_ref().map_or(0, Gateway::percent_resumed);
    println!("{}", outcome.line());
    Ok(())
}

fn work(target: &Target, work: Work) -> Result<Outcome> {
    match work {
        Work::Messages(traffic, beside) => messages::run(target, traffic, beside),
        Work::Connect { clients, sessions } => connections::connect(target, clients, sessions),
        Work::Visit { clients } => connections::visit(target, clients),
        Work::Hold { clients } => connections::hold(target, clients),
        Work::HoldFilters { clients, filters, names } => {
            connections::hold_filters(target, clients, filters, names)
        }
        Work::Subscribe { clients } => connections::subscribe(target, clients),
        Work::Retain { messages } => kept::retain(target, messages),
        Work::Fetch { messages } => kept::fetch(target, messages),
        Work::Fill { messages } => kept::queue(target, messages, Half::Fill),
        Work::Drain { messages } => kept::queue(target, messages, Half::Drain),
    }
}

/// A million messages may take some time before the first comes.
const PATIENCE: Duration = Duration::from_secs(60);
