//! CONNECT, read in one pass (section 3.1).
//!
//! Not by ntex-mqtt, which refuses a will that expires at once and loses an explicit payload
//! format of 0, both legal.

use bytes::Bytes;
use flux_session::QoS;
use flux_topic::TopicName;
use thiserror::Error;

use super::cursor::Cursor;
use super::property::{self, Place};
use super::{Frame, FrameError, Version};
use crate::reason::ReasonCode;

/// What a client asks for when it connects. [`Debug`](super::debug) does not show how it proves who it is.
#[derive(Clone)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    /// Clean Start; Clean Session in MQTT 3.1 and 3.1.1.
    pub(crate) clean_start: bool,
    /// In seconds, 0 turns it off.
    pub(crate) keep_alive: u16,
    /// In seconds; `u32::MAX` never ends. MQTT 3.1 and 3.1.1: 0 with Clean Session, else `u32::MAX`.
    pub(crate) session_expiry: u32,
    pub(crate) receive_maximum: u16,
    /// In bytes, `u32::MAX` when the client sets no limit.
    pub(crate) maximum_packet_size: u32,
    /// How many topic aliases the client takes.
    pub(crate) topic_alias_maximum: u16,
    /// Request Problem Information: whether acknowledgements may carry a Reason String.
    pub(crate) wants_problem_information: bool,
    /// Request Response Information.
    pub(crate) wants_response_information: bool,
    /// The client wants enhanced authentication, by this method, with the data of its first step.
    pub(crate) authentication: Option<(String, Bytes)>,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<Will>,
}

/// The will message of a CONNECT (section 3.1.2.5).
#[derive(Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
    /// The properties that travel with the message, encoded, in their order.
    pub(crate) properties: Vec<u8>,
}

/// Why a CONNECT is refused before anybody is asked who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason:?}")]
pub(crate) struct ConnectError {
    /// In which version to answer with CONNACK; `None` closes without a word.
    pub(crate) answer: Option<Version>,
    pub(crate) reason: ReasonCode,
    /// The client's Maximum Packet Size in bytes, as far as CONNECT was understood.
    pub(crate) maximum_packet_size: u32,
    #[source]
    pub(crate) source: Option<FrameError>,
}

impl Connect {
    pub(crate) fn read(frame: &Frame<'_>) -> Result<Self, ConnectError> {
        let mut cursor = frame.cursor();
        let version = read_version(&mut cursor)?;
        let mut connect = Self::new(version);
        let flags = frame.packet_type.check_flags(frame.flags, Some(version));
        match flags.and_then(|()| connect.read_rest(cursor)) {
            Ok(()) => Ok(connect),
            Err(error) => Err(ConnectError {
                // MQTT 3.1.1 closes without CONNACK [MQTT-3.1.4-1]; 5.0 may say why (section 4.13).
                answer: (version == Version::V5).then_some(version),
                reason: error.reason_code(),
                maximum_packet_size: connect.maximum_packet_size,
                source: Some(error),
            }),
        }
    }

    /// A CONNECT that leaves out what may be left out.
    pub(super) const fn new(version: Version) -> Self {
        Self {
            version,
            clean_start: false,
            keep_alive: 0,
            session_expiry: 0,
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            wants_problem_information: true,
            wants_response_information: false,
            authentication: None,
            client_id: String::new(),
            username: None,
            password: None,
            will: None,
        }
    }

    /// Reads from the connect flags to the end.
    fn read_rest(&mut self, mut cursor: Cursor<'_>) -> Result<(), FrameError> {
        let version = self.version;
        let flags = cursor.u8()?;
        check_flags(flags, version)?;
        self.clean_start = flags & CLEAN_START != 0;
        self.keep_alive = cursor.u16()?;
        match version {
            // A session without Clean Session lasts until somebody ends it [MQTT-3.1.2-4].
            Version::V31 | Version::V311 => {
                self.session_expiry = if self.clean_start { 0 } else { u32::MAX }
            }
            Version::V5 => self.read_properties(&mut cursor)?,
        }
        self.client_id = cursor.string()?.to_owned();
        if flags & WILL != 0 {
            self.will = Some(Will::read(&mut cursor, flags, version)?);
        }
        // In MQTT 3.1 the remaining length takes precedence over these flags (section 3.1 of 3.1).
        let is_there = |cursor: Cursor<'_>| version != Version::V31 || !cursor.is_empty();
        if flags & USER_NAME != 0 && is_there(cursor) {
            self.username = Some(cursor.string()?.to_owned());
        }
        if flags & PASSWORD != 0 && is_there(cursor) {
            self.password = Some(Bytes::copy_from_slice(cursor.binary()?));
        }
        cursor.finish()
    }

