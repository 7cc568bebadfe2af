//! The session: what a client subscribed to and what it is owed.

mod handshake;
mod lifetime;
mod shared;
mod standing;
mod stored;

use std::collections::BTreeMap;
use std::ops::Bound;

use flux_topic::TopicFilter;

use self::stored::Stored;
use crate::in_flight::InFlight;
use crate::inbound::OpenReceipts;
use crate::queue::Queue;
use crate::{
    Delivery, DropReason, Dropped, Message, Offer, Outgoing, QoS, SESSION_OVERHEAD, SessionExpiry,
    SessionLimits, SubscriptionOptions, Timestamp, WhenFull, Will,
};

/// The session state of one client on the server (MQTT 5.0 section 4.1), with or without a
/// network connection.
///
/// A session begins detached. It holds the client's subscriptions, the messages that wait, the
/// exchanges in flight, the QoS 2 messages the client has not released, and its will. It
/// [ends](Self::end) when the caller says so, at the latest when its expiry is over.
#[derive(Debug)]
pub struct Session<M> {
    limits: SessionLimits,
    subscriptions: BTreeMap<TopicFilter, SubscriptionOptions>,
    /// The bytes that it holds beside messages: a running sum, see `standing`.
    standing_bytes: usize,
    link: Link,
    expiry: SessionExpiry,
    /// The will of the present connection, or of the last one while its moment has not come.
    will: Option<Will<M>>,
    /// Holds nothing at QoS 0 while detached.
    queue: Queue<M>,
    in_flight: InFlight<M>,
    open_receipts: OpenReceipts,
    stored: Stored,
    /// What the queue lost since the caller last asked.
    dropped: Vec<Dropped<M>>,
}

