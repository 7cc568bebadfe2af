//! QoS 2 messages from the client that it has not released yet.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::PacketId;

/// The packet identifiers of PUBLISH packets at QoS 2 whose PUBREL has not come
/// (MQTT 5.0 section 4.3.3). They outlive the connection.
#[derive(Debug, Default)]
pub(crate) struct OpenReceipts {
    open: BTreeSet<PacketId>,
}

impl OpenReceipts {
    /// Remembers an identifier, unless `limit` are remembered already.
    pub(crate) fn receive(
        &mut self,
        packet_id: PacketId,
        limit: u16,
    ) -> Result<Inbound, ReceiveMaximumExceeded> {
        if self.open.contains(&packet_id) {
            return Ok(Inbound::Duplicate);
        }
        if self.open.len() >= usize::from(limit) {
            return Err(ReceiveMaximumExceeded { packet_id, limit });
        }
        self.open.insert(packet_id);
        Ok(Inbound::New)
    }

    pub(crate) fn contains(&self, packet_id: PacketId) -> bool {
        self.open.contains(&packet_id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Forgets an identifier and returns whether it was known.
    pub(crate) fn forget(&mut self, packet_id: PacketId) -> bool {
        self.open.remove(&packet_id)
    }
}

/// What an incoming PUBLISH at QoS 2 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a duplicate must not be delivered"]
pub enum Inbound {
    /// A new message: deliver it onward and answer PUBREC.
    New,
    /// A message this session has taken already: answer PUBREC and deliver nothing
    /// `[MQTT-4.3.3-10]`.
    Duplicate,
}

/// The client began more QoS 2 messages than this side allows: DISCONNECT with 0x93
/// (MQTT 5.0 section 4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("PUBLISH {packet_id} exceeds the receive maximum of {limit}")]
pub struct ReceiveMaximumExceeded {
    /// The identifier of the PUBLISH that is one too many.
    pub packet_id: PacketId,
    /// The Receive Maximum of this side.
    pub limit: u16,
}
