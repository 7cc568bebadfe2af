//! The answers that ntex-mqtt builds: CONNACK, SUBACK, UNSUBACK, DISCONNECT; and PINGRESP.

use flux_session::{PacketId, QoS};
use ntex_mqtt::{v3, v5};

use super::Version;
use super::codec::{encode_v3, encode_v5};
use crate::reason::ReasonCode;

/// A PINGRESP, the same in every version (section 3.13).
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// What CONNACK tells a client that may come in (section 3.2).
#[derive(Clone, Debug)]
pub(crate) struct ConnAck {
    pub(crate) session_present: bool,
    pub(crate) reason: ReasonCode,
    /// Our Receive Maximum.
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_qos: QoS,
    /// Our Maximum Packet Size in bytes.
    pub(crate) maximum_packet_size: u32,
    /// How many topic aliases we take.
    pub(crate) topic_alias_maximum: u16,
    /// The client identifier that we chose, when the client sent none.
    pub(crate) assigned_client_id: Option<String>,
    /// Server Keep Alive in seconds, when it is not the one that the client asked for.
    pub(crate) keep_alive: Option<u16>,
    /// Left out where it would make the packet larger than the client takes.
    pub(crate) response_information: Option<String>,
}

/// Appends a CONNACK, of at most `max` bytes where leaving something out allows it. A refusal that MQTT 3.1.1 has no return code for appends nothing
/// [MQTT-3.2.2-6].
pub(crate) fn write_connack(out: &mut Vec<u8>, version: Version, answer: ConnAck, max: u32) {
    match version {
        Version::V31 | Version::V311 => {
            let Some(code) = answer.reason.connect_return_code() else { return };
            let return_code = v3::codec::ConnectAckReason::try_from(code)
                .unwrap_or(v3::codec::ConnectAckReason::ServiceUnavailable);
            // Reserved in MQTT 3.1.
            let session_present = answer.session_present && version == Version::V311;
            let packet = v3::codec::ConnectAck { return_code, session_present };
            encode_v3(out, v3::codec::Packet::ConnectAck(packet));
        }
        Version::V5 => {
            let start = out.len();
            let mut packet = connack_v5(answer);
            encode_v5(out, v5::codec::Packet::ConnectAck(Box::new(packet.clone())));
            if packet.response_info.is_some() && !fits(out, start, max) {
                out.truncate(start);
                packet.response_info = None;
                encode_v5(out, v5::codec::Packet::ConnectAck(Box::new(packet)));
            }
        }
    }
}

fn connack_v5(answer: ConnAck) -> v5::codec::ConnectAck {
    let reason_code = v5::codec::ConnectAckReason::try_from(answer.reason.as_u8())
        .unwrap_or(v5::codec::ConnectAckReason::UnspecifiedError);
    let mut packet = v5::codec::ConnectAck { reason_code, ..Default::default() };
    if answer.reason != ReasonCode::Success {
        return packet;
    }
    packet.session_present = answer.session_present;
    packet.receive_max =
        std::num::NonZeroU16::new(answer.receive_maximum).unwrap_or(std::num::NonZeroU16::MAX);
    packet.max_qos = match answer.maximum_qos {
        QoS::AtMostOnce => ntex_mqtt::QoS::AtMostOnce,
        QoS::AtLeastOnce => ntex_mqtt::QoS::AtLeastOnce,
        QoS::ExactlyOnce => ntex_mqtt::QoS::ExactlyOnce,
    };
    packet.max_packet_size = Some(answer.maximum_packet_size);
    packet.topic_alias_max = answer.topic_alias_maximum;
    packet.assigned_client_id = answer.assigned_client_id.map(Into::into);
    packet.server_keepalive_sec = answer.keep_alive;
    packet.response_info = answer.response_information.map(Into::into);
    packet
}

/// Whether the packet that begins at `start` has at most `max` bytes.
fn fits(out: &[u8], start: usize, max: u32) -> bool {
    u32::try_from(out.len() - start).is_ok_and(|len| len <= max)
}

/// Appends a SUBACK with one reason code for each filter, in their order [MQTT-3.9.3-1].
/// MQTT 3.1 can say no failure: there every code is one that grants.
pub(crate) fn write_suback(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: PacketId,
    codes: &[ReasonCode],
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
        Version::V5 => {
            let code = |reason: &ReasonCode| {
                v5::codec::SubscribeAckReason::try_from(reason.as_u8())
                    .unwrap_or(v5::codec::SubscribeAckReason::UnspecifiedError)
            };
            let packet = v5::codec::SubscribeAck {
                packet_id: packet_id.into(),
                properties: Vec::new(),
                reason_string: None,
                status: codes.iter().map(code).collect(),
            };
            encode_v5(out, v5::codec::Packet::SubscribeAck(packet));
        }
    }
}

/// Appends an UNSUBACK; MQTT 3.1.1 has no codes in it (section 3.11).
pub(crate) fn write_unsuback(
    out: &mut Vec<u8>,
    version: Version,
    packet_id: PacketId,
    codes: &[ReasonCode],
) {
    match version {
        Version::V31 | Version::V311 => {
            let packet_id = packet_id.into();
            encode_v3(out, v3::codec::Packet::UnsubscribeAck { packet_id });
        }
        Version::V5 => {
            let code = |reason: &ReasonCode| {
                v5::codec::UnsubscribeAckReason::try_from(reason.as_u8())
                    .unwrap_or(v5::codec::UnsubscribeAckReason::UnspecifiedError)
            };
            let packet = v5::codec::UnsubscribeAck {
                packet_id: packet_id.into(),
                properties: Vec::new(),
                reason_string: None,
                status: codes.iter().map(code).collect(),
            };
            encode_v5(out, v5::codec::Packet::UnsubscribeAck(packet));
        }
    }
}

/// Appends a DISCONNECT; a server of MQTT 3.1.1 has none and just closes.
pub(crate) fn write_disconnect(out: &mut Vec<u8>, version: Version, reason: ReasonCode) {
    if version == Version::V5 {
        let code = v5::codec::DisconnectReasonCode::try_from(reason.as_u8())
            .unwrap_or(v5::codec::DisconnectReasonCode::UnspecifiedError);
        encode_v5(out, v5::codec::Packet::Disconnect(v5::codec::Disconnect::new(code)));
    }
}
