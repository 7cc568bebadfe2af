//! PUBLISH from a client, and any message on its way to the sessions (section 3.3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Access, Verdict};
use flux_eventbus::{Denial, DropReason, Event, EventKind, Limit, excerpt};
use flux_session::{Inbound, Offer, PacketId, QoS, Timestamp};
use flux_topic::TopicName;

use super::Worker;
use super::connection::Online;
use super::end::End;
use super::share::Fate;
use super::store::Stored;
use super::tell::{
    tell_dropped, tell_limit_of, tell_lost, tell_not_accepted, tell_not_got, tell_refused,
};
use super::traced::Ending;
use crate::counters::Count;
use crate::effects::Effects;
use crate::latency::{Latency, Span, Stamp};
use crate::message::Message;
use crate::names::ConnectionId;
use crate::outcome::PublishOutcome;
use crate::permission::Permission;
use crate::reason::{ReasonCode, not_taken};
use crate::reserved::is_reserved;
use crate::session::{Aftermath, SharedSession};
use crate::terms::Terms;
use crate::wire::{AckKind, Frame, FrameError, Publish, Version, write_ack, write_explained_ack};

impl Worker {
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        // The packet may borrow its topic name from them.
        let mut topics = std::mem::take(&mut online.inbound_topics);
        let published = Publish::read(frame, online.version, &mut topics)
            .map_err(End::from)
            .and_then(|mut publish| {
                within_terms(online, &mut publish, fx)?;
                let published = self.publish_packet(now, id, online, &publish, frame, fx);
                if self.trace.is_some() {
                    self.end_trace(&publish, published.is_ok());
                }
                published
            });
        online.inbound_topics = topics;
        published
    }

    fn publish_packet(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let Some(verdict) = self.may_publish(id, online, publish, frame, fx) else {
            return Ok(());
        };
        if self.comes_too_fast(now, id, online, publish, frame.bytes.len(), fx) {
            return Ok(());
        }
        self.is_refused_by_store = false;
        self.since = if now < self.looks_from { None } else { self.look(now, online, publish, fx) };
        match (publish.qos, publish.packet_id) {
            (QoS::ExactlyOnce, Some(packet_id)) => {
                let reason = match note(online, packet_id)? {
                    Inbound::New => self.accept_noted(now, online, publish, verdict, fx),
                    // Delivered already, so acknowledged only [MQTT-4.3.3-10].
                    Inbound::Duplicate => ReasonCode::Success,
                };
                self.may_acknowledge(online)?;
                self.wait_if_stored(online);
                self.acknowledge_publish(online, publish, AckKind::PubRec, reason, fx);
            }
            (QoS::AtLeastOnce, Some(packet_id)) if is_in_use(online, packet_id) => {
                let reason = ReasonCode::PacketIdentifierInUse;
                self.acknowledge_publish(online, publish, AckKind::PubAck, reason, fx);
            }
            _ => {
                let reason = self.accept(now, online, publish, verdict, fx);
                self.may_acknowledge(online)?;
                self.acknowledge_publish(online, publish, AckKind::PubAck, reason, fx);
            }
        }
        Ok(())
    }

    /// Before MQTT 5.0 nobody can be told that the store does not take a message: there is no
    /// acknowledgement, and the connection closes.
    fn may_acknowledge(&self, online: &Online) -> Result<(), End> {
        if self.is_refused_by_store && online.version != Version::V5 {
            return Err(End::StoreFailed);
        }
        Ok(())
    }

    /// Returns what the authorizer says; `None` while it is being asked.
    fn may_publish(
        &mut self,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Option<Verdict> {
        if !takes_topic(publish.topic, self.most_levels(&online.terms)) {
            // There is an answer if a reload allows fewer levels meanwhile: it is for no other packet.
            online.verdicts = None;
            return Some(Verdict::Deny);
        }
        let topic = publish.topic.as_str();
        let access = Access::Publish { topic, qos: publish.qos.as_u8(), retain: publish.retain };
        // The common case needs no list.
        if online.verdicts.is_none()
            && let Some(verdict) = self.known_or_decided(online, publish, access)
        {
            return Some(verdict);
        }
        let verdicts = self.decide(id, online, std::iter::once(access), frame, fx)?;
        verdicts.first().copied()
    }

    /// Returns how many levels a topic may have.
    pub(super) fn most_levels(&self, terms: &Terms) -> usize {
        terms.topic_levels.unwrap_or(self.settings.limits.topic_levels)
    }

    /// Takes a QoS 2 message over whose identifier was just noted; that of a message that is
    /// refused is free again [MQTT-4.3.3-9]. Before MQTT 5.0 no client can be told: its PUBREC is
    /// positive, so what it may send again is a duplicate.
    fn accept_noted(
        &mut self,
        now: Timestamp,
        online: &Online,
        publish: &Publish<'_>,
        verdict: Verdict,
        fx: &mut impl Effects,
    ) -> ReasonCode {
        let reason = self.accept(now, online, publish, verdict, fx);
        if reason.is_error()
            && let Some(packet_id) = publish.packet_id
        {
            let mut state = online.session.lock();
            if online.version == Version::V5 || self.is_refused_by_store {
                state.session.forget_qos2(packet_id);
                online.session.write_receipt_closed(packet_id);
            } else {
                online.session.write_receipt(packet_id);
            }
        }
        reason
    }

    /// Takes a message over, or refuses it, and returns the reason for the acknowledgement.
    fn accept(
        &mut self,
        now: Timestamp,
        online: &Online,
        publish: &Publish<'_>,
        verdict: Verdict,
        fx: &mut impl Effects,
    ) -> ReasonCode {
        if verdict == Verdict::Deny {
            tell_not_accepted(&online.session, publish.topic, DropReason::NotAuthorized, fx);
            let most_levels = self.most_levels(&online.terms);
            if publish.topic.within_levels(most_levels).is_err() {
                tell_limit_of(Limit::TopicLevels, &online.client, fx);
            }
            if !takes_topic(publish.topic, most_levels) {
                return ReasonCode::TopicNameInvalid;
            }
            self.tell_denied(now, &online.client, Denial::Publish, publish.topic.as_str(), fx);
            return ReasonCode::NotAuthorized;
        }
        fx.count(Count::Allowed(Permission::Publish));
        if self.memory.is_full() {
            let is_told = online.version == Version::V5 && publish.qos > QoS::AtMostOnce;
            if publish.retain && (publish.payload.is_empty() || !is_told) {
                self.forget_retained(now, publish.topic);
            }
            tell_not_accepted(&online.session, publish.topic, DropReason::QuotaExceeded, fx);
            return ReasonCode::QuotaExceeded;
        }
        let lifetime = publish.expiry.map(|seconds| Duration::from_secs(seconds.into()));
        let expires_at = lifetime.map(|lifetime| now + lifetime);
        let message =
            Message::from_publish(publish, online.session.publisher, expires_at, self.since);
        if self.store_refuses(publish.topic, &message, Some(&online.session)) {
            self.is_refused_by_store = publish.qos > QoS::AtMostOnce;
            tell_not_accepted(&online.session, publish.topic, DropReason::QuotaExceeded, fx);
            return ReasonCode::QuotaExceeded;
        }
        let journal = if message.retain() { self.broker.journal.clone() } else { None };
        let retaining = journal.as_ref().map(|journal| journal.retaining.lock());
        let is_retained = message.retain() && self.retain(now, publish.topic, &message, fx);
        if message.retain() && !is_retained {
            if online.version == Version::V5 && publish.qos > QoS::AtMostOnce {
                let reason = DropReason::QuotaExceeded;
                tell_not_accepted(&online.session, publish.topic, reason, fx);
                return ReasonCode::QuotaExceeded;
            }
            tell_dropped(None, &message, DropReason::NotRetained, fx);
            self.forget_retained_in_order(now, publish.topic);
        }
        if fx.wants(EventKind::Published) {
            fx.event(published(Some(online.client.client_id.clone()), &message));
        }
        let receipt = publish.packet_id.filter(|_| publish.qos == QoS::ExactlyOnce);
        let receipt = receipt.map(|packet_id| (&online.session, packet_id));
        let stored = self.store(publish.topic, &message, is_retained, receipt);
        drop(retaining);
        let outcome = self.route(now, publish.topic, &message, stored.as_ref(), fx);
        if let Some(trace) = &mut self.trace {
            trace.routed(&outcome);
        }
        outcome.reason_code()
    }

    /// Notes that a message is timed until its acknowledgement is sent.
    #[cold]
    fn note_acknowledgement(&mut self, publish: &Publish<'_>, since: Stamp) {
        let span = Span { what: Latency::Acknowledgement, since };
        self.endings.push(Ending::of(span).by(publish));
    }

    /// Acknowledges a PUBLISH. MQTT 3.1.1 has no way to refuse one: the acknowledgement is
    /// positive and the message gone [MQTT-3.3.5-2].
    fn acknowledge_publish(
        &mut self,
        online: &Online,
        publish: &Publish<'_>,
        kind: AckKind,
        reason: ReasonCode,
        fx: &mut impl Effects,
    ) {
        if reason.is_error() {
            tell_refused(reason, fx);
            if let Some(trace) = &mut self.trace {
                trace.refused(reason);
            }
        }
        let Some(packet_id) = publish.packet_id else { return };
        if let Some(since) = self.since {
            self.note_acknowledgement(publish, since);
        }
        if online.version == Version::V5 && online.words(&[reason]).is_some() {
            let max = online.maximum_packet_size;
            write_explained_ack(&mut self.answers, kind, packet_id, reason, max);
        } else {
            write_ack(&mut self.answers, kind, online.version, packet_id, reason);
        }
    }

    /// Stores a retained message, then offers the message to every session that subscribed.
    /// `topic` is the message's own; a client that left it, or the process published it as, has that
    /// identifier.
    pub(super) fn publish_message(
        &mut self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
        client_id: Option<&Arc<str>>,
        fx: &mut impl Effects,
    ) -> PublishOutcome {
        if self.memory.is_full() {
            if message.retain() {
                self.forget_retained(now, topic);
            }
            tell_dropped(client_id, message, DropReason::QuotaExceeded, fx);
            return PublishOutcome::TURNED_AWAY;
        }
        if fx.wants(EventKind::Published) {
            fx.event(published(client_id.cloned(), message));
        }
        // Before it matches, so that a new subscriber misses nothing.
        let journal = if message.retain() { self.broker.journal.clone() } else { None };
        let retaining = journal.as_ref().map(|journal| journal.retaining.lock());
        let is_retained = message.retain() && self.retain(now, topic, message, fx);
        if message.retain() && !is_retained {
            tell_dropped(None, message, DropReason::NotRetained, fx);
            self.forget_retained_in_order(now, topic);
        }
        let stored = self.store(topic, message, is_retained, None);
        drop(retaining);
        self.route(now, topic, message, stored.as_ref(), fx)
    }

    /// Keeps a message for later subscribers; `false` when there is no room for it, which is still to be told.
    fn retain(
        &self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
        fx: &mut impl Effects,
    ) -> bool {
        match self.broker.retain(now, topic, message) {
            Ok(dropped) => {
                for message in dropped {
                    self.write_not_retained(&message);
                    tell_dropped(None, &message, DropReason::NotRetained, fx);
                }
                true
            }
            Err(error) => {
                tracing::debug!(topic = &*excerpt(message.topic()), %error, "message is not retained");
                false
            }
        }
    }

    /// After a message that could not be retained nobody may find an older one. Nor after a restart: the answer
    /// waits for that.
    fn forget_retained(&mut self, now: Timestamp, topic: TopicName<'_>) {
        let journal = self.broker.journal.clone();
        let _order = journal.as_ref().map(|journal| journal.retaining.lock());
        self.forget_retained_in_order(now, topic);
    }

    /// The same while the lock is held that keeps the order of what is retained.
    fn forget_retained_in_order(&mut self, now: Timestamp, topic: TopicName<'_>) {
        // Removing is never refused.
        let _removed = self.broker.retained.replace(now, topic, None);
        if let Some(journal) = &self.broker.journal {
            journal.clear_retained(topic.as_str());
            self.must_wait = true;
        }
    }

    /// Deals with what a delivery cost a session.
    fn settle_offer(
        &mut self,
        session: &SharedSession,
        aftermath: Aftermath,
        fx: &mut impl Effects,
    ) {
        tell_lost(session, aftermath.dropped, fx);
        self.overflowed.extend(aftermath.ended);
    }

    /// Offers a message to every session that subscribed.
    fn route(
        &mut self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
        stored: Option<&Stored>,
        fx: &mut impl Effects,
    ) -> PublishOutcome {
        let found = match stored {
            Some(stored) => stored.found.clone(),
            None => self.cache.find(&self.broker.routes, topic),
        };
        let sequence = stored.and_then(|stored| stored.sequence);
        let mut outcome = PublishOutcome { matched: found.len(), ..PublishOutcome::default() };
        for route in found.sessions.iter() {
            let Some(offered) = route.offer(now, message, sequence) else { continue };
            if let Some(attachment) = offered.wake {
                self.wake(attachment, fx);
            }
            if let Some(aftermath) = offered.aftermath {
                self.settle_offer(&route.session, *aftermath, fx);
            }
            if let Some(reason) = not_taken(offered.offer) {
                outcome.is_full |= reason == DropReason::QueueFull;
                outcome.is_refused |= offered.offer == Offer::Refused;
                tell_not_got(&route.session, message, reason, fx);
            } else {
                outcome.taken += 1;
            }
        }
        for (place, share) in found.shares.iter().enumerate() {
            let number = stored.and_then(|stored| stored.number_for(message, place, share));
            match self.publish_shared(now, share, message, number, fx) {
                Fate::Taken => outcome.taken += 1,
                Fate::Full => outcome.is_full = true,
            }
        }
        self.weigh(now, message, found.len(), fx);
        outcome
    }
}

