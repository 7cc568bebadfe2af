//! What waits in a group.

use std::collections::VecDeque;

use super::aside::{Aside, Position};
use super::{GroupFull, GroupLimits};
use crate::limits::QUEUED_OVERHEAD;
use crate::{DropReason, Message, Timestamp};

/// Messages that no member can take now, under limits for all of them.
#[derive(Debug)]
pub(super) struct Pool<M> {
    limits: GroupLimits,
    /// Those for anybody, as far as is known, oldest first.
    messages: VecDeque<M>,
    /// The sum of [`cost`] over these.
    bytes: usize,
    aside: Aside<M>,
    /// What went since somebody last asked.
    dropped: Vec<(M, DropReason)>,
}

impl<M: Message> Pool<M> {
    pub(super) fn new(limits: GroupLimits) -> Self {
        let (messages, aside) = (VecDeque::new(), Aside::default());
        Self { limits, messages, bytes: 0, aside, dropped: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len() + self.aside.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.aside.is_empty()
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

    /// Returns whether the limits allow one more message, after what may go for it went: what has expired (messages mostly
    /// expire in the order they came), what is aside beyond its half, then by policy.
    pub(super) fn make_room(&mut self, now: Timestamp, message: &M) -> bool {
        if !self.has_room_for(message) {
            self.drop_expired(now);
        }
        while self.is_kept_out_by_aside(message) {
            let (displaced, reason) = match self.limits.when_full {
                GroupFull::Newest => (self.aside.pop_newest(), DropReason::QueueFull),
                GroupFull::Oldest => (self.aside.pop(), DropReason::Displaced),
            };
            let Some(displaced) = displaced else { break };
            self.dropped.push((displaced, reason));
        }
        if self.limits.when_full == GroupFull::Oldest && cost(message) <= self.limits.queued_bytes {
            while !self.has_room_for(message)
                && let Some(oldest) = self.aside.pop().or_else(|| self.take_front())
            {
                self.dropped.push((oldest, DropReason::Displaced));
            }
        }
        self.has_room_for(message)
    }

    /// The same for a message that has to wait aside.
    pub(super) fn make_room_aside(&mut self, now: Timestamp, message: &M) -> bool {
        if !self.has_room_aside_for(message) {
            self.drop_expired(now);
        }
        if self.limits.when_full == GroupFull::Oldest && cost(message) <= self.limits.aside_bytes()
        {
            while !self.has_room_aside_for(message)
                && let Some(oldest) = self.aside.pop()
            {
                self.dropped.push((oldest, DropReason::Displaced));
            }
        }
        self.has_room_aside_for(message) && self.make_room(now, message)
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

    /// Has a message wait for somebody who may have it, whatever the limits.
    pub(super) fn set_aside(&mut self, position: Position, message: M) {
        self.aside.insert(position, message);
    }

    /// Takes the oldest message for anybody that has not expired.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<M> {
        self.drop_expired(now);
        self.take_front()
    }

    /// Takes a message that was set aside.
    pub(super) fn take_aside(&mut self, position: Position) -> Option<M> {
        self.aside.remove(position)
    }

    /// Whether a message waits of which nobody is known to be barred.
    pub(super) fn has_some_for_anybody(&self) -> bool {
        !self.messages.is_empty()
    }

    pub(super) const fn aside(&self) -> &Aside<M> {
        &self.aside
    }

    /// Drops some of what stands before this position, aside: it is for nobody.
    pub(super) fn drop_before(&mut self, position: Position) {
        for _ in 0..DROPPED_AT_ONCE {
            let Some(message) = self.aside.pop_before(position) else { break };
            self.dropped.push((message, DropReason::Withheld));
        }
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        self.bytes = 0;
        let messages = std::mem::take(&mut self.messages);
        if self.aside.is_empty() {
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

    /// Whether a limit is reached of which messages aside have more than their half. They may, as long as nobody else needs
    /// it: they had been accepted when nobody had room, and who may not have them came later.
    fn is_kept_out_by_aside(&self, message: &M) -> bool {
        let bytes = self.bytes().saturating_add(cost(message));
        (self.len() >= self.limits.queued_messages
            && self.aside.len() > self.limits.aside_messages())
            || (bytes > self.limits.queued_bytes && self.aside.bytes() > self.limits.aside_bytes())
    }

    fn has_room_aside_for(&self, message: &M) -> bool {
        self.aside.len() < self.limits.aside_messages()
            && self.aside.bytes().saturating_add(cost(message)) <= self.limits.aside_bytes()
    }

    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        let is_expired = |message: &M| message.expires_at().is_some_and(|moment| moment <= now);
        while self.messages.front().is_some_and(is_expired)
            && let Some(message) = self.take_front()
        {
            self.dropped.push((message, DropReason::Expired));
        }
        for _ in 0..DROPPED_AT_ONCE {
            let Some(message) = self.aside.pop_expired(now) else { break };
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

/// So many of what is aside go at once. Others do the next time.
const DROPPED_AT_ONCE: usize = 1_024;

/// Returns what a message counts against the bytes.
pub(super) fn cost<M: Message>(message: &M) -> usize {
    message.size().saturating_add(QUEUED_OVERHEAD)
}
