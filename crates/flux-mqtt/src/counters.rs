//! How often it happened: what a broker refuses, drops and cannot do is counted, whether or not
//! somebody listens to events.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_eventbus::Limit;

use crate::names::WorkerId;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Count {
    /// A limit was reached.
    Reached(Limit),
}

impl Count {
    /// Returns which cell counts it.
    const fn index(self) -> usize {
        match self {
            Self::Reached(limit) => limit.index(),
        }
    }
}

/// How many cells there are.
const CELLS: usize = Limit::ALL.len();

/// What a broker has counted since it began, at one moment. Each number only grows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counters([u64; CELLS]);

impl Counters {
    /// Returns how often this happened.
    #[must_use]
    pub fn of(&self, what: Count) -> u64 {
        self.0.get(what.index()).copied().unwrap_or_default()
    }

    /// Returns how often a limit was reached.
    #[must_use]
    pub fn reached(&self, limit: Limit) -> u64 {
        self.of(Count::Reached(limit))
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = Limit::ALL.into_iter().map(Count::Reached);
        let counts = reached.map(|what| (what, self.of(what)));
        f.debug_map().entries(counts.filter(|(_, count)| *count > 0)).finish()
    }
}

/// The cells of all workers, and of everybody else. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Tally(Arc<[Cells]>);

/// What one thread counts, mostly: nobody else's line in the cache moves for that.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Cells([AtomicU64; CELLS]);

impl Tally {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..=workers).map(|_| Cells(std::array::from_fn(|_| AtomicU64::new(0)))).collect())
    }

    /// Counts something that a worker saw.
    pub(crate) fn count(&self, worker: WorkerId, what: Count) {
        // The first set is everybody else's.
        if let Some(cells) = self.0.get(worker.0 + 1) {
            cells.count(what);
        }
    }

    /// Counts something that was seen outside of the workers.
    pub(crate) fn count_outside(&self, what: Count) {
        if let Some(cells) = self.0.first() {
            cells.count(what);
        }
    }

    /// Returns the sums.
    pub(crate) fn read(&self) -> Counters {
        let sum = |index| self.0.iter().map(|cells| cells.read(index)).sum();
        Counters(std::array::from_fn(sum))
    }
}

impl Cells {
    fn count(&self, what: Count) {
        if let Some(cell) = self.0.get(what.index()) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_counts_into_one_sum() {
        let tally = Tally::new(2);
        tally.count(WorkerId(0), Count::Reached(Limit::HalfOpen));
        tally.count(WorkerId(1), Count::Reached(Limit::HalfOpen));
        tally.count_outside(Count::Reached(Limit::HalfOpen));
        tally.count_outside(Count::Reached(Limit::Connections));
        let counters = tally.read();
        assert_eq!(counters.reached(Limit::HalfOpen), 3);
        assert_eq!(counters.reached(Limit::Connections), 1);
        assert_eq!(counters.reached(Limit::PacketSize), 0);
        assert_eq!(format!("{counters:?}"), "{Reached(Connections): 1, Reached(HalfOpen): 3}");
    }
}
