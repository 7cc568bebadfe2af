//! What was measured, and the table at the end.

use std::fmt;
use std::time::Duration;

use crate::load::{Outcome, Scenario};

/// One round of one scenario with one broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    pub(super) outcome: Outcome,
    pub(super) broker_time: Duration,
    /// How long the load was busy, where it was still there to ask.
    pub(super) load_time: Option<Duration>,
}

impl Measurement {
    /// Returns the broker's processor time for each delivered message, in microseconds.
    fn cost(&self) -> f64 {
        self.broker_time.as_secs_f64() * 1e6 / float(self.outcome.delivered.max(1))
    }

    /// Returns delivered messages a second.
    fn rate(&self) -> f64 {
        float(self.outcome.delivered) * 1e6 / float(self.outcome.microseconds.max(1))
    }

    fn lost(&self) -> u64 {
        self.outcome.expected.saturating_sub(self.outcome.delivered)
    }

    /// Returns how much of its core the load used, in percent; near 100 it may be the limit.
    fn load_percent(&self) -> Option<f64> {
        let busy = self.load_time?.as_secs_f64();
        Some(busy * 1e8 / float(self.outcome.microseconds.max(1)))
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6.2} us/delivery {:>9.0} messages/s", self.cost(), self.rate())?;
        if let Some(percent) = self.load_percent() {
            write!(f, ", load {percent:.0} % busy")?;
        }
        match self.lost() {
            0 => Ok(()),
            lost => write!(f, ", {lost} LOST"),
        }
    }
}

/// All rounds; the first broker of a scenario is what the others are compared with.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    scenario: Scenario,
    broker: String,
    rounds: Vec<Measurement>,
}

impl Table {
    pub(super) fn add(&mut self, scenario: Scenario, broker: &str, measurement: Measurement) {
        let known = self.0.iter_mut().find(|row| row.scenario == scenario && row.broker == broker);
        match known {
            Some(row) => row.rounds.push(measurement),
            None => {
                let broker = broker.to_owned();
                self.0.push(Row { scenario, broker, rounds: vec![measurement] });
            }
        }
    }

    /// Returns how many messages never arrived.
    pub(super) fn lost(&self) -> u64 {
        self.0.iter().flat_map(|row| &row.rounds).map(Measurement::lost).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<9} {:<14} {:>11} {:>15} {:>12} {:>6} {:>7}",
            "scenario", "broker", "us/delivery", "(least - most)", "messages/s", "lost", "ratio"
        )?;
        for row in &self.0 {
            let costs = sorted(row.rounds.iter().map(Measurement::cost));
            let rates = sorted(row.rounds.iter().map(Measurement::rate));
            let first = self.0.iter().find(|other| other.scenario == row.scenario).unwrap_or(row);
            let base = median(&sorted(first.rounds.iter().map(Measurement::cost)));
            let spread = format!(
                "({:.2} - {:.2})",
                costs.first().copied().unwrap_or_default(),
                costs.last().copied().unwrap_or_default()
            );
            writeln!(
                f,
                "{:<9} {:<14} {:>11.2} {:>15} {:>12.0} {:>6} {:>7.2}",
                row.scenario.name(),
                row.broker,
                median(&costs),
                spread,
                median(&rates),
                row.rounds.iter().map(Measurement::lost).sum::<u64>(),
                median(&costs) / base
            )?;
        }
        Ok(())
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Returns the middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

/// Counts here stay far below 2^53, where this would lose digits.
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(delivered: u64, milliseconds: u64) -> Measurement {
        Measurement {
            outcome: Outcome { expected: 1000, delivered, microseconds: 10_000 },
            broker_time: Duration::from_millis(milliseconds),
            load_time: None,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 3.0]) - 2.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn brokers_are_compared_with_the_first() {
        let mut table = Table::default();
        for cost in [4, 5, 90] {
            table.add(Scenario::Pairs, "ours", round(1000, cost));
            table.add(Scenario::Pairs, "other", round(1000, 2 * cost));
        }
        let text = table.to_string();
        let other = text.lines().find(|line| line.contains("other")).unwrap();
        assert!(other.contains(" 10.00 ") && other.ends_with(" 2.00"), "{text}");
        assert_eq!(table.lost(), 0);
    }

    #[test]
    fn what_never_arrived_is_lost() {
        let mut table = Table::default();
        table.add(Scenario::Fanout, "ours", round(990, 1));
        assert_eq!(table.lost(), 10);
        assert!(round(990, 1).to_string().ends_with("10 LOST"));
    }
}
