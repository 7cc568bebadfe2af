//! A worker and the store: what is written down of a message, what waits for the answer, and what is read.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use flux_session::{PacketId, QoS, Sequence, SessionExpiry, Timestamp};
use flux_storage::{Queued, Ticket};
use flux_topic::TopicName;

use super::Worker;
use super::connection::Online;
use super::end::End;
use super::held::{Held, Lane};
use super::tell::{tell_lost, tell_refused};
use super::traced::Ending;
use crate::clients::Claim;
use crate::effects::Effects;
use crate::message::{Delivery, Message};
use crate::names::{ConnectionId, SessionKey};
use crate::reason::ReasonCode;
use crate::routes::Found;
use crate::session::{SessionState, SharedSession};
use crate::share::Share;
use crate::storage::{message, number, sequence, waiting};
use crate::wire::{AckKind, Version};

/// What was written down of a message, and to whom it goes.
pub(super) struct Stored {
    pub(super) found: Arc<Found>,
    /// Its number, if the store is to have something of it.
    pub(super) sequence: Option<Sequence>,
    /// Which of the shared subscriptions it was written down for.
    groups: Vec<bool>,
}

impl Stored {
    /// Returns the number that a message has for a shared subscription: one of its own if it was written down for
    /// that, so that a member may have it from elsewhere too.
    pub(super) fn number_for(
        &self,
        message: &Message,
        place: usize,
        share: &Share,
    ) -> Option<Sequence> {
        let number = self.sequence.filter(|_| message.qos() > QoS::AtMostOnce)?;
        match self.groups.get(place) {
            Some(true) => {
                let offset = group_offset(place);
                Some(Sequence(number.0.saturating_add(offset.into())))
            }
            // The store has it since a moment ago, and does not know of this.
            Some(false) | None if share.is_stored() => None,
            Some(false) | None => Some(number),
        }
    }
}

/// Sessions of whose queues a part is being read, or is to be.
pub(super) type Readings = BTreeMap<SessionKey, Reading>;

/// A part of a queue that was asked for.
pub(super) struct Reading {
    session: Arc<SharedSession>,
    /// All up to this ticket was safe when it was asked for.
    persisted: u64,
    /// It is asked for again once this is safe.
    again: Option<u64>,
}

impl Worker {
    /// Writes a message down before it is offered to anybody, if it is for sessions that may outlive the
    /// process, is retained, or came at QoS 2 from such a session: `receipt`.
    pub(super) fn store(
        &mut self,
        topic: TopicName<'_>,
        message: &Message,
        is_retained: bool,
        receipt: Option<(&Arc<SharedSession>, PacketId)>,
    ) -> Option<Stored> {
        let journal = self.broker.journal.as_ref()?;
        if message.qos() == QoS::AtMostOnce && !is_retained {
            return None;
        }
        let found = self.cache.find(&self.broker.routes, topic);
        let mut targets: Vec<_> =
            found.sessions.iter().filter_map(|route| route.stored(message)).collect();
        let groups: Vec<_> = found.shares.iter().map(|share| share.is_stored()).collect();
        if message.qos() > QoS::AtMostOnce {
            for (place, share) in found.shares.iter().enumerate() {
                if groups.get(place) == Some(&true) {
                    targets.push(waiting(share.id, message, group_offset(place)));
                }
            }
        }
        let receipt = receipt.filter(|(session, _)| session.is_stored());
        let receipt = receipt.map(|(session, packet_id)| (session.key, packet_id));
        let is_cleared = is_retained && message.payload().is_empty();
        if is_cleared {
            journal.clear_retained(topic.as_str());
        }
        let is_retained = is_retained && !is_cleared;
        let sequence = if is_retained || !targets.is_empty() {
            Some(journal.message(message, is_retained, receipt, targets))
        } else {
            receipt.map(|(session, packet_id)| journal.receipt(session, packet_id))
        };
        self.must_wait |= is_cleared || sequence.is_some();
        Some(Stored { found, sequence, groups })
    }

    /// Whether a message cannot be taken because the store could not make it safe.
    pub(super) fn store_refuses(
        &mut self,
        topic: TopicName<'_>,
        message: &Message,
        publisher: Option<&SharedSession>,
    ) -> bool {
        if !self.broker.journal.as_ref().is_some_and(|journal| journal.refuses()) {
            return false;
        }
        let has_receipt =
            message.qos() == QoS::ExactlyOnce && publisher.is_some_and(SharedSession::is_stored);
        if message.retain() || has_receipt {
            return true;
        }
        let found = self.cache.find(&self.broker.routes, topic);
        message.qos() > QoS::AtMostOnce
            && (found.shares.iter().any(|share| share.is_stored())
                || found.sessions.iter().any(|route| route.session.is_stored()))
    }

