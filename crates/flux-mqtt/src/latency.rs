//! How long things take: from the moment when something came, to the moment when it was answered or passed on.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use flux_time::{Histogram, Timings};

use crate::names::WorkerId;

/// Something that takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Latency {
    /// From a PUBLISH to the same message being sent to a subscriber who was there already, its wait in a queue
    /// included; not those with RETAIN. Each worker times one message in [`Latency::EVERY`].
    Delivery,
    /// From a PUBLISH of QoS 1 or 2 to PUBACK or PUBREC. The same messages are timed.
    Acknowledgement,
    /// From CONNECT to a CONNACK that admits the client.
    Connect,
}

impl Latency {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delivery, Self::Acknowledgement, Self::Connect];

    /// Of the messages that come to a worker in this time, one is timed: where there is much to do, a clock is
    /// hardly ever read.
    pub const EVERY: Duration = Duration::from_millis(10);

    const fn index(self) -> usize {
        match self {
            Self::Delivery => 0,
            Self::Acknowledgement => 1,
            Self::Connect => 2,
        }
    }
}

/// A moment on a clock that nobody else reads, in nanoseconds: when something began that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub NonZeroU64);

/// Something that began and is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// What takes its time.
    pub what: Latency,
    /// When it began.
    pub since: Stamp,
}

/// What each worker has timed. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Arc<[Worker]>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker([Timings; Latency::ALL.len()]);

impl Latencies {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Worker::default()).collect())
    }

    /// To be called on the thread of that worker only.
    pub(crate) fn record(&self, worker: WorkerId, what: Latency, took: Duration) {
        if let Some(timings) = self.0.get(worker.0).and_then(|worker| worker.0.get(what.index())) {
            timings.record(took);
        }
    }

    /// Returns the sums.
    pub(crate) fn read(&self, what: Latency) -> Histogram {
        let mut sum = Histogram::default();
        let timings = self.0.iter().filter_map(|worker| worker.0.get(what.index()));
        timings.for_each(|timings| sum.add(&timings.read()));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_time_into_one_sum() {
        let latencies = Latencies::new(2);
        for worker in [0, 1, 1] {
            latencies.record(WorkerId(worker), Latency::Connect, Duration::from_millis(3));
        }
        let counts = Latency::ALL.map(|what| latencies.read(what).count());
        assert_eq!(counts, [0, 0, 3]);
    }
}
