//! Where messages wait: sessions, shared subscriptions, retained messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Period, Size};

/// What each session holds for its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Unacknowledged messages to a client, whatever Receive Maximum it announces. Further ones wait in the queue.
    #[schemars(range(min = 1))]
    pub receive_maximum_cap: u16,
    /// QoS 2 messages that a client may have begun and not released (Receive Maximum of the broker). One more ends the
    /// connection with 0x93.
    #[schemars(range(min = 1))]
    pub inbound_receive_maximum: u16,
    /// Messages that wait. When reached, `when_full` decides.
    pub queued_messages: u32,
    /// Bytes that wait. When reached, `when_full` decides.
    pub queued_bytes: Size,
    /// Stored messages that wait in memory. Further ones wait in the store.
    #[schemars(range(min = 1))]
    pub queued_here: u32,
    /// What happens to a message that finds the queue full.
    pub when_full: SessionFull,
    /// The longest that a session outlives its connection, in whole seconds; `0s` ends it with that. A client of MQTT 5.0 that
    /// asks for longer is told. Without it: as long as the client asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "7d", "x-maximum" = "4294967294s"))]
    pub max_expiry: Option<Period>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            receive_maximum_cap: 1024,
            inbound_receive_maximum: 65_535,
            queued_messages: 1_000_000,
            queued_bytes: Size(64 << 20),
            queued_here: 4096,
            when_full: SessionFull::DropNewest,
            max_expiry: None,
        }
    }
}

/// What happens to a message that finds the queue of a session full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionFull {
    /// It is dropped.
    DropNewest,
    /// It takes the place of the oldest ones, first those at QoS 0.
    DropOldest,
    /// It is not taken, and its publisher is told: 0x97.
    Refuse,
    /// The session ends.
    EndSession,
}

/// How shared subscriptions divide their messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shared {
    /// Which of the members that are online and have room gets a message.
    pub strategy: SharedStrategy,
    /// Messages that wait in a shared subscription while no member can take them. When reached, `when_full` decides.
    pub queued_messages: u32,
    /// Bytes that wait there. When reached, `when_full` decides.
    pub queued_bytes: Size,
    /// Which message goes when a shared subscription is full.
    pub when_full: SharedFull,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            strategy: SharedStrategy::RoundRobin,
            queued_messages: 1_000_000,
            queued_bytes: Size(64 << 20),
            when_full: SharedFull::DropNewest,
        }
    }
}

/// Which member of a shared subscription gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SharedStrategy {
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The one that took the last, for as long as it can.
    Sticky,
    /// The same one for all messages of a publisher, for as long as it can.
    HashClient,
    /// The same one for all messages of a topic, for as long as it can.
    HashTopic,
}

/// Which message goes when a shared subscription is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SharedFull {
    /// The one that is to be queued.
    DropNewest,
    /// Those that have waited longest.
    DropOldest,
}

/// Retained messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retained {
    /// Retained messages. When reached, `when_full` decides.
    pub messages: u32,
    /// Bytes of all of them; of `limits.bytes` they have one half at most. When reached, `when_full` decides.
    pub bytes: Size,
    /// Bytes of one. A larger one is not retained; its publisher is told where it can be: 0x97.
    pub message_bytes: Size,
    /// What happens to a message for which there is no room.
    pub when_full: RetainedFull,
}

impl Default for Retained {
    fn default() -> Self {
        Self {
            messages: 10_000_000,
            bytes: Size(1 << 30),
            message_bytes: Size(16 << 20),
            when_full: RetainedFull::Refuse,
        }
    }
}

/// What happens to a message to be retained for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RetainedFull {
    /// It is not retained; its publisher is told where it can be: 0x97.
    Refuse,
    /// Those that were set longest ago go until there is room.
    DropOldest,
}
