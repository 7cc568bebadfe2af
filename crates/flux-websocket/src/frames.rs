//! What a client sends: frames in, payload out.

#[cfg(test)]
mod tests;

use bytes::BufMut;
use thiserror::Error;

use crate::write::{
    BINARY, CLOSE, CONTINUATION, FINAL, LEN_16, LEN_64, MAX_CONTROL, MAX_SHORT, PING, PONG, TEXT,
};

/// Takes the frames of a client apart, in any cut.
#[derive(Clone, derive_more::Debug, Default)]
pub struct Frames {
    head: Head,
    /// The frame whose payload comes.
    frame: Option<Frame>,
    /// A message has begun and not ended.
    in_message: bool,
    /// The payload of a control frame, as far as it has come.
    #[debug("{} bytes", control.len())]
    control: Vec<u8>,
    /// The client said that no more will come.
    is_closed: bool,
}

/// What came beside payload.
#[derive(Clone, derive_more::Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The payload of the last ping, to be given back. Of several, only the last needs an answer (RFC 6455
    /// section 5.5.3).
    #[debug("{:?} bytes", ping.as_ref().map(Vec::len))]
    pub ping: Option<Vec<u8>>,
    /// The client has closed. What it sends after that is not looked at.
    pub is_closed: bool,
}

/// Why bytes are not frames that MQTT may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A text frame. [MQTT-6.0.0-1]
    #[error("a text frame came, where only binary ones are allowed")]
    Text,
    /// RFC 6455 section 5.1.
    #[error("a frame came that is not masked")]
    Unmasked,
    /// A bit of an extension that nobody agreed on.
    #[error("a frame has reserved bits set: {0:#04x}")]
    ReservedBits(u8),
    /// A frame of a kind that does not exist.
    #[error("a frame has the opcode {0:#x}, which means nothing")]
    Opcode(u8),
    /// Control frames have at most 125 bytes and come in one piece.
    #[error("a control frame is in pieces, or longer than {MAX_CONTROL} bytes")]
    LongControl,
    /// A message goes on that has not begun.
    #[error("a continuation frame came without a beginning")]
    NothingToContinue,
    /// A message begins within another.
    #[error("a message began before the one before had ended")]
    Nested,
    /// A length that takes fewer bytes, or more than 63 bits.
    #[error("a frame says its length in a way that is not allowed")]
    Length,
    /// A close frame with a status code that no client may send, or with half of one.
    #[error("a close frame has no legal status code")]
    CloseCode,
}

impl FrameError {
    /// Returns the status code to close with (RFC 6455 section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::Unmasked
            | Self::ReservedBits(_)
            | Self::Opcode(_)
            | Self::LongControl
            | Self::NothingToContinue
            | Self::Nested
            | Self::Length
            | Self::CloseCode => 1002,
        }
    }
}

impl Frames {
    /// Takes all these bytes, and appends what was in binary frames to `payload`.
    ///
    /// # Errors
    ///
    /// When the client breaks the rules. What came before that is in `payload`; the connection is to be closed.
    pub fn read(
        &mut self,
        mut bytes: &[u8],
        payload: &mut impl BufMut,
    ) -> Result<Heard, FrameError> {
        let mut heard = Heard::default();
        while !self.is_closed {
            if let Some(frame) = &mut self.frame {
                let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
                let (part, rest) = bytes.split_at(len);
                match frame.kind {
                    Kind::Data => frame.unmask(part, payload),
                    Kind::Close | Kind::Ping | Kind::Pong => frame.unmask(part, &mut self.control),
                }
                bytes = rest;
                if frame.left > 0 {
                    break;
                }
                let kind = frame.kind;
                self.frame = None;
                self.ended(kind, &mut heard)?;
            }
            let Some((first, rest)) = bytes.split_first() else { break };
            self.head.push(*first);
            bytes = rest;
            if let Some(begun) = self.head.read(self.in_message)? {
                self.head = Head::default();
                if begun.frame.kind == Kind::Data {
                    self.in_message = !begun.is_final;
                }
                self.frame = Some(begun.frame);
            }
        }
        heard.is_closed = self.is_closed;
        Ok(heard)
    }

