//! [`RetainedLimits`]: how much a tree holds, and what happens when it is full.

use thiserror::Error;

/// What bounds the retained messages of a tree. Every field has a policy for when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainedLimits {
    /// The most messages. Default 10,000,000.
    ///
    /// When reached, [`when_full`](Self::when_full) decides.
    pub messages: usize,
    /// The most bytes of all messages together; each message counts its
    /// [`size`](crate::Retain::size), and each level of the tree [`LEVEL_OVERHEAD`], however many
    /// topics share it. Default 1 GiB.
    ///
    /// When reached, [`when_full`](Self::when_full) decides.
    pub bytes: usize,
    /// The most bytes of one message, its [`size`](crate::Retain::size). Default 16 MiB.
    ///
    /// A larger message is refused, and the topic keeps the message that it has.
    pub message_bytes: usize,
    /// What happens when there are `messages` messages or `bytes` bytes. Default
    /// [`WhenFull::Refuse`].
    pub when_full: WhenFull,
}

impl Default for RetainedLimits {
    fn default() -> Self {
        Self {
            messages: 10_000_000,
            bytes: 1024 * 1024 * 1024,
            message_bytes: 16 * 1024 * 1024,
            when_full: WhenFull::Refuse,
        }
    }
}

/// What a full tree does with a message for which there is no room even without those that have
/// expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It keeps what it has and refuses the message. A topic that has a message may replace it, if
    /// the bytes allow it.
    Refuse,
    /// It removes the messages that were set longest ago until there is room, unless the message
    /// alone exceeds the limits: then it is refused, and nothing is removed.
    DropOldest,
}

/// The bytes that every level of the tree counts beside the messages: its node with the spare room
/// of a growing arena, its text, its place in the table of children and in the index by expiry.
///
/// A message whose topic shares all levels but the last with others takes one more level.
pub const LEVEL_OVERHEAD: usize = 160;

/// Why there was no room for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RetainedLimitError {
    /// The message is larger than [`RetainedLimits::message_bytes`].
    #[error("retained message has {bytes} bytes, the limit is {limit}")]
    MessageBytes {
        /// Its [`size`](crate::Retain::size).
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// There would be more than [`RetainedLimits::messages`].
    #[error("{messages} messages would be retained, the limit is {limit}")]
    Messages {
        /// How many there would be.
        messages: usize,
        /// The limit.
        limit: usize,
    },
    /// There would be more than [`RetainedLimits::bytes`].
    #[error("retained messages would take {bytes} bytes, the limit is {limit}")]
    Bytes {
        /// How many bytes there would be.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl RetainedLimits {
    /// Checks how much there would be.
    pub(crate) const fn check(
        &self,
        messages: usize,
        bytes: usize,
    ) -> Result<(), RetainedLimitError> {
        if messages > self.messages {
            return Err(RetainedLimitError::Messages { messages, limit: self.messages });
        }
        if bytes > self.bytes {
            return Err(RetainedLimitError::Bytes { bytes, limit: self.bytes });
        }
        Ok(())
    }
}
