//! How many of something there are at once, with a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the [`Place`]s that are taken. A clone is a reference to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

/// One of those that count, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Gauge);

impl Gauge {
    /// Takes a place, unless `limit` are taken.
    pub(crate) fn enter(&self, limit: usize) -> Option<Place> {
        // Several threads never exceed the limit, and of those that want the last place one gets it.
        let next = |taken| (taken < limit).then_some(taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Place(self.clone()))
    }

    /// Returns how many places are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_dropped() {
        let gauge = Gauge::default();
        let first = gauge.enter(2).expect("none is taken");
        let _second = gauge.enter(2).expect("one is taken");
        assert!(gauge.enter(2).is_none());
        assert_eq!(gauge.taken(), 2, "who did not get in does not count");
        drop(first);
        assert!(gauge.enter(2).is_some());
        assert!(gauge.enter(0).is_none());
    }
}