    /// All of a frame has come.
    fn ended(&mut self, kind: Kind, heard: &mut Heard) -> Result<(), FrameError> {
        let control = std::mem::take(&mut self.control);
        match kind {
            Kind::Data | Kind::Pong => {}
            Kind::Ping => heard.ping = Some(control),
            Kind::Close => {
                self.is_closed = true;
                let code = control.first_chunk().map(|code| u16::from_be_bytes(*code));
                let is_legal = match code {
                    None => control.is_empty(),
                    Some(code) => matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999),
                };
                if !is_legal {
                    return Err(FrameError::CloseCode);
                }
            }
        }
        Ok(())
    }
}

/// The bytes before a payload, as far as they have come.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    bytes: [u8; LONGEST_HEAD],
    len: usize,
}

/// A frame of which everything but the payload is known.
struct Begun {
    frame: Frame,
    is_final: bool,
}

#[derive(Clone, Debug)]
struct Frame {
    kind: Kind,
    /// Bytes of payload that have not come.
    left: u64,
    /// What the next byte is masked with comes first.
    mask: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    Ping,
    Pong,
}

impl Head {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// Returns the frame, once the head is whole. What is wrong in it is found as soon as it has come.
    fn read(&self, in_message: bool) -> Result<Option<Begun>, FrameError> {
        let Some([first, second, rest @ ..]) = self.bytes.get(..self.len) else { return Ok(None) };
        let kind = kind(*first, in_message)?;
        let is_final = first & FINAL != 0;
        if second & MASKED == 0 {
            return Err(FrameError::Unmasked);
        }
        let short = second & !MASKED;
        if kind != Kind::Data && (!is_final || short > MAX_SHORT) {
            return Err(FrameError::LongControl);
        }
        let (left, mask) = match short {
            LEN_16 => {
                let Some((len, mask)) = rest.split_first_chunk() else { return Ok(None) };
                let len = u16::from_be_bytes(*len);
                if len <= u16::from(MAX_SHORT) {
                    return Err(FrameError::Length);
                }
                (u64::from(len), mask)
            }
            LEN_64 => {
                let Some((len, mask)) = rest.split_first_chunk() else { return Ok(None) };
                let len = u64::from_be_bytes(*len);
                if len <= u64::from(u16::MAX) || len > u64::MAX >> 1 {
                    return Err(FrameError::Length);
                }
                (len, mask)
            }
            short => (u64::from(short), rest),
        };
        let Some(mask) = mask.first_chunk().copied() else { return Ok(None) };
        Ok(Some(Begun { frame: Frame { kind, left, mask }, is_final }))
    }
}

fn kind(first: u8, in_message: bool) -> Result<Kind, FrameError> {
    if first & RESERVED != 0 {
        return Err(FrameError::ReservedBits(first & RESERVED));
    }
    match first & OPCODE {
        TEXT => Err(FrameError::Text),
        CONTINUATION if in_message => Ok(Kind::Data),
        CONTINUATION => Err(FrameError::NothingToContinue),
        BINARY if in_message => Err(FrameError::Nested),
        BINARY => Ok(Kind::Data),
        CLOSE => Ok(Kind::Close),
        PING => Ok(Kind::Ping),
        PONG => Ok(Kind::Pong),
        opcode => Err(FrameError::Opcode(opcode)),
    }
}

impl Frame {
    /// Unmasks a part of the payload, the next one.
    fn unmask(&mut self, part: &[u8], into: &mut impl BufMut) {
        let mut unmasked = [0; CHUNK];
        for chunk in part.chunks(CHUNK) {
            for (to, four) in unmasked.chunks_exact_mut(4).zip(chunk.chunks(4)) {
                for ((to, from), mask) in to.iter_mut().zip(four).zip(self.mask) {
                    *to = from ^ mask;
                }
            }
            into.put_slice(unmasked.get(..chunk.len()).unwrap_or_default());
            self.mask.rotate_left(chunk.len() % 4);
        }
        self.left -= u64::try_from(part.len()).unwrap_or(self.left);
    }
}

/// Bytes that are unmasked at once.
const CHUNK: usize = 1024;
/// Two bytes, eight of length, and the mask.
const LONGEST_HEAD: usize = 14;
const MASKED: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