    /// Whether a session that may outlive the process cannot begin, or go on, now.
    pub(super) fn store_takes_no_session(&self, claim: &Claim) -> bool {
        claim.connection.expiry > SessionExpiry::WITH_CONNECTION
            && self.broker.journal.as_ref().is_some_and(|journal| journal.refuses())
    }

    /// Whether a session's subscriptions cannot change now.
    pub(super) fn store_takes_no_change(&self, session: &SharedSession) -> bool {
        session.is_stored() && self.broker.journal.as_ref().is_some_and(|journal| journal.refuses())
    }

    /// Has the answer to what is being handled wait for the store, if the session is stored.
    pub(super) fn wait_if_stored(&mut self, online: &Online) {
        self.must_wait |= online.session.is_stored();
    }

    /// Writes down that messages are not retained any more which had to go for others. The lock that keeps
    /// the order is held.
    pub(super) fn write_not_retained(&self, message: &Message) {
        if let Some(journal) = &self.broker.journal {
            journal.clear_retained(message.topic());
        }
    }

    /// Writes down that a retained message has expired, unless there is a new one.
    pub(super) fn write_expired(&self, now: Timestamp, message: &Message) {
        let Some(journal) = &self.broker.journal else { return };
        let Ok(topic) = TopicName::parse(message.topic()) else { return };
        let _order = journal.retaining.lock();
        if self.broker.retained.with_tree(|tree| tree.get(now, topic).is_none()) {
            journal.clear_retained(message.topic());
        }
    }

    /// Sends the answers that wait for nothing, and keeps the others.
    pub(super) fn answer_in_time(&mut self, id: ConnectionId, fx: &mut impl Effects) {
        let from = self.waits_from.take();
        let answers = mem::take(&mut self.answers);
        self.send_in_time(id, &answers, from, |held| &mut held.answers, fx);
        self.answers = answers;
        let last = self.last_written();
        if mem::take(&mut self.must_precede)
            && let Some(held) = self.connections.get(id).and_then(|it| it.held.as_deref_mut())
            && !held.answers.is_empty()
        {
            held.deliveries.push(last, &[]);
        }
    }

    /// The same for deliveries.
    pub(super) fn deliver_in_time(
        &mut self,
        id: ConnectionId,
        from: Option<usize>,
        fx: &mut impl Effects,
    ) {
        let deliveries = mem::take(&mut self.deliveries);
        let held = self.connections.get(id).and_then(|connection| connection.held.as_deref());
        let waits = from.is_some() || held.is_some_and(|held| !held.deliveries.is_empty());
        if !waits && !deliveries.is_empty() {
            fx.send_packets(id, &deliveries);
            deliveries.spans().iter().for_each(|span| fx.ended(*span));
        } else if waits {
            self.endings.extend(deliveries.spans().iter().copied().map(Ending::of));
            let packets = deliveries.concat();
            self.send_in_time(id, &packets, from, |held| &mut held.deliveries, fx);
        }
        self.deliveries = deliveries;
    }

    /// Sends packets; those from `from` on wait until all that was written so far is safe.
    fn send_in_time(
        &mut self,
        id: ConnectionId,
        packets: &[u8],
        from: Option<usize>,
        lane: impl Fn(&mut Held) -> &mut Lane,
        fx: &mut impl Effects,
    ) {
        let journal = self.broker.journal.as_ref();
        let (last, persisted) =
            journal.map_or((0, 0), |journal| (journal.last(), journal.persisted()));
        let from = from.filter(|_| last > persisted);
        let Some(connection) = self.connections.get(id) else { return self.endings.clear() };
        let is_holding = connection.held.is_some();
        let waits = connection.held.as_deref_mut().is_some_and(|held| !lane(held).is_empty());
        if packets.is_empty() {
            return;
        }
        if from.is_none() && !waits {
            fx.send(id, packets);
            return self.tell_endings(fx);
        }
        let at = from.unwrap_or(packets.len());
        let (ready, waiting) = packets.split_at_checked(at).unwrap_or((packets, &[]));
        let held = connection.held.get_or_insert_default();
        if waits {
            lane(held).push(0, ready);
        } else if !ready.is_empty() {
            fx.send(id, ready);
        }
        if from.is_some() {
            lane(held).push(last, waiting);
        }
        lane(held).push_endings(self.endings.drain(..));
        if !is_holding {
            self.holding.push(id);
        }
    }

