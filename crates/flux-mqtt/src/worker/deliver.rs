//! Draining: what a session has for its client becomes bytes, as many as may wait unsent.

use std::sync::Arc;

use flux_eventbus::{DropReason, EventKind};
use flux_retained::Progress;
use flux_session::{Dropped, Outgoing, PacketId, QoS, Timestamp};
use flux_topic::TopicFilter;

use super::Worker;
use super::tell::{tell_lost, tell_not_got};
use crate::counters::Count;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::latency::{Latency, Span, Stamp};
use crate::message::{Delivery, Message};
use crate::names::ConnectionId;
use crate::packets::Packets;
use crate::reason::ReasonCode;
use crate::replay::{Replay, Replayed};
use crate::session::{SessionState, SharedSession};
use crate::wire::{AckKind, LARGEST_PACKET, OutboundAliases, Version, write_ack, write_publish};

impl Worker {
    /// Sends what the window and the write buffer of a connection allow. While there is room, what
    /// its subscriptions still bring of retained messages is added, a bounded part a turn.
    pub(super) fn drain(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        let mut steps = STEPS_PER_TURN;
        while let Some(next) = self.drain_session(now, id, steps, fx) {
            if let Next::Replay(session, generation, replay) = next {
                self.replay(now, &session, generation, replay, fx);
            }
            steps -= 1;
        }
    }

    /// Sends what the session has: it is locked once, the bytes are sent once. Returns what may be done
    /// next for it, if `steps` are left for that.
    fn drain_session(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        steps: usize,
        fx: &mut impl Effects,
    ) -> Option<Next> {
        let is_stored = self.broker.journal.is_some();
        let held = if is_stored { self.held_deliveries(id) } else { 0 };
        let online = self.connections.online(id)?;
        // What is not sent on a dead connection may be for another: it stays in the session.
        let unsent = fx.unsent(id)? + held;
        let room = self.settings.unsent_for_deliveries.max(1).saturating_sub(unsent);
        let tells_delivered = fx.wants(EventKind::Delivered);
        let mut state = online.session.lock();
        if state.generation != online.generation {
            return None;
        }
        // Where no stamp says that rights are others, nobody may be sent anything before they are looked at.
        let waits = self.decisions.waits(online.session.key, online.generation);
        if waits && state.decided.is_none() {
            return None;
        }
        let out = &mut self.deliveries;
        out.clear();
        let mut client = Client {
            version: online.version,
            maximum_packet_size: online.maximum_packet_size.min(LARGEST_PACKET),
            aliases: &mut online.outbound_aliases,
            filter: Filter::of(
                &*self.broker.authorizer,
                &online.client,
                state.is_suspect,
                state.decided,
            ),
            since: online.since,
            stored: is_stored.then_some(&*online.session),
        };
        let filled = fill(out, room, &mut state, &mut client, now, tells_delivered);
        let Filled { waits_from, delivered, lost, for_others } = filled;
        let has_room = out.len() < room;
        // All that came before is sent and acknowledged.
        state.is_suspect &= state.session.queued() + state.session.in_flight() > 0;
        let may_replay = has_room && state.can_replay();
        let replay = if may_replay && steps > 0 { state.replays.pop_first() } else { None };
        // While it waits for its turn, or to be writable, it knows that there is more: nobody need
        // wake it.
        let is_blocked = !has_room && (state.session.has_work() || !state.replays.is_empty());
        let unsent = unsent + out.len();
        state.dirty = is_blocked || may_replay;
        let dropped = state.session.take_dropped();
        for share in state.take_declined() {
            self.ready.push((share, online.session.key));
        }
        let wanted = if is_stored { state.session.wants_read() } else { None };
        drop(state);
        let (session, generation) = (online.session.clone(), online.generation);
        if is_stored {
            self.deliver_in_time(id, waits_from, fx);
            self.read_more(&session, wanted, fx);
        } else if !out.is_empty() {
            fx.send_packets(id, out);
            out.spans().iter().for_each(|span| fx.ended(*span));
        }
        // What waits for the store is gone on from when it has answered.
        let waits = !has_room && is_stored && self.held_deliveries(id) > 0;
        // A client that took everything at once gets more in this turn.
        let goes_on = !has_room && !waits && steps > 0 && fx.unsent(id) == Some(0);
        if !has_room && !waits && !goes_on {
            fx.notify_writable(id);
        }
        if may_replay && steps == 0 {
            self.dirty.push(id);
        }
        self.note_unsent(id, if has_room || goes_on { 0 } else { unsent });
        tell_drained(&session, delivered, dropped, fx);
        for (delivery, reason) in lost {
            tell_not_got(&session, &delivery.message, reason, fx);
        }
        self.hand_on(now, for_others, fx);
        if goes_on {
            return Some(Next::Drain);
        }
        Some(Next::Replay(session, generation, replay?))
    }

