//! The QoS 1 and QoS 2 exchanges under way, and what this connection has carried of each.

mod ring;
mod schedule;

use std::mem;

use self::ring::Ring;
use self::schedule::Schedule;
use crate::queue::cost;
use crate::{
    AckError, Delivery, Finished, Message, Outgoing, PacketId, QoS, Received, Sequence, ShareId,
};

/// Every exchange from its first PUBLISH until its last acknowledgement
/// (MQTT 5.0 sections 4.3 and 4.4), within the window of the connection (section 4.9).
///
/// - `outstanding` counts the exchanges whose PUBLISH travelled on this connection. It never
///   exceeds the window `[MQTT-3.3.4-9]`.
/// - A new exchange begins only while all of them together are fewer than the window. That is
///   stricter than the standard, which does not count a lone PUBREL, and it bounds what a client
///   that never sends PUBCOMP can make a session hold. It also means that nothing new is sent
///   while anything waits to be sent again.
/// - An exchange is in the schedule exactly while it is [`Carried::Nothing`].
#[derive(Debug)]
pub(crate) struct InFlight<M> {
    ring: Ring<Exchange<M>>,
    schedule: Schedule,
    window: u16,
    outstanding: usize,
    /// The sum of [`cost`] over the messages that are kept.
    bytes: usize,
    /// Stored messages whose exchange is over.
    finished: Vec<Finished>,
}

