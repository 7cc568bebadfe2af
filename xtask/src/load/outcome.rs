//! What came of a load, as it goes from its process to the one that asked.

use hdrhistogram::Histogram;

/// What was done, and what it took. Zero stands for what a scenario does not ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many units there should be: deliveries, connections, whatever the scenario counts.
    pub(crate) expected: u64,
    pub(crate) done: u64,
    /// Time on the clock.
    pub(crate) microseconds: u64,
    /// Processor time of the broker, in microseconds.
    pub(crate) broker: u64,
    /// Processor time of the load, in microseconds.
    pub(crate) load: u64,
    /// Bytes that each unit takes in the broker.
    pub(crate) bytes: u64,
    /// How long one pass over all units takes, in microseconds.
    pub(crate) pass: u64,
    /// Of a hundred TLS handshakes, how many resumed a session.
    pub(crate) resumed: u64,
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
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) / 1000;
        Self { half: at(0.5), of_100: at(0.99), of_1000: at(0.999) }
    }
}

impl Outcome {
    /// Takes from the broker's time the microseconds that it has spent on something else.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a processor time is not negative, and microseconds of years fit"
    )]
    pub(super) fn without(self, microseconds: f64) -> Self {
        Self { broker: self.broker.saturating_sub(microseconds.round() as u64), ..self }
    }

    /// Returns the line of standard output that says it.
    pub(super) fn line(self) -> String {
        let Self { expected, done, microseconds, broker, load, bytes, pass, resumed, latency } =
            self;
        let Latency { half, of_100, of_1000 } = latency;
        let numbers = [
            expected,
            done,
            microseconds,
            broker,
            load,
            bytes,
            pass,
            resumed,
            half,
            of_100,
            of_1000,
        ];
        format!("{OUTCOME}{}", numbers.map(|number| format!(" {number}")).concat())
    }

    /// Reads such a line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix(OUTCOME)?.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            expected: next()?,
            done: next()?,
            microseconds: next()?,
            broker: next()?,
            load: next()?,
            bytes: next()?,
            pass: next()?,
            resumed: next()?,
            latency: Latency { half: next()?, of_100: next()?, of_1000: next()? },
        })
    }
}

const OUTCOME: &str = "outcome";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_written() {
        let outcome = Outcome {
            expected: 10,
            done: 9,
            microseconds: 1234,
            broker: 5,
            load: 6,
            bytes: 7,
            pass: 8,
            resumed: 9,
            latency: Latency { half: 1, of_100: 2, of_1000: 3 },
        };
        assert_eq!(Outcome::parse(&outcome.line()), Some(outcome));
        assert_eq!(Outcome::parse("ready"), None);
        assert_eq!(Outcome::parse("outcome 1 2 3 4 5 6 7 8 9 10"), None);
    }
}
