//! Loads a broker from one thread and counts what it delivers; `bench` runs it as a process of its
//! own, pinned to its own core.
//!
//! It is made to cost less than any broker: packets are encoded once, many are written at a time,
//! and what comes back is counted by its fixed headers alone.

mod engine;
mod frames;
pub(crate) mod packets;
mod scenario;

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::engine::Engine;
use crate::clock::Stopwatch;

pub(crate) use self::scenario::Scenario;

/// What to load, and how much.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long)]
    scenario: Scenario,
    /// Messages delivered to all subscribers together
    #[arg(long)]
    messages: u64,
    /// Go on with as many again until this time is over
    #[arg(long)]
    seconds: u64,
}

/// What came of it, as one line on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) microseconds: u64,
}

impl Outcome {
    fn line(self) -> String {
        format!("{OUTCOME} {} {} {}", self.expected, self.delivered, self.microseconds)
    }

    /// Reads the line of a load process.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix(OUTCOME)?.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { expected: next()?, delivered: next()?, microseconds: next()? })
    }
}

/// Connects, warms up, says that it is ready, and starts when a line arrives.
///
/// # Errors
///
/// When the broker cannot be reached, breaks off or changes what it forwards; lost messages are counted, not an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut engine = Engine::connect(options.addr, options.scenario)?;
    engine.run(WARM_UP)?;
    println!("{READY}");
    std::io::stdout().flush().context("cannot say that the load is ready")?;
    std::io::stdin().read_line(&mut String::new()).context("cannot wait for the start")?;

    let per_publisher = (options.messages / options.scenario.subscribers()).max(1);
    let before = engine.delivered();
    let mut expected = 0;
    let watch = Stopwatch::start();
    loop {
        engine.run(per_publisher)?;
        expected += per_publisher * options.scenario.subscribers();
        // A loss does not heal: going on would only wait once more.
        let is_lossy = engine.delivered() - before < expected;
        if is_lossy || watch.elapsed() >= Duration::from_secs(options.seconds) {
            break;
        }
    }
    let microseconds = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
    engine.verify()?;
    let delivered = engine.delivered() - before;
    println!("{}", Outcome { expected, delivered, microseconds }.line());
    Ok(())
}

/// The line that says that everybody is connected and subscribed.
pub(crate) const READY: &str = "ready";
const OUTCOME: &str = "outcome";
/// Messages of each publisher before the measurement, so that caches and buffers have their size.
const WARM_UP: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_written() {
        let outcome = Outcome { expected: 10, delivered: 9, microseconds: 1234 };
        assert_eq!(Outcome::parse(&outcome.line()), Some(outcome));
        assert_eq!(Outcome::parse("ready"), None);
        assert_eq!(Outcome::parse("outcome 1 2"), None);
    }
}
