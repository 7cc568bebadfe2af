//! The wire: bytes of a connection to packets and back.
//!
//! Legality is decided here, by one walk over the bytes of each frame, before any codec sees
//! them: the codecs of ntex-mqtt accept much that the standard forbids and stumble over some
//! that it allows. CONNECT and DISCONNECT are read here, and PUBLISH and its acknowledgements,
//! the hot path, are read and written here; SUBSCRIBE and UNSUBSCRIBE, once found legal, are
//! built by ntex-mqtt, and so are CONNACK, SUBACK, UNSUBACK and DISCONNECT. Protocol versions end here: the packets that leave this
//! module are the same for MQTT 3.1.1 and 5.0.

mod ack;
mod answer;
mod codec;
mod connect;
mod cursor;
mod disconnect;
mod error;
mod frame;
mod property;
mod publish;
mod subscribe;
#[cfg(test)]
mod tests;

pub(crate) use ack::{Ack, AckKind, write_ack};
pub(crate) use answer::{
    ConnAck, PINGRESP, write_connack, write_disconnect, write_suback, write_unsuback,
};
pub(crate) use connect::{Connect, Will};
pub(crate) use disconnect::Disconnect;
pub use error::FrameError;
pub(crate) use frame::{Frame, PacketType, split};
pub(crate) use publish::{Properties, Publish, publish_len, write_publish};
pub(crate) use subscribe::{Subscribe, Unsubscribe};

/// The largest packet there is: five bytes of header and 268,435,455 more (section 2.1.4).
pub(crate) const LARGEST_PACKET: u32 = 268_435_460;

/// The protocol version a client speaks on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl Version {
    /// Returns the protocol level byte of CONNECT.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}
