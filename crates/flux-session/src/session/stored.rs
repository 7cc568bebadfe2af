//! Messages that the caller has stored: when they are not needed any more, those that are not in memory,
//! and a session that comes back after a restart.

use super::{Link, Session};
use crate::{
    Delivery, DropReason, Finished, Message, PacketId, Sequence, SessionExpiry, SessionLimits,
    Timestamp, Will,
};

/// What a session knows of the numbers of its stored messages.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The highest number that is, or was, in the queue here. Whatever is elsewhere has a higher one.
    newest: Option<Sequence>,
    /// What has no higher number than this and waited elsewhere was read.
    read_to: Option<Sequence>,
}

/// Stored messages.
///
/// A caller with a store gives a [`Sequence`] to what it has stored before it offers it: numbers in the order
/// of the store. What does not fit into [`queued_here`](SessionLimits::queued_here) is only counted then, and is read
/// from the store when [`wants_read`](Self::wants_read) says so.
impl<M: Message> Session<M> {
    /// Returns a session without connection as an earlier process left it: with `elsewhere` messages that
    /// wait in the store, and nothing else but what is restored now.
    pub fn restored(
        limits: SessionLimits,
        expiry: SessionExpiry,
        detached_since: Timestamp,
        will: Option<Will<M>>,
        elsewhere: usize,
    ) -> Self {
        let mut session = Self::new(limits);
        session.expiry = expiry;
        session.link = Link::Detached { since: Some(detached_since) };
        let _none = session.replace_will(will);
        session.queue.restore_since(detached_since);
        session.queue.count_elsewhere(i64::try_from(elsewhere).unwrap_or(i64::MAX));
        session
    }

    /// Takes over a message that an earlier process may have sent, in the order of sending: the delivery,
    /// or its number once PUBREC came. Before the first connection only; `false` if the identifier is in use, or
    /// is not handed out under these limits.
    pub fn restore_exchange(
        &mut self,
        packet_id: PacketId,
        state: Result<Delivery<M>, Sequence>,
    ) -> bool {
        self.in_flight.restore(packet_id, state)
    }

    /// Returns under which number the message of an exchange is stored; `None` also if there is no such
    /// exchange.
    pub fn sequence(&mut self, packet_id: PacketId) -> Option<Sequence> {
        self.in_flight.sequence(packet_id)
    }

    /// Returns whether [`take_finished`](Self::take_finished) has something.
    pub fn has_finished(&self) -> bool {
        self.in_flight.has_finished()
    }

    /// Takes the messages that this session needs no more: it is through with them, lost them, or did not take
    /// them. Those that it gave back to a shared subscription are needed there.
    #[must_use = "the store keeps what nobody says it may forget"]
    pub fn take_finished(&mut self) -> Vec<Finished> {
        self.in_flight.take_finished()
    }

    /// Returns whether messages should be read that wait elsewhere, and after which number.
    pub fn wants_read(&self) -> Option<Option<Sequence>> {
        let wants = self.is_attached()
            && self.queue.elsewhere() > 0
            && self.queue.acknowledged() <= self.limits.queued_here / 4;
        wants.then_some(self.stored.newest)
    }

    /// Takes messages that were read in answer to [`wants_read`](Self::wants_read), in their order.
    pub fn take_read(&mut self, now: Timestamp, deliveries: impl IntoIterator<Item = Delivery<M>>) {
        for delivery in deliveries {
            if delivery.sequence <= self.stored.newest {
                continue;
            }
            self.stored.newest = delivery.sequence;
            self.stored.read_to = delivery.sequence;
            if delivery.is_expired(now) {
                self.lose(delivery, DropReason::Expired);
            } else {
                self.queue.push(now, delivery);
            }
            // Not before: what comes here from elsewhere has waited all the time.
            self.queue.count_elsewhere(-1);
        }
    }

    /// Says that the store has nothing more for this session, whatever was counted.
    pub fn nothing_elsewhere(&mut self) {
        self.queue.count_elsewhere(-i64::try_from(self.queue.elsewhere()).unwrap_or(i64::MAX));
    }

    /// Returns whether a stored message was read before it was offered.
    #[cold]
    pub(super) fn was_read(&mut self, delivery: &Delivery<M>) -> bool {
        let was_read = delivery.sequence <= self.stored.read_to && delivery.share.is_none();
        if was_read {
            self.queue.count_elsewhere(1);
        }
        was_read
    }

    /// Returns whether a stored message is left to the store, and counts it then.
    pub(super) fn is_left_elsewhere(&mut self, delivery: &Delivery<M>) -> bool {
        // One of a shared subscription is not among those that are read for this session.
        let is_newest = delivery.sequence > self.stored.newest && delivery.share.is_none();
        let has_place = self.queue.elsewhere() == 0
            && self.queue.acknowledged() < self.limits.queued_here.max(1);
        if !is_newest || delivery.qos == crate::QoS::AtMostOnce {
            return false;
        }
        if has_place {
            self.stored.newest = delivery.sequence;
            return false;
        }
        self.queue.count_elsewhere(1);
        true
    }
}
