//! Bytes of the broker as packets: whatever is not legal is an error.

use std::collections::BTreeMap;

use super::{Ack, Got, Publish, Version};

/// Reads what comes over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    version: Version,
    /// The largest packet that the client takes.
    packet_size: usize,
    /// How many topic aliases the client takes.
    aliases: u16,
    known: BTreeMap<u16, String>,
    bytes: Vec<u8>,
}

impl Reader {
    /// Creates the reader of a client with these limits.
    #[must_use]
    pub(crate) const fn new(version: Version, packet_size: usize, aliases: u16) -> Self {
        Self { version, packet_size, aliases, known: BTreeMap::new(), bytes: Vec::new() }
    }

    /// Takes more bytes and returns the packets that are complete now.
    ///
    /// # Errors
    ///
    /// What is wrong with a packet, in words.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Got>, String> {
        self.bytes.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.bytes);
        let mut rest = all.as_slice();
        let mut packets = Vec::new();
        while let Some((first, body, behind)) = split(rest)? {
            let len = rest.len() - behind.len();
            if len > self.packet_size {
                return Err(format!(
                    "a packet of {len} bytes, the client takes {}",
                    self.packet_size
                ));
            }
            let packet = self.packet(first, body);
            packets
                .push(packet.map_err(|what| format!("{what} in packet {first:#x} {body:02x?}"))?);
            rest = behind;
        }
        self.bytes = rest.to_vec();
        Ok(packets)
    }

    /// Returns whether the bytes end within a packet.
    #[must_use]
    pub(crate) fn is_within_packet(&self) -> bool {
        !self.bytes.is_empty()
    }

    fn packet(&mut self, first: u8, mut body: &[u8]) -> Result<Got, String> {
        let is_5 = self.version.is_5();
        let got = match first {
            0x20 => {
                let flags = byte(&mut body)?;
                let code = byte(&mut body)?;
                if is_5 {
                    properties(&mut body)?;
                }
                if flags > 1 || (code != 0 && flags != 0) {
                    return Err(format!("CONNACK flags {flags} with code {code}"));
                }
                Got::ConnAck(flags == 1, code)
            }
            0x30..=0x3F => return self.publish(first & 0x0F, body).map(Got::Publish),
            0x40 => self.ack(Ack::PubAck, &mut body)?,
            0x50 => self.ack(Ack::PubRec, &mut body)?,
            0x62 => self.ack(Ack::PubRel, &mut body)?,
            0x70 => self.ack(Ack::PubComp, &mut body)?,
            0x90 | 0xB0 => {
                let id = number(&mut body)?;
                if is_5 {
                    properties(&mut body)?;
                }
                let codes = std::mem::take(&mut body).to_vec();
                if first == 0x90 { Got::SubAck(id, codes) } else { Got::UnsubAck(id, codes) }
            }
            0xD0 => Got::Pong,
            0xE0 if is_5 => {
                let code = if body.is_empty() { 0 } else { byte(&mut body)? };
                if !body.is_empty() {
                    properties(&mut body)?;
                }
                Got::Disconnect(code)
            }
            _ => return Err("a packet that no server sends".to_owned()),
        };
        if body.is_empty() { Ok(got) } else { Err(format!("{} bytes too many", body.len())) }
    }

    fn ack(&self, kind: Ack, body: &mut &[u8]) -> Result<Got, String> {
        let id = number(body)?;
        if id == 0 {
            return Err("packet identifier 0".to_owned());
        }
        let mut code = 0;
        if self.version.is_5() && !body.is_empty() {
            code = byte(body)?;
            if !body.is_empty() {
                properties(body)?;
            }
        }
        Ok(Got::Ack(kind, id, code))
    }

    fn publish(&mut self, flags: u8, mut body: &[u8]) -> Result<Publish, String> {
        let len = usize::from(number(&mut body)?);
        let topic = take(&mut body, len)?;
        let mut topic = String::from_utf8(topic.to_vec()).map_err(|_| "a topic that is no text")?;
        let qos = flags >> 1 & 3;
        let id = if qos > 0 { number(&mut body)? } else { 0 };
        if qos > 2 || (qos > 0 && id == 0) || (qos == 0 && flags & 8 != 0) {
            return Err(format!("flags {flags:#x} with identifier {id}"));
        }
        let mut found = Properties::default();
        if self.version.is_5() {
            found = properties(&mut body)?;
        }
        if let Some(alias) = found.alias {
            if alias == 0 || alias > self.aliases {
                return Err(format!("topic alias {alias}, the client takes {}", self.aliases));
            }
            if topic.is_empty() {
                topic = self.known.get(&alias).cloned().ok_or("an alias of nothing")?;
            } else {
                self.known.insert(alias, topic.clone());
            }
        }
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(format!("topic name {topic:?}"));
        }
        found.subscriptions.sort_unstable();
        Ok(Publish {
            topic,
            payload: body.to_vec(),
            qos,
            retain: flags & 1 != 0,
            dup: flags & 8 != 0,
            id,
            expiry: found.expiry,
            alias: None,
            subscriptions: found.subscriptions,
        })
    }
}