impl<M: Message> InFlight<M> {
    pub(crate) fn new(packet_ids: u16) -> Self {
        Self {
            ring: Ring::new(packet_ids),
            schedule: Schedule::default(),
            window: 0,
            outstanding: 0,
            bytes: 0,
            finished: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Returns the bytes of the messages that are kept until they are acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn window(&self) -> u16 {
        self.window
    }

    /// Begins a connection: everything is to be sent again.
    pub(crate) fn attach(&mut self, window: u16) {
        self.window = window;
        self.outstanding = 0;
        self.ring.set_window(window);
        self.schedule.clear();
        for (order, packet_id, exchange) in self.ring.iter_mut() {
            exchange.carried = Carried::Nothing;
            match exchange.stage {
                Stage::Published(_) => self.schedule.add_publish(order, packet_id),
                Stage::Released(_) => self.schedule.add_release(order, packet_id),
            }
        }
    }

    /// Ends a connection: what is not sent again yet is scheduled by the next one.
    pub(crate) fn detach(&mut self) {
        self.ring.shrink();
    }

    /// Returns how many new exchanges may begin before one of these ends.
    pub(crate) fn free_places(&self) -> usize {
        usize::from(self.window).min(self.ring.capacity()).saturating_sub(self.ring.len())
    }

    /// Returns whether a new exchange may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.ring.len() < usize::from(self.window) && !self.ring.is_full()
    }

    /// Begins an exchange and returns its identifier. Only while there is room.
    pub(crate) fn publish(&mut self, delivery: Delivery<M>) -> PacketId {
        assert!(self.has_room(), "an exchange begins only while the window is open");
        self.outstanding += 1;
        self.bytes = self.bytes.saturating_add(cost(&delivery.message));
        self.ring.insert(Exchange { stage: Stage::Published(delivery), carried: Carried::Publish })
    }

    /// Returns whether [`resend`](Self::resend) has something.
    pub(crate) fn has_resend(&self) -> bool {
        self.schedule.has_release() || (self.schedule.has_publish() && self.is_window_open())
    }

    /// Returns the next packet to send again that the window allows.
    pub(crate) fn resend(&mut self) -> Option<Outgoing<M>> {
        if self.schedule.is_empty() {
            return None;
        }
        let packet_id =
            if self.is_window_open() { self.schedule.pop() } else { self.schedule.pop_release() }?;
        let (_, exchange) = self.ring.get_mut(packet_id)?;
        Some(match &exchange.stage {
            Stage::Published(delivery) => {
                exchange.carried = Carried::PublishAgain;
                self.outstanding += 1;
                let delivery = delivery.clone();
                Outgoing::Publish { packet_id: Some(packet_id), dup: true, delivery }
            }
            Stage::Released(_) => {
                exchange.carried = Carried::Release;
                Outgoing::Release { packet_id }
            }
        })
    }

    /// Takes an exchange over from an earlier process: its message, or under which number that was stored
    /// if PUBREC had come. `false` if the identifier is in use, or none of ours.
    pub(crate) fn restore(
        &mut self,
        packet_id: PacketId,
        state: Result<Delivery<M>, Sequence>,
    ) -> bool {
        let cost = state.as_ref().map_or(0, |delivery| cost(&delivery.message));
        let stage = match state {
            Ok(delivery) => Stage::Published(delivery),
            Err(sequence) => Stage::Released(Some(Finished { sequence, share: None })),
        };
        let is_new = self.ring.restore(packet_id, Exchange { stage, carried: Carried::Nothing });
        if is_new {
            self.bytes = self.bytes.saturating_add(cost);
        }
        is_new
    }

    /// Returns under which number the message of an exchange is stored.
    pub(crate) fn sequence(&mut self, packet_id: PacketId) -> Option<Sequence> {
        match &self.ring.get_mut(packet_id)?.1.stage {
            Stage::Published(delivery) => delivery.sequence,
            Stage::Released(stored) => stored.map(|stored| stored.sequence),
        }
    }

    /// Notes that a stored message is needed no more that was not in flight.
    pub(crate) fn finish(&mut self, delivery: &Delivery<M>, is_sent: bool) {
        self.finished.extend(delivery.finished(is_sent));
    }

    pub(crate) fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Takes over which stored messages are needed no more.
    pub(crate) fn take_over_finished(&mut self, other: &mut Self) {
        self.finished.append(&mut other.finished);
    }

    /// Takes the stored messages whose exchange is over.
    pub(crate) fn take_finished(&mut self) -> Vec<Finished> {
        mem::take(&mut self.finished)
    }

    pub(crate) fn puback(&mut self, packet_id: PacketId) -> Result<M, AckError> {
        let (_, exchange) = self.ring.get_mut(packet_id).ok_or(AckError::Unknown)?;
        let message = exchange.release(QoS::AtLeastOnce)?;
        self.forget(&message);
        self.complete(packet_id);
        Ok(message)
    }

    /// Takes a PUBREC whose reason code is below 0x80.
    pub(crate) fn pubrec(&mut self, packet_id: PacketId) -> Result<Received<M>, AckError> {
        let (order, exchange) = self.ring.get_mut(packet_id).ok_or(AckError::Unknown)?;
        let received = match exchange.stage {
            Stage::Published(_) => Received::Release(exchange.release(QoS::ExactlyOnce)?),
            Stage::Released(_) => Received::ReleaseAgain,
        };
        if exchange.carried == Carried::Nothing {
            exchange.carried = Carried::Release;
            self.schedule.cancel(order);
        }
        if let Received::Release(message) = &received {
            self.forget(message);
        }
        Ok(received)
    }

    /// Takes a PUBREC whose reason code is 0x80 or above.
    pub(crate) fn pubrec_refused(&mut self, packet_id: PacketId) -> Result<Received<M>, AckError> {
        let (_, exchange) = self.ring.get_mut(packet_id).ok_or(AckError::Unknown)?;
        let message = exchange.release(QoS::ExactlyOnce)?;
        self.forget(&message);
        self.complete(packet_id);
        Ok(Received::Refused(message))
    }

    pub(crate) fn pubcomp(&mut self, packet_id: PacketId) -> Result<(), AckError> {
        let (_, exchange) = self.ring.get_mut(packet_id).ok_or(AckError::Unknown)?;
        match exchange.stage {
            Stage::Published(_) => Err(AckError::WrongState),
            Stage::Released(_) => {
                self.complete(packet_id);
                Ok(())
            }
        }
    }

    /// Gives a message up as if it had been sent and acknowledged.
    ///
    /// A QoS 2 message that an earlier connection carried may be known to the client. Its PUBREL
    /// is scheduled, or the client would take the next message with this identifier for a
    /// duplicate.
    pub(crate) fn skip(&mut self, packet_id: PacketId) -> Result<M, AckError> {
        let (order, exchange) = self.ring.get_mut(packet_id).ok_or(AckError::Unknown)?;
        let Stage::Published(Delivery { qos, .. }) = exchange.stage else {
            return Err(AckError::WrongState);
        };
        let message = exchange.release(qos)?;
        let carried = exchange.carried;
        if qos == QoS::ExactlyOnce && carried != Carried::Publish {
            exchange.carried = Carried::Nothing;
            self.settle(order, carried);
            self.schedule.add_release(order, packet_id);
        } else {
            self.complete(packet_id);
        }
        self.forget(&message);
        Ok(message)
    }

    /// Takes what came by a shared subscription, was sent at QoS 1 and is not acknowledged, in the
    /// order of first sending. Only at the end of the session: nothing can go again afterwards.
    pub(crate) fn take_shared(&mut self) -> Vec<Delivery<M>> {
        let mut shared = Vec::new();
        for (order, _, exchange) in self.ring.iter_mut() {
            if exchange.is_for_others()
                && let Stage::Published(delivery) =
                    mem::replace(&mut exchange.stage, Stage::Released(None))
            {
                shared.push((order, delivery));
            }
        }
        shared.sort_unstable_by_key(|(order, _)| *order);
        shared.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Takes one message back that [`take_shared`](Self::take_shared) would take, and frees its identifier.
    pub(crate) fn take_back(&mut self, packet_id: PacketId) -> Option<Delivery<M>> {
        let (_, exchange) = self.ring.get_mut(packet_id)?;
        if !exchange.is_for_others() {
            return None;
        }
        let Stage::Published(delivery) = mem::replace(&mut exchange.stage, Stage::Released(None))
        else {
            return None;
        };
        self.forget(&delivery.message);
        self.complete(packet_id);
        Some(delivery)
    }

    /// Returns the identifiers of what came by one of these shared subscriptions, was sent at QoS 1 and is not
    /// acknowledged, in the order of first sending.
    pub(crate) fn shared(&mut self, is_it: impl Fn(ShareId) -> bool) -> Vec<PacketId> {
        let mut shared = Vec::new();
        for (order, packet_id, exchange) in self.ring.iter_mut() {
            if let Stage::Published(Delivery { share: Some(share), .. }) = &exchange.stage
                && exchange.is_for_others()
                && is_it(*share)
            {
                shared.push((order, packet_id));
            }
        }
        shared.sort_unstable_by_key(|(order, _)| *order);
        shared.into_iter().map(|(_, packet_id)| packet_id).collect()
    }

    /// Returns the messages that are kept until they are acknowledged, in no particular order.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &M> {
        self.ring.entries().filter_map(|exchange| match &exchange.stage {
            Stage::Published(delivery) => Some(&delivery.message),
            Stage::Released(_) => None,
        })
    }

    /// Counts a message no more that is kept no more.
    fn forget(&mut self, message: &M) {
        self.bytes = self.bytes.saturating_sub(cost(message));
    }

    /// Returns whether the connection may carry one more PUBLISH.
    fn is_window_open(&self) -> bool {
        self.outstanding < usize::from(self.window)
    }

    /// Ends an exchange and frees its identifier.
    fn complete(&mut self, packet_id: PacketId) {
        if let Some((order, exchange)) = self.ring.remove(packet_id) {
            if let Stage::Released(Some(finished)) = exchange.stage {
                self.finished.push(finished);
            }
            self.settle(order, exchange.carried);
        }
    }

    /// Takes an exchange out of the count or the schedule, wherever `carried` put it.
    fn settle(&mut self, order: u64, carried: Carried) {
        match carried {
            Carried::Nothing => self.schedule.cancel(order),
            Carried::Publish | Carried::PublishAgain => self.outstanding -= 1,
            Carried::Release => {}
        }
    }
}

/// One message between its PUBLISH and its last acknowledgement.
#[derive(Debug)]
struct Exchange<M> {
    stage: Stage<M>,
    carried: Carried,
}

impl<M: Message> Exchange<M> {
    /// Whether other members of a shared subscription may have the message, though it was sent: not at QoS 2
    /// `[MQTT-4.8.2-5]`.
    fn is_for_others(&self) -> bool {
        matches!(&self.stage, Stage::Published(delivery)
            if delivery.qos == QoS::AtLeastOnce && delivery.share.is_some())
    }

