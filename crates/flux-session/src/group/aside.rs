//! [`Aside`]: messages of a group that some of its members may not have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::pool::cost;
use crate::{Message, Timestamp};

/// What waits for those members that may have it. It is apart from the pool, whose first message is for anybody: who
/// may not have one message is not kept from the next. There are as many as the limits of the group allow, so nothing
/// here looks at more of them than it takes.
#[derive(Debug)]
pub(super) struct Aside<M> {
    /// Oldest first.
    entries: BTreeMap<Position, M>,
    /// When those expire that do.
    expiring: BTreeSet<(Timestamp, Position)>,
    /// The sum of [`cost`].
    bytes: usize,
}

/// Where a message stands among all that members were asked about: those of lower positions came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl<M> Default for Aside<M> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), expiring: BTreeSet::new(), bytes: 0 }
    }
}

impl<M: Message> Aside<M> {
    pub(super) fn insert(&mut self, position: Position, message: M) {
        self.bytes = self.bytes.saturating_add(cost(&message));
        if let Some(moment) = message.expires_at() {
            self.expiring.insert((moment, position));
        }
        self.entries.insert(position, message);
    }

    pub(super) fn remove(&mut self, position: Position) -> Option<M> {
        let message = self.entries.remove(&position)?;
        self.bytes = self.bytes.saturating_sub(cost(&message));
        if let Some(moment) = message.expires_at() {
            self.expiring.remove(&(moment, position));
        }
        Some(message)
    }

    /// Takes the oldest of all.
    pub(super) fn pop(&mut self) -> Option<M> {
        self.remove(*self.entries.first_key_value()?.0)
    }

    /// Takes the newest of all.
    pub(super) fn pop_newest(&mut self) -> Option<M> {
        self.remove(*self.entries.last_key_value()?.0)
    }

    /// Takes the oldest of all if it stands before this position.
    pub(super) fn pop_before(&mut self, position: Position) -> Option<M> {
        if self.has_before(position) { self.pop() } else { None }
    }

    /// Takes one that has expired, wherever it stands.
    pub(super) fn pop_expired(&mut self, now: Timestamp) -> Option<M> {
        let (moment, position) = *self.expiring.first()?;
        if moment <= now { self.remove(position) } else { None }
    }

    pub(super) fn has(&self, position: Position) -> bool {
        self.entries.contains_key(&position)
    }

    pub(super) fn has_before(&self, position: Position) -> bool {
        self.entries.first_key_value().is_some_and(|(first, _)| *first < position)
    }

    /// Returns where the oldest stands that is not before this position.
    pub(super) fn first_from(&self, position: Position) -> Option<Position> {
        Some(*self.entries.range(position..).next()?.0)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        let all = std::mem::take(self);
        all.entries.into_values().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
