//! What a server sends: headers and control frames. It masks nothing.

use bytes::BufMut;

/// Writes the header of a binary frame, a whole message, whose payload of `len` bytes follows.
pub fn write_binary_header(len: usize, into: &mut impl BufMut) {
    write_header(FINAL | BINARY, len, into);
}

/// Writes the answer to a ping. At most 125 bytes of its payload are given back; no ping has more.
pub fn write_pong(payload: &[u8], into: &mut impl BufMut) {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    write_header(FINAL | PONG, payload.len(), into);
    into.put_slice(payload);
}

/// Writes a close frame with this status code.
pub fn write_close(code: u16, into: &mut impl BufMut) {
    write_header(FINAL | CLOSE, size_of::<u16>(), into);
    into.put_u16(code);
}

/// The status code of an end that nothing is wrong with.
pub const CLOSE_NORMAL: u16 = 1000;

fn write_header(first: u8, len: usize, into: &mut impl BufMut) {
    into.put_u8(first);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=MAX_SHORT), _) => into.put_u8(len),
        (_, Ok(len)) => {
            into.put_u8(LEN_16);
            into.put_u16(len);
        }
        _ => {
            into.put_u8(LEN_64);
            into.put_u64(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }
}

pub(crate) const FINAL: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
/// The longest payload whose length stands in the second byte.
pub(crate) const MAX_SHORT: u8 = 125;
/// The longest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const MAX_CONTROL: usize = 125;
/// Two bytes of length follow.
pub(crate) const LEN_16: u8 = 126;
/// Eight bytes of length follow.
pub(crate) const LEN_64: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_as_few_bytes_as_it_can() {
        let header = |len| {
            let mut bytes = Vec::new();
            write_binary_header(len, &mut bytes);
            bytes
        };
        assert_eq!(header(0), [0x82, 0]);
        assert_eq!(header(125), [0x82, 125]);
        assert_eq!(header(126), [0x82, 126, 0, 126]);
        assert_eq!(header(65_535), [0x82, 126, 0xFF, 0xFF]);
        assert_eq!(header(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_control_frame_is_never_too_long() {
        let mut bytes = Vec::new();
        write_pong(&[7; 200], &mut bytes);
        assert_eq!((bytes[..2].to_vec(), bytes.len()), (vec![0x8A, 125], 127));
        bytes.clear();
        write_close(1003, &mut bytes);
        assert_eq!(bytes, [0x88, 2, 0x03, 0xEB]);
    }
}
