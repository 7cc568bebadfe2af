//! Why bytes are not the MQTT packet they claim to be, and what to tell the peer.

use flux_topic::{ParseFilterError, ParseTopicError};
use thiserror::Error;

use crate::reason::ReasonCode;

/// Why a frame is refused. The connection it came on is closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The packet is larger than the broker accepts [MQTT-3.2.2-15].
    #[error("packet is {len} bytes long, the limit is {max}")]
    PacketTooLarge {
        /// Length of the whole packet in bytes.
        len: u32,
        /// The Maximum Packet Size in force.
        max: u32,
    },
    /// A variable byte integer has five bytes or more than it needs [MQTT-1.5.5-1].
    #[error("variable byte integer is longer than it may be")]
    VariableByteInteger,
    /// The control packet type is 0, which is reserved (section 2.1.2).
    #[error("control packet type {0} does not exist")]
    UnknownPacketType(u8),
    /// Bits 3 to 0 of the fixed header differ from what the type demands [MQTT-2.1.3-1].
    #[error("fixed header flags {flags:#06b} are not those of {packet}")]
    FixedHeaderFlags {
        /// Name of the packet.
        packet: &'static str,
        /// The flags received.
        flags: u8,
    },
    /// A field runs past the end of the packet.
    #[error("packet ends inside a field")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("{0} bytes follow the last field")]
    TrailingBytes(usize),
    /// A string is not UTF-8 [MQTT-1.5.4-1].
    #[error("string is not well-formed UTF-8")]
    InvalidUtf8,
    /// A string contains U+0000 [MQTT-1.5.4-2].
    #[error("string contains the null character")]
    NullCharacter,
    /// A packet identifier is 0 [MQTT-2.2.1-3].
    #[error("packet identifier is 0")]
    PacketIdZero,
    /// Both QoS bits are set [MQTT-3.3.1-4].
    #[error("quality of service 3 does not exist")]
    QosThree,
    /// DUP is set on a QoS 0 PUBLISH [MQTT-3.3.1-2].
    #[error("flag DUP is set on a message of quality of service 0")]
    DupWithoutQos,
    /// A property identifier that the standard does not know.
    #[error("property {0:#04x} does not exist")]
    UnknownProperty(u8),
    /// A property that does not belong into this packet (table 2-4).
    #[error("property {id:#04x} does not belong into {packet}")]
    MisplacedProperty {
        /// The property identifier.
        id: u8,
        /// Name of the packet.
        packet: &'static str,
    },
    /// Authentication Data without Authentication Method (section 3.1.2.11.10).
    #[error("there is authentication data and no authentication method")]
    AuthenticationDataAlone,
    /// AUTH without Authentication Method (section 3.15.2.2.2).
    #[error("there is no authentication method")]
    NoAuthenticationMethod,
    /// AUTH with another Authentication Method than CONNECT [MQTT-4.12.0-5].
    #[error("the authentication method is another one than that of CONNECT")]
    AuthenticationMethodChanged,
    /// AUTH where nobody waits for it, or that begins while one is under way.
    #[error("AUTH comes out of turn")]
    AuthOutOfTurn,
    /// A property that may come once came twice.
    #[error("property {0:#04x} is there twice")]
    RepeatedProperty(u8),
    /// A property whose value is out of its range.
    #[error("value of property {0:#04x} is out of range")]
    PropertyValue(u8),
    /// The topic alias is 0 or greater than the Topic Alias Maximum [MQTT-3.3.2-8], [MQTT-3.3.2-9].
    #[error("topic alias is not between 1 and {max}")]
    TopicAlias {
        /// The Topic Alias Maximum that the broker announced.
        max: u16,
    },
    /// No topic name, and an alias that stands for none (section 3.3.2.3.4).
    #[error("topic alias {0} stands for no topic name yet")]
    UnknownTopicAlias(u16),
    /// A reason code that the packet may not carry.
    #[error("reason code {code:#04x} does not belong into {packet}")]
    ReasonCode {
        /// The reason code.
        code: u8,
        /// Name of the packet.
        packet: &'static str,
    },
    /// SUBSCRIBE or UNSUBSCRIBE without a topic filter [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    #[error("there is no topic filter")]
    NoTopicFilter,
    /// UNSUBSCRIBE with more topic filters than the broker reads, before MQTT 5.0: see
    /// [`Limits::subscribe_filters`](crate::Limits::subscribe_filters).
    #[error("there are more topic filters than {max}, the limit")]
    TooManyFilters {
        /// The limit.
        max: usize,
    },
    /// Reserved bits or values in subscription options [MQTT-3.8.3-5].
    #[error("subscription options {0:#010b} use reserved values")]
    SubscriptionOptions(u8),
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    #[error("a shared subscription may not be no local")]
    SharedNoLocal,
    /// A topic name that is not one [MQTT-3.3.2-2].
    #[error("topic name is not valid")]
    TopicName(#[source] ParseTopicError),
    /// A topic filter that is not one (section 4.7).
    #[error("topic filter is not valid")]
    TopicFilter(#[source] ParseFilterError),
    /// Connect flags that contradict each other (section 3.1.2.3).
    #[error("connect flags {0:#010b} contradict each other or use the reserved bit")]
    ConnectFlags(u8),
    /// A packet that only a server sends, or that may not come now.
    #[error("{0} may not come here")]
    UnexpectedPacket(&'static str),
    /// The client has more QoS 2 messages open than Receive Maximum allows [MQTT-3.3.4-7].
    #[error("more than {0} messages are unacknowledged")]
    ReceiveMaximum(u16),
    /// QoS above the Maximum QoS announced [MQTT-3.2.2-11].
    #[error("quality of service is above the maximum of {0}")]
    QosNotSupported(u8),
    /// A message to be retained, where CONNACK said that none are [MQTT-3.2.2-14].
    #[error("messages are not retained")]
    RetainNotSupported,
    /// The answer would be larger than the client's Maximum Packet Size [MQTT-3.1.2-24].
    #[error("the answer is {len} bytes long, the client takes {max}")]
    AnswerTooLarge {
        /// Length of the answer in bytes.
        len: u32,
        /// The client's Maximum Packet Size.
        max: u32,
    },
    /// Session Expiry Interval was 0 at CONNECT and is not at DISCONNECT (section 3.14.2.2.2).
    #[error("session expiry interval may not leave 0 at DISCONNECT")]
    SessionExpiry,
}

impl FrameError {
    /// Returns the error and what caused it, in one sentence for the Reason String.
    pub(crate) fn explanation(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// Returns what to tell the peer in CONNACK or DISCONNECT (section 4.13).
    ///
    /// No `_` arm: a new way to fail must choose its reason code to compile.
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::PacketTooLarge { .. } | Self::AnswerTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::TopicAlias { .. } => ReasonCode::TopicAliasInvalid,
            // Without a name there must be an alias (section 3.3.2.3.4).
            Self::TopicName(ParseTopicError::Empty) => ReasonCode::ProtocolError,
            Self::TopicName(_) => ReasonCode::TopicNameInvalid,
            Self::TopicFilter(_) => ReasonCode::TopicFilterInvalid,
            Self::TooManyFilters { .. } => ReasonCode::QuotaExceeded,
            Self::ReceiveMaximum(_) => ReasonCode::ReceiveMaximumExceeded,
            Self::QosNotSupported(_) => ReasonCode::QosNotSupported,
            Self::RetainNotSupported => ReasonCode::RetainNotSupported,
            // QoS 3 and Retain Handling 3 are Protocol Errors (MQTT 5.0 section 3.8.3.1), the
            // reserved bits make the packet malformed [MQTT-3.8.3-5].
            Self::SubscriptionOptions(options) if *options & 0b1100_0000 == 0 => {
                ReasonCode::ProtocolError
            }
            Self::SubscriptionOptions(_) => ReasonCode::MalformedPacket,
            // A subscription identifier from a client is a Protocol Error (section 3.3.2.3.8), any
            // other property in the wrong place makes the packet malformed (section 2.2.2.2).
            Self::MisplacedProperty { id: 0x0B, packet: "PUBLISH" } => ReasonCode::ProtocolError,
            Self::MisplacedProperty { .. }
            | Self::VariableByteInteger
            | Self::UnknownPacketType(_)
            | Self::FixedHeaderFlags { .. }
            | Self::Truncated
            | Self::TrailingBytes(_)
            | Self::InvalidUtf8
            | Self::NullCharacter
            | Self::QosThree
            | Self::DupWithoutQos
            | Self::UnknownProperty(_)
            | Self::ReasonCode { .. }
            | Self::ConnectFlags(_) => ReasonCode::MalformedPacket,
            Self::PacketIdZero
            | Self::UnknownTopicAlias(_)
            | Self::AuthenticationDataAlone
            | Self::NoAuthenticationMethod
            | Self::AuthenticationMethodChanged
            | Self::AuthOutOfTurn
            | Self::RepeatedProperty(_)
            | Self::PropertyValue(_)
            | Self::NoTopicFilter
            | Self::SharedNoLocal
            | Self::UnexpectedPacket(_)
            | Self::SessionExpiry => ReasonCode::ProtocolError,
        }
    }
}
