//! [`Aside`]: messages of a group that some of its members may not have.

use std::collections::VecDeque;

use crate::{Message, QUEUED_OVERHEAD};

/// What waits for those members that may have it. It is apart from the pool, whose first message is for anybody.
#[derive(Debug)]
pub(super) struct Aside<M> {
    messages: VecDeque<M>,
    bytes: usize,
}

impl<M> Default for Aside<M> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0 }
    }
}

impl<M: Message> Aside<M> {
    /// Adds a message, or gives it back when there is no place.
    pub(super) fn push(&mut self, message: M) -> Result<(), M> {
        if self.messages.len() >= PLACES {
            return Err(message);
        }
        self.bytes += held(&message);
        self.messages.push_back(message);
        Ok(())
    }

    /// Takes the first that is wanted.
    pub(super) fn take(&mut self, is_wanted: impl FnMut(&M) -> bool) -> Option<M> {
        let index = self.messages.iter().position(is_wanted)?;
        let message = self.messages.remove(index)?;
        self.bytes = self.bytes.saturating_sub(held(&message));
        Some(message)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<M> {
        self.bytes = 0;
        std::mem::take(&mut self.messages)
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// They are searched each time a member has room.
const PLACES: usize = 1_024;

fn held<M: Message>(message: &M) -> usize {
    message.size().saturating_add(QUEUED_OVERHEAD)
}
