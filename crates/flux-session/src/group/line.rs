//! [`Line`]: members with room, in the order in which they have their turn.

use std::collections::VecDeque;

/// Members with room. Those who were asked many times in a row in vain stand apart: they have each 16th turn together, so that
/// any number of them keeps nobody else waiting, and themselves are not forgotten.
#[derive(Debug)]
pub(super) struct Line<K> {
    trusted: VecDeque<K>,
    doubted: VecDeque<K>,
    /// Turns since one of the doubted had one.
    turns: usize,
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self { trusted: VecDeque::new(), doubted: VecDeque::new(), turns: 0 }
    }
}

impl<K: PartialEq> Line<K> {
    pub(super) fn push_front(&mut self, key: K) {
        self.trusted.push_front(key);
    }

    pub(super) fn push_back(&mut self, key: K, is_doubted: bool) {
        if is_doubted { &mut self.doubted } else { &mut self.trusted }.push_back(key);
    }

    /// Adds all of another behind those who stand here.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.trusted.append(&mut other.trusted);
        self.doubted.append(&mut other.doubted);
    }

    /// Takes whoever has the next turn.
    pub(super) fn pop(&mut self) -> Option<K> {
        let doubted = self.pop_doubted_in_turn();
        doubted.or_else(|| self.trusted.pop_front()).or_else(|| self.doubted.pop_front())
    }

    /// Takes one of the doubted if it is their turn; each call is one.
    pub(super) fn pop_doubted_in_turn(&mut self) -> Option<K> {
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
    pub(super) fn take_doubted(&mut self, is_taken: impl Fn(&K) -> bool) -> Option<K> {
        let index = self.doubted.iter().position(is_taken)?;
        self.doubted.remove(index)
    }

    /// Those who are not doubted.
    pub(super) const fn trusted(&self) -> &VecDeque<K> {
        &self.trusted
    }

    pub(super) fn take_trusted(&mut self, index: usize) -> Option<K> {
        self.trusted.remove(index)
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.trusted.retain(|other| other != key);
        self.doubted.retain(|other| other != key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.trusted.is_empty() && self.doubted.is_empty()
    }

    #[cfg(test)]
    pub(super) fn members(&self) -> impl Iterator<Item = &K> {
        self.trusted.iter().chain(&self.doubted)
    }
}

/// One of so many turns is of the doubted.
const TURNS: usize = 16;