    /// Offers the next part of what a subscription brings, and leaves the rest with the session.
    pub(super) fn replay(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        generation: u64,
        (filter, mut replay): (TopicFilter, Replay),
        fx: &mut impl Effects,
    ) {
        let mut replayed = Replayed::default();
        let progress = replay.advance(now, session, &mut replayed);
        self.tell_replayed(session, replayed, fx);
        if progress == Progress::Done {
            return;
        }
        let mut state = session.lock();
        let is_wanted = !state.ended
            && replay.is_wanted(state.session.subscription(&filter))
            && !state.replays.contains_key(&filter);
        if !is_wanted {
            // Not before the lock is free.
            drop(state);
            return;
        }
        state.replays.insert(filter, replay);
        // Taken over meanwhile: who has the session now does not know of this.
        if state.generation != generation
            && let Some(attachment) = state.wake()
        {
            drop(state);
            self.wake(attachment, fx);
        }
    }

    /// Tells what came of retained messages that were offered to a session.
    pub(super) fn tell_replayed(
        &mut self,
        session: &SharedSession,
        replayed: Replayed,
        fx: &mut impl Effects,
    ) {
        if let Some(attachment) = replayed.wake {
            self.wake(attachment, fx);
        }
        fx.count_times(Count::Replayed, replayed.count);
        for (message, reason) in replayed.lost {
            tell_not_got(session, &message, reason, fx);
        }
        self.overflowed.extend(replayed.ended);
    }
}

/// How often one session is drained, or the store of retained messages asked for it, before the others have
/// their turn.
pub(super) const STEPS_PER_TURN: usize = 16;

/// What may be done next for a session.
enum Next {
    /// Its client has room for more.
    Drain,
    /// Retained messages may be replayed into it.
    Replay(Arc<SharedSession>, u64, (TopicFilter, Replay)),
}

/// What must be known of a client to write packets for it.
struct Client<'a> {
    version: Version,
    maximum_packet_size: u32,
    aliases: &'a mut OutboundAliases,
    filter: Option<Filter<'a>>,
    /// Since when it is here, if that is known.
    since: Option<Stamp>,
    /// Its session, if there is a store.
    stored: Option<&'a SharedSession>,
}

/// What became of messages of a session whose client had its turn.
#[derive(Default)]
struct Filled {
    /// From which byte on the packets wait for the store.
    waits_from: Option<usize>,
    /// What the client has with the bytes of it, if that is told.
    delivered: Vec<Message>,
    /// What it does not get, and why.
    lost: Vec<(Delivery, DropReason)>,
    /// What it may not have, but perhaps somebody who shares the subscription.
    for_others: Vec<Delivery>,
}

/// Writes as many packets of a session as there is room for.
fn fill(
    out: &mut Packets,
    room: usize,
    state: &mut SessionState,
    client: &mut Client<'_>,
    now: Timestamp,
    tells_delivered: bool,
) -> Filled {
    let mut filled = Filled::default();
    while out.len() < room {
        if let Some(filter) = &client.filter
            && let Some(delivery) =
                state.session.take_barred(now, |delivery| !filter.allows(&delivery.message))
        {
            filled.for_others.push(delivery);
            continue;
        }
        let Some(outgoing) = state.session.next(now) else { break };
        if client.stored.is_some_and(|session| waits(session, &outgoing)) {
            filled.waits_from.get_or_insert(out.len());
        }
        let unacknowledged = if tells_delivered { at_qos_0(&outgoing) } else { None };
        match write(out, state, client, outgoing, now) {
            Some(Unsent::Lost(delivery, reason)) => filled.lost.push((delivery, reason)),
            Some(Unsent::ForOthers(delivery)) => filled.for_others.push(delivery),
            None => filled.delivered.extend(unacknowledged),
        }
    }
    filled
}

