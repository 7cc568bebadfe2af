//! The wire: bytes of a connection to packets and back.
//!
//! Legality is decided here, by one walk over the bytes of each frame: the codecs of ntex-mqtt
//! accept much that the standard forbids, stumble over some that it allows, and do not know
//! MQTT 3.1. Every packet of a client is read here, and PUBLISH and its acknowledgements, the
//! hot path, are written here; CONNACK, SUBACK, UNSUBACK and DISCONNECT are built by ntex-mqtt.
//! Protocol versions end here: the packets that leave this module are the same for all three.

mod ack;
mod alias;
mod answer;
mod auth;
mod codec;
mod connect;
mod cursor;
mod debug;
mod disconnect;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inbound_topics;
mod message_property;
mod property;
mod publish;
mod subscribe;
#[cfg(test)]
mod tests;

pub(crate) use ack::{Ack, AckKind, write_ack, write_explained_ack};
pub(crate) use alias::OutboundAliases;
#[cfg(any(test, fuzzing))]
pub(crate) use alias::TopicForm;
pub(crate) use answer::{
    ConnAck, PINGRESP, write_connack, write_disconnect, write_refusal, write_suback, write_unsuback,
};
pub(crate) use auth::{Auth, AuthStep, write_auth};
pub(crate) use connect::{Connect, Will};
pub(crate) use disconnect::Disconnect;
pub use error::FrameError;
pub use frame::PacketType;
pub(crate) use frame::{Frame, may_be_connect, split, split_whole};
pub(crate) use inbound_topics::InboundTopics;
pub(crate) use message_property::{MessageProperty, is_binary, is_string};
pub(crate) use publish::{Properties, Publish, publish_len, remaining_expiry, write_publish};
pub(crate) use subscribe::{Subscribe, Unsubscribe};

/// The largest packet there is: five bytes of header and 268,435,455 more (section 2.1.4).
pub(crate) const LARGEST_PACKET: u32 = 268_435_460;

/// The protocol version a client speaks on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1, protocol level 3: 3.1.1 with a few differences, each named where it matters.
    V31,
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    /// Returns the protocol level byte of CONNECT.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// Returns its number as people write it: `3.1`, `3.1.1` or `5.0`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}
