//! What a new connection must send again.

use std::collections::BTreeMap;

use crate::PacketId;

/// The packets to send again, by the order in which they were first sent `[MQTT-4.6.0-1]`.
///
/// Kept apart by kind because the window holds back PUBLISH and never PUBREL
/// `[MQTT-3.3.4-10]`.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    publishes: BTreeMap<u64, PacketId>,
    releases: BTreeMap<u64, PacketId>,
}

impl Schedule {
    pub(crate) fn add_publish(&mut self, order: u64, packet_id: PacketId) {
        self.publishes.insert(order, packet_id);
    }

    pub(crate) fn add_release(&mut self, order: u64, packet_id: PacketId) {
        self.releases.insert(order, packet_id);
    }

    /// Removes what turned out not to be needed.
    pub(crate) fn cancel(&mut self, order: u64) {
        self.publishes.remove(&order);
        self.releases.remove(&order);
    }

    pub(crate) fn clear(&mut self) {
        self.publishes.clear();
        self.releases.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.publishes.is_empty() && self.releases.is_empty()
    }

    pub(crate) fn has_publish(&self) -> bool {
        !self.publishes.is_empty()
    }

    pub(crate) fn has_release(&self) -> bool {
        !self.releases.is_empty()
    }

    /// Takes the oldest packet.
    pub(crate) fn pop(&mut self) -> Option<PacketId> {
        match (self.publishes.first_key_value(), self.releases.first_key_value()) {
            (Some((publish, _)), Some((release, _))) if release < publish => self.pop_release(),
            (None, Some(_)) => self.pop_release(),
            (_, _) => self.publishes.pop_first().map(|(_, packet_id)| packet_id),
        }
    }

    /// Takes the oldest PUBREL.
    pub(crate) fn pop_release(&mut self) -> Option<PacketId> {
        self.releases.pop_first().map(|(_, packet_id)| packet_id)
    }
}
