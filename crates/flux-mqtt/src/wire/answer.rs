//! The answers that ntex-mqtt builds: CONNACK, SUBACK, UNSUBACK, DISCONNECT; and PINGRESP.

use std::num::NonZeroU16;

use bytes::Bytes;
use flux_session::{PacketId, QoS};
use ntex_bytes::ByteString;
use ntex_mqtt::{v3, v5};

use super::Version;
use super::ack::fits;
use super::codec::{encode_v3, encode_v5};
use crate::reason::ReasonCode;

/// A PINGRESP, the same in every version (section 3.13).
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// What CONNACK tells a client that may come in (section 3.2).
#[derive(Clone)]
pub(crate) struct ConnAck {
    pub(crate) session_present: bool,
    /// Our Receive Maximum.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    pub(crate) retain_available: bool,
    /// Our Maximum Packet Size in bytes.
    pub(crate) maximum_packet_size: u32,
    /// How many topic aliases we take.
    pub(crate) topic_alias_maximum: u16,
    pub(crate) wildcard_subscriptions: bool,
    pub(crate) subscription_identifiers: bool,
    pub(crate) shared_subscriptions: bool,
    /// The client identifier that we chose, when the client sent none.
    pub(crate) assigned_client_id: Option<String>,
    /// Server Keep Alive in seconds, when it is not the one that the client asked for.
    pub(crate) keep_alive: Option<u16>,
    /// Session Expiry Interval in seconds, when it is not the one that the client asked for.
    pub(crate) session_expiry: Option<u32>,
    /// Left out where it would make the packet larger than the client takes.
    pub(crate) response_information: Option<String>,
    /// The Authentication Method of CONNECT, and what the last step of the exchange brought [MQTT-4.12.0-5].
    pub(crate) authentication: Option<(String, Bytes)>,
}

/// Appends the CONNACK that lets a client in; `max` is the client's Maximum Packet Size.
pub(crate) fn write_connack(out: &mut Vec<u8>, version: Version, answer: ConnAck, max: u32) {
    match version {
        Version::V31 | Version::V311 => {
            // Reserved in MQTT 3.1.
            let session_present = answer.session_present && version == Version::V311;
            let return_code = v3::codec::ConnectAckReason::ConnectionAccepted;
            let packet = v3::codec::ConnectAck { return_code, session_present };
            encode_v3(out, v3::codec::Packet::ConnectAck(packet));
        }
        Version::V5 => {
            let information = answer.response_information.clone();
            let mut packet = connack_v5(answer);
            explain(out, information.as_deref(), max, |out, information| {
                packet.response_info = information;
                encode_v5(out, v5::codec::Packet::ConnectAck(Box::new(packet.clone())));
            });
        }
    }
}

fn connack_v5(answer: ConnAck) -> v5::codec::ConnectAck {
    let (auth_method, auth_data) = answer.authentication.unzip();
    v5::codec::ConnectAck {
        auth_method: auth_method.map(Into::into),
        auth_data: auth_data
            .filter(|data| !data.is_empty())
            .map(|data| ntex_bytes::Bytes::copy_from_slice(&data)),
        session_present: answer.session_present,
        receive_max: NonZeroU16::new(answer.receive_maximum).unwrap_or(NonZeroU16::MAX),
        max_qos: match answer.maximum_qos {
            QoS::AtMostOnce => ntex_mqtt::QoS::AtMostOnce,
            QoS::AtLeastOnce => ntex_mqtt::QoS::AtLeastOnce,
            QoS::ExactlyOnce => ntex_mqtt::QoS::ExactlyOnce,
        },
        retain_available: answer.retain_available,
        max_packet_size: Some(answer.maximum_packet_size),
        topic_alias_max: answer.topic_alias_maximum,
        wildcard_subscription_available: answer.wildcard_subscriptions,
        subscription_identifiers_available: answer.subscription_identifiers,
        shared_subscription_available: answer.shared_subscriptions,
        assigned_client_id: answer.assigned_client_id.map(Into::into),
        server_keepalive_sec: answer.keep_alive,
        session_expiry_interval_secs: answer.session_expiry,
        ..v5::codec::ConnectAck::default()
    }
}

