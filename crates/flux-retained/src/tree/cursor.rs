//! [`Cursor`]: a walk over what matches a filter, in pieces, while the tree changes.

use std::hash::BuildHasher;
use std::ops::ControlFlow;

use flux_time::Timestamp;
use flux_topic::TopicFilter;

use super::walk::Place;
use super::{Retain, RetainedTree};

/// A walk over the values that match a filter, which goes on where it stopped.
///
/// It visits every value that it can find from [`open`](RetainedTree::open) to its end exactly once,
/// reads each at the moment of the visit, and skips what was set after `open`. It remembers the
/// filter and one node, whatever the filter matches; the tree keeps that node while the cursor
/// stands on it.
///
/// It belongs to the tree that opened it. When it is dropped without [`close`](RetainedTree::close),
/// the tree keeps the node for ever.
#[derive(Debug)]
#[must_use = "the tree keeps a node for the cursor until it is closed"]
pub struct Cursor {
    filter: TopicFilter,
    /// The number of the last value that was set before it was opened.
    opened: u64,
    /// Where it goes on; none at its end. **Invariant:** the node is pinned.
    place: Option<Place>,
}

/// Whether a cursor has more to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// It may find more: advance it again.
    More,
    /// It is at its end, and keeps nothing in the tree.
    Done,
}

impl<V, S: BuildHasher> RetainedTree<V, S> {
    /// Returns a cursor over the values that match `filter` now. MQTT 5.0 section 3.3.1.3,
    /// `[MQTT-3.3.1-9]`.
    ///
    /// Of a shared filter only the pattern counts, as in [`for_each_match`](Self::for_each_match).
    pub fn open(&mut self, filter: &TopicFilter) -> Cursor {
        self.pin(Place::START);
        Cursor { filter: filter.clone(), opened: self.sequence, place: Some(Place::START) }
    }

    /// Takes a cursor back, wherever it stands.
    ///
    /// # Panics
    ///
    /// May panic when the cursor is one of another tree.
    #[expect(clippy::needless_pass_by_value, reason = "nobody uses it afterwards")]
    pub fn close(&mut self, cursor: Cursor) {
        if let Some(place) = cursor.place {
            self.unpin(place);
        }
    }

    /// Makes the tree keep a node.
    fn pin(&mut self, place: Place) {
        self.arena[place.node].pins += 1;
    }

    fn unpin(&mut self, place: Place) {
        self.arena[place.node].pins -= 1;
        self.prune(place.node);
    }
}

impl<V: Retain, S: BuildHasher> RetainedTree<V, S> {
    /// Calls `visit` for the next values of a cursor, in the order of
    /// [`for_each_match`](Self::for_each_match), and returns whether there may be more.
    ///
    /// It looks at `at_most` nodes, which bounds its time: a filter with `+` may look at many and
    /// find none, and climbing from a deep topic counts as well. With zero it looks at none.
    ///
    /// Not visited are values that were set after the cursor was opened, and those that have expired
    /// at `now`.
    ///
    /// # Panics
    ///
    /// May panic when the cursor is one of another tree.
    pub fn advance(
        &mut self,
        cursor: &mut Cursor,
        now: Timestamp,
        at_most: usize,
        mut visit: impl FnMut(&V),
    ) -> Progress {
        self.advance_while(cursor, now, at_most, |value| {
            visit(value);
            ControlFlow::Continue(())
        })
    }

    /// The same until `visit` breaks off: then the value that it was given counts as not visited, and
    /// is the first of the next call, unless it is replaced or expires before.
    ///
    /// So who has no room for a value stops, and loses nothing.
    ///
    /// # Panics
    ///
    /// May panic when the cursor is one of another tree.
    pub fn advance_while(
        &mut self,
        cursor: &mut Cursor,
        now: Timestamp,
        at_most: usize,
        mut visit: impl FnMut(&V) -> ControlFlow<()>,
    ) -> Progress {
        let Some(start) = cursor.place else { return Progress::Done };
        // Whoever adds topics ahead of the cursor for ever does not keep it open for ever.
        let mut place = self.has_older(cursor.opened).then_some(start);
        for _ in 0..at_most {
            let Some(at) = place else { break };
            let (found, next) = self.step(cursor.filter.pattern(), at);
            let known = found.filter(|topic| topic.sequence <= cursor.opened);
            if known.and_then(|topic| topic.value_at(now)).is_some_and(|v| visit(v).is_break()) {
                break;
            }
            place = next;
        }
        // Only now, and first the new one, so that a panic of `visit` leaves the cursor where it was
        // and the tree keeps the parent of a node that goes.
        if let Some(place) = place {
            self.pin(place);
        }
        cursor.place = place;
        self.unpin(start);
        match place {
            Some(_) => Progress::More,
            None => Progress::Done,
        }
    }

    /// Returns whether any value was set at `sequence` or before.
    fn has_older(&self, sequence: u64) -> bool {
        self.oldest().is_some_and(|oldest| self.arena[oldest].sequence <= sequence)
    }
}

#[cfg(test)]
impl Cursor {
    /// Returns the node that the tree keeps for the cursor.
    pub(super) fn node(&self) -> Option<flux_topic::NodeId> {
        self.place.map(|place| place.node)
    }
}
