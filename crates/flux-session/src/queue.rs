//! Messages that wait to be sent for the first time.

use std::collections::VecDeque;

use crate::limits::QUEUED_OVERHEAD;
use crate::{Delivery, Message, QoS, SessionLimits, ShareId, Timestamp};

/// Two lines with one running number: order is kept across both, until the window is closed and
/// QoS 0 passes, since it needs no acknowledgement `[MQTT-3.3.4-9]`.
#[derive(Debug)]
pub(crate) struct Queue<M> {
    unacknowledged: Line<M>,
    acknowledged: Line<M>,
    next_number: u64,
    /// So many wait behind all that is here, and only the caller's store has them. Less than none for a
    /// moment, when what another thread is about to offer was read already.
    elsewhere: i64,
    /// When it last began to hold something.
    since: Timestamp,
}

impl<M: Message> Queue<M> {
    pub(crate) fn new() -> Self {
        let (unacknowledged, acknowledged) = (Line::new(), Line::new());
        let since = Timestamp::default();
        Self { unacknowledged, acknowledged, next_number: 0, elsewhere: 0, since }
    }

    /// Returns how many wait, here and elsewhere.
    pub(crate) fn len(&self) -> usize {
        self.unacknowledged.len() + self.acknowledged.len() + self.elsewhere()
    }

    /// Returns how many wait elsewhere.
    pub(crate) fn elsewhere(&self) -> usize {
        usize::try_from(self.elsewhere).unwrap_or(0)
    }

    /// Returns since when something waits all the time, here or elsewhere.
    pub(crate) fn waits_since(&self) -> Option<Timestamp> {
        let waits = !self.is_empty() || self.elsewhere() > 0;
        waits.then_some(self.since)
    }

    /// Notes when something waits that was stored by an earlier process.
    pub(crate) fn restore_since(&mut self, since: Timestamp) {
        self.since = since;
    }

    /// Counts some more, or less, that wait elsewhere.
    pub(crate) fn count_elsewhere(&mut self, change: i64) {
        self.elsewhere = self.elsewhere.saturating_add(change);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.unacknowledged.bytes.saturating_add(self.acknowledged.bytes)
    }

    /// Returns whether nothing waits here.
    pub(crate) fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty() && self.acknowledged.is_empty()
    }

    /// Returns how many wait that need a place in the window.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) fn has_qos0(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// Returns whether the limits allow one more.
    pub(crate) fn has_room_for(&self, delivery: &Delivery<M>, limits: &SessionLimits) -> bool {
        allows(limits, self.len(), self.bytes(), cost(&delivery.message))
    }

    /// Returns whether the limits allow one more message without content.
    pub(crate) fn has_room(&self, limits: &SessionLimits) -> bool {
        allows(limits, self.len(), self.bytes(), QUEUED_OVERHEAD)
    }

    /// Returns whether the limits would allow one more if everything were gone that
    /// [`displace`](Self::displace) may take for it.
    pub(crate) fn could_fit(&self, delivery: &Delivery<M>, limits: &SessionLimits) -> bool {
        match delivery.qos {
            QoS::AtMostOnce => allows(
                limits,
                self.acknowledged.len(),
                self.acknowledged.bytes,
                cost(&delivery.message),
            ),
            QoS::AtLeastOnce | QoS::ExactlyOnce => allows(limits, 0, 0, cost(&delivery.message)),
        }
    }

    pub(crate) fn push(&mut self, now: Timestamp, delivery: Delivery<M>) {
        if self.is_empty() && self.elsewhere <= 0 {
            self.since = now;
        }
        let number = self.next_number;
        self.next_number += 1;
        match delivery.qos {
            QoS::AtMostOnce => &mut self.unacknowledged,
            QoS::AtLeastOnce | QoS::ExactlyOnce => &mut self.acknowledged,
        }
        .push(number, delivery);
    }

    /// Takes the oldest message.
    pub(crate) fn pop(&mut self) -> Option<Delivery<M>> {
        match (self.unacknowledged.front(), self.acknowledged.front()) {
            (Some(qos0), Some(other)) if qos0.number < other.number => self.unacknowledged.pop(),
            (Some(_), None) => self.unacknowledged.pop(),
            (_, Some(_)) => self.acknowledged.pop(),
            (None, None) => None,
        }
    }

    /// Returns the message that [`pop`](Self::pop) would take.
    pub(crate) fn first(&self) -> Option<&Delivery<M>> {
        let fronts = [self.unacknowledged.front(), self.acknowledged.front()];
        let first = fronts.into_iter().flatten().min_by_key(|queued| queued.number)?;
        Some(&first.delivery)
    }

    /// Returns the oldest message at QoS 0.
    pub(crate) fn first_qos0(&self) -> Option<&Delivery<M>> {
        self.unacknowledged.front().map(|queued| &queued.delivery)
    }

    /// Takes the oldest message at QoS 0.
    pub(crate) fn pop_qos0(&mut self) -> Option<Delivery<M>> {
        self.unacknowledged.pop()
    }

    /// Takes the message that goes first to make room for one at `qos`.
    pub(crate) fn displace(&mut self, qos: QoS) -> Option<Delivery<M>> {
        match qos {
            QoS::AtMostOnce => self.unacknowledged.pop(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                self.unacknowledged.pop().or_else(|| self.acknowledged.pop())
            }
        }
    }

    /// Takes a message that has expired from the front of one of the lines.
    ///
    /// Only from the front: constant time per message, and messages of one publisher mostly
    /// expire in the order they came.
    pub(crate) fn pop_expired(&mut self, now: Timestamp) -> Option<Delivery<M>> {
        [&mut self.unacknowledged, &mut self.acknowledged].into_iter().find_map(|line| {
            let is_expired = line.front().is_some_and(|queued| queued.delivery.is_expired(now));
            if is_expired { line.pop() } else { None }
        })
    }

    /// Takes what came by this shared subscription, or by any, in the order it came.
    pub(crate) fn take_shared(&mut self, share: Option<ShareId>) -> Vec<Delivery<M>> {
        let mut taken = self.unacknowledged.take_shared(share);
        taken.append(&mut self.acknowledged.take_shared(share));
        taken.sort_unstable_by_key(|queued| queued.number);
        taken.into_iter().map(|queued| queued.delivery).collect()
    }

    /// Returns the messages, those at QoS 0 first.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &M> {
        let lines = self.unacknowledged.waiting.iter().chain(&self.acknowledged.waiting);
        lines.map(|queued| &queued.delivery.message)
    }

    /// Gives spare memory back.
    pub(crate) fn shrink(&mut self) {
        self.unacknowledged.waiting.shrink_to_fit();
        self.acknowledged.waiting.shrink_to_fit();
    }
}

