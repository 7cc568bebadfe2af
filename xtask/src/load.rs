//! Loads a broker from one thread and counts what it delivers; `bench` runs it as a process of its
//! own, pinned to its own core.
//!
//! It is made to cost less than any broker: packets are encoded once, many are written at a time,
//! and of what comes back only the stamp is read that says which message it is.

mod flow;
mod frames;
pub(crate) mod packets;
mod peer;
mod publisher;
mod scenario;
mod subscriber;

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

use self::flow::Flow;
use self::packets::Version;
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
    /// Speak MQTT 5.0
    #[arg(long)]
    v5: bool,
}

/// What came of it, as one line on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) microseconds: u64,
    pub(crate) latency: Latency,
}

/// How long messages took from when they were due, in microseconds; all zero without a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) half: u64,
    pub(crate) of_100: u64,
    pub(crate) of_1000: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) / 1000;
        Self { half: at(0.5), of_100: at(0.99), of_1000: at(0.999) }
    }
}

impl Outcome {
    fn line(self) -> String {
        let Self { expected, delivered, microseconds, latency } = self;
        let Latency { half, of_100, of_1000 } = latency;
        format!("{OUTCOME} {expected} {delivered} {microseconds} {half} {of_100} {of_1000}")
    }

    /// Reads the line of a load process.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix(OUTCOME)?.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            expected: next()?,
            delivered: next()?,
            microseconds: next()?,
            latency: Latency { half: next()?, of_100: next()?, of_1000: next()? },
        })
    }
}

/// Connects, warms up, says that it is ready, and starts when a line arrives.
///
/// # Errors
///
/// When the broker cannot be reached, breaks off, changes what it forwards or sends it twice; lost messages
/// are counted, not an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let scenario = options.scenario;
    let version = if options.v5 { Version::V5 } else { Version::V311 };
    let mut flow = Flow::connect(options.addr, version, scenario)?;
    flow.run(WARM_UP)?;
    drop(flow.take_latency());
    println!("{READY}");
    std::io::stdout().flush().context("cannot say that the load is ready")?;
    std::io::stdin().read_line(&mut String::new()).context("cannot wait for the start")?;

    let copies = scenario.copies() * scenario.publishers() as u64;
    let each = scenario.each(options.messages, options.seconds);
    let before = flow.delivered();
    let mut expected = 0;
    let watch = Stopwatch::start();
    loop {
        flow.run(each)?;
        expected += each * copies;
        // A loss does not heal: going on would only wait once more.
        let is_lossy = flow.delivered() - before < expected;
        if is_lossy || watch.elapsed() >= Duration::from_secs(options.seconds) {
            break;
        }
    }
    let microseconds = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
    let delivered = flow.delivered() - before;
    let latency = Latency::of(&flow.take_latency());
    println!("{}", Outcome { expected, delivered, microseconds, latency }.line());
    Ok(())
}

/// The line that says that everybody is connected and subscribed.
pub(crate) const READY: &str = "ready";
const OUTCOME: &str = "outcome";
/// Messages of each publisher before the measurement, so that caches and buffers have their size.
const WARM_UP: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_written() {
        let latency = Latency { half: 1, of_100: 2, of_1000: 3 };
        let outcome = Outcome { expected: 10, delivered: 9, microseconds: 1234, latency };
        assert_eq!(Outcome::parse(&outcome.line()), Some(outcome));
        assert_eq!(Outcome::parse("ready"), None);
        assert_eq!(Outcome::parse("outcome 1 2 3 4 5"), None);
    }
}
