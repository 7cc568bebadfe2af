//! Who publishes to whom.

use clap::ValueEnum;

/// A shape of traffic; all of it is QoS 0 with small payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// 10 publishers, each to one subscriber of its own
    Pairs,
    /// 1 publisher to 100 subscribers
    Fanout,
}

impl Scenario {
    /// Every scenario, in the order of the table.
    pub(crate) const ALL: [Self; 2] = [Self::Pairs, Self::Fanout];

    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Fanout => "fanout",
        }
    }

    /// Returns the number of publishers, each with a topic of its own.
    pub(super) fn publishers(self) -> usize {
        match self {
            Self::Pairs => 10,
            Self::Fanout => 1,
        }
    }

    /// Returns the number of subscribers to each publisher's topic.
    pub(super) fn subscribers_each(self) -> usize {
        match self {
            Self::Pairs => 1,
            Self::Fanout => 100,
        }
    }

    /// Returns the number of all subscribers.
    pub(super) fn subscribers(self) -> u64 {
        (self.publishers() * self.subscribers_each()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::from_str(scenario.name(), false), Ok(scenario));
        }
    }
}