/// Messages in the order they came.
#[derive(Debug)]
struct Line<M> {
    waiting: VecDeque<Queued<M>>,
    /// The sum of [`cost`].
    bytes: usize,
    /// How many came by a shared subscription: mostly none, and then nobody need look for them.
    shared: usize,
}

impl<M: Message> Line<M> {
    const fn new() -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, shared: 0 }
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn front(&self) -> Option<&Queued<M>> {
        self.waiting.front()
    }

    // Counted before it is moved, here and below: reading it right after a move stalls.
    #[inline]
    fn push(&mut self, number: u64, delivery: Delivery<M>) {
        self.bytes = self.bytes.saturating_add(cost(&delivery.message));
        self.shared += usize::from(delivery.share.is_some());
        self.waiting.push_back(Queued { number, delivery });
    }

    /// Takes the front, and gives a large buffer back once it has run empty.
    #[inline]
    fn pop(&mut self) -> Option<Delivery<M>> {
        let queued = self.take_front();
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_CAPACITY {
            self.waiting = VecDeque::new();
        }
        queued.map(|queued| queued.delivery)
    }

    #[inline]
    fn take_front(&mut self) -> Option<Queued<M>> {
        let Queued { delivery, .. } = self.waiting.front()?;
        self.bytes = self.bytes.saturating_sub(cost(&delivery.message));
        self.shared -= usize::from(delivery.share.is_some());
        self.waiting.pop_front()
    }

    fn take_shared(&mut self, share: Option<ShareId>) -> Vec<Queued<M>> {
        let mut taken = Vec::new();
        if self.shared == 0 {
            return taken;
        }
        // Each goes once round, and leaves or joins the end again.
        for _ in 0..self.waiting.len() {
            let Some(queued) = self.take_front() else { break };
            let came_by = queued.delivery.share;
            if came_by.is_some() && (share.is_none() || came_by == share) {
                taken.push(queued);
            } else {
                self.push(queued.number, queued.delivery);
            }
        }
        taken
    }
}

#[derive(Debug)]
struct Queued<M> {
    number: u64,
    delivery: Delivery<M>,
}

/// Returns whether the limits allow a message that counts `cost` bytes beside so many others.
fn allows(limits: &SessionLimits, messages: usize, bytes: usize, cost: usize) -> bool {
    messages < limits.queued_messages && bytes.saturating_add(cost) <= limits.queued_bytes
}

/// Returns the bytes that a message counts while a session holds it.
pub(crate) fn cost<M: Message>(message: &M) -> usize {
    message.size().saturating_add(QUEUED_OVERHEAD)
}

/// The places an empty queue keeps, so that ordinary traffic does not allocate.
const KEPT_CAPACITY: usize = 1_024;

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// The README names it.
    #[test]
    fn the_place_of_a_message_is_56_bytes() {
        assert_eq!(size_of::<Queued<u64>>(), 56);
        assert!(size_of::<Queued<u64>>() < QUEUED_OVERHEAD, "it is counted for");
    }
}
