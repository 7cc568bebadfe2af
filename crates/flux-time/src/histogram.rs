//! How long something took, each time: counted in buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Cells in which one thread counts how long something took, while others read.
#[derive(Debug, Default)]
pub struct Timings {
    counts: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// What was counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    nanos: u64,
}

impl Timings {
    /// Counts that it took so long. To be called by one thread at a time: two would lose counts of each other.
    pub fn record(&self, took: Duration) {
        let bucket = Histogram::BOUNDS.partition_point(|bound| *bound < took);
        // Two plain moves do where nobody else writes.
        let add = |cell: &AtomicU64, more| {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        if let Some(cell) = self.counts.get(bucket) {
            add(cell, 1);
        }
        add(&self.nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns what was counted.
    #[must_use]
    pub fn read(&self) -> Histogram {
        Histogram {
            counts: self.counts.each_ref().map(|cell| cell.load(Ordering::Relaxed)),
            nanos: self.nanos.load(Ordering::Relaxed),
        }
    }
}

impl Histogram {
    /// The longest time of each bucket; what took longer than the last is in one more.
    pub const BOUNDS: [Duration; BUCKETS - 1] = [
        Duration::from_micros(25),
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2_500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2_500),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// Returns how often it took at most so long as its bound, and longer than the bound before: for each bucket.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// Returns how often it was counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns how long it took, all times together.
    #[must_use]
    pub const fn total(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
        self.nanos = self.nanos.wrapping_add(other.nanos);
    }
}

const BUCKETS: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_below_it() {
        let timings = Timings::default();
        for micros in [0, 25, 26, 10_000_000, 10_000_001] {
            timings.record(Duration::from_micros(micros));
        }
        let mut histogram = timings.read();
        assert_eq!(histogram.counts()[..3], [2, 1, 0]);
        assert_eq!(histogram.counts()[17..], [1, 1]);
        assert_eq!((histogram.count(), histogram.total().as_micros()), (5, 20_000_052));
        histogram.add(&timings.read());
        assert_eq!((histogram.count(), histogram.counts()[0]), (10, 4));
        assert!(Histogram::BOUNDS.is_sorted());
    }
}