/// Appends the CONNACK that refuses a client, in words as well. A refusal that MQTT 3.1.1 has no
/// return code for appends nothing [MQTT-3.2.2-6].
pub(crate) fn write_refusal(
    out: &mut Vec<u8>,
    version: Version,
    reason: ReasonCode,
    words: Option<&str>,
    max: u32,
) {
    match version {
        Version::V31 | Version::V311 => {
            let Some(code) = reason.connect_return_code() else { return };
            let return_code = v3::codec::ConnectAckReason::try_from(code)
                .unwrap_or(v3::codec::ConnectAckReason::ServiceUnavailable);
            let packet = v3::codec::ConnectAck { return_code, session_present: false };
            encode_v3(out, v3::codec::Packet::ConnectAck(packet));
        }
        Version::V5 => explain(out, words, max, |out, reason_string| {
            let reason_code = v5::codec::ConnectAckReason::try_from(reason.as_u8())
                .unwrap_or(v5::codec::ConnectAckReason::UnspecifiedError);
            let packet = v5::codec::ConnectAck { reason_code, reason_string, ..Default::default() };
            encode_v5(out, v5::codec::Packet::ConnectAck(Box::new(packet)));
        }),
    }
}

/// Appends what `write` makes of the text, or of none where the packet would be larger than `max`:
/// a Reason String may not be what makes it too large [MQTT-3.14.2-3]. Without it the packet may
/// still be.
fn explain(
    out: &mut Vec<u8>,
    text: Option<&str>,
    max: u32,
    mut write: impl FnMut(&mut Vec<u8>, Option<ByteString>),
) {
    let start = out.len();
    write(out, text.map(ByteString::from));
    if text.is_some() && !fits(out, start, max) {
        out.truncate(start);
        write(out, None);
    }
}

/// Appends a SUBACK with one reason code for each filter, in their order [MQTT-3.9.3-1], and why
/// some failed in words. MQTT 3.1 can say no failure: there every code is one that grants.
pub(crate) fn write_suback(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: PacketId,
    codes: &[ReasonCode],
    words: Option<&str>,
    max: u32,
) {
    match version {
        Version::V31 | Version::V311 => {
            let granted = v3::codec::SubscribeReturnCode::Success;
            let code = |reason: &ReasonCode| match reason {
                ReasonCode::Success => granted(ntex_mqtt::QoS::AtMostOnce),
                ReasonCode::GrantedQos1 => granted(ntex_mqtt::QoS::AtLeastOnce),
                ReasonCode::GrantedQos2 => granted(ntex_mqtt::QoS::ExactlyOnce),
                _ => v3::codec::SubscribeReturnCode::Failure,
            };
            let status = codes.iter().map(code).collect();
            let packet_id = packet_id.into();
            encode_v3(out, v3::codec::Packet::SubscribeAck { packet_id, status });
        }
        Version::V5 => explain(out, words, max, |out, reason_string| {
            let code = |reason: &ReasonCode| {
                v5::codec::SubscribeAckReason::try_from(reason.as_u8())
                    .unwrap_or(v5::codec::SubscribeAckReason::UnspecifiedError)
            };
            let packet = v5::codec::SubscribeAck {
                packet_id: packet_id.into(),
                properties: Vec::new(),
                reason_string,
                status: codes.iter().map(code).collect(),
            };
            encode_v5(out, v5::codec::Packet::SubscribeAck(packet));
        }),
    }
}

/// Appends an UNSUBACK; MQTT 3.1.1 has no codes in it (section 3.11).
pub(crate) fn write_unsuback(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: PacketId,
    codes: &[ReasonCode],
    words: Option<&str>,
    max: u32,
) {
    match version {
        Version::V31 | Version::V311 => {
            let packet_id = packet_id.into();
            encode_v3(out, v3::codec::Packet::UnsubscribeAck { packet_id });
        }
        Version::V5 => explain(out, words, max, |out, reason_string| {
            let code = |reason: &ReasonCode| {
                v5::codec::UnsubscribeAckReason::try_from(reason.as_u8())
                    .unwrap_or(v5::codec::UnsubscribeAckReason::UnspecifiedError)
            };
            let packet = v5::codec::UnsubscribeAck {
                packet_id: packet_id.into(),
                properties: Vec::new(),
                reason_string,
                status: codes.iter().map(code).collect(),
            };
            encode_v5(out, v5::codec::Packet::UnsubscribeAck(packet));
        }),
    }
}

/// Appends a DISCONNECT, in words as well; a server of MQTT 3.1.1 has none and just closes.
pub(crate) fn write_disconnect(
    out: &mut Vec<u8>,
    version: Version,
    reason: ReasonCode,
    words: Option<&str>,
    max: u32,
) {
    if version == Version::V5 {
        explain(out, words, max, |out, words| {
            let code = v5::codec::DisconnectReasonCode::try_from(reason.as_u8())
                .unwrap_or(v5::codec::DisconnectReasonCode::UnspecifiedError);
            let packet = v5::codec::Disconnect::new(code).reason_string(words);
            encode_v5(out, v5::codec::Packet::Disconnect(packet));
        });
    }
}
