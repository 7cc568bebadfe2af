//! What waits in a group.

use std::collections::VecDeque;

use super::{GroupFull, GroupLimits};
use crate::limits::QUEUED_OVERHEAD;
use crate::{DropReason, Message, Timestamp};

/// Messages that no member can take now, oldest first.
#[derive(Debug)]
pub(super) struct Pool<M> {
    limits: GroupLimits,
    messages: VecDeque<M>,
    /// The sum of [`cost`] over the messages.
    bytes: usize,
    /// What went since somebody last asked.
    dropped: Vec<(M, DropReason)>,
}

impl<M: Message> Pool<M> {
    pub(super) const fn new(limits: GroupLimits) -> Self {
        Self { limits, messages: VecDeque::new(), bytes: 0, dropped: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take_dropped(&mut self) -> Vec<(M, DropReason)> {
        std::mem::take(&mut self.dropped)
    }

    /// Returns whether the limits allow one more message, after what may go for it went: what has
    /// expired at the front (messages mostly expire in the order they came), then by policy.
    pub(super) fn make_room(&mut self, now: Timestamp, message: &M) -> bool {
        if !self.has_room_for(message) {
            self.drop_expired(now);
        }
        if self.limits.when_full == GroupFull::Oldest && cost(message) <= self.limits.queued_bytes {
            while !self.has_room_for(message)
                && let Some(oldest) = self.take_front()
            {
                self.dropped.push((oldest, DropReason::Displaced));
            }
        }
        self.has_room_for(message)
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

    /// Takes the oldest message that has not expired.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<M> {
        self.drop_expired(now);
        self.take_front()
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }

    fn has_room_for(&self, message: &M) -> bool {
        self.messages.len() < self.limits.queued_messages
            && self.bytes.saturating_add(cost(message)) <= self.limits.queued_bytes
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let is_expired = |message: &M| message.expires_at().is_some_and(|moment| moment <= now);
        while self.messages.front().is_some_and(is_expired)
            && let Some(message) = self.take_front()
        {
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
fn cost<M: Message>(message: &M) -> usize {
    message.size().saturating_add(QUEUED_OVERHEAD)
}
