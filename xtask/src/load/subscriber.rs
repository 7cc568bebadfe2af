//! A client that subscribes.

use std::net::SocketAddr;

use anyhow::{Result, bail};

use super::packets::{PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Stamp, Version, ack};
use super::peer::Peer;
use super::traffic::Traffic;

/// Takes messages, looks at what they say, and acknowledges them.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) peer: Peer,
    /// Bytes behind the topic that are no payload, besides a packet identifier.
    properties: usize,
    payload: usize,
}

impl Subscriber {
    pub(super) fn connect(
        address: SocketAddr,
        version: Version,
        traffic: Traffic,
        number: usize,
    ) -> Result<Self> {
        let (filter, name) = (traffic.filter(number), format!("sub-{number}"));
        let subscription = Some((filter.as_str(), traffic.qos));
        Ok(Self {
            peer: Peer::connect(address, version, &name, subscription)?,
            properties: usize::from(version == Version::V5),
            payload: traffic.payload,
        })
    }

    /// Reads what has arrived, and calls `see` with what each message says.
    ///
    /// # Errors
    ///
    /// When the connection ends, or a message is not as it was sent.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut see: impl FnMut(Stamp)) -> Result<()> {
        let (properties, payload) = (self.properties, self.payload);
        let mut strange = None;
        self.peer.read(buffer, |first, body, out| match first >> 4 {
            PUBLISH => match take(first, body, properties) {
                Some((id, content)) if content.len() == payload => {
                    match (first >> 1 & 3, id) {
                        (1, Some(id)) => out.extend(ack(PUBACK, id)),
                        (2, Some(id)) => out.extend(ack(PUBREC, id)),
                        _ => {}
                    }
                    match Stamp::parse(content) {
                        Some(stamp) => see(stamp),
                        None => strange = Some(content.len()),
                    }
                }
                _ => strange = Some(body.len()),
            },
            PUBREL => {
                if let Some(id) = body.first_chunk() {
                    out.extend(ack(PUBCOMP, *id));
                }
            }
            _ => {}
        })?;
        if let Some(length) = strange {
            bail!("a message of {payload} bytes came in a packet of {length}");
        }
        self.peer.flush()
    }
}

/// Returns the packet identifier and the payload of a PUBLISH.
pub(super) fn take(first: u8, body: &[u8], properties: usize) -> Option<(Option<[u8; 2]>, &[u8])> {
    let (length, rest) = body.split_first_chunk()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*length))..)?;
    if first & 0b110 == 0 {
        return Some((None, rest.get(properties..)?));
    }
    let (id, rest) = rest.split_first_chunk()?;
    Some((Some(*id), rest.get(properties..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_out_of_its_packet() {
        for (version, properties) in [(Version::V311, 0), (Version::V5, 1)] {
            let packet = version.publish("a/b", 0, b"xyz");
            assert_eq!(take(packet[0], &packet[2..], properties), Some((None, &b"xyz"[..])));
            let packet = version.publish("a/b", 1, b"xyz");
            assert_eq!(
                take(packet[0], &packet[2..], properties),
                Some((Some([0, 0]), &b"xyz"[..]))
            );
        }
        assert_eq!(take(0x30, &[0], 0), None);
    }
}
