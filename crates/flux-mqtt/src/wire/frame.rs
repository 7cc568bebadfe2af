//! Frames: the fixed header and the bytes that belong to it (section 2.1).

use super::cursor::{Cursor, variable_byte_integer};
use super::{FrameError, Version};

/// One complete control packet as it came.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// What kind of packet it is.
    pub(crate) packet_type: PacketType,
    /// Bits 3 to 0 of the fixed header.
    pub(crate) flags: u8,
    /// The whole packet, fixed header included.
    pub(crate) bytes: &'a [u8],
    /// What follows the fixed header.
    pub(crate) body: &'a [u8],
}

/// Splits the first frame off `bytes`, or returns `None` when it is not complete yet.
///
/// The limit is enforced as soon as the fixed header is there, so that nobody waits for, or
/// makes us hold, a packet that would be refused. `version` is unknown before CONNECT.
pub(crate) fn split(
    bytes: &[u8],
    max: u32,
    version: Option<Version>,
) -> Result<Option<Frame<'_>>, FrameError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let packet_type = PacketType::try_from(first >> 4)?;
    let flags = first & 0x0F;
    packet_type.check_flags(flags, version)?;
    let Some((remaining, prefix)) = variable_byte_integer(rest)? else { return Ok(None) };
    let header = 1 + prefix;
    let len = header.saturating_add(usize::try_from(remaining).unwrap_or(usize::MAX));
    if len > usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(FrameError::PacketTooLarge {
            len: u32::try_from(len).unwrap_or(u32::MAX),
            max,
        });
    }
    Ok(bytes.get(..len).and_then(|bytes| {
        let body = bytes.get(header..)?;
        Some(Frame { packet_type, flags, bytes, body })
    }))
}

/// Splits the first off from packets of our own, which are whole.
#[inline]
pub(crate) fn split_whole(packets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = packets.split_first()?;
    let (remaining, prefix) = variable_byte_integer(rest).ok()??;
    packets.split_at_checked(1 + prefix + usize::try_from(remaining).ok()?)
}

/// Says whether these bytes, of which more may come, begin a CONNECT: the first one tells.
pub(crate) fn may_be_connect(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| matches!((first >> 4).try_into(), Ok(PacketType::Connect)))
}

impl<'a> Frame<'a> {
    pub(super) const fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.body)
    }
}

/// The control packet type (table 2-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketType {
    /// CONNECT
    Connect,
    /// CONNACK
    ConnAck,
    /// PUBLISH
    Publish,
    /// PUBACK
    PubAck,
    /// PUBREC
    PubRec,
    /// PUBREL
    PubRel,
    /// PUBCOMP
    PubComp,
    /// SUBSCRIBE
    Subscribe,
    /// SUBACK
    SubAck,
    /// UNSUBSCRIBE
    Unsubscribe,
    /// UNSUBACK
    UnsubAck,
    /// PINGREQ
    PingReq,
    /// PINGRESP
    PingResp,
    /// DISCONNECT
    Disconnect,
    /// AUTH, of MQTT 5.0
    Auth,
}

impl PacketType {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// Returns its number, 1 to 15.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::ConnAck => 2,
            Self::Publish => 3,
            Self::PubAck => 4,
            Self::PubRec => 5,
            Self::PubRel => 6,
            Self::PubComp => 7,
            Self::Subscribe => 8,
            Self::SubAck => 9,
            Self::Unsubscribe => 10,
            Self::UnsubAck => 11,
            Self::PingReq => 12,
            Self::PingResp => 13,
            Self::Disconnect => 14,
            Self::Auth => 15,
        }
    }

    /// Returns its name, as the standard writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The flags of PUBLISH carry meaning, those of all others are fixed (table 2-2).
    pub(super) const fn check_flags(
        self,
        flags: u8,
        version: Option<Version>,
    ) -> Result<(), FrameError> {
        let right = match self {
            Self::Publish => true,
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => flags == 0b0010,
            Self::Connect
            | Self::ConnAck
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => flags == 0,
        };
        if right || self.ignores(flags, version) {
            Ok(())
        } else {
            Err(FrameError::FixedHeaderFlags { packet: self.name(), flags })
        }
    }

    /// MQTT 3.1 gives the flags of most packets no meaning, and sends SUBSCRIBE, UNSUBSCRIBE and
    /// PUBREL at QoS 1, a retry with DUP (section 2.1 of 3.1).
    const fn ignores(self, flags: u8, version: Option<Version>) -> bool {
        match (version, self) {
            // Looked at again when the version is known.
            (None, Self::Connect) => true,
            (Some(Version::V31), Self::PubRel | Self::Subscribe | Self::Unsubscribe) => {
                flags & 0b0110 == 0b0010
            }
            (Some(Version::V31), _) => true,
            (None | Some(Version::V311 | Version::V5), _) => false,
        }
    }
}

impl TryFrom<u8> for PacketType {
    type Error = FrameError;

    fn try_from(number: u8) -> Result<Self, FrameError> {
        Ok(match number {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            other => return Err(FrameError::UnknownPacketType(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(bytes: &[u8], expected: &FrameError) {
        assert_eq!(split(bytes, 100, None).err().as_ref(), Some(expected));
    }

    #[test]
    fn a_frame_is_split_off_when_it_is_complete() {
        for cut in 0..4 {
            assert!(split(&[0x40, 2, 0, 1][..cut], 100, None).is_ok_and(|frame| frame.is_none()));
        }
        let frame = split(&[0x40, 2, 0, 1, 0xC0], 100, None).unwrap().unwrap();
        assert_eq!(frame.packet_type, PacketType::PubAck);
        assert_eq!((frame.bytes, frame.body), (&[0x40, 2, 0, 1][..], &[0, 1][..]));
    }

    #[test]
    fn the_header_alone_is_enough_to_refuse() {
        refused(&[0x00], &FrameError::UnknownPacketType(0));
        refused(&[0x60], &FrameError::FixedHeaderFlags { packet: "PUBREL", flags: 0 });
        refused(&[0x83], &FrameError::FixedHeaderFlags { packet: "SUBSCRIBE", flags: 3 });
        refused(&[0x30, 99], &FrameError::PacketTooLarge { len: 101, max: 100 });
        refused(
            &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            &FrameError::PacketTooLarge { len: 268_435_460, max: 100 },
        );
        refused(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], &FrameError::VariableByteInteger);
    }

    #[test]
    fn flags_of_v31_are_those_of_retries_or_nothing() {
        #[track_caller]
        fn check(first: u8, versions: &[Version]) {
            for version in [Version::V31, Version::V311, Version::V5] {
                let is_legal = split(&[first, 0], 100, Some(version)).is_ok();
                assert_eq!(is_legal, versions.contains(&version), "{first:#04x} {version:?}");
            }
        }
        for kind in [0x60, 0x80, 0xA0] {
            check(kind | 2, &[Version::V31, Version::V311, Version::V5]);
            check(kind | 0xA, &[Version::V31]);
            check(kind, &[]);
            check(kind | 4, &[]);
        }
        for kind in [0x10, 0x40, 0x50, 0x70, 0xC0, 0xE0] {
            check(kind, &[Version::V31, Version::V311, Version::V5]);
            check(kind | 0xF, &[Version::V31]);
        }
    }
}
