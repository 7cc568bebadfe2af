//! What a client says and hears of WebSocket (RFC 6455), as far as a load needs it.

use std::io;

use crate::load::frames::extent;

/// One connection, from its request on.
#[derive(Debug, Default)]
pub(super) struct WebSocket {
    is_open: bool,
    /// The beginning of an answer to the request, or of the header of a frame.
    unread: Vec<u8>,
    /// What is missing of a frame, and whether it is for the client.
    rest: (u64, bool),
    /// The beginning of a packet.
    unsent: Vec<u8>,
}

impl WebSocket {
    /// Writes the request.
    pub(super) fn ask(into: &mut Vec<u8>) -> Self {
        into.extend(REQUEST);
        Self::default()
    }

    /// Says whether the broker has agreed.
    pub(super) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Writes each packet that is complete as a frame.
    pub(super) fn write(&mut self, bytes: &[u8], into: &mut Vec<u8>) {
        self.unsent.extend(bytes);
        let mut sent = 0;
        while let Some(rest) = self.unsent.get(sent..)
            && let Some((header, body)) = extent(rest)
            && let Some(packet) = rest.get(..header + body)
        {
            into.push(FIN | BINARY);
            match packet.len() {
                len @ 0..=125 => into.push(MASKED | low_byte(len)),
                len @ 126..=0xFFFF => {
                    into.push(MASKED | 126);
                    into.extend([low_byte(len >> 8), low_byte(len)]);
                }
                len => {
                    into.push(MASKED | 127);
                    into.extend((len as u64).to_be_bytes());
                }
            }
            into.extend(MASK);
            into.extend(packet.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            sent += header + body;
        }
        drop(self.unsent.drain(..sent));
    }

    /// Takes the answer and frames apart.
    ///
    /// # Errors
    ///
    /// When the broker refuses, or closes.
    pub(super) fn read(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
        self.unread.extend(bytes);
        if !self.is_open {
            let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(());
            };
            if !self.unread.starts_with(b"HTTP/1.1 101") {
                return Err(io::Error::other("the broker refuses WebSocket"));
            }
            drop(self.unread.drain(..end + 4));
            self.is_open = true;
        }
        let mut unread = &self.unread[..];
        loop {
            let (missing, is_wanted) = &mut self.rest;
            let taken = unread.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
            let (payload, after) = unread.split_at(taken);
            if *is_wanted {
                into.extend(payload);
            }
            *missing -= taken as u64;
            unread = after;
            if *missing > 0 {
                break;
            }
            let Some((opcode, len, after)) = header(unread) else { break };
            if opcode == CLOSE {
                return Err(io::Error::other("the broker closes"));
            }
            self.rest = (len, opcode == BINARY || opcode == CONTINUATION);
            unread = after;
        }
        let read = self.unread.len() - unread.len();
        drop(self.unread.drain(..read));
        Ok(())
    }
}

/// Returns the kind of a frame of the broker, its length, and what follows its header; nothing if that is not whole.
fn header(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match second & 0x7F {
        126 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            (u16::from_be_bytes(*len).into(), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*len), rest)
        }
        len => (len.into(), rest),
    };
    Some((first & 0x0F, len, rest))
}

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
const fn low_byte(number: usize) -> u8 {
    number as u8
}

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// A client must take a new one each time; the broker cannot tell.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

#[cfg(test)]
mod tests {
    use super::super::super::packets;
    use super::*;

    #[test]
    fn a_packet_is_a_frame_whatever_the_cut() {
        for len in [1, 200, 70_000] {
            let packet = packets::publish("a/b", &vec![0x30; len]);
            let stream = [&packet[..], &packet].concat();
            let (mut websocket, mut whole) = (WebSocket::default(), Vec::new());
            websocket.write(&stream, &mut whole);
            let (mut websocket, mut cut) = (WebSocket::default(), Vec::new());
            stream.chunks(7).for_each(|piece| websocket.write(piece, &mut cut));
            assert_eq!(whole, cut);
            let (_, first, rest) = header(&whole).unwrap();
            assert_eq!((whole[0], first), (0x82, packet.len() as u64));
            let unmasked: Vec<u8> = rest[4..4 + packet.len()]
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            assert_eq!(unmasked, packet);
        }
    }

    #[test]
    fn frames_are_read_whatever_the_cut() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let stream =
            [b"HTTP/1.1 101 OK\r\n\r\n", &[0x82, 2, 1, 2][..], &[0x89, 1, 9], &long].concat();
        for size in [1, 3, 100, stream.len()] {
            let (mut websocket, mut heard) = (WebSocket::default(), Vec::new());
            for piece in stream.chunks(size) {
                websocket.read(piece, &mut heard).unwrap();
            }
            assert_eq!(heard, [&[1, 2][..], &[7; 256]].concat(), "in pieces of {size}");
        }
        let mut websocket = WebSocket::default();
        assert!(websocket.read(b"HTTP/1.1 403 No\r\n\r\n", &mut Vec::new()).is_err());
    }
}
