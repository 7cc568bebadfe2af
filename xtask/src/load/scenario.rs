//! What can be measured, as data.

use std::str::FromStr;

use anyhow::{Context as _, Error, Result};

use super::beside::Beside;
use super::traffic::{Pace, Shape, Traffic};

/// A piece of work for a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    pub(super) work: Work,
    /// The scenario that should cost a unit as much: this one only has more of what should not matter.
    pub(crate) base: Option<&'static str>,
}

/// What is done, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Messages go from publishers to subscribers: a delivery.
    Messages(Traffic, Beside),
    /// Clients connect and stay, while there are so many sessions of others that are away: a connection.
    Connect { clients: usize, sessions: usize },
    /// Clients connect, subscribe, get a message of their own and leave: a client.
    Visit { clients: usize },
    /// Clients are there and do nothing: a connection, and its bytes.
    Hold { clients: usize },
    /// Clients that are there subscribe to so many filters each: a subscription, and its bytes without those
    /// of the connection.
    HoldFilters { clients: usize, filters: usize, names: Names },
    /// Clients with a thousand filters each subscribe, beside as many clients of that kind: a subscription.
    Subscribe { clients: usize },
    /// A message of QoS 1 is retained, each under a topic of its own: a message.
    Retain { messages: usize },
    /// A new subscriber gets all retained messages: a message, and what each takes.
    Fetch { messages: usize },
    /// Messages of QoS 1 come for a session that is away: a message.
    Fill { messages: usize },
    /// A session that was away gets what has come meanwhile: a message.
    Drain { messages: usize },
}

/// How the filters of clients that hold many look; each has three levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// `fleet/CLIENT/NUMBER`: those of a client differ in the last level.
    OfClient,
    /// `fleet/NUMBER/state`: every filter differs in the second level, and has the third for itself.
    OfFilter,
}

impl Scenario {
    /// Every scenario, in the order of the table.
    pub(crate) const ALL: [Self; 45] = [
        window("pairs", Shape::Pairs(10), 0, 64, 100),
        window("pairs-qos1", Shape::Pairs(10), 1, 64, 100),
        window("pairs-qos2", Shape::Pairs(10), 2, 64, 100),
        window("pairs-16b", Shape::Pairs(10), 0, 16, 100),
        window("pairs-1k", Shape::Pairs(10), 0, 1024, 100),
        window("pairs-4k", Shape::Pairs(10), 0, 4096, 100),
        window("pairs-64k", Shape::Pairs(10), 0, 65_536, 20),
        window("pairs-500-qos1", Shape::Pairs(500), 1, 64, 100),
        window("pairs-apart", Shape::Apart(10), 0, 64, 100),
        window("one-by-one", Shape::Pairs(10), 0, 64, 1),
        window("one-by-one-qos1", Shape::Pairs(10), 1, 64, 1),
        window("one-by-one-qos2", Shape::Pairs(10), 2, 64, 1),
        window("fanout", Shape::FanOut(100), 0, 64, 100),
        window("fanout-qos1", Shape::FanOut(100), 1, 64, 100),
        window("fanout-10", Shape::FanOut(10), 0, 64, 100).like("fanout"),
        window("fanout-1000", Shape::FanOut(1000), 0, 64, 100).like("fanout"),
        window("fanin", Shape::FanIn(100), 0, 64, 100),
        window("shared", Shape::Shared(100, 4), 1, 64, 100),
        rate("10k", 0, 10_000),
        rate("10k-qos1", 1, 10_000),
        rate("20k", 0, 20_000),
        rate("20k-qos1", 1, 20_000),
        beside("pairs-10k-filters", "pairs", Shape::Pairs(10), Beside::Filters(10_000)),
        beside("publish-100k", "pairs", Shape::Pairs(10), Beside::Filters(100_000)),
        beside("pairs-1m-filters", "pairs", Shape::Pairs(10), Beside::Filters(1_000_000)),
        beside("restless-pairs", "pairs", Shape::Pairs(10), Beside::Visitors(1_000)),
        beside("restless-fanout", "fanout", Shape::FanOut(100), Beside::Visitors(1_000)),
        work("connect", Work::Connect { clients: 10_000, sessions: 0 }),
        work("connect-10k", Work::Connect { clients: 10_000, sessions: 10_000 }).like("connect"),
        work("connect-50k", Work::Connect { clients: 10_000, sessions: 50_000 }).like("connect"),
        work("connect-2k", Work::Connect { clients: 2_000, sessions: 0 }),
        work("connect-all", Work::Visit { clients: 10_000 }),
        work("idle", Work::Hold { clients: 10_000 }),
        work("idle-2k", Work::Hold { clients: 2_000 }),
        hold("subscriptions", Names::OfClient),
        hold("subscriptions-own", Names::OfFilter),
        work("subscribe-100k", Work::Subscribe { clients: 100 }),
        work("retained-set", Work::Retain { messages: 400_000 }),
        work("retained-fetch", Work::Fetch { messages: 100_000 }),
        work("retained-1m", Work::Fetch { messages: 1_000_000 }),
        window("away-1", Shape::Away(1), 1, 64, 20),
        window("away-10", Shape::Away(10), 1, 64, 20),
        window("away-100", Shape::Away(100), 1, 64, 20),
        work("offline-fill", Work::Fill { messages: 100_000 }),
        work("offline-drain", Work::Drain { messages: 100_000 }),
    ];

