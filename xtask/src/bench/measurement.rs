//! One round of one scenario with one broker.

use std::fmt;

use crate::load::{Outcome, Scenario};

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    pub(super) scenario: Scenario,
    pub(super) outcome: Outcome,
    /// The most memory that the broker had, in KiB.
    pub(super) memory: u64,
}

impl Measurement {
    /// Returns the broker's processor time for each unit, in microseconds.
    pub(super) fn cost(&self) -> f64 {
        float(self.outcome.broker) / float(self.outcome.done.max(1))
    }

    /// Returns units a second.
    pub(super) fn rate(&self) -> f64 {
        float(self.outcome.done) * 1e6 / float(self.outcome.microseconds.max(1))
    }

    pub(super) fn lost(&self) -> u64 {
        self.outcome.expected.saturating_sub(self.outcome.done)
    }

    /// Returns how much of its core the load used, in percent; near 100 it may be the limit.
    fn load_percent(&self) -> f64 {
        float(self.outcome.load) * 100.0 / float(self.outcome.microseconds.max(1))
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, outcome) = (self.scenario.unit(), &self.outcome);
        write!(f, "{:>6.2} us/{unit} {:>9.0} a second", self.cost(), self.rate())?;
        write!(f, ", load {:.0} % busy", self.load_percent())?;
        if outcome.bytes > 0 {
            write!(f, ", {} bytes each", outcome.bytes)?;
        }
        if outcome.pass > 0 {
            write!(f, ", {:.0} ms a pass", float(outcome.pass) / 1000.0)?;
        }
        if outcome.resumed > 0 {
            write!(f, ", {} % resumed", outcome.resumed)?;
        }
        match self.lost() {
            0 => Ok(()),
            lost => write!(f, ", {lost} LOST"),
        }
    }
}

/// Counts here stay far below 2^53, where this would lose digits.
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_says_what_it_found() {
        let outcome = Outcome {
            expected: 1000,
            done: 990,
            microseconds: 10_000,
            broker: 1980,
            load: 5_000,
            bytes: 77,
            pass: 5_000,
            ..Outcome::default()
        };
        let scenario = "retained-fetch".parse().unwrap();
        let line = Measurement { scenario, outcome, memory: 0 }.to_string();
        let expected = "  2.00 us/message     99000 a second, load 50 % busy, 77 bytes each, \
                        5 ms a pass, 10 LOST";
        assert_eq!(line, expected);
    }
}
