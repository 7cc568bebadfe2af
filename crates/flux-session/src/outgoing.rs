//! What comes out of a session: the packets to send, and what became of an offer.

use crate::{Delivery, PacketId};

/// A packet to send on the connection, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing<M> {
    /// Send PUBLISH.
    Publish {
        /// The packet identifier; `None` at QoS 0, and only there `[MQTT-2.2.1-2]`.
        packet_id: Option<PacketId>,
        /// The DUP flag: whether an earlier connection sent this already `[MQTT-3.3.1-1]`.
        dup: bool,
        /// What to send.
        delivery: Delivery<M>,
    },
    /// Send PUBREL: an earlier connection brought the PUBREC `[MQTT-4.4.0-1]`.
    Release {
        /// The packet identifier of the PUBLISH `[MQTT-4.3.3-4]`.
        packet_id: PacketId,
    },
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a dropped message is counted and reported by the caller"]
pub enum Offer {
    /// The session holds it: it will be sent, unless it expires first.
    Queued,
    /// The session does not hold it.
    Dropped(DropReason),
}

/// Why a session did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// QoS 0 is not kept for a client that is away (MQTT 5.0 section 4.1).
    Offline,
    /// The queue is at one of its limits. The newest message is the one that goes: what was
    /// acknowledged to a publisher before stays promised.
    QueueFull,
    /// The Message Expiry Interval had passed when the message was offered
    /// (MQTT 5.0 section 3.3.2.3.3).
    Expired,
}

/// What a session threw away at the end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "discarded messages are counted and reported by the caller"]
pub struct Discarded {
    /// The number of messages.
    pub messages: usize,
    /// The bytes they counted against the queue, overhead included.
    pub bytes: usize,
}
