//! How often subscriptions changed, by scope: tells whether a route that was found still holds.
//!
//! The scope of a subscription is the literal levels that its filter begins with, four at most; a topic lies in five scopes. A route
//! holds while the sum of their counts is what it was. The count is made under the write lock of the tree and read under the read
//! lock, so an old sum never goes with a new tree, nor a new sum with an old one.

use std::sync::atomic::Ordering;

use flux_topic::{Scope, TopicFilter};

use crate::sync::AtomicU64;

/// The scopes of a topic name.
pub(crate) type Scopes = [Scope; Scope::DEPTH + 1];

/// Counts the changes in each scope; the counts only grow.
#[derive(Debug)]
pub(super) struct Changes {
    counters: Box<[AtomicU64; COUNTERS]>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self { counters: Box::new([const { AtomicU64::new(0) }; COUNTERS]) }
    }

    /// Counts a change of a subscription with this filter.
    pub(super) fn count(&self, filter: &TopicFilter) {
        if let Some(counter) = self.counters.get(filter.scope().index(COUNTERS)) {
            counter.fetch_add(1, Ordering::Release);
        }
    }

    /// Returns a number that differs whenever something changed in one of these scopes: the sum
    /// of counts that only grow. Those seen later may be newer; then it is another sum.
    pub(super) fn version(&self, scopes: &Scopes) -> u64 {
        let counters = scopes.iter().filter_map(|scope| self.counters.get(scope.index(COUNTERS)));
        counters.fold(0, |sum, counter| sum.wrapping_add(counter.load(Ordering::Acquire)))
    }
}

/// 32 KiB that every publish reads a little of: they stay near the processor. A change forgets one
/// in a thousand of the routes that it does not concern (each topic has four counters of its own),
/// so where a thousand devices come or go in a second, a topic is found again once in that second.
///
/// Shuttle's counters are large and made anew for every schedule.
const COUNTERS: usize = if cfg!(all(test, feature = "shuttle")) { 64 } else { 4096 };
