//! What a client sends, as bytes, and what it gets, as text that a test can compare.

use std::fmt::Write as _;

use ntex_bytes::BytePages;
use ntex_codec::Encoder;
use ntex_mqtt::{v3, v5};

use crate::names::ConnectionId;
use crate::wire::{Frame, PacketType, Version, split};

/// A client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) worker: usize,
    pub(super) id: ConnectionId,
    pub(super) version: Version,
}

/// A CONNECT of a client that wants to keep its session for an hour.
pub(super) fn connect(client_id: &str) -> v5::codec::Connect {
    v5::codec::Connect {
        client_id: client_id.to_owned().into(),
        session_expiry_interval_secs: 3600,
        ..v5::codec::Connect::default()
    }
}

/// The same with a will: topic, payload, delay in seconds.
pub(super) fn connect_with_will(
    client_id: &str,
    topic: &str,
    payload: &str,
    delay: Option<u32>,
) -> v5::codec::Connect {
    let last_will = v5::codec::LastWill {
        qos: ntex_mqtt::QoS::AtLeastOnce,
        retain: false,
        topic: topic.to_owned().into(),
        message: payload.to_owned().into(),
        will_delay_interval_sec: delay,
        correlation_data: None,
        message_expiry_interval: None,
        content_type: None,
        user_properties: Vec::new(),
        is_utf8_payload: None,
        response_topic: None,
    };
    v5::codec::Connect { last_will: Some(last_will), ..connect(client_id) }
}

pub(super) fn encode_v5(packet: v5::codec::Packet) -> Vec<u8> {
    let mut pages = BytePages::default();
    v5::codec::Codec::new().encodev(packet.into(), &mut pages).unwrap();
    pages.freeze().to_vec()
}

pub(super) fn encode_v3(packet: v3::codec::Packet) -> Vec<u8> {
    let mut pages = BytePages::default();
    v3::codec::Codec::new().encodev(packet.into(), &mut pages).unwrap();
    pages.freeze().to_vec()
}

pub(super) fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let (mut out, mut len) = (vec![first], body.len());
    while len > 0x7F {
        out.push(u8::try_from(len & 0x7F).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    [out, body].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// The property length that only MQTT 5.0 has.
const fn no_properties(version: Version) -> &'static [u8] {
    match version {
        Version::V31 | Version::V311 => &[],
        Version::V5 => &[0],
    }
}

/// A PUBLISH; `flags` are those of the fixed header, QoS in bits 1 and 2.
pub(super) fn publish(version: Version, flags: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
    let id = id.to_be_bytes();
    let id: &[u8] = if flags & 0b110 == 0 { &[] } else { &id };
    packet(0x30 | flags, &[&string(topic), id, no_properties(version), payload.as_bytes()])
}

/// PUBLISH at QoS 1 with MQTT 5.0 and a Message Expiry Interval.
pub(super) fn publish_that_expires(id: u16, topic: &str, payload: &str, seconds: u8) -> Vec<u8> {
    let expiry = [5, 2, 0, 0, 0, seconds];
    packet(0x32, &[&string(topic), &id.to_be_bytes(), &expiry, payload.as_bytes()])
}

pub(super) fn subscribe(version: Version, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let filters: Vec<u8> = filters
        .iter()
        .flat_map(|(text, options)| [string(text), vec![*options]].concat())
        .collect();
    packet(0x82, &[&id.to_be_bytes(), no_properties(version), &filters])
}

pub(super) fn unsubscribe(version: Version, id: u16, filter: &str) -> Vec<u8> {
    packet(0xA2, &[&id.to_be_bytes(), no_properties(version), &string(filter)])
}

/// PUBACK 0x40, PUBREC 0x50, PUBREL 0x62, PUBCOMP 0x70.
pub(super) fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &[&id.to_be_bytes()])
}

pub(super) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// DISCONNECT with a reason and a new Session Expiry Interval.
pub(super) fn disconnect(reason: u8, expiry: Option<u32>) -> Vec<u8> {
    match expiry {
        None => packet(0xE0, &[&[reason]]),
        Some(seconds) => packet(0xE0, &[&[reason, 5, 0x11], &seconds.to_be_bytes()]),
    }
}

/// Shows packets of the broker, one text each: `CONNACK 00 present`, `t=payload q1 #1 retain`,
/// `SUBACK 1 [01]`, `DISCONNECT 8e`.
pub(super) fn show(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut shown = Vec::new();
    while let Some(frame) = split(bytes, u32::MAX, None).expect("what we send is well formed") {
        shown.push(show_one(version, &frame));
        bytes = &bytes[frame.bytes.len()..];
    }
    assert_eq!(bytes, b"", "half a packet");
    shown
}

fn show_one(version: Version, frame: &Frame<'_>) -> String {
    let mut body = frame.body;
    let is_v5 = version == Version::V5;
    match frame.packet_type {
        PacketType::ConnAck => {
            format!("CONNACK {:02x}{}", body[1], if body[0] == 1 { " present" } else { "" })
        }
        PacketType::Publish => show_publish(version, frame),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            let code = body.get(2).copied().unwrap_or_default();
            format!("{} {} {code:02x}", frame.packet_type.name(), number(&mut body))
        }
        PacketType::SubAck | PacketType::UnsubAck => {
            let id = number(&mut body);
            if is_v5 {
                skip_properties(&mut body);
            }
            format!("{} {id} {body:02x?}", frame.packet_type.name())
        }
        PacketType::Disconnect => {
            format!("DISCONNECT {:02x}", body.first().copied().unwrap_or_default())
        }
        other => other.name().to_owned(),
    }
}

fn show_publish(version: Version, frame: &Frame<'_>) -> String {
    let mut body = frame.body;
    let len = usize::from(number(&mut body));
    let (topic, mut rest) = body.split_at(len);
    let mut shown = String::from_utf8(topic.to_vec()).unwrap();
    let qos = frame.flags >> 1 & 3;
    let id = if qos > 0 { number(&mut rest) } else { 0 };
    if version == Version::V5 {
        skip_properties(&mut rest);
    }
    write!(shown, "={}", String::from_utf8_lossy(rest)).unwrap();
    if qos > 0 {
        write!(shown, " q{qos} #{id}").unwrap();
    }
    if frame.flags & 8 != 0 {
        shown.push_str(" dup");
    }
    if frame.flags & 1 != 0 {
        shown.push_str(" retain");
    }
    shown
}

fn number(bytes: &mut &[u8]) -> u16 {
    let (head, tail) = bytes.split_at(2);
    *bytes = tail;
    u16::from_be_bytes([head[0], head[1]])
}

fn skip_properties(bytes: &mut &[u8]) {
    let (mut len, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        len |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    *bytes = &bytes[len..];
}
