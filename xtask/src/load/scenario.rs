//! Who publishes to whom, and how.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Error, Result};

/// A shape of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) qos: u8,
    /// Bytes of a payload; the first [`super::packets::STAMP`] say which message it is.
    pub(crate) payload: usize,
    pub(crate) pace: Pace,
}

/// Who is connected to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So many publishers, each to one subscriber of its own.
    Pairs(usize),
    /// One publisher to so many subscribers.
    FanOut(usize),
    /// So many publishers to one subscriber.
    FanIn(usize),
    /// So many publishers to a shared subscription with so many members.
    Shared(usize, usize),
}

/// When the next message is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// While a publisher has fewer than so many messages that its slowest subscriber has not seen.
    Window(u64),
    /// So many in a second, all publishers together, whatever becomes of those before: the time from when
    /// each was due until it arrives is noted.
    PerSecond(u64),
}

impl Scenario {
    /// Every scenario, in the order of the table.
    pub(crate) const ALL: [Self; 20] = [
        window("pairs", Shape::Pairs(10), 0, 64, 100),
        window("pairs-qos1", Shape::Pairs(10), 1, 64, 100),
        window("pairs-qos2", Shape::Pairs(10), 2, 64, 100),
        window("pairs-16b", Shape::Pairs(10), 0, 16, 100),
        window("pairs-1k", Shape::Pairs(10), 0, 1024, 100),
        window("pairs-4k", Shape::Pairs(10), 0, 4096, 100),
        window("pairs-64k", Shape::Pairs(10), 0, 65_536, 20),
        window("pairs-500-qos1", Shape::Pairs(500), 1, 64, 100),
        window("one-by-one", Shape::Pairs(10), 0, 64, 1),
        window("one-by-one-qos1", Shape::Pairs(10), 1, 64, 1),
        window("one-by-one-qos2", Shape::Pairs(10), 2, 64, 1),
        window("fanout", Shape::FanOut(100), 0, 64, 100),
        window("fanout-qos1", Shape::FanOut(100), 1, 64, 100),
        window("fanout-1000", Shape::FanOut(1000), 0, 64, 100),
        window("fanin", Shape::FanIn(100), 0, 64, 100),
        window("shared", Shape::Shared(100, 4), 1, 64, 100),
        rate("10k", 0, 10_000),
        rate("10k-qos1", 1, 10_000),
        rate("20k", 0, 20_000),
        rate("20k-qos1", 1, 20_000),
    ];

    /// Those that are measured when none is named.
    pub(crate) const USUAL: [&'static str; 8] =
        ["pairs", "pairs-qos1", "pairs-qos2", "fanout", "fanout-qos1", "fanin", "shared", "10k"];

    /// Returns the number of publishers, each with a topic of its own.
    pub(super) fn publishers(self) -> usize {
        match self.shape {
            Shape::Pairs(publishers) | Shape::FanIn(publishers) | Shape::Shared(publishers, _) => {
                publishers
            }
            Shape::FanOut(_) => 1,
        }
    }

    /// Returns the number of subscribers.
    pub(super) fn subscribers(self) -> usize {
        match self.shape {
            Shape::Pairs(subscribers)
            | Shape::FanOut(subscribers)
            | Shape::Shared(_, subscribers) => subscribers,
            Shape::FanIn(_) => 1,
        }
    }

    /// Returns how many deliveries each message becomes.
    pub(super) fn copies(self) -> u64 {
        match self.shape {
            Shape::FanOut(subscribers) => subscribers as u64,
            Shape::Pairs(_) | Shape::FanIn(_) | Shape::Shared(..) => 1,
        }
    }

    /// Returns how many messages a publisher sends in one go, for so many deliveries; with a rate, those
    /// of so many seconds.
    pub(super) fn each(self, deliveries: u64, seconds: u64) -> u64 {
        let all = match self.pace {
            // Half a GiB in all is enough of large ones.
            Pace::Window(_) => deliveries.min((1 << 29) / self.payload as u64) / self.copies(),
            Pace::PerSecond(rate) => rate * seconds,
        };
        (all / self.publishers() as u64).max(1)
    }

    /// Returns the filter of one subscriber.
    pub(super) fn filter(self, subscriber: usize) -> String {
        match self.shape {
            Shape::Pairs(_) => topic(subscriber),
            Shape::FanOut(_) => topic(0),
            Shape::FanIn(_) => "bench/+".to_owned(),
            Shape::Shared(..) => "$share/load/bench/+".to_owned(),
        }
    }

    /// Returns how long a publisher waits between two messages, if it keeps a rate.
    pub(super) fn interval(self) -> Option<Duration> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        let nanoseconds = 1_000_000_000 * self.publishers() as u64 / rate.max(1);
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Returns how many messages of a publisher may be under way; a rate has no such limit.
    pub(super) fn window(self) -> u64 {
        match self.pace {
            Pace::Window(window) => window,
            Pace::PerSecond(_) => u64::MAX,
        }
    }
}

/// Returns the topic of one publisher.
pub(super) fn topic(publisher: usize) -> String {
    format!("bench/{publisher}")
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let names = || Self::ALL.map(|scenario| scenario.name).join(", ");
        let found = Self::ALL.into_iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("`{name}` is none of: {}", names()))
    }
}

const fn window(
    name: &'static str,
    shape: Shape,
    qos: u8,
    payload: usize,
    window: u64,
) -> Scenario {
    Scenario { name, shape, qos, payload, pace: Pace::Window(window) }
}

const fn rate(name: &'static str, qos: u8, per_second: u64) -> Scenario {
    Scenario { name, shape: Shape::Pairs(10), qos, payload: 64, pace: Pace::PerSecond(per_second) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name.parse::<Scenario>().unwrap(), scenario);
        }
        for name in Scenario::USUAL {
            assert!(name.parse::<Scenario>().is_ok(), "{name}");
        }
        let error = "none".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("`none`") && error.contains("pairs-qos2"), "{error}");
    }

    #[test]
    fn a_rate_is_shared_by_the_publishers() {
        let scenario: Scenario = "10k".parse().unwrap();
        assert_eq!(scenario.interval(), Some(Duration::from_millis(1)));
    }
}
