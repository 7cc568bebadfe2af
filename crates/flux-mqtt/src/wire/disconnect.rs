//! DISCONNECT from a client (section 3.14).

use super::property::{self, Place};
use super::{Frame, FrameError, Version};

/// A client takes its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disconnect {
    /// 0x00 deletes the will, everything else has it published [MQTT-3.14.4-3].
    pub(crate) reason: u8,
    /// The new Session Expiry Interval in seconds.
    pub(crate) session_expiry: Option<u32>,
}

impl Disconnect {
    pub(crate) fn read(frame: &Frame<'_>, version: Version) -> Result<Self, FrameError> {
        let mut cursor = frame.cursor();
        let mut packet = Self { reason: 0, session_expiry: None };
        if version == Version::V5 && !cursor.is_empty() {
            packet.reason = cursor.u8()?;
            check_reason(packet.reason)?;
            if !cursor.is_empty() {
                property::read(&mut cursor, Place::Disconnect, |property| {
                    if property.id == property::SESSION_EXPIRY_INTERVAL {
                        packet.session_expiry = Some(property.number);
                    }
                })?;
            }
        }
        cursor.finish()?;
        Ok(packet)
    }
}

/// The reason codes that a client may send (table 3-10) [MQTT-3.14.2-1].
const fn check_reason(code: u8) -> Result<(), FrameError> {
    match code {
        0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => Ok(()),
        _ => Err(FrameError::ReasonCode { code, packet: "DISCONNECT" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    #[track_caller]
    fn check(version: Version, bytes: &[u8], expected: &Result<(u8, Option<u32>), FrameError>) {
        let frame = split(bytes, 1000, None).unwrap().unwrap();
        let got = Disconnect::read(&frame, version).map(|d| (d.reason, d.session_expiry));
        assert_eq!(&got, expected);
    }

    #[test]
    fn disconnect_is_read_in_every_length() {
        use Version::{V5, V311};
        check(V311, &[0xE0, 0], &Ok((0, None)));
        check(V5, &[0xE0, 0], &Ok((0, None)));
        check(V5, &[0xE0, 1, 4], &Ok((4, None)));
        check(V5, &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9], &Ok((0, Some(9))));
        check(V311, &[0xE0, 1, 0], &Err(FrameError::TrailingBytes(1)));
        let wrong = FrameError::ReasonCode { code: 0x8E, packet: "DISCONNECT" };
        check(V5, &[0xE0, 1, 0x8E], &Err(wrong));
    }
}
