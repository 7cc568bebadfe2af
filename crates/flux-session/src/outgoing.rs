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
#[must_use = "what was not taken is counted and reported by the caller"]
pub enum Offer {
    /// The session holds it: it will be sent, unless it expires or is displaced first.
    Queued,
    /// The session does not hold it.
    Dropped(DropReason),
    /// The session does not hold it, and the publisher is to be told: reason code 0x97 (MQTT 5.0
    /// section 3.4.2.1). Only at QoS 1 and 2, under [`WhenFull::Refuse`](crate::WhenFull::Refuse).
    Refused,
    /// The session does not hold it, and the caller is to end the session. Only at QoS 1 and 2,
    /// under [`WhenFull::EndSession`](crate::WhenFull::EndSession).
    Overflow,
}

/// A message that a session took and gave up before it was sent.
///
/// One that came by a shared subscription says so: the caller may have another member for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped<M> {
    /// The message, as it would have been sent.
    pub delivery: Delivery<M>,
    /// Why.
    pub reason: DropReason,
}

/// Why a session did not take a message, or gave it up before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// QoS 0 is not kept for a client that is away (MQTT 5.0 section 4.1): it was offered, or still
    /// waited, without a connection.
    Offline,
    /// It was offered while the queue was at one of its limits.
    QueueFull,
    /// It was taken, and had to make room for a newer one:
    /// [`WhenFull::DropOldest`](crate::WhenFull::DropOldest).
    Displaced,
    /// The Message Expiry Interval had passed before it was sent (MQTT 5.0 section 3.3.2.3.3).
    Expired,
    /// It came by a shared subscription, of which no member may have it, or many in turn may not: see
    /// [`Group::barred`](crate::Group::barred).
    Withheld,
}
