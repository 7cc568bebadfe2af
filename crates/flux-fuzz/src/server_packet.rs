//! A packet that a worker sent, read by the letter of the standard and by nobody of flux-mqtt.

use flux_mqtt::Version;

/// Takes a packet off a stream: its first byte and its body; `None` when it is not whole.
pub(crate) fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let len = variable(&mut rest)?;
    let (body, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *bytes = rest;
    Some((*first, body))
}

/// What the fields of a packet are, as far as somebody asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerPacket<'a> {
    ConnAck {
        code: u8,
    },
    Publish {
        qos: u8,
        id: u16,
        topic: &'a str,
        alias: u16,
    },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP, by its first byte.
    Ack {
        first: u8,
        id: u16,
        code: u8,
    },
    SubAck {
        id: u16,
        codes: usize,
    },
    UnsubAck {
        id: u16,
        codes: usize,
    },
    PingResp,
    Disconnect,
}

/// Reads a packet of a server of this version; `None` for what such a server may not send.
pub(crate) fn read<'a>(version: Version, first: u8, body: &'a [u8]) -> Option<ServerPacket<'a>> {
    let mut rest = body;
    let is_v5 = version == Version::V5;
    let packet = match first {
        0x20 => read_connack(version, &mut rest)?,
        0x30..=0x3F => return read_publish(version, first, body),
        0x40 | 0x50 | 0x62 | 0x70 => {
            let (id, mut code) = (packet_id(&mut rest)?, 0);
            if is_v5 && !rest.is_empty() {
                code = byte(&mut rest)?;
                let known: &[u8] = match first {
                    0x40 | 0x50 => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
                    _ => &[0, 0x92],
                };
                known.contains(&code).then_some(())?;
                if !rest.is_empty() {
                    properties(&mut rest, &[0x1F, 0x26])?;
                }
            }
            ServerPacket::Ack { first, id, code }
        }
        0x90 => {
            let id = packet_id(&mut rest)?;
            if is_v5 {
                properties(&mut rest, &[0x1F, 0x26])?;
            }
            let known: &[u8] = match version {
                Version::V31 => &[0, 1, 2],
                Version::V311 => &[0, 1, 2, 0x80],
                Version::V5 => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
            };
            let codes = codes(&mut rest, known)?;
            (codes > 0).then_some(())?;
            ServerPacket::SubAck { id, codes }
        }
        0xB0 => {
            let (id, mut codes_len) = (packet_id(&mut rest)?, 0);
            if is_v5 {
                properties(&mut rest, &[0x1F, 0x26])?;
                codes_len = codes(&mut rest, &[0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91])?;
                (codes_len > 0).then_some(())?;
            }
            ServerPacket::UnsubAck { id, codes: codes_len }
        }
        0xD0 => ServerPacket::PingResp,
        0xE0 if is_v5 => {
            if !rest.is_empty() {
                let code = byte(&mut rest)?;
                let known = matches!(code, 0 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90)
                    || matches!(code, 0x93..=0xA2);
                known.then_some(())?;
                if !rest.is_empty() {
                    properties(&mut rest, &[0x1C, 0x1F, 0x26])?;
                }
            }
            ServerPacket::Disconnect
        }
        _ => return None,
    };
    rest.is_empty().then_some(packet)
}

fn read_connack<'a>(version: Version, rest: &mut &[u8]) -> Option<ServerPacket<'a>> {
    let (present, code) = (byte(rest)?, byte(rest)?);
    (present <= 1 && (present == 0 || code == 0)).then_some(())?;
    match version {
        Version::V31 => (present == 0 && code <= 5).then_some(())?,
        Version::V311 => (code <= 5).then_some(())?,
        Version::V5 => {
            (code == 0 || code >= 0x80).then_some(())?;
            let allowed = [
                0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27,
                0x28, 0x29, 0x2A,
            ];
            properties(rest, &allowed)?;
        }
    }
    Some(ServerPacket::ConnAck { code })
}

