//! [`Aside`]: messages of a group that some of its members may not have.

use std::collections::VecDeque;

use super::pool::cost;
use crate::{Message, Timestamp};

/// What waits for those members that may have it. It is apart from the pool, whose first message is for anybody: who
/// may not have one message is not kept from the next.
#[derive(Debug)]
pub(super) struct Aside<K, M> {
    /// Oldest first.
    entries: VecDeque<Entry<K, M>>,
    /// The sum of [`cost`].
    bytes: usize,
    /// Nothing expires sooner.
    earliest: Option<Timestamp>,
    /// How often something was added.
    added: u64,
}

/// A message, and who was asked and may not have it.
#[derive(Debug)]
pub(super) struct Entry<K, M> {
    pub(super) message: M,
    pub(super) barred: Vec<K>,
}

impl<K, M> Default for Aside<K, M> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, earliest: None, added: 0 }
    }
}

impl<K: Eq, M: Message> Aside<K, M> {
    pub(super) fn push_back(&mut self, entry: Entry<K, M>) {
        self.note(&entry);
        self.entries.push_back(entry);
    }

    /// Puts a message back to where it came from.
    pub(super) fn push_front(&mut self, entry: Entry<K, M>) {
        self.note(&entry);
        self.entries.push_front(entry);
    }

    fn note(&mut self, Entry { message, .. }: &Entry<K, M>) {
        self.bytes += cost(message);
        self.earliest = self.earliest.into_iter().chain(message.expires_at()).min();
        self.added += 1;
    }

    /// Takes the oldest that this member may have, for all that is known.
    pub(super) fn take_for(&mut self, key: &K) -> Option<Entry<K, M>> {
        let index = self.entries.iter().position(|entry| !entry.barred.contains(key))?;
        let entry = self.entries.remove(index)?;
        self.bytes = self.bytes.saturating_sub(cost(&entry.message));
        Some(entry)
    }

    /// Takes the oldest of all.
    pub(super) fn pop(&mut self) -> Option<M> {
        let Entry { message, .. } = self.entries.pop_front()?;
        self.bytes = self.bytes.saturating_sub(cost(&message));
        Some(message)
    }

    /// Takes what has expired, wherever it stands. It is looked for if there may be some.
    pub(super) fn take_expired(&mut self, now: Timestamp) -> Vec<M> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let is_expired = |moment: Timestamp| moment <= now;
        let expired = self.take_if(|entry| entry.message.expires_at().is_some_and(is_expired));
        let moments = self.entries.iter().filter_map(|entry| entry.message.expires_at());
        self.earliest = moments.min();
        expired
    }

    /// Takes what is for nobody, by who was asked.
    pub(super) fn take_for_nobody(&mut self, is_for_nobody: impl Fn(&[K]) -> bool) -> Vec<M> {
        self.take_if(|entry| is_for_nobody(&entry.barred))
    }

    fn take_if(&mut self, is_taken: impl Fn(&Entry<K, M>) -> bool) -> Vec<M> {
        let mut taken = Vec::new();
        for _ in 0..self.entries.len() {
            let Some(entry) = self.entries.pop_front() else { break };
            if is_taken(&entry) {
                self.bytes = self.bytes.saturating_sub(cost(&entry.message));
                taken.push(entry.message);
            } else {
                self.entries.push_back(entry);
            }
        }
        taken
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter().map(|entry| entry.message).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tells whether something was added since this was asked before: it differs then.
    pub(super) const fn added(&self) -> u64 {
        self.added
    }

    /// Whether there is a place. What goes back to where it came from needs none.
    pub(super) fn has_place(&self) -> bool {
        self.len() < PLACES
    }
}

/// All are looked through for each member that has room, once something was added.
const PLACES: usize = 1_024;