impl<M: Message> Session<M> {
    /// Returns an empty session without a connection.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            subscriptions: BTreeMap::new(),
            standing_bytes: SESSION_OVERHEAD,
            link: Link::Detached { since: None },
            expiry: SessionExpiry::NEVER,
            will: None,
            queue: Queue::new(),
            in_flight: InFlight::new(limits.packet_ids),
            open_receipts: OpenReceipts::default(),
            stored: Stored::default(),
            dropped: Vec::new(),
        }
    }

    /// Takes a message for this client, or says why not.
    ///
    /// The limits decide here and now, so that a publisher can be told before it is acknowledged.
    /// A full queue first loses what has expired at its front; if that does not help,
    /// [`SessionLimits::when_full`] decides.
    pub fn offer(&mut self, now: Timestamp, delivery: Delivery<M>) -> Offer {
        if delivery.qos == QoS::AtMostOnce && !self.is_attached() {
            return self.refuse(&delivery, Offer::Dropped(DropReason::Offline));
        }
        if delivery.is_expired(now) {
            return self.refuse(&delivery, Offer::Dropped(DropReason::Expired));
        }
        if delivery.sequence.is_some() && self.was_read(&delivery) {
            return Offer::Queued;
        }
        if !self.queue.has_room_for(&delivery, &self.limits)
            && let Err(not_taken) = self.make_room(now, &delivery)
        {
            return self.refuse(&delivery, not_taken);
        }
        if delivery.sequence.is_some() && self.is_left_elsewhere(&delivery) {
            return Offer::Queued;
        }
        self.queue.push(now, delivery);
        Offer::Queued
    }

    /// Does not take a message.
    #[inline]
    fn refuse(&mut self, delivery: &Delivery<M>, offer: Offer) -> Offer {
        self.in_flight.finish(delivery, false);
        offer
    }

    /// Returns the next packet to send, or `None` when there is none or it has to wait for an
    /// acknowledgement.
    ///
    /// What is sent again comes first, then the queue in the order of the offers. While the window
    /// is closed, or every packet identifier is in use, only QoS 0 passes (`[MQTT-3.3.4-9]`,
    /// `[MQTT-4.9.0-2]`). A message that expired in the queue is dropped; one that was sent
    /// before never is `[MQTT-4.3.3-7]`. A QoS 1 or QoS 2 message is in flight from here on.
    pub fn next(&mut self, now: Timestamp) -> Option<Outgoing<M>> {
        if !self.is_attached() {
            return None;
        }
        if let Some(resend) = self.in_flight.resend() {
            return Some(resend);
        }
        while let Some(delivery) = self.pop_queue() {
            if !delivery.is_expired(now) {
                return Some(self.publish(delivery));
            }
            self.lose(delivery, DropReason::Expired);
        }
        None
    }

    /// Returns whether [`next`](Self::next) is worth a call: it has something, unless that has
    /// expired.
    pub fn has_work(&self) -> bool {
        let queue_can_move =
            if self.in_flight.has_room() { !self.queue.is_empty() } else { self.queue.has_qos0() };
        self.is_attached() && (queue_can_move || self.in_flight.has_resend())
    }

    /// Adds a subscription and returns the options it replaces `[MQTT-3.8.4-3]`.
    pub fn subscribe(
        &mut self,
        filter: TopicFilter,
        options: SubscriptionOptions,
    ) -> Option<SubscriptionOptions> {
        let cost = standing::cost_of_filter(&filter);
        let before = self.subscriptions.insert(filter, options);
        if before.is_none() {
            self.standing_bytes = self.standing_bytes.saturating_add(cost);
        }
        before
    }

    /// Removes a subscription and returns its options, or `None` if there was none.
    ///
    /// Messages that are queued or in flight because of it are still delivered
    /// `[MQTT-3.10.4-3]`.
    pub fn unsubscribe(&mut self, filter: &TopicFilter) -> Option<SubscriptionOptions> {
        let before = self.subscriptions.remove(filter)?;
        let cost = standing::cost_of_filter(filter);
        self.standing_bytes = self.standing_bytes.saturating_sub(cost);
        Some(before)
    }

    /// Returns the options of the subscription with exactly this filter.
    #[must_use]
    pub fn subscription(&self, filter: &TopicFilter) -> Option<SubscriptionOptions> {
        self.subscriptions.get(filter).copied()
    }

    /// Returns the subscriptions, in the order of their topic filters.
    pub fn subscriptions(
        &self,
    ) -> impl ExactSizeIterator<Item = (&TopicFilter, &SubscriptionOptions)> {
        self.subscriptions.iter()
    }

    /// Returns the subscriptions behind this filter, in order: for whoever looks at a part at a time.
    pub fn subscriptions_after(
        &self,
        filter: Option<&TopicFilter>,
    ) -> impl Iterator<Item = (&TopicFilter, &SubscriptionOptions)> {
        let behind = filter.map_or(Bound::Unbounded, Bound::Excluded);
        self.subscriptions.range::<TopicFilter, _>((behind, Bound::Unbounded))
    }

    /// Returns the number of messages that wait to be sent for the first time, here and elsewhere.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the bytes of the messages that wait here, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD).
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Returns since when its queue has not been empty; nothing while it is.
    pub fn waits_since(&self) -> Option<Timestamp> {
        self.queue.waits_since()
    }

    /// Returns the bytes of all that the session holds: the messages that wait, those that were sent
    /// and are kept until they are acknowledged, and the will, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD); the topic filters of its subscriptions, with
    /// [`SUBSCRIPTION_OVERHEAD`](crate::SUBSCRIPTION_OVERHEAD) for each and
    /// [`FILTER_LEVEL_OVERHEAD`](crate::FILTER_LEVEL_OVERHEAD) for each level; and
    /// [`SESSION_OVERHEAD`].
    pub fn held_bytes(&self) -> usize {
        let messages = self.queue.bytes().saturating_add(self.in_flight.bytes());
        messages.saturating_add(self.standing_bytes)
    }

    /// Returns whether [`offer`](Self::offer) would find room for this message without loss, as far
    /// as the queue's limits are concerned.
    pub fn has_room_for(&self, delivery: &Delivery<M>) -> bool {
        self.queue.has_room_for(delivery, &self.limits)
    }

    /// Returns whether the queue holds half of what its limits allow: what can wait elsewhere does, and
    /// leaves the rest to what cannot.
    pub fn is_half_full(&self) -> bool {
        self.queued() > self.limits.queued_messages / 2
            || self.queued_bytes() > self.limits.queued_bytes / 2
    }

    /// Returns the number of packet identifiers in use: QoS 1 and QoS 2 messages that were sent
    /// and whose last acknowledgement has not come.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns the bytes of the messages of these that are kept until they are acknowledged, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD).
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight.bytes()
    }

    /// Returns the most QoS 1 and QoS 2 messages that may be in flight on this connection, or zero
    /// without one.
    pub fn window(&self) -> u16 {
        if self.is_attached() { self.in_flight.window() } else { 0 }
    }

    /// Returns how many more QoS 1 and QoS 2 messages may be sent for the first time before one is
    /// acknowledged, or zero without a connection. Queued ones have no place yet.
    pub fn free_places(&self) -> usize {
        if self.is_attached() { self.in_flight.free_places() } else { 0 }
    }

    /// Returns whether the client has a network connection.
    pub fn is_attached(&self) -> bool {
        matches!(self.link, Link::Attached)
    }

    /// Returns when the last connection ended, or `None` while there is one or before the first:
    /// the Session Expiry Interval counts from here (MQTT 5.0 section 3.1.2.11.2).
    pub fn detached_since(&self) -> Option<Timestamp> {
        match self.link {
            Link::Attached => None,
            Link::Detached { since } => since,
        }
    }

    /// Takes what the queue lost since the last call, oldest loss first: messages that expired or
    /// were displaced, and QoS 0 that waited when the connection ended.
    ///
    /// Any call that is given the time may lose something, at most what the queue held. The caller
    /// asks after each, for the session keeps it all until then. (What [`offer`](Self::offer) did
    /// not take, it said.)
    #[must_use = "lost messages are counted and reported by the caller"]
    pub fn take_dropped(&mut self) -> Vec<Dropped<M>> {
        std::mem::take(&mut self.dropped)
    }

    /// Takes the first message that may be sent now.
    fn pop_queue(&mut self) -> Option<Delivery<M>> {
        if self.in_flight.has_room() { self.queue.pop() } else { self.queue.pop_qos0() }
    }

    fn drop_expired(&mut self, now: Timestamp) {
        while let Some(delivery) = self.queue.pop_expired(now) {
            self.lose(delivery, DropReason::Expired);
        }
    }

    /// Makes room for a message in a full queue, as far as the policy allows it.
    #[cold]
    fn make_room(&mut self, now: Timestamp, delivery: &Delivery<M>) -> Result<(), Offer> {
        self.drop_expired(now);
        if self.queue.has_room_for(delivery, &self.limits) {
            return Ok(());
        }
        let is_promised = delivery.qos > QoS::AtMostOnce;
        let could_fit = self.queue.could_fit(delivery, &self.limits);
        match self.limits.when_full {
            WhenFull::DropOldest if could_fit => {
                self.displace(delivery);
                match self.queue.has_room_for(delivery, &self.limits) {
                    true => Ok(()),
                    // What is elsewhere cannot be displaced.
                    false => Err(Offer::Dropped(DropReason::QueueFull)),
                }
            }
            WhenFull::Refuse if is_promised => Err(Offer::Refused),
            WhenFull::EndSession if is_promised && could_fit => Err(Offer::Overflow),
            WhenFull::DropNewest
            | WhenFull::DropOldest
            | WhenFull::Refuse
            | WhenFull::EndSession => Err(Offer::Dropped(DropReason::QueueFull)),
        }
    }

    /// Notes a message that is dropped. Away from the way of those that are not.
    #[cold]
    #[inline(never)]
    fn lose(&mut self, delivery: Delivery<M>, reason: DropReason) {
        self.in_flight.finish(&delivery, false);
        self.dropped.push(Dropped { delivery, reason });
    }

    /// Drops older messages until there is room for this one.
    fn displace(&mut self, newer: &Delivery<M>) {
        while !self.queue.has_room_for(newer, &self.limits) {
            let Some(delivery) = self.queue.displace(newer.qos) else { return };
            self.lose(delivery, DropReason::Displaced);
        }
    }

    /// Sends a message for the first time.
    fn publish(&mut self, delivery: Delivery<M>) -> Outgoing<M> {
        let packet_id = match delivery.qos {
            QoS::AtMostOnce => {
                // One of the client alone is not stored for a delivery that nobody acknowledges.
                if delivery.share.is_some() {
                    self.in_flight.finish(&delivery, true);
                }
                None
            }
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(self.in_flight.publish(delivery.clone())),
        };
        Outgoing::Publish { packet_id, dup: false, delivery }
    }
}

#[derive(Debug)]
enum Link {
    Attached,
    Detached { since: Option<Timestamp> },
}