fn read_publish<'a>(version: Version, first: u8, mut rest: &'a [u8]) -> Option<ServerPacket<'a>> {
    let qos = first >> 1 & 3;
    (qos < 3 && (qos > 0 || first & 8 == 0)).then_some(())?;
    let topic = string(&mut rest)?;
    (!topic.contains(['+', '#'])).then_some(())?;
    let id = if qos > 0 { packet_id(&mut rest)? } else { 0 };
    let mut alias = 0;
    if version == Version::V5 {
        let allowed = [0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26];
        alias = properties(&mut rest, &allowed)?;
    }
    (!topic.is_empty() || alias > 0).then_some(())?;
    Some(ServerPacket::Publish { qos, id, topic, alias })
}

/// Reads properties of which these may stand here, most of them once; returns the topic alias.
fn properties(bytes: &mut &[u8], allowed: &[u8]) -> Option<u16> {
    let len = usize::try_from(variable(bytes)?).ok()?;
    let (mut rest, behind) = bytes.split_at_checked(len)?;
    *bytes = behind;
    let (mut seen, mut alias) = (0_u64, 0);
    while !rest.is_empty() {
        let id = byte(&mut rest)?;
        allowed.contains(&id).then_some(())?;
        let may_repeat = matches!(id, 0x0B | 0x26);
        (may_repeat || seen & 1 << id == 0).then_some(())?;
        seen |= 1 << id;
        match id {
            0x01 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => (byte(&mut rest)? <= 1).then_some(())?,
            0x02 | 0x11 => drop(take_bytes(&mut rest, 4)?),
            0x27 => (take_bytes(&mut rest, 4)? != [0; 4]).then_some(())?,
            0x13 | 0x22 => drop(number(&mut rest)?),
            0x21 => (number(&mut rest)? > 0).then_some(())?,
            0x23 => {
                alias = number(&mut rest)?;
                (alias > 0).then_some(())?;
            }
            0x0B => (variable(&mut rest)? > 0).then_some(())?,
            0x09 | 0x16 => drop(binary(&mut rest)?),
            0x26 => {
                string(&mut rest)?;
                string(&mut rest)?;
            }
            _ => drop(string(&mut rest)?),
        }
    }
    Some(alias)
}

/// The rest, each byte of which is one of these codes.
fn codes(rest: &mut &[u8], known: &[u8]) -> Option<usize> {
    let codes = std::mem::take(rest);
    codes.iter().all(|code| known.contains(code)).then_some(codes.len())
}

pub(crate) fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

pub(crate) fn number(bytes: &mut &[u8]) -> Option<u16> {
    Some(u16::from(byte(bytes)?) << 8 | u16::from(byte(bytes)?))
}

pub(crate) fn packet_id(bytes: &mut &[u8]) -> Option<u16> {
    number(bytes).filter(|id| *id > 0)
}

pub(crate) fn binary<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = number(bytes)?;
    take_bytes(bytes, usize::from(len))
}

fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(binary(bytes)?).ok().filter(|text| !text.contains('\0'))
}

pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

/// A variable byte integer in its shortest form.
pub(crate) fn variable(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for index in 0..4 {
        let byte = byte(bytes)?;
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return (byte > 0 || index == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(version: Version, first: u8, body: &[u8]) {
        assert_eq!(read(version, first, body), None);
    }

    #[test]
    fn what_a_server_may_send_is_read() {
        use Version::{V5, V31, V311};
        assert_eq!(read(V311, 0x20, &[1, 0]), Some(ServerPacket::ConnAck { code: 0 }));
        assert_eq!(read(V5, 0xE0, &[0x8E]), Some(ServerPacket::Disconnect));
        let publish = ServerPacket::Publish { qos: 1, id: 7, topic: "t", alias: 2 };
        assert_eq!(read(V5, 0x32, &[0, 1, b't', 0, 7, 3, 0x23, 0, 2]), Some(publish));
        refused(V31, 0x20, &[1, 0]);
        refused(V311, 0xE0, &[]);
        refused(V5, 0x38, &[0, 1, b't', 0]);
        refused(V5, 0x30, &[0, 0, 0]);
        refused(V5, 0x90, &[0, 1, 0, 0x88]);
        refused(V311, 0x40, &[0, 1, 0]);
        refused(V5, 0x82, &[0, 1, 0, 0, 1, b'a', 0]);
    }
}
