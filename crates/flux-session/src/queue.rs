//! Messages that wait to be sent for the first time.

use std::collections::VecDeque;

use crate::limits::QUEUED_OVERHEAD;
use crate::{Delivery, Discarded, Message, QoS, SessionLimits, Timestamp};

/// Two queues with one running number: order is kept across both, until the window is closed and
/// QoS 0 passes, since it needs no acknowledgement `[MQTT-3.3.4-9]`.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    unacknowledged: VecDeque<Queued<M>>,
    acknowledged: VecDeque<Queued<M>>,
    next_number: u64,
    /// The sum of [`cost`] over both queues.
    bytes: usize,
}

impl<M: Message> Queue<M> {
    pub(crate) fn new() -> Self {
        Self {
            unacknowledged: VecDeque::new(),
            acknowledged: VecDeque::new(),
            next_number: 0,
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.unacknowledged.len() + self.acknowledged.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty() && self.acknowledged.is_empty()
    }

    pub(crate) fn has_qos0(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// Returns whether the limits allow one more.
    pub(crate) fn has_room_for(&self, delivery: &Delivery<M>, limits: &SessionLimits) -> bool {
        self.len() < limits.queued_messages
            && self.bytes.saturating_add(cost(delivery)) <= limits.queued_bytes
    }

    pub(crate) fn push(&mut self, delivery: Delivery<M>) {
        self.bytes = self.bytes.saturating_add(cost(&delivery));
        let number = self.next_number;
        self.next_number += 1;
        match delivery.qos {
            QoS::AtMostOnce => &mut self.unacknowledged,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &mut self.acknowledged,
        }
        .push_back(Queued { number, delivery });
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&mut self) -> Option<Delivery<M>> {
        match (self.unacknowledged.front(), self.acknowledged.front()) {
            (Some(qos0), Some(other)) if qos0.number < other.number => self.pop_qos0(),
            (Some(_), None) => self.pop_qos0(),
            (_, Some(_)) => self.pop_acknowledged(),
            (None, None) => None,
        }
    }

    /// Takes the oldest message at QoS 0.
    pub(crate) fn pop_qos0(&mut self) -> Option<Delivery<M>> {
        let delivery = pop_front(&mut self.unacknowledged)?;
        self.bytes = self.bytes.saturating_sub(cost(&delivery));
        Some(delivery)
    }

    /// Takes the oldest message above QoS 0.
    fn pop_acknowledged(&mut self) -> Option<Delivery<M>> {
        let delivery = pop_front(&mut self.acknowledged)?;
        self.bytes = self.bytes.saturating_sub(cost(&delivery));
        Some(delivery)
    }

    /// Drops expired messages from the front of both queues and returns how many.
    ///
    /// Only from the front: constant time per message dropped, and messages of one publisher
    /// mostly expire in the order they came.
    pub(crate) fn drop_expired(&mut self, now: Timestamp) -> u64 {
        let mut dropped = 0;
        while self.unacknowledged.front().is_some_and(|queued| queued.delivery.is_expired(now)) {
            self.pop_qos0();
            dropped += 1;
        }
        while self.acknowledged.front().is_some_and(|queued| queued.delivery.is_expired(now)) {
            self.pop_acknowledged();
            dropped += 1;
        }
        dropped
    }

    /// Drops everything at QoS 0 and the spare room: the client is away.
    pub(crate) fn discard_qos0(&mut self) -> Discarded {
        let bytes = self.unacknowledged.iter().map(|queued| cost(&queued.delivery)).sum();
        let discarded = Discarded { messages: self.unacknowledged.len(), bytes };
        self.unacknowledged = VecDeque::new();
        self.acknowledged.shrink_to_fit();
        self.bytes = self.bytes.saturating_sub(bytes);
        discarded
    }
}

#[derive(Debug)]
struct Queued<M> {
    number: u64,
    delivery: Delivery<M>,
}

/// Takes the front, and gives a large buffer back once it has run empty.
fn pop_front<M>(queue: &mut VecDeque<Queued<M>>) -> Option<Delivery<M>> {
    let queued = queue.pop_front()?;
    if queue.is_empty() && queue.capacity() > KEPT_CAPACITY {
        *queue = VecDeque::new();
    }
    Some(queued.delivery)
}

/// Returns what a message counts against the queue's bytes.
fn cost<M: Message>(delivery: &Delivery<M>) -> usize {
    delivery.message.size().saturating_add(QUEUED_OVERHEAD)
}

/// The places an empty queue keeps, so that ordinary traffic does not allocate.
const KEPT_CAPACITY: usize = 1_024;
