//! What a client asked for and waits to be answered, as far as its bytes were taken.

use std::collections::BTreeMap;

use flux_mqtt::Version;

use crate::server_packet::{binary, byte, number, packet_id, take, take_bytes, variable};

/// What a CONNECT says of its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    pub(crate) version: Version,
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: usize,
    pub(crate) topic_alias_maximum: u16,
}

/// How often each answer is owed, by the first byte of the answer and its identifier, and with how many
/// codes.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) hello: Option<Hello>,
    owed: BTreeMap<(u8, u16), Vec<usize>>,
    /// Identifiers of messages that the client has acknowledged.
    pub(crate) acknowledged: Vec<u16>,
}

impl Requests {
    /// Notes the packets that a worker took. Some may not be legal: then the worker has closed.
    pub(crate) fn took(&mut self, mut bytes: &[u8]) {
        while let Some((first, body)) = take(&mut bytes) {
            if self.hello.is_none() {
                self.hello = hello(body);
            } else {
                // What is not legal asks for nothing.
                let _ = self.note(first, body);
            }
        }
    }

    fn is_v5(&self) -> bool {
        self.hello.is_some_and(|hello| hello.version == Version::V5)
    }

    fn note(&mut self, first: u8, mut body: &[u8]) -> Option<()> {
        match first >> 4 {
            3 => {
                let answer = match first >> 1 & 3 {
                    1 => 0x40,
                    2 => 0x50,
                    _ => return None,
                };
                binary(&mut body)?;
                self.owe(answer, packet_id(&mut body)?, 0);
            }
            4 | 7 => self.acknowledged.push(packet_id(&mut body)?),
            5 => {
                let id = packet_id(&mut body)?;
                if byte(&mut body).is_some_and(|code| code >= 0x80) {
                    self.acknowledged.push(id);
                }
                // What is not known is answered as well.
                self.owe(0x62, id, 0);
            }
            6 => self.owe(0x70, packet_id(&mut body)?, 0),
            8 => {
                let id = self.identified(&mut body)?;
                let mut filters = 0;
                while !body.is_empty() {
                    binary(&mut body)?;
                    byte(&mut body)?;
                    filters += 1;
                }
                self.owe(0x90, id, filters);
            }
            10 => {
                let id = self.identified(&mut body)?;
                let mut filters = 0;
                while !body.is_empty() {
                    binary(&mut body)?;
                    filters += 1;
                }
                self.owe(0xB0, id, if self.is_v5() { filters } else { 0 });
            }
            12 => self.owe(0xD0, 0, 0),
            _ => {}
        }
        Some(())
    }

    fn identified(&self, body: &mut &[u8]) -> Option<u16> {
        let id = packet_id(body)?;
        if self.is_v5() {
            let len = variable(body)?;
            take_bytes(body, usize::try_from(len).ok()?)?;
        }
        Some(id)
    }

    fn owe(&mut self, answer: u8, id: u16, codes: usize) {
        self.owed.entry((answer, id)).or_default().push(codes);
    }

    /// Notes an answer; `false` if nobody asked for it.
    pub(crate) fn answered(&mut self, answer: u8, id: u16, codes: usize) -> bool {
        let Some(owed) = self.owed.get_mut(&(answer, id)) else { return false };
        let Some(first) = owed.iter().position(|wanted| *wanted == codes) else { return false };
        owed.remove(first);
        if owed.is_empty() {
            self.owed.remove(&(answer, id));
        }
        true
    }

    /// Returns an answer that the client still waits for. PUBREL is none: what goes on may be waiting
    /// for its own turn.
    pub(crate) fn unanswered(&self) -> Option<(u8, u16)> {
        self.owed.keys().copied().find(|(answer, _)| *answer != 0x62)
    }
}

/// Reads a CONNECT as far as it is needed; `None` for what is none.
fn hello(mut body: &[u8]) -> Option<Hello> {
    let name = binary(&mut body)?;
    let level = byte(&mut body)?;
    let version = match (name, level) {
        (b"MQIsdp", 3) => Version::V31,
        (b"MQTT", 5..) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => Version::V311,
        _ => return None,
    };
    let mut hello = Hello {
        version,
        receive_maximum: u16::MAX,
        maximum_packet_size: usize::MAX,
        topic_alias_maximum: 0,
    };
    if version == Version::V5 {
        // What cannot be read is refused; until then nothing is known of limits.
        let _ = read_limits(&mut hello, body);
    }
    Some(hello)
}

fn read_limits(hello: &mut Hello, mut body: &[u8]) -> Option<()> {
    take_bytes(&mut body, 3)?;
    let len = variable(&mut body)?;
    let mut rest = take_bytes(&mut body, usize::try_from(len).ok()?)?;
    while !rest.is_empty() {
        match byte(&mut rest)? {
            0x21 => hello.receive_maximum = number(&mut rest)?,
            0x22 => hello.topic_alias_maximum = number(&mut rest)?,
            0x27 => {
                let size = take_bytes(&mut rest, 4)?;
                let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
                hello.maximum_packet_size = size;
            }
            0x11 => drop(take_bytes(&mut rest, 4)?),
            0x17 | 0x19 => drop(byte(&mut rest)?),
            0x15 | 0x16 => drop(binary(&mut rest)?),
            0x26 => {
                binary(&mut rest)?;
                binary(&mut rest)?;
            }
            _ => return None,
        }
    }
    Some(())
}