    /// Closes a connection once the answers that wait are sent [MQTT-3.14.4-1], and goodbye behind them.
    /// Deliveries stay with the session.
    pub(super) fn close_in_time(
        &mut self,
        id: ConnectionId,
        goodbye: &[u8],
        fx: &mut impl Effects,
    ) {
        if let Some(held) = self.connections.get(id).and_then(|it| it.held.as_deref_mut()) {
            held.deliveries = Lane::default();
            if !held.answers.is_empty() {
                held.answers.push(0, goodbye);
                held.closes = true;
                return;
            }
        }
        if !goodbye.is_empty() {
            fx.send(id, goodbye);
        }
        fx.close(id);
    }

    /// Returns how many bytes of deliveries wait for the store.
    pub(super) fn held_deliveries(&mut self, id: ConnectionId) -> usize {
        let connection = self.connections.get(id);
        connection.and_then(|it| it.held.as_ref()).map_or(0, |held| held.deliveries.len())
    }

    /// Returns how many bytes of answers wait for the store.
    pub(super) fn held_answers(&mut self, id: ConnectionId) -> usize {
        let connection = self.connections.get(id);
        connection.and_then(|it| it.held.as_ref()).map_or(0, |held| held.answers.len())
    }

    /// Gives the store what was written.
    pub(super) fn hand_over(&self, fx: &mut impl Effects) {
        if let Some(journal) = &self.broker.journal {
            journal.hand_over(|ticket, batch| fx.persist(ticket, batch));
        }
    }

    pub(super) fn wants_hand_over(&self) -> bool {
        self.broker.journal.as_ref().is_some_and(|journal| journal.wants_hand_over())
    }

    /// The store has made something safe: what waited for it is sent.
    pub(super) fn persisted(&mut self, now: Timestamp, ticket: Ticket, fx: &mut impl Effects) {
        let Some(journal) = self.broker.journal.clone() else { return };
        journal.answered(ticket, true);
        for id in mem::take(&mut self.holding) {
            self.guard(now, Some(id), fx, |worker, fx| {
                worker.release_held(id, journal.persisted(), fx);
            });
        }
        self.keep_promises(journal.persisted());
        self.read_again(journal.persisted(), fx);
    }

    fn release_held(&mut self, id: ConnectionId, persisted: u64, fx: &mut impl Effects) {
        let limit = self.limit_of_answers();
        let Some(connection) = self.connections.get(id) else { return };
        let Some(held) = &mut connection.held else { return };
        held.answers.release(persisted, |packets| fx.send(id, packets));
        held.answers.ended(persisted).for_each(|ending| ending.tell(fx));
        if held.closes && held.answers.is_empty() {
            fx.close(id);
        }
        held.deliveries.release(persisted, |packets| fx.send(id, packets));
        held.deliveries.ended(persisted).for_each(|ending| ending.tell(fx));
        let waiting = held.answers.len();
        if held.is_empty() {
            connection.held = None;
        } else {
            self.holding.push(id);
        }
        // Its session may have kept what there was no room for.
        self.dirty.push(id);
        if waiting <= limit
            && let Some(online) = self.connections.online(id)
            && online.is_choked
        {
            online.is_choked = false;
            if online.reads() {
                fx.resume(id);
            }
        }
    }

    /// The store could not make something safe, for now. Publishers of MQTT 5.0 are told that what they sent at
    /// QoS 1 was not taken; earlier versions have no word for it, and the connection closes. All else goes on
    /// waiting.
    pub(super) fn persist_failed(&mut self, now: Timestamp, ticket: Ticket, fx: &mut impl Effects) {
        let Some(journal) = self.broker.journal.clone() else { return };
        journal.answered(ticket, false);
        self.break_promises();
        for id in mem::take(&mut self.holding) {
            let version = self.connections.online(id).map(|online| online.version);
            let held = self.connections.get(id).and_then(|it| it.held.as_deref_mut());
            if held.as_ref().is_some_and(|held| held.closes) {
                fx.close(id);
                continue;
            }
            let (Some(version), Some(held)) = (version, held) else { continue };
            match version {
                Version::V5 => {
                    let code = ReasonCode::QuotaExceeded;
                    for _ in 0..held.answers.refuse_pubacks(code) {
                        tell_refused(code, fx);
                    }
                    self.release_held(id, journal.persisted(), fx);
                }
                Version::V31 | Version::V311 if held.answers.acknowledges() => {
                    held.answers = Lane::default();
                    self.cut(now, id, &End::StoreFailed, fx);
                }
                Version::V31 | Version::V311 => self.holding.push(id),
            }
        }
    }

