//! A client that publishes.

use std::collections::VecDeque;
use std::net::SocketAddr;

use anyhow::{Result, ensure};

use super::packets::{PUBACK, PUBCOMP, PUBREC, PUBREL, STAMP, Stamp, Version, ack};
use super::peer::Peer;
use super::traffic::{Shape, Traffic, topic};

/// Publishes to a topic of its own; every message says which it is.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) peer: Peer,
    index: u32,
    qos: u8,
    /// A packet whose identifier and stamp are still to be filled in.
    template: Vec<u8>,
    id_at: usize,
    stamp_at: usize,
    pub(super) sent: u64,
    /// Messages whose last acknowledgement has come.
    acknowledged: u64,
    /// When those that are not acknowledged were due, if that is to be known.
    unacknowledged: Option<VecDeque<u64>>,
    /// How many each subscriber has seen; one number where only one of them gets a message.
    pub(super) seen: Vec<u64>,
}

impl Publisher {
    pub(super) fn connect(
        address: SocketAddr,
        version: Version,
        traffic: Traffic,
        number: usize,
    ) -> Result<Self> {
        ensure!(traffic.payload >= STAMP, "a payload has {STAMP} bytes at least");
        let template = version.publish(&topic(number), traffic.qos, &vec![b'x'; traffic.payload]);
        let stamp_at = template.len() - traffic.payload;
        let properties = usize::from(version == Version::V5);
        let receivers = match traffic.shape {
            Shape::FanOut(subscribers) => subscribers,
            Shape::Pairs(_)
            | Shape::Apart(_)
            | Shape::FanIn(_)
            | Shape::Shared(..)
            | Shape::Away(_) => 1,
        };
        Ok(Self {
            peer: Peer::connect(address, version, &format!("pub-{number}"), None)?,
            index: u32::try_from(number)?,
            qos: traffic.qos,
            id_at: stamp_at - properties - 2,
            template,
            stamp_at,
            sent: 0,
            acknowledged: 0,
            unacknowledged: matches!(traffic.shape, Shape::Away(_)).then(VecDeque::new),
            seen: vec![0; receivers],
        })
    }

    /// Returns how many messages the slowest subscriber has seen.
    pub(super) fn slowest(&self) -> u64 {
        self.seen.iter().copied().min().unwrap_or_default()
    }

    /// Whether everything that was sent has arrived and is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        let is_acknowledged = self.qos == 0 || self.acknowledged >= self.sent;
        is_acknowledged && self.slowest() >= self.sent
    }

    /// Makes the next message ready to be written.
    pub(super) fn publish(&mut self, due: u64) {
        // Numbers wrap after four thousand million messages, identifiers after 65,535.
        let number = u32::try_from(self.sent & u64::from(u32::MAX)).unwrap_or_default();
        let stamp = Stamp { publisher: self.index, number, due };
        let packet = self.peer.push(&self.template);
        if let Some(place) = packet.get_mut(self.stamp_at..self.stamp_at + STAMP) {
            place.copy_from_slice(&stamp.bytes());
        }
        if self.qos > 0
            && let Some(place) = packet.get_mut(self.id_at..self.id_at + 2)
        {
            let id = u16::try_from(self.sent % 65_535 + 1).unwrap_or(1);
            place.copy_from_slice(&id.to_be_bytes());
        }
        self.sent += 1;
        if let Some(unacknowledged) = &mut self.unacknowledged {
            unacknowledged.push_back(due);
        }
    }

    /// Reads the acknowledgements that have arrived, and answers PUBREC.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        let acknowledged = &mut self.acknowledged;
        self.peer.read(buffer, |first, body, out| match first >> 4 {
            PUBACK | PUBCOMP => *acknowledged += 1,
            PUBREC => {
                if let Some(id) = body.first_chunk() {
                    out.extend(ack(PUBREL, *id));
                }
            }
            _ => {}
        })?;
        self.peer.flush()
    }

    /// Takes what is acknowledged for seen, and calls `see` with when each message was due.
    pub(super) fn count_acknowledged(&mut self, mut see: impl FnMut(u64)) {
        let Some(unacknowledged) = &mut self.unacknowledged else { return };
        for seen in &mut self.seen {
            while *seen < self.acknowledged {
                *seen += 1;
                see(unacknowledged.pop_front().unwrap_or_default());
            }
        }
    }
}
