//! [`RetainedMessage`]: what a store holds, and when it is refused.

use bytes::Bytes;
use flux_time::Timestamp;
use flux_topic::ParseTopicError;
use thiserror::Error;

use crate::limits::RetainedLimitError;
use crate::retain::Retain;

/// The message that a topic keeps for later subscribers. MQTT 5.0 section 3.3.1.3.
///
/// A clone shares the payload.
#[derive(Clone, derive_more::Debug, PartialEq, Eq)]
pub struct RetainedMessage {
    /// The topic name that it was published to.
    pub topic: String,
    /// What was published; not empty in a store, `[MQTT-3.3.1-7]`.
    #[debug("{} bytes", payload.len())]
    pub payload: Bytes,
    /// The quality of service that it was published with: 0, 1 or 2. MQTT 5.0 section 4.3.
    pub qos: u8,
}

/// It counts its topic and payload, and never expires.
impl Retain for RetainedMessage {
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// Why a message cannot be retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SetRetainedError {
    /// The topic is not a topic name: see the error inside. MQTT 5.0 section 4.7.
    #[error(transparent)]
    Topic(#[from] ParseTopicError),
    /// There is no such quality of service, `[MQTT-3.3.1-4]`.
    #[error("quality of service is {qos}, the limit is {max}: use 0, 1 or 2", max = MAX_QOS)]
    Qos {
        /// The value that was given.
        qos: u8,
    },
    /// The store has no room for it: see the error inside.
    #[error(transparent)]
    Limit(#[from] RetainedLimitError),
}

/// The highest quality of service. MQTT 5.0 section 4.3.
pub(crate) const MAX_QOS: u8 = 2;
