//! What the broker asks of a store.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use flux_session::{PacketId, QoS, SessionExpiry, SubscriptionIds, SubscriptionOptions, Timestamp};
use flux_time::Timings;
use thiserror::Error;

use crate::batch::Batch;
use crate::record::{Owner, Sequence, SessionKey};

/// Keeps sessions and retained messages. What it reads is what it has synced.
pub trait Store: Send {
    /// Takes records, and keeps them until [`sync`](Self::sync) succeeded.
    fn append(&mut self, batch: &Batch);

    /// Returns how many bytes wait to be synced.
    fn unsynced(&self) -> usize;

    /// Makes all that was appended outlive a power cut, or what the store is meant to outlive.
    ///
    /// # Errors
    ///
    /// When the disk is full or fails. Nothing that was appended since the last success may
    /// be relied on then; all of it is kept, and the next call writes it again.
    fn sync(&mut self) -> Result<(), SyncError>;

    /// Returns how long the disk took to sync a file, or the list of files, each time since the store was opened,
    /// whether or not it succeeded. It goes on being written to.
    fn sync_times(&self) -> Arc<Timings>;

    /// Returns how many bytes it takes on the disk.
    fn bytes_on_disk(&self) -> u64;

    /// Returns whether space does not come back any more, because something stored became
    /// unreadable. All else goes on; somebody should look.
    fn is_stuck(&self) -> bool;

    /// Returns sessions that follow `after`, in the order of their keys, at most `limit`.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn sessions(
        &mut self,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Vec<StoredSession>, ReadError>;

    /// Returns the shared subscriptions that messages are stored for, in the order of their keys.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn groups(&mut self) -> Result<Vec<StoredGroup>, ReadError>;

    /// Returns the messages of a session's queue, or a group's, that follow `after`, at least one if there is one.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn queue(
        &mut self,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
    ) -> Result<Vec<Queued>, ReadError>;

    /// Returns the messages of a session's queue that may have been sent, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn in_flight(&mut self, session: SessionKey) -> Result<Vec<Queued>, ReadError>;

    /// Returns retained messages whose topics follow `after`, at least one if there is one.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn retained(
        &mut self,
        after: Option<&str>,
        limit: ReadLimit,
    ) -> Result<Vec<StoredMessage>, ReadError>;

    /// Returns a number that no message had.
    fn next_sequence(&self) -> Sequence;

    /// Returns a key that no session had.
    fn next_session(&self) -> SessionKey;

    /// Returns a number that no group had.
    fn next_group(&self) -> u32;
}

/// How much to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// At most so many messages.
    pub messages: usize,
    /// No further message once there are so many bytes.
    pub bytes: usize,
}

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its key.
    pub session: SessionKey,
    /// Whose it is.
    pub client_id: Box<str>,
    /// The user that it belongs to.
    pub owner: Owner<Box<str>>,
    /// How long it outlives its connection.
    pub expiry: SessionExpiry,
    /// When its connection ended; `None` if it had one at the end.
    pub detached_since: Option<Timestamp>,
    /// Its subscriptions.
    pub subscriptions: Vec<(Box<str>, SubscriptionOptions)>,
    /// QoS 2 messages from the client that it has not released.
    pub receipts: Vec<PacketId>,
    /// Its will.
    pub will: Option<StoredWill>,
    /// How many messages it is still to get or has not completed.
    pub queued: usize,
}

/// A shared subscription as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGroup {
    /// Its key.
    pub group: SessionKey,
    /// The whole topic filter, with its share name.
    pub filter: Box<str>,
    /// How many messages a member is still to get.
    pub queued: usize,
}

/// A will as it is stored; see [`WillRecord`](crate::WillRecord).
#[derive(Clone, derive_more::Debug, PartialEq, Eq)]
pub struct StoredWill {
    /// The Will Delay Interval in seconds.
    pub delay: u32,
    /// The Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
    /// The message.
    pub content: StoredContent,
    /// Who left it; empty if that is not known.
    #[debug("{} bytes", testator.len())]
    pub testator: Bytes,
}

/// An entry of a session's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The number of the message.
    pub sequence: Sequence,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// The RETAIN flag to send.
    pub retain: bool,
    /// The identifiers of the subscriptions that matched.
    pub subscription_ids: SubscriptionIds,
    /// The packet identifier, if it may have been sent.
    pub packet_id: Option<PacketId>,
    /// The message; `None` once PUBREC came.
    pub content: Option<StoredContent>,
}

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number.
    pub sequence: Sequence,
    /// The message.
    pub content: StoredContent,
}

/// What was published; the parts share one allocation.
#[derive(Clone, derive_more::Debug, PartialEq, Eq)]
pub struct StoredContent {
    /// The topic name, valid UTF-8.
    #[debug("{topic:?}")]
    pub topic: Bytes,
    /// The properties as encoded by MQTT 5.0, without the Message Expiry Interval.
    #[debug("{} bytes", properties.len())]
    pub properties: Bytes,
    /// The payload.
    #[debug("{} bytes", payload.len())]
    pub payload: Bytes,
    /// The published QoS.
    pub qos: QoS,
    /// The RETAIN flag as published.
    pub retain: bool,
    /// When it is no longer worth sending.
    pub expires_at: Option<Timestamp>,
}

/// What was appended is not safe yet.
#[derive(Debug, Error)]
#[error("cannot make {unsynced} bytes durable, they are kept and will be written again")]
pub struct SyncError {
    /// How many bytes wait.
    pub unsynced: usize,
    /// Why.
    pub source: io::Error,
}

/// Something stored cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The disk does not give it back.
    #[error("cannot read segment {segment} at {offset}")]
    Io {
        /// The segment.
        segment: u32,
        /// Where in it.
        offset: u32,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("segment {segment} is damaged at {offset}")]
    Damaged {
        /// The segment.
        segment: u32,
        /// Where in it.
        offset: u32,
    },
}
