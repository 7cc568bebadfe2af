//! MQTT packets as a client sees them, written and read by us alone.
//!
//! Independent of the broker's own wire, so that the two cannot agree in being wrong. What a client
//! sends is [`Sent`], what it gets is [`Got`].

mod read;
mod write;

pub(crate) use self::read::Reader;
pub(crate) use self::write::write;

/// The protocol versions, with the protocol level of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl Version {
    /// Whether packets have properties and reason codes.
    #[must_use]
    pub const fn is_5(self) -> bool {
        matches!(self, Self::V5)
    }
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// CONNECT.
    Connect(Connect),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP with a reason code.
    Ack(Ack, u16, u8),
    /// SUBSCRIBE: packet identifier, subscriptions, Subscription Identifier.
    Subscribe(u16, Vec<(String, Options)>, Option<u32>),
    /// UNSUBSCRIBE.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT with a reason code and a new Session Expiry Interval.
    Disconnect(u8, Option<u32>),
    /// Bytes that are no packet of a client that keeps to the rules.
    Raw(Vec<u8>),
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// CONNACK: session present, reason code.
    ConnAck(bool, u8),
    /// PUBLISH, a topic alias resolved.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP with a reason code.
    Ack(Ack, u16, u8),
    /// SUBACK.
    SubAck(u16, Vec<u8>),
    /// UNSUBACK; without codes before MQTT 5.0.
    UnsubAck(u16, Vec<u8>),
    /// PINGRESP.
    Pong,
    /// DISCONNECT with a reason code.
    Disconnect(u8),
}

/// The four acknowledgements, with the first byte of their packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the standard's names")]
pub(crate) enum Ack {
    /// PUBACK.
    PubAck = 0x40,
    /// PUBREC.
    PubRec = 0x50,
    /// PUBREL.
    PubRel = 0x62,
    /// PUBCOMP.
    PubComp = 0x70,
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// Client identifier.
    pub client_id: String,
    /// Clean Start, or Clean Session.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds; before MQTT 5.0 it follows from `clean_start`.
    pub expiry: u32,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size.
    pub packet_size: Option<u32>,
    /// Topic Alias Maximum.
    pub aliases: u16,
    /// The will, with its delay in seconds.
    pub will: Option<(Publish, u32)>,
}

/// PUBLISH, or what a will is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// Packet identifier; zero at QoS 0.
    pub id: u16,
    /// Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
    /// Topic Alias to send along.
    pub alias: Option<u16>,
    /// Subscription Identifiers, sorted.
    pub subscriptions: Vec<u32>,
}

/// Subscription options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Maximum QoS.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub as_published: bool,
    /// Retain Handling.
    pub handling: u8,
}
