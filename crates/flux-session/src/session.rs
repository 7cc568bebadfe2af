//! The session: what a client subscribed to and what it is owed.

mod handshake;

use std::collections::BTreeMap;

use flux_topic::TopicFilter;

use crate::in_flight::InFlight;
use crate::inbound::OpenReceipts;
use crate::queue::Queue;
use crate::{
    Delivery, Discarded, DropReason, Message, Offer, Outgoing, QoS, SessionLimits,
    SubscriptionOptions, Timestamp,
};

/// The session state of one client on the server (MQTT 5.0 section 4.1), with or without a
/// network connection.
///
/// A session begins detached. It holds the client's subscriptions, the messages that wait, the
/// exchanges in flight and the QoS 2 messages the client has not released. It ends by being
/// dropped.
#[derive(Debug)]
pub struct Session<M> {
    limits: SessionLimits,
    subscriptions: BTreeMap<TopicFilter, SubscriptionOptions>,
    link: Link,
    /// Holds nothing at QoS 0 while detached.
    queue: Queue<M>,
    in_flight: InFlight<M>,
    open_receipts: OpenReceipts,
    /// Messages that expired in the queue since the caller last asked.
    expired: u64,
}

impl<M: Message> Session<M> {
    /// Returns an empty session without a connection.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            subscriptions: BTreeMap::new(),
            link: Link::Detached { since: None },
            queue: Queue::new(),
            in_flight: InFlight::new(limits.packet_ids),
            open_receipts: OpenReceipts::default(),
            expired: 0,
        }
    }

    /// Begins a network connection: everything in flight is scheduled to be sent again, before
    /// anything new and in its original order (`[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]`).
    ///
    /// Unacknowledged PUBLISH packets go with DUP set and their identifier unchanged; where PUBREC
    /// has come, PUBREL goes alone `[MQTT-4.3.3-6]`. `receive_maximum` is what the client announced
    /// (65,535 if it did not); the window is that, at most
    /// [`receive_maximum_cap`](SessionLimits::receive_maximum_cap). It holds for what is sent again
    /// too `[MQTT-3.3.4-9]`, except for PUBREL, which never waits. Zero is a Protocol Error that the
    /// caller refuses (MQTT 5.0 section 3.1.2.11.3); here it counts as one `[MQTT-4.9.0-1]`.
    ///
    /// When a connection takes over from one that was not detached, queued QoS 0 goes to the new
    /// one.
    pub fn attach(&mut self, now: Timestamp, receive_maximum: u16) {
        self.link = Link::Attached;
        self.in_flight.attach(receive_maximum.min(self.limits.receive_maximum_cap).max(1));
        self.expired += self.queue.drop_expired(now);
    }

    /// Ends the network connection, and returns what was queued at QoS 0 and is lost with it.
    ///
    /// Everything else stays until the client returns or the session is dropped.
    pub fn detach(&mut self, now: Timestamp) -> Discarded {
        self.link = Link::Detached { since: Some(now) };
        self.in_flight.detach();
        self.queue.discard_qos0()
    }

    /// Takes a message for this client, or says why not.
    ///
    /// The limits decide here and now, so that a publisher can be told before it is acknowledged.
    /// A full queue first loses what has expired at its front; if that does not help, the newest
    /// message is the one that is dropped.
    pub fn offer(&mut self, now: Timestamp, delivery: Delivery<M>) -> Offer {
        if delivery.qos == QoS::AtMostOnce && !self.is_attached() {
            return Offer::Dropped(DropReason::Offline);
        }
        if delivery.is_expired(now) {
            return Offer::Dropped(DropReason::Expired);
        }
        if !self.queue.has_room_for(&delivery, &self.limits) {
            self.expired += self.queue.drop_expired(now);
            if !self.queue.has_room_for(&delivery, &self.limits) {
                return Offer::Dropped(DropReason::QueueFull);
            }
        }
        self.queue.push(delivery);
        Offer::Queued
    }

    /// Returns the next packet to send, or `None` when there is none or it has to wait for an
    /// acknowledgement.
    ///
    /// What is sent again comes first, then the queue in the order of the offers. While the window
    /// is closed, or every packet identifier is in use, only QoS 0 passes (`[MQTT-3.3.4-9]`,
    /// `[MQTT-4.9.0-2]`). A message that expired in the queue is dropped and counted; one that was
    /// sent before never is `[MQTT-4.3.3-7]`. A QoS 1 or QoS 2 message is in flight from here on.
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
            self.expired += 1;
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
        self.subscriptions.insert(filter, options)
    }

    /// Removes a subscription and returns its options, or `None` if there was none.
    ///
    /// Messages that are queued or in flight because of it are still delivered
    /// `[MQTT-3.10.4-3]`.
    pub fn unsubscribe(&mut self, filter: &TopicFilter) -> Option<SubscriptionOptions> {
        self.subscriptions.remove(filter)
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

    /// Returns the number of messages that wait to be sent for the first time.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the bytes of the messages that wait, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD).
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Returns the number of packet identifiers in use: QoS 1 and QoS 2 messages that were sent
    /// and whose last acknowledgement has not come.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
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

    /// Returns the number of messages that expired in the queue since the last call.
    pub fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// Takes the first message that may be sent now.
    fn pop_queue(&mut self) -> Option<Delivery<M>> {
        if self.in_flight.has_room() { self.queue.pop() } else { self.queue.pop_qos0() }
    }

    /// Sends a message for the first time.
    fn publish(&mut self, delivery: Delivery<M>) -> Outgoing<M> {
        let packet_id = match delivery.qos {
            QoS::AtMostOnce => None,
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