/// What of the properties means something here.
#[derive(Default)]
struct Properties {
    expiry: Option<u32>,
    alias: Option<u16>,
    subscriptions: Vec<u32>,
}

/// A packet and what comes behind it: its first byte, its body, the rest.
type Split<'a> = (u8, &'a [u8], &'a [u8]);

/// Splits the first packet off.
fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, String> {
    let Some((first, mut rest)) = bytes.split_first() else { return Ok(None) };
    let Some(len) = variable(&mut rest)? else { return Ok(None) };
    Ok(rest.split_at_checked(len).map(|(body, behind)| (*first, body, behind)))
}

/// Reads a Variable Byte Integer; `None` when there are too few bytes.
fn variable(bytes: &mut &[u8]) -> Result<Option<usize>, String> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let Some((digit, rest)) = bytes.split_first() else { return Ok(None) };
        *bytes = rest;
        value |= usize::from(digit & 0x7F) << shift;
        if digit & 0x80 == 0 {
            return Ok(Some(value));
        }
    }
    Err("a length of more than four bytes".to_owned())
}

fn properties(body: &mut &[u8]) -> Result<Properties, String> {
    let len = variable(body)?.ok_or("half a length")?;
    let mut rest = take(body, len)?;
    let mut found = Properties::default();
    while !rest.is_empty() {
        match byte(&mut rest)? {
            0x02 => found.expiry = Some(long(&mut rest)?),
            0x0B => {
                let id = variable(&mut rest)?.ok_or("half a subscription identifier")?;
                found.subscriptions.push(u32::try_from(id).unwrap_or(u32::MAX));
            }
            0x23 => found.alias = Some(number(&mut rest)?),
            0x11 | 0x27 => drop(long(&mut rest)?),
            0x13 | 0x21 | 0x22 => drop(number(&mut rest)?),
            0x01 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => drop(byte(&mut rest)?),
            0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                let len = usize::from(number(&mut rest)?);
                take(&mut rest, len)?;
            }
            other => return Err(format!("property {other:#x}")),
        }
    }
    Ok(found)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], String> {
    let (head, tail) = bytes.split_at_checked(len).ok_or("half a packet")?;
    *bytes = tail;
    Ok(head)
}

fn byte(bytes: &mut &[u8]) -> Result<u8, String> {
    take(bytes, 1).map(|head| head[0])
}

fn number(bytes: &mut &[u8]) -> Result<u16, String> {
    take(bytes, 2).map(|head| u16::from_be_bytes([head[0], head[1]]))
}

fn long(bytes: &mut &[u8]) -> Result<u32, String> {
    take(bytes, 4).map(|head| u32::from_be_bytes([head[0], head[1], head[2], head[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, bytes: &[u8], expected: Result<&[Got], &str>) {
        let got = Reader::new(version, 1_000, 2).read(bytes);
        match (got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn packets_are_read_and_what_is_not_legal_is_told() {
        check(Version::V311, &[0x20, 2, 1, 0], Ok(&[Got::ConnAck(true, 0)]));
        check(Version::V311, &[0x40, 2, 0, 7, 0x50], Ok(&[Got::Ack(Ack::PubAck, 7, 0)]));
        check(Version::V5, &[0xE0, 2, 0x8E, 0], Ok(&[Got::Disconnect(0x8E)]));
        check(Version::V311, &[0xE0, 0], Err("no server sends"));
        check(Version::V311, &[0x40, 2, 0, 0], Err("identifier 0"));
        check(Version::V311, &[0x40, 3, 0, 1, 0], Err("1 bytes too many"));
        check(Version::V5, &[0x30, 6, 0, 0, 3, 0x23, 0, 1], Err("alias of nothing"));
        check(Version::V5, &[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 3], Err("topic alias 3"));
        check(Version::V311, &[0x38, 3, 0, 1, b'a'], Err("flags"));
    }
}
