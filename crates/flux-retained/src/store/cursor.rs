//! [`RetainedCursor`]: a cursor over a shared store.

use std::fmt;
use std::ops::ControlFlow;

use flux_time::Timestamp;
use flux_topic::TopicFilter;

use super::RetainedStore;
use crate::retain::Retain;
use crate::tree::{Cursor, Progress};

/// A walk over the messages of a store that match a filter, in pieces between which anybody may
/// read and write: see [`Cursor`] for what it visits. It is closed when it is dropped.
pub struct RetainedCursor<V> {
    store: RetainedStore<V>,
    /// None at its end.
    cursor: Option<Cursor>,
}

impl<V> RetainedStore<V> {
    /// Returns a cursor over the messages that match `filter` now. MQTT 5.0 section 3.3.1.3,
    /// `[MQTT-3.3.1-9]`.
    #[must_use]
    pub fn cursor(&self, filter: &TopicFilter) -> RetainedCursor<V> {
        RetainedCursor { store: self.clone(), cursor: Some(self.write().open(filter)) }
    }
}

impl<V: Retain> RetainedCursor<V> {
    /// Calls `visit` for the next messages, looking at `at_most` nodes of the tree, and returns
    /// whether there may be more: see [`advance`](crate::RetainedTree::advance).
    ///
    /// `visit` runs while the store is locked: nobody can store a newer message between the visit and
    /// what it does with the message. It must not call the store, nor drop a cursor of it, which
    /// would wait for itself.
    pub fn advance(
        &mut self,
        now: Timestamp,
        at_most: usize,
        mut visit: impl FnMut(&V),
    ) -> Progress {
        self.advance_while(now, at_most, |value| {
            visit(value);
            ControlFlow::Continue(())
        })
    }

    /// The same until `visit` breaks off: see
    /// [`advance_while`](crate::RetainedTree::advance_while).
    pub fn advance_while(
        &mut self,
        now: Timestamp,
        at_most: usize,
        visit: impl FnMut(&V) -> ControlFlow<()>,
    ) -> Progress {
        let Some(cursor) = &mut self.cursor else { return Progress::Done };
        let progress = self.store.write().advance_while(cursor, now, at_most, visit);
        if progress == Progress::Done {
            self.cursor = None;
        }
        progress
    }
}

impl<V> Drop for RetainedCursor<V> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            self.store.write().close(cursor);
        }
    }
}

impl<V> fmt::Debug for RetainedCursor<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedCursor").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
