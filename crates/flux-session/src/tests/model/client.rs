//! The other end: a client that follows the standard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Ack;
use crate::{PacketId, QoS};

/// A packet on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Publish { number: u32, qos: QoS, packet_id: Option<PacketId>, dup: bool },
    Release { packet_id: PacketId },
}

/// What a client remembers and what it owes.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// Sent and not read yet: lost with the connection.
    wire: VecDeque<Packet>,
    /// Acknowledgements it has not sent yet: lost with the connection.
    owed: Vec<(Ack, PacketId)>,
    /// QoS 2 messages taken and not released: remembered.
    holding: BTreeSet<PacketId>,
    /// How often each message reached the application.
    delivered: BTreeMap<u32, u32>,
}

impl Client {
    pub(super) fn send(&mut self, packet: Packet) {
        self.wire.push_back(packet);
    }

    /// Loses what belongs to the connection.
    pub(super) fn disconnect(&mut self) {
        self.wire.clear();
        self.owed.clear();
    }

    /// Loses everything it remembers of the session.
    pub(super) fn forget(&mut self) {
        self.disconnect();
        self.holding.clear();
    }

    /// Reads one packet, and returns whether there was one.
    pub(super) fn read(&mut self, refuse: bool) -> bool {
        let Some(packet) = self.wire.pop_front() else { return false };
        match packet {
            Packet::Publish { number, packet_id: None, .. } => self.deliver(number),
            Packet::Publish { number, qos: QoS::ExactlyOnce, packet_id: Some(packet_id), dup } => {
                if self.holding.contains(&packet_id) {
                    assert!(dup, "identifier {packet_id} is in use and message {number} is new");
                    self.owed.push((Ack::Pubrec, packet_id));
                } else if refuse {
                    self.owed.push((Ack::PubrecRefusing, packet_id));
                } else {
                    self.holding.insert(packet_id);
                    self.deliver(number);
                    self.owed.push((Ack::Pubrec, packet_id));
                }
            }
            Packet::Publish { number, packet_id: Some(packet_id), .. } => {
                self.deliver(number);
                self.owed.push((Ack::Puback, packet_id));
            }
            Packet::Release { packet_id } => {
                self.holding.remove(&packet_id);
                self.owed.push((Ack::Pubcomp, packet_id));
            }
        }
        true
    }

    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Takes one of the acknowledgements it owes, to send it.
    pub(super) fn take_owed(&mut self, index: usize) -> (Ack, PacketId) {
        self.owed.remove(index)
    }

    /// Returns how often a message reached the application.
    pub(super) fn delivered(&self, number: u32) -> u32 {
        self.delivered.get(&number).copied().unwrap_or(0)
    }

    /// Returns whether a QoS 2 message with this identifier was taken and not released.
    pub(super) fn holds(&self, packet_id: PacketId) -> bool {
        self.holding.contains(&packet_id)
    }

    /// Returns whether a PUBREL is on its way or its PUBCOMP is owed.
    pub(super) fn is_releasing(&self, packet_id: PacketId) -> bool {
        self.wire.contains(&Packet::Release { packet_id })
            || self.owed.contains(&(Ack::Pubcomp, packet_id))
    }

    fn deliver(&mut self, number: u32) {
        *self.delivered.entry(number).or_default() += 1;
    }
}