    /// Asks for more of a session's queue, if it wants more and was not asked for.
    pub(super) fn read_more(
        &mut self,
        session: &Arc<SharedSession>,
        wanted: Option<Option<Sequence>>,
        fx: &mut impl Effects,
    ) {
        let (Some(after), Some(journal)) = (wanted, &self.broker.journal) else { return };
        if self.reading.contains_key(&session.key) {
            return;
        }
        let persisted = journal.persisted();
        let reading = Reading { session: session.clone(), persisted, again: None };
        self.reading.insert(session.key, reading);
        fx.load_queue(session.key, after.map(sequence));
    }

    /// A part of a session's queue was read.
    pub(super) fn loaded(
        &mut self,
        now: Timestamp,
        key: SessionKey,
        messages: Option<Vec<Queued>>,
        fx: &mut impl Effects,
    ) {
        let Some(reading) = self.reading.remove(&key) else { return };
        let session = reading.session.clone();
        let (is_read, messages) = (messages.is_some(), messages.unwrap_or_default());
        let last = messages.last().map(|queued| queued.sequence);
        let deliveries: Vec<_> = messages.into_iter().filter_map(delivery).collect();
        let (is_empty, last_written) = (deliveries.is_empty(), self.last_written());
        let mut state = session.lock();
        if state.ended {
            return;
        }
        state.session.take_read(now, deliveries);
        let dropped = state.session.take_dropped();
        let has_work = state.has_work();
        let wake = if has_work { state.wake() } else { None };
        let mut wanted = state.session.wants_read();
        let is_all = is_read && is_empty && last.is_none();
        if wanted.is_some() && is_all && last_written <= reading.persisted {
            tracing::error!(
                client_id = &*session.client_id,
                help = "stop the broker and run flux-broker store check",
                "fewer messages are stored than were counted"
            );
            state.session.nothing_elsewhere();
            wanted = None;
        } else if wanted.is_some() && is_empty {
            // What was in flight when the process began is not for here: the next part. And what is
            // not safe yet is not read.
            let again = if last.is_some() { None } else { Some(last_written) };
            self.reading.insert(key, Reading { again, ..reading });
            if last.is_some() {
                fx.load_queue(key, last);
            }
        }
        drop(state);
        if !has_work {
            // Nothing of it is left to be sent, so that no drain asks for more: it has expired, or another
            // worker had read it already.
            self.read_more(&session, wanted, fx);
        }
        tell_lost(&session, dropped, fx);
        if let Some(attachment) = wake {
            self.wake(attachment, fx);
        }
    }

    pub(super) fn last_written(&self) -> u64 {
        self.broker.journal.as_ref().map_or(0, |journal| journal.last())
    }

    /// Asks again for what was not there because it was not safe.
    fn read_again(&mut self, persisted: u64, fx: &mut impl Effects) {
        let ready = |reading: &Reading| reading.again.is_some_and(|ticket| ticket <= persisted);
        let ready: Vec<_> = self.reading.extract_if(.., |_, reading| ready(reading)).collect();
        for (_, reading) in ready {
            let wanted = reading.session.lock().session.wants_read();
            self.read_more(&reading.session, wanted, fx);
        }
    }
}

impl Online {
    /// Writes down what an acknowledgement from the client led to, by how it is answered.
    pub(super) fn write_step(
        &self,
        state: &mut SessionState,
        answer: AckKind,
        packet_id: PacketId,
    ) {
        match answer {
            AckKind::PubRel => {
                if let Some(number) = state.session.sequence(packet_id) {
                    self.session.write_released(number, packet_id);
                }
            }
            AckKind::PubComp => self.session.write_receipt_closed(packet_id),
            AckKind::PubAck | AckKind::PubRec => {}
        }
    }
}

/// Returns by how much a message's number for a shared subscription is higher than its own.
fn group_offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
}

/// Returns a stored message as it goes to its session, unless that has it already: whatever had a packet
/// identifier when the process began was given back then.
fn delivery(queued: Queued) -> Option<Delivery> {
    if queued.packet_id.is_some() {
        return None;
    }
    Some(Delivery {
        message: message(&queued.content?)?,
        qos: queued.qos,
        retain: queued.retain,
        subscription_ids: queued.subscription_ids,
        share: None,
        sequence: Some(number(queued.sequence)),
    })
}