    fn read_properties(&mut self, cursor: &mut Cursor<'_>) -> Result<(), FrameError> {
        let (mut method, mut data) = (None, Bytes::new());
        property::read(cursor, Place::Connect, |property| match property.id {
            property::SESSION_EXPIRY_INTERVAL => self.session_expiry = property.number,
            property::RECEIVE_MAXIMUM => {
                self.receive_maximum = u16::try_from(property.number).unwrap_or(u16::MAX);
            }
            property::MAXIMUM_PACKET_SIZE => self.maximum_packet_size = property.number,
            property::TOPIC_ALIAS_MAXIMUM => {
                self.topic_alias_maximum = u16::try_from(property.number).unwrap_or(u16::MAX);
            }
            property::REQUEST_PROBLEM_INFORMATION => {
                self.wants_problem_information = property.number == 1;
            }
            property::REQUEST_RESPONSE_INFORMATION => {
                self.wants_response_information = property.number == 1;
            }
            property::AUTHENTICATION_METHOD => method = property.text().map(str::to_owned),
            property::AUTHENTICATION_DATA => data = Bytes::copy_from_slice(property.binary()),
            _ => {}
        })?;
        self.authentication = method.map(|method| (method, data));
        Ok(())
    }
}

impl Will {
    fn read(cursor: &mut Cursor<'_>, flags: u8, version: Version) -> Result<Self, FrameError> {
        let (mut delay, mut expiry, mut properties) = (0, None, Vec::new());
        if version == Version::V5 {
            property::read(cursor, Place::Will, |property| match property.id {
                property::WILL_DELAY_INTERVAL => delay = property.number,
                property::MESSAGE_EXPIRY_INTERVAL => expiry = Some(property.number),
                _ => properties.extend_from_slice(property.bytes),
            })?;
        }
        let topic = cursor.string()?;
        TopicName::parse(topic).map_err(FrameError::TopicName)?;
        Ok(Self {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(cursor.binary()?),
            qos: QoS::try_from((flags & WILL_QOS) >> 3).map_err(|_| FrameError::QosThree)?,
            retain: flags & WILL_RETAIN != 0,
            delay,
            expiry,
            properties,
        })
    }
}

/// Reads protocol name and level (sections 3.1.2.1 and 3.1.2.2).
fn read_version(cursor: &mut Cursor<'_>) -> Result<Version, ConnectError> {
    let silent = |error: FrameError| ConnectError {
        answer: None,
        reason: error.reason_code(),
        maximum_packet_size: u32::MAX,
        source: Some(error),
    };
    let unsupported = |answer| ConnectError {
        answer,
        reason: ReasonCode::UnsupportedProtocolVersion,
        maximum_packet_size: u32::MAX,
        source: None,
    };
    let name = cursor.binary().map_err(silent)?;
    let level = cursor.u8().map_err(silent)?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Version::V31),
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 6..) => Err(unsupported(Some(Version::V5))),
        (b"MQTT" | b"MQIsdp", _) => Err(unsupported(Some(Version::V311))),
        _ => Err(unsupported(None)),
    }
}

const fn check_flags(flags: u8, version: Version) -> Result<(), FrameError> {
    let reserved = flags & 1 != 0;
    let will_without_flag = flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0;
    let qos_three = flags & WILL_QOS == WILL_QOS;
    // MQTT 5.0 allows a password alone (section 3.1.2.9), 3.1.1 does not [MQTT-3.1.2-22].
    let password_alone =
        !matches!(version, Version::V5) && flags & PASSWORD != 0 && flags & USER_NAME == 0;
    if reserved || will_without_flag || qos_three || password_alone {
        Err(FrameError::ConnectFlags(flags))
    } else {
        Ok(())
    }
}

const CLEAN_START: u8 = 0b0000_0010;
const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;
