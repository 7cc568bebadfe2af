//! [`Line`]: members with room, in the order in which they have their turn.

use std::collections::VecDeque;

/// Members with room. Those who were asked many times in a row in vain stand apart: they have each 16th turn together, so that
/// any number of them keeps nobody else waiting, and themselves are not forgotten.
///
/// Whoever leaves its place, but for its turn, is not looked for among all the others: the place stays, and its [`Ticket`] is not
/// that of the member any more. So whoever takes a place looks whether it is still somebody's.
#[derive(Debug)]
pub(super) struct Line<K> {
    trusted: VecDeque<(K, Ticket)>,
    doubted: VecDeque<(K, Ticket)>,
    /// Turns since one of the doubted had one.
    turns: usize,
}

/// Tells places apart: no other is ever the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl Ticket {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self { trusted: VecDeque::new(), doubted: VecDeque::new(), turns: 0 }
    }
}

impl<K> Line<K> {
    pub(super) fn push_front(&mut self, key: K, ticket: Ticket) {
        self.trusted.push_front((key, ticket));
    }

    pub(super) fn push_back(&mut self, key: K, ticket: Ticket, is_doubted: bool) {
        if is_doubted { &mut self.doubted } else { &mut self.trusted }.push_back((key, ticket));
    }

    /// Adds all of another behind those who stand here.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.trusted.append(&mut other.trusted);
        self.doubted.append(&mut other.doubted);
    }

    /// Takes whoever has the next turn.
    pub(super) fn pop(&mut self) -> Option<(K, Ticket)> {
        let doubted = self.pop_doubted_in_turn();
        doubted.or_else(|| self.trusted.pop_front()).or_else(|| self.doubted.pop_front())
    }

    /// Takes one of the doubted if it is their turn; each call is one.
    pub(super) fn pop_doubted_in_turn(&mut self) -> Option<(K, Ticket)> {
        if self.doubted.is_empty() {
            return None;
        }
        self.turns += 1;
        if self.turns < TURNS {
            return None;
        }
        self.turns = 0;
        self.doubted.pop_front()
    }

    /// Takes the first of the doubted to which this applies.
    pub(super) fn take_doubted(&mut self, is_taken: impl Fn(&K) -> bool) -> Option<(K, Ticket)> {
        let index = self.doubted.iter().position(|(key, _)| is_taken(key))?;
        self.doubted.remove(index)
    }

    /// Those who are not doubted.
    pub(super) const fn trusted(&self) -> &VecDeque<(K, Ticket)> {
        &self.trusted
    }

    /// Takes one of them. Where their order says nothing the last has its place, so that nobody else need move.
    pub(super) fn take_trusted(&mut self, index: usize, in_order: bool) -> Option<(K, Ticket)> {
        match in_order {
            true => self.trusted.remove(index),
            false => self.trusted.swap_remove_back(index),
        }
    }

    /// Returns whether nobody stands here, after places in front went that are nobody's.
    pub(super) fn is_empty(&mut self, is_somebodys: impl Fn(&K, Ticket) -> bool) -> bool {
        for places in [&mut self.trusted, &mut self.doubted] {
            while places.front().is_some_and(|(key, ticket)| !is_somebodys(key, *ticket)) {
                places.pop_front();
            }
        }
        self.trusted.is_empty() && self.doubted.is_empty()
    }

    /// Forgets all places that are nobody's.
    pub(super) fn retain(&mut self, is_somebodys: impl Fn(&K, Ticket) -> bool) {
        for places in [&mut self.trusted, &mut self.doubted] {
            places.retain(|(key, ticket)| is_somebodys(key, *ticket));
        }
    }

    /// Returns how many places there are, those that are nobody's among them.
    pub(super) fn len(&self) -> usize {
        self.trusted.len() + self.doubted.len()
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> impl Iterator<Item = &(K, Ticket)> {
        self.trusted.iter().chain(&self.doubted)
    }
}

/// One of so many turns is of the doubted.
const TURNS: usize = 16;
