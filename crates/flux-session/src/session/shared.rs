//! Deliveries by shared subscriptions: taken only where they can be sent, given back unsent.

use super::Session;
use crate::{Delivery, DropReason, Message, Offer, PacketId, QoS, ShareId, Timestamp};

/// One member's part in a shared subscription (MQTT 5.0 section 4.8.2).
///
/// The caller's group chooses the member that gets a message. This session takes it only if it can
/// be sent without waiting for anything but the connection, so that no message waits for a slow
/// member while another is idle; and it gives back what it has not sent.
impl<M: Message> Session<M> {
    /// Takes a message that another member could have instead, or gives it back unharmed: then the
    /// group asks the next one.
    ///
    /// Taken above QoS 0 means that there is a connection, and a place in the window and an
    /// identifier that nothing in flight or queued needs. At QoS 0 a connection is enough. Either
    /// way the queue's limits allow it: nothing is displaced for it. A message that every member
    /// gave back can be [offered](Self::offer) to one of them, and waits there.
    ///
    /// # Errors
    ///
    /// The delivery itself, if the session does not take it. One that has expired is not given
    /// back: no other member would take it.
    pub fn offer_shared(
        &mut self,
        now: Timestamp,
        delivery: Delivery<M>,
    ) -> Result<Offer, Delivery<M>> {
        if delivery.is_expired(now) {
            return Ok(Offer::Dropped(DropReason::Expired));
        }
        if !self.has_place_for(&delivery) {
            return Err(delivery);
        }
        self.queue.push(now, delivery);
        Ok(Offer::Queued)
    }

    fn has_place_for(&self, delivery: &Delivery<M>) -> bool {
        let has_place = match delivery.qos {
            QoS::AtMostOnce => self.is_attached(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.has_unclaimed_place(),
        };
        has_place && self.queue.has_room_for(delivery, &self.limits)
    }

    /// Returns whether [`offer_shared`](Self::offer_shared) would take a message at QoS 1 without
    /// content. A larger one may still find the queue's bytes used up.
    pub fn has_room_for_shared(&self) -> bool {
        self.has_unclaimed_place() && self.queue.has_room(&self.limits)
    }

    /// Takes back what came by this shared subscription, or by any, and was never sent, in the
    /// order it came, QoS 0 included.
    ///
    /// For a member that unsubscribes; at the end of a connection [`detach`](Self::detach) gives
    /// them back by itself. What was sent stays: the client completes it, now or when it
    /// returns `[MQTT-4.8.2-4]`.
    #[must_use = "the messages are for other members of the group"]
    pub fn take_unsent_shared(&mut self, share: Option<ShareId>) -> Vec<Delivery<M>> {
        self.queue.take_shared(share)
    }

    /// Takes back the message that may be sent for the first time now, if it came by a shared subscription and `is_barred`:
    /// the client may not have it any more, but another member may.
    ///
    /// What has expired before it is dropped, so that the message that was looked at is the very one that
    /// [`next`](Self::next) sends at the same moment.
    pub fn take_barred(
        &mut self,
        now: Timestamp,
        is_barred: impl FnOnce(&Delivery<M>) -> bool,
    ) -> Option<Delivery<M>> {
        while self.first().is_some_and(|first| first.is_expired(now))
            && let Some(expired) = self.pop_queue()
        {
            self.lose(expired, DropReason::Expired);
        }
        let is_taken = self.first().is_some_and(|first| first.share.is_some() && is_barred(first));
        if is_taken { self.pop_queue() } else { None }
    }

    /// Takes back a message that [`next`](Self::next) returned to be sent again, if it came by a shared subscription at
    /// QoS 1: the client may not have it any more, but another member may. Its identifier is free.
    ///
    /// What was sent at QoS 2 nobody else may have `[MQTT-4.8.2-5]`: it is [skipped](Self::skip).
    pub fn take_back(&mut self, packet_id: PacketId) -> Option<Delivery<M>> {
        self.in_flight.take_back(packet_id)
    }

    /// Takes back all that came by these shared subscriptions, was sent at QoS 1 and is not acknowledged, in the order in
    /// which it was first sent: for a client that lost the right to them.
    #[must_use = "the messages are for other members of the group"]
    pub fn take_sent_shared(&mut self, is_it: impl Fn(ShareId) -> bool) -> Vec<Delivery<M>> {
        let sent = self.in_flight.shared(is_it);
        sent.into_iter().filter_map(|packet_id| self.in_flight.take_back(packet_id)).collect()
    }

    /// Returns the message that may be sent for the first time now.
    fn first(&self) -> Option<&Delivery<M>> {
        if self.in_flight.has_room() { self.queue.first() } else { self.queue.first_qos0() }
    }

    /// Returns whether there is a place in the window that nothing queued will need.
    fn has_unclaimed_place(&self) -> bool {
        self.queue.elsewhere() == 0 && self.queue.acknowledged() < self.free_places()
    }
}
