//! The words between a worker and a store of sessions and retained messages.
//!
//! Sessions live in memory so far: a worker persists and loads nothing yet. The types stand
//! here from the start because the result of a write returns as an input, never as an await
//! inside a decision, and everything that drives a worker must be able to hand it in.

use crate::message::Message;
use crate::names::SessionKey;

/// Numbers the records of a store, in the order in which they were given to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// What a store keeps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Record {
    /// A message and the sessions that it was offered to.
    Message {
        /// The message, stored once.
        message: Message,
        /// The sessions that outlive their connection.
        sessions: Vec<SessionKey>,
    },
}
