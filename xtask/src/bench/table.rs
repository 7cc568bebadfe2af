//! All that was measured, and the tables at the end.

use super::grid::{Form, Grid};
use super::measurement::{Measurement, float};
use crate::load::{Latency, Scenario};

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
    pub(super) fn add(&mut self, broker: &str, measurement: Measurement) {
        let scenario = measurement.scenario;
        let known = self.0.iter_mut().find(|row| row.scenario == scenario && row.broker == broker);
        match known {
            Some(row) => row.rounds.push(measurement),
            None => {
                let broker = broker.to_owned();
                self.0.push(Row { scenario, broker, rounds: vec![measurement] });
            }
        }
    }

    /// Returns how many units never came to their end: messages that never arrived, for example.
    pub(super) fn lost(&self) -> u64 {
        self.0.iter().flat_map(|row| &row.rounds).map(Measurement::lost).sum()
    }

    /// Returns what each scenario costs each broker, and how that compares with the first.
    pub(super) fn costs(&self, form: Form) -> String {
        let heading = [
            "scenario",
            "broker",
            "unit",
            "us each",
            "(least - most)",
            "a second",
            "p50 / p99 / p99.9 us",
            "bytes each",
            "ms a pass",
            "peak MiB",
            "lost",
            "ratio",
        ];
        let mut grid = Grid::new(form, 3, heading);
        for row in &self.0 {
            let first = self.0.iter().find(|other| other.scenario == row.scenario).unwrap_or(row);
            grid.add(row.cells(row.cost() / first.cost()));
        }
        grid.to_string()
    }

    /// Returns how the cost grows with what should not matter, or nothing if that was not measured.
    pub(super) fn growth(&self, form: Form) -> Option<String> {
        let heading = ["scenario", "base", "broker", "us each", "us of base", "ratio"];
        let mut grid = Grid::new(form, 3, heading);
        let mut is_empty = true;
        for row in &self.0 {
            let is_base = |other: &&Row| {
                row.scenario.base == Some(other.scenario.name) && row.broker == other.broker
            };
            let Some(base) = self.0.iter().find(is_base) else { continue };
            is_empty = false;
            grid.add([
                row.scenario.name.to_owned(),
                base.scenario.name.to_owned(),
                row.broker.clone(),
                format!("{:.2}", row.cost()),
                format!("{:.2}", base.cost()),
                format!("{:.2}", row.cost() / base.cost()),
            ]);
        }
        (!is_empty).then(|| grid.to_string())
    }
}

impl Row {
    /// Returns the median of the rounds.
    fn cost(&self) -> f64 {
        self.median(Measurement::cost)
    }

    fn median(&self, of: impl Fn(&Measurement) -> f64) -> f64 {
        median(&sorted(self.rounds.iter().map(of)))
    }

    fn cells(&self, ratio: f64) -> [String; 12] {
        let costs = sorted(self.rounds.iter().map(Measurement::cost));
        let [least, most] =
            [costs.first(), costs.last()].map(|cost| cost.copied().unwrap_or_default());
        // Zero is what nobody asked for.
        let if_any = |number: f64, words: String| if number > 0.0 { words } else { "-".to_owned() };
        let bytes = self.median(|round| float(round.outcome.bytes));
        let pass = self.median(|round| float(round.outcome.pass)) / 1000.0;
        [
            self.scenario.name.to_owned(),
            self.broker.clone(),
            self.scenario.unit().to_owned(),
            format!("{:.2}", median(&costs)),
            format!("({least:.2} - {most:.2})"),
            format!("{:.0}", self.median(Measurement::rate)),
            if_any(float(self.latency(|latency| latency.of_1000)), self.latencies()),
            if_any(bytes, format!("{bytes:.0}")),
            if_any(pass, format!("{pass:.0}")),
            self.rounds.iter().map(|round| round.memory / 1024).max().unwrap_or(0).to_string(),
            self.rounds.iter().map(Measurement::lost).sum::<u64>().to_string(),
            format!("{ratio:.2}"),
        ]
    }

    fn latency(&self, of: fn(Latency) -> u64) -> u64 {
        let mut rounds: Vec<_> =
            self.rounds.iter().map(|round| of(round.outcome.latency)).collect();
        rounds.sort_unstable();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }

    fn latencies(&self) -> String {
        let quantiles: [fn(Latency) -> u64; 3] = [|l| l.half, |l| l.of_100, |l| l.of_1000];
        quantiles.map(|quantile| self.latency(quantile).to_string()).join(" / ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Outcome;

    fn round(name: &str, done: u64, broker: u64) -> Measurement {
        let outcome =
            Outcome { expected: 1000, done, microseconds: 10_000, broker, ..Outcome::default() };
        Measurement { scenario: name.parse().unwrap(), outcome, memory: 5120 }
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
        for cost in [4_000, 5_000, 90_000] {
            table.add("ours", round("pairs", 1000, cost));
            table.add("other", round("pairs", 1000, 2 * cost));
        }
        let text = table.costs(Form::Text);
        let other = text.lines().find(|line| line.contains("other")).unwrap();
        assert!(other.contains(" 10.00 ") && other.ends_with(" 2.00"), "{text}");
        assert_eq!((table.lost(), table.growth(Form::Text)), (0, None));
    }

    #[test]
    fn latency_bytes_and_passes_are_shown_where_there_are_any() {
        let mut table = Table::default();
        let mut measurement = round("10k", 1000, 1000);
        measurement.outcome.latency = Latency { half: 40, of_100: 50, of_1000: 60 };
        table.add("ours", measurement);
        let mut measurement = round("retained-1m", 1000, 1000);
        (measurement.outcome.bytes, measurement.outcome.pass) = (141, 2_000_000);
        table.add("ours", measurement);
        let text = table.costs(Form::Markdown);
        assert!(text.contains("| 40 / 50 / 60 | - | - |"), "{text}");
        assert!(text.contains("| message | 1.00 |") && text.contains("| - | 141 | 2000 |"));
    }

    #[test]
    fn what_should_not_matter_is_compared_with_its_base() {
        let mut table = Table::default();
        for (broker, costs) in [("ours", [1000, 1100]), ("other", [4000, 8000])] {
            let [pairs, restless] = costs;
            table.add(broker, round("pairs", 1000, pairs));
            table.add(broker, round("restless-pairs", 1000, restless));
        }
        let text = table.growth(Form::Markdown).unwrap();
        assert!(text.contains("| restless-pairs | pairs | ours | 1.10 | 1.00 | 1.10 |"), "{text}");
        assert!(text.contains("| other | 8.00 | 4.00 | 2.00 |"), "{text}");
    }

    #[test]
    fn what_never_arrived_is_lost() {
        let mut table = Table::default();
        table.add("ours", round("fanout", 990, 1));
        assert_eq!(table.lost(), 10);
    }
}
