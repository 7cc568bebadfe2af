//! [`Seen`]: which messages a member was asked about and may not have; [`Frontier`]: which ones no member may have.

use std::collections::BTreeMap;

use super::aside::{Aside, Position};
use super::questions::Questions;
use crate::Message;

/// The messages aside that a member was asked about and may not have. It is asked in their order, so one position says it for
/// any number of them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// All before this one...
    until: Position,
    /// ...but for these, about which somebody else was being asked when the member came by. In their order.
    missed: Vec<Position>,
}

impl Seen {
    /// Returns the position before which it has seen all.
    pub(super) fn first_unseen(&self) -> Position {
        self.missed.first().copied().unwrap_or(self.until)
    }

    pub(super) fn has_missed(&self) -> bool {
        !self.missed.is_empty()
    }

    /// Returns where the oldest stands that it was not asked about.
    pub(super) fn next<K: Ord + Clone, M: Message>(
        &mut self,
        key: &K,
        aside: &Aside<M>,
        questions: &mut Questions<K>,
    ) -> Option<Position> {
        self.missed.retain(|missed| aside.has(*missed) || questions.is_passed(*missed, key));
        let missed = self.missed.iter().copied().find(|position| aside.has(*position));
        missed.or_else(|| aside.first_from(self.until))
    }

    /// Notes that the member was asked about the message at this position and may not have it; returns whether that was
    /// so. It is not if the member has not seen an older one: then it is asked again after that.
    pub(super) fn note<K: Ord + Clone, M: Message>(
        &mut self,
        key: &K,
        position: Position,
        aside: &Aside<M>,
        questions: &mut Questions<K>,
    ) -> bool {
        self.missed.retain(|missed| {
            *missed != position && (aside.has(*missed) || questions.is_passed(*missed, key))
        });
        if position < self.until {
            return true;
        }
        let is_next = aside.first_from(self.until).is_none_or(|first| first >= position);
        if is_next {
            self.missed.extend(questions.pass(self.until, position, key));
            self.missed.sort_unstable();
            self.until = position.next();
        }
        is_next
    }
}

/// How far all members have come: what stands before the [first](Self::first) is for none of them.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// How many members have seen all before this position, and no more.
    members: BTreeMap<Position, usize>,
}

impl Frontier {
    pub(super) fn add(&mut self, position: Position) {
        *self.members.entry(position).or_default() += 1;
    }

    pub(super) fn remove(&mut self, position: Position) {
        if let Some(members) = self.members.get_mut(&position) {
            *members -= 1;
            if *members == 0 {
                self.members.remove(&position);
            }
        }
    }

    /// Returns the position before which all members have seen all; nothing without members.
    pub(super) fn first(&self) -> Option<Position> {
        Some(*self.members.first_key_value()?.0)
    }
}
