//! A network connection: what is under way in both directions, and who listens at the other end.

use flux_mqtt::Version;

use crate::conversation::Conversation;

/// A connection as its worker sees it, and as its client does.
pub(crate) struct Socket {
    /// What the client wrote and the network still has.
    pub(crate) under_way: Vec<u8>,
    /// What arrived and was not taken yet.
    pub(crate) arrived: Vec<u8>,
    /// What was sent and the client has not looked at.
    pub(crate) sent: Vec<u8>,
    /// Bytes that count as unsent, while the client does not read.
    pub(crate) unsent: usize,
    pub(crate) is_stalled: bool,
    /// Nothing can be sent any more.
    pub(crate) is_dead: bool,
    pub(crate) is_paused: bool,
    /// The worker wants it closed, and was not told yet that it is.
    pub(crate) is_closing: bool,
    pub(crate) wants_writable: bool,
    /// The turn is over, not the frames.
    pub(crate) has_more: bool,
    /// In which version the client writes what the plan has it say.
    pub(crate) version: Version,
    pub(crate) conversation: Conversation,
}

impl Socket {
    pub(crate) fn new() -> Self {
        Self {
            under_way: Vec::new(),
            arrived: Vec::new(),
            sent: Vec::new(),
            unsent: 0,
            is_stalled: false,
            is_dead: false,
            is_paused: false,
            is_closing: false,
            wants_writable: false,
            has_more: false,
            version: Version::V311,
            conversation: Conversation::default(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        if self.is_stalled {
            self.unsent += bytes.len();
        }
    }

    /// So many bytes of what is under way arrive.
    pub(crate) fn arrive(&mut self, len: usize) {
        let len = len.min(self.under_way.len());
        self.arrived.extend(self.under_way.drain(..len));
    }

    /// The client reads so many bytes.
    pub(crate) const fn read(&mut self, len: usize) {
        self.unsent = self.unsent.saturating_sub(len);
    }

    /// Whether the worker waits to hear that it may send, and may.
    pub(crate) const fn is_writable(&self) -> bool {
        self.wants_writable && (self.unsent == 0 || self.is_dead)
    }

    /// Whether the worker is to be given what arrived.
    pub(crate) const fn is_readable(&self) -> bool {
        !self.is_paused && !self.is_closing && !self.arrived.is_empty()
    }
}
