//! CONNECT: found legal here, built by ntex-mqtt (section 3.1).

use bytes::Bytes;
use flux_session::QoS;
use flux_topic::TopicName;
use ntex_mqtt::{v3, v5};
use thiserror::Error;

use super::codec::{decode_v3, decode_v5};
use super::cursor::Cursor;
use super::property::{self, Place};
use super::{Frame, FrameError, Version};
use crate::reason::ReasonCode;

/// What a client asks for when it connects.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    /// Clean Start; Clean Session in MQTT 3.1.1.
    pub(crate) clean_start: bool,
    /// In seconds, 0 turns it off.
    pub(crate) keep_alive: u16,
    /// In seconds; `u32::MAX` never ends. MQTT 3.1.1: 0 with Clean Session, else `u32::MAX`.
    pub(crate) session_expiry: u32,
    pub(crate) receive_maximum: u16,
    /// In bytes, `u32::MAX` when the client sets no limit.
    pub(crate) maximum_packet_size: u32,
    /// The client wants enhanced authentication.
    pub(crate) enhanced_authentication: bool,
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<Will>,
}

/// The will message of a CONNECT (section 3.1.2.5).
#[derive(Clone, Debug)]
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
    #[source]
    pub(crate) source: Option<FrameError>,
}

impl Connect {
    pub(crate) fn read(frame: &Frame<'_>) -> Result<Self, ConnectError> {
        let mut cursor = frame.cursor();
        let version = read_version(&mut cursor)?;
        let malformed = |error: FrameError| ConnectError {
            // MQTT 3.1.1 closes without CONNACK [MQTT-3.1.4-1]; 5.0 may say why (section 4.13).
            answer: (version == Version::V5).then_some(version),
            reason: error.reason_code(),
            source: Some(error),
        };
        let legal = walk(cursor, version).map_err(malformed)?;
        match version {
            Version::V311 => Self::from_v3(frame.bytes),
            Version::V5 => Self::from_v5(frame.bytes, legal),
        }
        .map_err(malformed)
    }

    fn from_v3(bytes: &[u8]) -> Result<Self, FrameError> {
        let v3::codec::Packet::Connect(packet) = decode_v3(bytes)? else {
            return Err(FrameError::Codec);
        };
        let will = packet.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
            delay: 0,
            expiry: None,
            properties: Vec::new(),
        });
        Ok(Self {
            version: Version::V311,
            clean_start: packet.clean_session,
            keep_alive: packet.keep_alive,
            session_expiry: if packet.clean_session { 0 } else { u32::MAX },
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            enhanced_authentication: false,
            client_id: packet.client_id.to_string(),
            username: packet.username.map(|name| name.to_string()),
            password: packet.password.map(|password| Bytes::copy_from_slice(&password)),
            will,
        })
    }

    fn from_v5(bytes: &[u8], legal: WillProperties) -> Result<Self, FrameError> {
        let v5::codec::Packet::Connect(packet) = decode_v5(bytes)? else {
            return Err(FrameError::Codec);
        };
        let will = packet.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
            delay: legal.delay,
            expiry: legal.expiry,
            properties: legal.forwarded,
        });
        Ok(Self {
            version: Version::V5,
            clean_start: packet.clean_start,
            keep_alive: packet.keep_alive,
            session_expiry: packet.session_expiry_interval_secs,
            receive_maximum: packet.receive_max.map_or(u16::MAX, std::num::NonZeroU16::get),
            maximum_packet_size: packet.max_packet_size.map_or(u32::MAX, std::num::NonZeroU32::get),
            enhanced_authentication: packet.auth_method.is_some(),
            client_id: packet.client_id.to_string(),
            username: packet.username.map(|name| name.to_string()),
            password: packet.password.map(|password| Bytes::copy_from_slice(&password)),
            will,
        })
    }
}

pub(super) const fn qos(qos: ntex_mqtt::QoS) -> QoS {
    match qos {
        ntex_mqtt::QoS::AtMostOnce => QoS::AtMostOnce,
        ntex_mqtt::QoS::AtLeastOnce => QoS::AtLeastOnce,
        ntex_mqtt::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Reads protocol name and level (sections 3.1.2.1 and 3.1.2.2).
fn read_version(cursor: &mut Cursor<'_>) -> Result<Version, ConnectError> {
    let silent = |error: FrameError| ConnectError {
        answer: None,
        reason: error.reason_code(),
        source: Some(error),
    };
    let unsupported = |answer| ConnectError {
        answer,
        reason: ReasonCode::UnsupportedProtocolVersion,
        source: None,
    };
    let name = cursor.binary().map_err(silent)?;
    let level = cursor.u8().map_err(silent)?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 6..) => Err(unsupported(Some(Version::V5))),
        (b"MQTT" | b"MQIsdp", _) => Err(unsupported(Some(Version::V311))),
        _ => Err(unsupported(None)),
    }
}

/// What the codec would lose of the will's properties.
#[derive(Debug, Default)]
struct WillProperties {
    delay: u32,
    expiry: Option<u32>,
    forwarded: Vec<u8>,
}

/// Walks from the connect flags to the end.
fn walk(mut cursor: Cursor<'_>, version: Version) -> Result<WillProperties, FrameError> {
    let flags = cursor.u8()?;
    check_flags(flags, version)?;
    let _keep_alive = cursor.u16()?;
    if version == Version::V5 {
        property::read(&mut cursor, Place::Connect, |_| {})?;
    }
    let _client_id = cursor.string()?;
    let mut properties = WillProperties::default();
    if flags & WILL != 0 {
        if version == Version::V5 {
            property::read(&mut cursor, Place::Will, |property| match property.id {
                property::WILL_DELAY_INTERVAL => properties.delay = property.number,
                property::MESSAGE_EXPIRY_INTERVAL => properties.expiry = Some(property.number),
                _ => properties.forwarded.extend_from_slice(property.bytes),
            })?;
        }
        TopicName::parse(cursor.string()?).map_err(FrameError::TopicName)?;
        cursor.binary()?;
    }
    if flags & USER_NAME != 0 {
        cursor.string()?;
    }
    if flags & PASSWORD != 0 {
        cursor.binary()?;
    }
    cursor.finish()?;
    Ok(properties)
}

const fn check_flags(flags: u8, version: Version) -> Result<(), FrameError> {
    let reserved = flags & 1 != 0;
    let will_without_flag = flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0;
    let qos_three = flags & WILL_QOS == WILL_QOS;
    // MQTT 5.0 allows a password alone (section 3.1.2.9), 3.1.1 does not [MQTT-3.1.2-22].
    let password_alone =
        matches!(version, Version::V311) && flags & PASSWORD != 0 && flags & USER_NAME == 0;
    if reserved || will_without_flag || qos_three || password_alone {
        Err(FrameError::ConnectFlags(flags))
    } else {
        Ok(())
    }
}

const WILL: u8 = 0b0000_0100;
const WILL_QOS: u8 = 0b0001_1000;
const WILL_RETAIN: u8 = 0b0010_0000;
const PASSWORD: u8 = 0b0100_0000;
const USER_NAME: u8 = 0b1000_0000;
