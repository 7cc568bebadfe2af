//! What waits in a group.

use std::collections::VecDeque;

use super::aside::{Aside, Entry};
use super::{GroupFull, GroupLimits};
use crate::limits::QUEUED_OVERHEAD;
use crate::{DropReason, Message, Timestamp};

/// Messages that no member can take now, under limits for all of them.
#[derive(Debug)]
pub(super) struct Pool<K, M> {
    limits: GroupLimits,
    /// Those for anybody, as far as is known, oldest first.
    messages: VecDeque<M>,
    /// The sum of [`cost`] over these.
    bytes: usize,
    aside: Aside<K, M>,
    /// What went since somebody last asked.
    dropped: Vec<(M, DropReason)>,
}

impl<K: Eq, M: Message> Pool<K, M> {
    pub(super) fn new(limits: GroupLimits) -> Self {
        let (messages, aside) = (VecDeque::new(), Aside::default());
        Self { limits, messages, bytes: 0, aside, dropped: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len() + self.aside.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.saturating_add(self.aside.bytes())
    }

    pub(super) fn take_dropped(&mut self) -> Vec<(M, DropReason)> {
        std::mem::take(&mut self.dropped)
    }

    /// Drops a message that did not get in, or not again.
    pub(super) fn drop(&mut self, message: M, reason: DropReason) {
        self.dropped.push((message, reason));
    }

    /// Returns whether the limits allow one more message, after what may go for it went: what has
    /// expired at the front (messages mostly expire in the order they came), then by policy.
    pub(super) fn make_room(&mut self, now: Timestamp, message: &M) -> bool {
        let has_room = |pool: &Self| pool.has_room_for(message);
        self.make(now, message, has_room, |pool| pool.take_front().or_else(|| pool.aside.pop()))
    }

    /// The same for one that is to be set aside: its like goes before the others.
    pub(super) fn make_room_aside(&mut self, now: Timestamp, message: &M) -> bool {
        let has_room = |pool: &Self| pool.has_room_for(message) && pool.aside.has_place();
        self.make(now, message, has_room, |pool| pool.aside.pop().or_else(|| pool.take_front()))
    }

    /// The same for one that had been let in: there are only so many places.
    pub(super) fn make_place_aside(&mut self, now: Timestamp, message: &M) -> bool {
        self.make(now, message, |pool| pool.aside.has_place(), |pool| pool.aside.pop())
    }

    fn make(
        &mut self,
        now: Timestamp,
        message: &M,
        has_room: impl Fn(&Self) -> bool,
        take_oldest: impl Fn(&mut Self) -> Option<M>,
    ) -> bool {
        if !has_room(self) {
            self.drop_expired(now);
        }
        if self.limits.when_full == GroupFull::Oldest && cost(message) <= self.limits.queued_bytes {
            while !has_room(self)
                && let Some(oldest) = take_oldest(self)
            {
                self.dropped.push((oldest, DropReason::Displaced));
            }
        }
        has_room(self)
    }

    pub(super) fn push_back(&mut self, message: M) {
        self.bytes += cost(&message);
        self.messages.push_back(message);
    }

    /// Puts a message back to where it came from.
    pub(super) fn push_front(&mut self, message: M) {
        self.bytes += cost(&message);
        self.messages.push_front(message);
    }

    pub(super) fn push_aside(&mut self, entry: Entry<K, M>) {
        self.aside.push_back(entry);
    }

    pub(super) fn put_back_aside(&mut self, entry: Entry<K, M>) {
        self.aside.push_front(entry);
    }

    /// Takes the oldest message for anybody that has not expired.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<M> {
        self.drop_expired(now);
        self.take_front()
    }

    /// Takes the oldest message that was set aside, has not expired, and may be for this member. `seen` is what it knows
    /// to be nothing for it: nobody looks again before something was added.
    pub(super) fn take_aside(
        &mut self,
        now: Timestamp,
        key: &K,
        seen: &mut u64,
    ) -> Option<Entry<K, M>> {
        if *seen == self.aside.added() {
            return None;
        }
        self.drop_expired(now);
        let entry = self.aside.take_for(key);
        if entry.is_none() {
            *seen = self.aside.added();
        }
        entry
    }

    /// Drops what is for nobody, by who was asked.
    pub(super) fn drop_for_nobody(&mut self, is_for_nobody: impl Fn(&[K]) -> bool) {
        for message in self.aside.take_for_nobody(is_for_nobody) {
            self.dropped.push((message, DropReason::Withheld));
        }
    }

    /// Has all be for anybody: nobody is left who was asked.
    pub(super) fn forget_barred(&mut self) {
        let bytes = self.bytes();
        self.messages = self.take_all();
        self.bytes = bytes;
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        self.bytes = 0;
        let messages = std::mem::take(&mut self.messages);
        if self.aside.len() == 0 {
            return messages;
        }
        let mut all = self.aside.take_all();
        all.extend(messages);
        all
    }

    fn has_room_for(&self, message: &M) -> bool {
        self.len() < self.limits.queued_messages
            && self.bytes().saturating_add(cost(message)) <= self.limits.queued_bytes
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let is_expired = |message: &M| message.expires_at().is_some_and(|moment| moment <= now);
        while self.messages.front().is_some_and(is_expired)
            && let Some(message) = self.take_front()
        {
            self.dropped.push((message, DropReason::Expired));
        }
        for message in self.aside.take_expired(now) {
            self.dropped.push((message, DropReason::Expired));
        }
    }

    /// Takes the oldest message, and gives a large buffer back once it has run empty.
    fn take_front(&mut self) -> Option<M> {
        let message = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(cost(&message));
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        Some(message)
    }
}

/// Returns what a message counts against the bytes.
pub(super) fn cost<M: Message>(message: &M) -> usize {
    message.size().saturating_add(QUEUED_OVERHEAD)
}
