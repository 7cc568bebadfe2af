//! What was measured, and the table at the end.

use std::fmt;
use std::time::Duration;

use crate::load::{Latency, Outcome, Scenario};

/// One round of one scenario with one broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurement {
    pub(super) outcome: Outcome,
    pub(super) broker_time: Duration,
    /// How long the load was busy, where it was still there to ask.
    pub(super) load_time: Option<Duration>,
    /// The most memory that the broker had, in KiB.
    pub(super) memory: u64,
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
            "{:<15} {:<14} {:>11} {:>15} {:>12} {:>20} {:>7} {:>6} {:>7}",
            "scenario",
            "broker",
            "us/delivery",
            "(least - most)",
            "messages/s",
            "p50/p99/p99.9 us",
            "MiB",
            "lost",
            "ratio"
        )?;
        for row in &self.0 {
            let first = self.0.iter().find(|other| other.scenario == row.scenario).unwrap_or(row);
            let base = median(&sorted(first.rounds.iter().map(Measurement::cost)));
            row.write(f, base)?;
        }
        Ok(())
    }
}

impl Row {
    fn write(&self, f: &mut fmt::Formatter<'_>, base: f64) -> fmt::Result {
        let costs = sorted(self.rounds.iter().map(Measurement::cost));
        let rates = sorted(self.rounds.iter().map(Measurement::rate));
        let [least, most] =
            [costs.first(), costs.last()].map(|cost| cost.copied().unwrap_or_default());
        let latency = |of: fn(Latency) -> u64| {
            let rounds = self.rounds.iter().map(|round| float(of(round.outcome.latency)));
            format!("{:.0}", median(&sorted(rounds)))
        };
        let quantiles = [latency(|l| l.half), latency(|l| l.of_100), latency(|l| l.of_1000)];
        let has_latency =
            self.rounds.iter().any(|round| round.outcome.latency != Latency::default());
        writeln!(
            f,
            "{:<15} {:<14} {:>11.2} {:>15} {:>12.0} {:>20} {:>7} {:>6} {:>7.2}",
            self.scenario.name,
            self.broker,
            median(&costs),
            format!("({least:.2} - {most:.2})"),
            median(&rates),
            if has_latency { quantiles.join(" / ") } else { "-".to_owned() },
            self.rounds.iter().map(|round| round.memory / 1024).max().unwrap_or_default(),
            self.rounds.iter().map(Measurement::lost).sum::<u64>(),
            median(&costs) / base
        )
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

    fn scenario(name: &str) -> Scenario {
        name.parse().unwrap()
    }

    fn round(delivered: u64, milliseconds: u64) -> Measurement {
        Measurement {
            outcome: Outcome {
                expected: 1000,
                delivered,
                microseconds: 10_000,
                ..Outcome::default()
            },
            broker_time: Duration::from_millis(milliseconds),
            load_time: None,
            memory: 5120,
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
            table.add(scenario("pairs"), "ours", round(1000, cost));
            table.add(scenario("pairs"), "other", round(1000, 2 * cost));
        }
        let text = table.to_string();
        let other = text.lines().find(|line| line.contains("other")).unwrap();
        assert!(other.contains(" 10.00 ") && other.ends_with(" 2.00"), "{text}");
        assert_eq!(table.lost(), 0);
    }

    #[test]
    fn what_never_arrived_is_lost() {
        let mut table = Table::default();
        table.add(scenario("fanout"), "ours", round(990, 1));
        assert_eq!(table.lost(), 10);
        assert!(round(990, 1).to_string().ends_with("10 LOST"));
    }
}