/// Whether a client may publish to this topic at all.
pub(super) fn takes_topic(topic: TopicName<'_>, most_levels: usize) -> bool {
    !is_reserved(topic.as_str()) && topic.within_levels(most_levels).is_ok()
}

/// Refuses what was not agreed on. Before MQTT 5.0 nobody can be told: then a message is not retained.
fn within_terms(
    online: &Online,
    publish: &mut Publish<'_>,
    fx: &mut impl Effects,
) -> Result<(), FrameError> {
    let terms = &online.terms;
    let may_retain = terms.retain_available || !publish.retain;
    if online.version == Version::V5 {
        if publish.qos > terms.max_qos {
            return Err(FrameError::QosNotSupported(terms.max_qos.as_u8()));
        }
        if !may_retain {
            return Err(FrameError::RetainNotSupported);
        }
    } else if !may_retain {
        publish.retain = false;
        if online.verdicts.is_some() {
            // It was told before the authorizer was asked.
            return Ok(());
        }
        tell_not_accepted(&online.session, publish.topic, DropReason::NotRetained, fx);
    }
    Ok(())
}

/// Notes the identifier of a QoS 2 message, or finds it noted already [MQTT-4.3.3-10].
fn note(online: &Online, packet_id: PacketId) -> Result<Inbound, End> {
    let mut state = online.session.lock();
    if state.generation != online.generation {
        return Err(End::TakenOver);
    }
    let noted = state.session.receive_qos2(packet_id);
    Ok(noted.map_err(|exceeded| FrameError::ReceiveMaximum(exceeded.limit))?)
}

/// Whether a packet identifier belongs to a QoS 2 message that the client has not released, and
/// its version has a way to say so.
pub(super) fn is_in_use(online: &Online, packet_id: PacketId) -> bool {
    online.version == Version::V5 && online.session.lock().session.is_receiving(packet_id)
}

fn published(client_id: Option<Arc<str>>, message: &Message) -> Event {
    Event::Published {
        client_id,
        topic: message.topic().into(),
        payload: Bytes::copy_from_slice(message.payload()),
        qos: message.qos().as_u8(),
        retain: message.retain(),
    }
}
