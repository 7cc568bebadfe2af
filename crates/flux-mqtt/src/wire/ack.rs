//! PUBACK, PUBREC, PUBREL and PUBCOMP, read and written (sections 3.4 to 3.7).

use flux_session::PacketId;

use super::cursor::{Cursor, put_variable_byte_integer};
use super::property::{self, Place};
use super::{Frame, FrameError, PacketType, Version};
use crate::reason::ReasonCode;

/// Which of the four acknowledgements.
#[expect(clippy::enum_variant_names, reason = "the names are the standard's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

impl AckKind {
    const fn first_byte(self) -> u8 {
        match self {
            Self::PubAck => 0x40,
            Self::PubRec => 0x50,
            Self::PubRel => 0x62,
            Self::PubComp => 0x70,
        }
    }
}

/// An acknowledgement from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) packet_id: PacketId,
    /// The reason code; always 0x00 in MQTT 3.1.1.
    pub(crate) code: u8,
}

impl Ack {
    /// Whether the reason code is below 0x80.
    pub(crate) const fn is_success(self) -> bool {
        self.code < 0x80
    }

    pub(crate) fn read(frame: &Frame<'_>, version: Version) -> Result<Self, FrameError> {
        let mut cursor = frame.cursor();
        let packet_id = cursor.packet_id()?;
        let mut code = 0;
        if version == Version::V5 && !cursor.is_empty() {
            code = read_code(&mut cursor, frame.packet_type)?;
            // The property length may be left out when nothing follows (section 3.4.2.2.1).
            if !cursor.is_empty() {
                property::read(&mut cursor, Place::Ack, |_| {})?;
            }
        }
        cursor.finish()?;
        Ok(Self { packet_id, code })
    }
}

fn read_code(cursor: &mut Cursor<'_>, packet_type: PacketType) -> Result<u8, FrameError> {
    let code = cursor.u8()?;
    let first_half = matches!(packet_type, PacketType::PubAck | PacketType::PubRec);
    let known = match code {
        0x00 => true,
        0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99 => first_half,
        0x92 => !first_half,
        _ => false,
    };
    if known { Ok(code) } else { Err(FrameError::ReasonCode { code, packet: packet_type.name() }) }
}

/// Appends an acknowledgement; the reason code only where the version has one and it says
/// something (the short form stands for Success).
pub(crate) fn write_ack(
    out: &mut Vec<u8>,
    kind: AckKind,
    version: Version,
    packet_id: PacketId,
    reason: ReasonCode,
) {
    let first = kind.first_byte();
    let [high, low] = packet_id.get().to_be_bytes();
    if version == Version::V5 && reason != ReasonCode::Success {
        out.extend_from_slice(&[first, 3, high, low, reason.as_u8()]);
    } else {
        out.extend_from_slice(&[first, 2, high, low]);
    }
}

/// Appends a PUBACK or PUBREC of MQTT 5.0 that refuses a message, with the reason in words where
/// that is no longer than `max` bytes [MQTT-3.4.2-2], [MQTT-3.5.2-2].
pub(crate) fn write_explained_ack(
    out: &mut Vec<u8>,
    kind: AckKind,
    packet_id: PacketId,
    reason: ReasonCode,
    max: u32,
) {
    let words = reason.description().as_bytes();
    let len = u16::try_from(words.len()).unwrap_or(u16::MAX);
    let [high, low] = packet_id.get().to_be_bytes();
    let mut body = vec![high, low, reason.as_u8()];
    put_variable_byte_integer(&mut body, 3 + u32::from(len));
    body.push(property::REASON_STRING);
    body.extend_from_slice(&len.to_be_bytes());
    body.extend_from_slice(words);
    let start = out.len();
    out.push(kind.first_byte());
    put_variable_byte_integer(out, u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(&body);
    if !fits(out, start, max) {
        out.truncate(start);
        write_ack(out, kind, Version::V5, packet_id, reason);
    }
}

/// Whether the packet that begins at `start` has at most `max` bytes.
pub(super) fn fits(out: &[u8], start: usize, max: u32) -> bool {
    u32::try_from(out.len() - start).is_ok_and(|len| len <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    #[track_caller]
    fn check(version: Version, bytes: &[u8], expected: &Result<(u16, bool), FrameError>) {
        let frame = split(bytes, 1000, None).unwrap().unwrap();
        let got = Ack::read(&frame, version).map(|ack| (ack.packet_id.get(), ack.is_success()));
        assert_eq!(&got, expected);
    }

    #[test]
    fn acknowledgements_have_a_short_and_a_long_form() {
        use Version::{V5, V311};
        check(V311, &[0x40, 2, 1, 2], &Ok((0x102, true)));
        check(V5, &[0x40, 2, 1, 2], &Ok((0x102, true)));
        check(V5, &[0x50, 3, 1, 2, 0x87], &Ok((0x102, false)));
        check(V5, &[0x40, 4, 1, 2, 0x10, 0], &Ok((0x102, true)));
        check(V5, &[0x62, 8, 1, 2, 0x92, 4, 0x1F, 0, 1, b'x'], &Ok((0x102, false)));
    }

    #[test]
    fn malformed_acknowledgements_are_refused() {
        use Version::{V5, V311};
        check(V311, &[0x40, 3, 1, 2, 0], &Err(FrameError::TrailingBytes(1)));
        check(V311, &[0x40, 1, 1], &Err(FrameError::Truncated));
        check(V5, &[0x70, 2, 0, 0], &Err(FrameError::PacketIdZero));
        let wrong = |code, packet| Err(FrameError::ReasonCode { code, packet });
        check(V5, &[0x62, 3, 1, 2, 0x10], &wrong(0x10, "PUBREL"));
        check(V5, &[0x40, 3, 1, 2, 0x92], &wrong(0x92, "PUBACK"));
        check(V5, &[0x40, 5, 1, 2, 0, 0, 0], &Err(FrameError::TrailingBytes(1)));
    }
}