    /// Takes the message of a PUBLISH at `qos`: the client has it, or will not get it.
    fn release(&mut self, qos: QoS) -> Result<M, AckError> {
        let stored = match &self.stage {
            Stage::Published(delivery) if delivery.qos == qos => delivery.finished(true),
            Stage::Published(_) | Stage::Released(_) => return Err(AckError::WrongState),
        };
        match mem::replace(&mut self.stage, Stage::Released(stored)) {
            Stage::Published(delivery) => Ok(delivery.message),
            Stage::Released(_) => Err(AckError::WrongState),
        }
    }
}

/// How far the exchange has come.
#[derive(Debug)]
enum Stage<M> {
    /// PUBLISH was sent: PUBACK (QoS 1) or PUBREC (QoS 2) is awaited.
    Published(Delivery<M>),
    /// PUBREC came: PUBCOMP is awaited, and PUBLISH never sent again `[MQTT-4.3.3-6]`. What remains of
    /// the message is under which number it was stored.
    Released(Option<Finished>),
}

/// What this connection has carried of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// Nothing yet: an earlier connection began it, it is to be sent again.
    Nothing,
    /// The first PUBLISH ever.
    Publish,
    /// A PUBLISH with DUP, after one on an earlier connection.
    PublishAgain,
    /// PUBREL alone, after a PUBLISH on an earlier connection: outside the window.
    Release,
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// The README names it.
    #[test]
    fn the_place_of_an_exchange_is_56_bytes() {
        assert_eq!(size_of::<Option<Exchange<u64>>>(), 56);
    }
}
