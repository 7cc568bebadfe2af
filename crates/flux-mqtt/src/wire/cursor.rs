//! A reader over the bytes of one frame that never reads past them.

use flux_session::PacketId;

use super::FrameError;

/// The rest of a frame that has not been read yet.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn remaining(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], FrameError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(FrameError::Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(FrameError::Truncated)?;
        self.bytes = tail;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a variable byte integer in its shortest form [MQTT-1.5.5-1].
    pub(super) fn variable_byte_integer(&mut self) -> Result<u32, FrameError> {
        match variable_byte_integer(self.bytes)? {
            Some((value, len)) => self.take(len).map(|_| value),
            None => Err(FrameError::Truncated),
        }
    }

    /// Reads a packet identifier, which is never 0 [MQTT-2.2.1-3].
    pub(super) fn packet_id(&mut self) -> Result<PacketId, FrameError> {
        PacketId::new(self.u16()?).ok_or(FrameError::PacketIdZero)
    }

    /// Reads binary data: two bytes of length, then the bytes (section 1.5.6).
    pub(super) fn binary(&mut self) -> Result<&'a [u8], FrameError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// Reads a UTF-8 encoded string [MQTT-1.5.4-1], [MQTT-1.5.4-2].
    pub(super) fn string(&mut self) -> Result<&'a str, FrameError> {
        let bytes = self.binary()?;
        let text = std::str::from_utf8(bytes).map_err(|_| FrameError::InvalidUtf8)?;
        if bytes.contains(&0) { Err(FrameError::NullCharacter) } else { Ok(text) }
    }

    /// Succeeds when everything has been read.
    pub(super) const fn finish(self) -> Result<(), FrameError> {
        match self.bytes.len() {
            0 => Ok(()),
            len => Err(FrameError::TrailingBytes(len)),
        }
    }
}

/// Decodes the variable byte integer at the start of `bytes`: its value and its length in
/// bytes, or `None` when it is not complete yet.
pub(super) fn variable_byte_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, FrameError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let overlong = *byte == 0 && index > 0;
            return if overlong {
                Err(FrameError::VariableByteInteger)
            } else {
                Ok(Some((value, index + 1)))
            };
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(FrameError::VariableByteInteger) }
}

/// Appends `value` as a variable byte integer. `value` is at most 268,435,455.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(super) fn put_variable_byte_integer(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the first byte of a packet and its remaining length, at most 268,435,455: at once where that is
/// short.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(super) fn put_fixed_header(out: &mut Vec<u8>, first: u8, remaining: u32) {
    match remaining {
        0..=0x7F => out.extend_from_slice(&[first, remaining as u8]),
        0x80..=0x3FFF => {
            out.extend_from_slice(&[first, remaining as u8 | 0x80, (remaining >> 7) as u8]);
        }
        _ => {
            out.push(first);
            put_variable_byte_integer(out, remaining);
        }
    }
}

/// Returns how many bytes `value` takes as a variable byte integer.
pub(super) const fn variable_byte_integer_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &Result<Option<(u32, usize)>, FrameError>) {
        assert_eq!(&variable_byte_integer(bytes), expected);
    }

    #[test]
    fn variable_byte_integers_are_shortest_and_at_most_four_bytes() {
        check(&[], &Ok(None));
        check(&[0], &Ok(Some((0, 1))));
        check(&[0x7F, 9], &Ok(Some((127, 1))));
        check(&[0x80], &Ok(None));
        check(&[0x80, 0], &Err(FrameError::VariableByteInteger));
        check(&[0x80, 1], &Ok(Some((128, 2))));
        check(&[0xFF, 0xFF, 0xFF, 0x7F], &Ok(Some((268_435_455, 4))));
        check(&[0xFF, 0xFF, 0xFF, 0x80], &Err(FrameError::VariableByteInteger));
        check(&[0xFF, 0xFF, 0xFF], &Ok(None));
        check(&[0xFF, 0xFF, 0xFF, 0x00], &Err(FrameError::VariableByteInteger));
    }

    #[test]
    fn strings_are_utf8_without_the_null_character() {
        let read = |bytes: &'static [u8]| Cursor::new(bytes).string();
        assert_eq!(read(b"\0\x02ab"), Ok("ab"));
        assert_eq!(read(b"\0\x03\xEF\xBB\xBF"), Ok("\u{FEFF}"), "[MQTT-1.5.4-3]");
        assert_eq!(read(b"\0\x03\xED\xA0\x80"), Err(FrameError::InvalidUtf8), "surrogate");
        assert_eq!(read(b"\0\x02a\0"), Err(FrameError::NullCharacter));
        assert_eq!(read(b"\0\x03ab"), Err(FrameError::Truncated));
    }

    proptest! {
        #[test]
        fn variable_byte_integers_round_trip(value in 0u32..=268_435_455) {
            let mut out = Vec::new();
            put_variable_byte_integer(&mut out, value);
            prop_assert_eq!(out.len(), variable_byte_integer_len(value));
            for value in [value, value >> 14, value >> 21] {
                let (mut header, mut expected) = (Vec::new(), vec![0x32]);
                put_fixed_header(&mut header, 0x32, value);
                put_variable_byte_integer(&mut expected, value);
                prop_assert_eq!(header, expected);
            }
            prop_assert_eq!(variable_byte_integer(&out), Ok(Some((value, out.len()))));
        }
    }
}