    /// Those that are measured when none is named.
    pub(crate) const USUAL: [&'static str; 8] =
        ["pairs", "pairs-qos1", "pairs-qos2", "fanout", "fanout-qos1", "fanin", "shared", "10k"];

    /// Returns what one unit of it is called.
    pub(crate) const fn unit(self) -> &'static str {
        match self.work {
            Work::Messages(..) => "delivery",
            Work::Connect { .. } | Work::Hold { .. } => "connection",
            Work::Visit { .. } => "client",
            Work::HoldFilters { .. } | Work::Subscribe { .. } => "subscription",
            Work::Retain { .. } | Work::Fetch { .. } | Work::Fill { .. } | Work::Drain { .. } => {
                "message"
            }
        }
    }

    const fn like(self, base: &'static str) -> Self {
        Self { base: Some(base), ..self }
    }
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let names = || Self::ALL.map(|scenario| scenario.name).join(", ");
        let found = Self::ALL.into_iter().find(|scenario| scenario.name == name);
        found.with_context(|| format!("`{name}` is none of: {}", names()))
    }
}

const fn work(name: &'static str, work: Work) -> Scenario {
    Scenario { name, work, base: None }
}

const fn hold(name: &'static str, names: Names) -> Scenario {
    work(name, Work::HoldFilters { clients: 10_000, filters: 100, names })
}

const fn window(
    name: &'static str,
    shape: Shape,
    qos: u8,
    payload: usize,
    window: u64,
) -> Scenario {
    let traffic = Traffic { shape, qos, payload, pace: Pace::Window(window) };
    work(name, Work::Messages(traffic, Beside::Nobody))
}

const fn rate(name: &'static str, qos: u8, per_second: u64) -> Scenario {
    let shape = Shape::Pairs(10);
    let traffic = Traffic { shape, qos, payload: 64, pace: Pace::PerSecond(per_second) };
    work(name, Work::Messages(traffic, Beside::Nobody))
}

const fn beside(name: &'static str, base: &'static str, shape: Shape, beside: Beside) -> Scenario {
    let traffic = Traffic { shape, qos: 0, payload: 64, pace: Pace::Window(100) };
    work(name, Work::Messages(traffic, beside)).like(base)
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
    fn what_is_compared_is_counted_in_the_same_unit() {
        for scenario in Scenario::ALL {
            let Some(base) = scenario.base else { continue };
            let base: Scenario = base.parse().unwrap();
            assert_eq!((base.unit(), base.base), (scenario.unit(), None), "{}", scenario.name);
        }
    }
}