/// A message that a client was not sent.
enum Unsent {
    /// It does not get it, and why: the session has completed it as if it had been sent [MQTT-3.1.2-25].
    Lost(Delivery, DropReason),
    /// It may not have it any more, but perhaps somebody who shares the subscription.
    ForOthers(Delivery),
}

/// Appends one packet; gives a message back that is too large for the client, or that it may not have.
fn write(
    out: &mut Packets,
    state: &mut SessionState,
    client: &mut Client<'_>,
    outgoing: Outgoing<Message>,
    now: Timestamp,
) -> Option<Unsent> {
    match outgoing {
        Outgoing::Publish { packet_id, dup, delivery } => {
            // What others could have was looked at already.
            let is_looked_at = delivery.share.is_some() && !dup;
            if let Some(filter) = client.filter.as_ref().filter(|_| !is_looked_at)
                && !filter.allows(&delivery.message)
            {
                if let Some(delivery) = packet_id.and_then(|id| state.session.take_back(id)) {
                    return Some(Unsent::ForOthers(delivery));
                }
                skip(state, packet_id);
                return Some(Unsent::Lost(delivery, DropReason::Withheld));
            }
            let max = client.maximum_packet_size;
            let Some(form) = client.aliases.form(client.version, &delivery, max) else {
                skip(state, packet_id);
                return Some(Unsent::Lost(delivery, DropReason::PacketTooLarge));
            };
            out.note_message(delivery.qos);
            if let Some(since) = delivery.message.since() {
                note_delivery(out, since, client, dup);
            }
            write_publish(out, client.version, &delivery, form, packet_id, dup, now);
            client.aliases.written(delivery.message.topic_bytes(), form);
        }
        Outgoing::Release { packet_id } => {
            out.note_release();
            let out = out.written();
            write_ack(out, AckKind::PubRel, client.version, packet_id, ReasonCode::Success);
        }
    }
    None
}

/// Notes that a message is timed until now, if the client was here when it came, and gets it for the first time.
#[cold]
fn note_delivery(out: &mut Packets, since: Stamp, client: &Client<'_>, dup: bool) {
    if !dup && client.since.is_some_and(|here| here < since) {
        out.note_span(Span { what: Latency::Delivery, since });
    }
}

/// Tells what became of messages that left the queue: those that nobody acknowledges are delivered with their bytes.
fn tell_drained(
    session: &SharedSession,
    delivered: Vec<Message>,
    dropped: Vec<Dropped<Message>>,
    fx: &mut impl Effects,
) {
    for message in delivered {
        fx.event(session.delivered(&message, QoS::AtMostOnce));
    }
    if !dropped.is_empty() {
        tell_lost(session, dropped, fx);
    }
}

/// The message that nobody will acknowledge: with the bytes its client has it.
fn at_qos_0(outgoing: &Outgoing<Message>) -> Option<Message> {
    match outgoing {
        Outgoing::Publish { packet_id: None, delivery, .. } => Some(delivery.message.clone()),
        Outgoing::Publish { packet_id: Some(_), .. } | Outgoing::Release { .. } => None,
    }
}

/// Whether a packet must wait until the store has what was written before it, and what is written of it now.
fn waits(session: &SharedSession, outgoing: &Outgoing<Message>) -> bool {
    match outgoing {
        Outgoing::Publish { packet_id, dup, delivery } => {
            if let Some(packet_id) = packet_id
                && delivery.qos == QoS::ExactlyOnce
                && !dup
            {
                session.write_sent(delivery, *packet_id);
            }
            SharedSession::must_wait(delivery)
        }
        // PUBREC may have come a moment ago, over another connection.
        Outgoing::Release { .. } => session.is_stored(),
    }
}

fn skip(state: &mut SessionState, packet_id: Option<PacketId>) {
    if let Some(packet_id) = packet_id {
        let skipped = state.session.skip(packet_id);
        debug_assert!(skipped.is_ok(), "the session has just given this identifier out");
    }
}
