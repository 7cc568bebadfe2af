//! A client comes in: its session, CONNACK, and what waits for it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Access, Client, Decision, Verdict};
use flux_eventbus::{Denial, DropReason, Event, EventKind, Limit};
use flux_session::{
    Connection, Message as _, QoS, SESSION_OVERHEAD, SessionExpiry, SessionLimits, Timestamp, Will,
};
use flux_topic::{TopicFilter, TopicName};

use super::Worker;
use super::connect::Refusal;
use super::connection::{Admission, Candidate, Method, Online, Stage};
use super::end::End;
use super::tell::{
    tell_all_dropped, tell_left, tell_limit, tell_limit_of, tell_lost, tell_not_accepted,
};
use super::traced::Ending;
use crate::clients::{Claim, Claimed, Ended, Unmet, WhyUnmet, owner_of};
use crate::counters::Count;
use crate::effects::Effects;
use crate::latency::{Latency, Span};
use crate::message::{Message, Parts};
use crate::names::ConnectionId;
use crate::permission::Permission;
use crate::reason::ReasonCode;
use crate::session::{Attachment, SharedSession, source_of};
use crate::settings::Settings;
use crate::terms::Terms;
use crate::wire::{self, ConnAck, Connect, InboundTopics, OutboundAliases, Version, write_connack};

impl Worker {
    /// Lets a client in, if the verdicts (in the order of [`Admission::accesses`]) allow it.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        admission: Admission,
        verdicts: &[Verdict],
        fx: &mut impl Effects,
    ) -> Stage {
        let Admission { candidate, client, stamp, changes, inherited } = admission;
        let connect = &candidate.connect;
        let head = 1 + usize::from(connect.will.is_some());
        let (own, resumed) = verdicts.split_at_checked(head).unwrap_or_default();
        if own.is_empty() || own.contains(&Verdict::Deny) {
            self.tell_not_admitted(now, &client, connect, own, fx);
            let refusal = Refusal::of(connect, ReasonCode::NotAuthorized);
            return self.refuse(id, &refusal, Some(client.client_id.clone()), fx);
        }
        fx.count(Count::Allowed(Permission::Connect));
        if connect.will.is_some() {
            fx.count(Count::Allowed(Permission::Will));
        }
        let terms = self.connections.terms(id).unwrap_or_else(|| self.terms.clone());
        let claim = Claim {
            attachment: Attachment::Connection { worker: self.id, connection: id },
            clean_start: connect.clean_start,
            connection: Connection {
                receive_maximum: connect.receive_maximum,
                expiry: wanted_expiry(connect).min(terms.max_session_expiry),
                will: connect.will.as_ref().and_then(|will| will_of(will, &terms)),
            },
            owner: owner_of(&client.identity),
            client: Some(client.clone()),
        };
        let claimed = match self.claim_for(now, &client, &claim, terms.session, fx) {
            Ok(claimed) => claimed,
            Err(reason) => {
                let refusal = Refusal::of(connect, reason);
                return self.refuse(id, &refusal, Some(client.client_id.clone()), fx);
            }
        };
        // From here on the session is this connection's, also if something panics.
        self.connections.hold(id, Some((claimed.session.clone(), claimed.generation)));
        let known = inherited.into_iter().zip(resumed.iter().copied()).collect();
        let online = Online {
            version: connect.version,
            client,
            session: claimed.session.clone(),
            terms: terms.clone(),
            generation: claimed.generation,
            patience: patience(server_keep_alive(&terms, connect).unwrap_or(connect.keep_alive)),
            since: candidate.since,
            maximum_packet_size: connect.maximum_packet_size,
            wants_problem_information: connect.wants_problem_information,
            inbound_topics: InboundTopics::new(terms.topic_alias_maximum),
            outbound_aliases: OutboundAliases::new(
                connect.topic_alias_maximum.min(terms.topic_alias_maximum_cap),
            ),
            is_choked: false,
            is_slowed: false,
            is_paced: false,
            allowance: None,
            parked: None,
            verdicts: None,
            method: connect
                .authentication
                .as_ref()
                .map(|(name, _)| Box::new(Method { name: name.clone(), exchange: None })),
        };
        let online = self.held_to_terms(now, id, online, connect, fx);
        claimed.session.lock().is_decided(stamp, claimed.present);
        if claimed.present {
            self.drop_denied(now, &online, &known, fx);
        }
        self.decisions.look_if_changed(changes, id, &online);
        let present = claimed.present;
        self.settle(now, claimed, fx);
        self.welcome(now, id, online, &candidate, present, fx)
    }

    /// Has a client publish no faster than it may, and tells of what else it does not get as it wants it.
    fn held_to_terms(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut online: Online,
        connect: &Connect,
        fx: &mut impl Effects,
    ) -> Online {
        let (terms, client) = (online.terms.clone(), online.client.clone());
        if server_keep_alive(&terms, connect).is_some() {
            tell_limit_of(Limit::KeepAlive, &client, fx);
        }
        if wanted_expiry(connect) > terms.max_session_expiry {
            tell_limit_of(Limit::SessionExpiry, &client, fx);
        }
        let listener = self.connections.listener(id);
        online.allowance = self.allowance(now, &client.client_id, listener.as_ref(), &terms);
        self.wait_for_allowance(now, id, &mut online, fx);
        online
    }

    fn tell_not_admitted(
        &mut self,
        now: Timestamp,
        client: &Client,
        connect: &Connect,
        own: &[Verdict],
        fx: &mut impl Effects,
    ) {
        match (own, &connect.will) {
            ([Verdict::Allow, ..], Some(will)) => {
                self.tell_denied(now, client, Denial::Will, &will.topic, fx);
            }
            _ => self.tell_denied(now, client, Denial::Connect, "", fx),
        }
    }

    /// Gives a client its session, or says why not.
    fn claim_for(
        &mut self,
        now: Timestamp,
        client: &Client,
        claim: &Claim,
        limits: SessionLimits,
        fx: &mut impl Effects,
    ) -> Result<Claimed, ReasonCode> {
        if self.store_takes_no_session(claim) {
            return Err(ReasonCode::ServerUnavailable);
        }
        self.must_wait = false;
        let claimed = self.claim(now, &client.client_id, claim, limits, fx);
        claimed.map_err(|not| match not {
            NotClaimed::Limit(_) => ReasonCode::QuotaExceeded,
            NotClaimed::AnotherUsers => {
                self.tell_denied(now, client, Denial::Session, "", fx);
                ReasonCode::ClientIdentifierNotValid
            }
        })
    }

    /// Gives a session to a connection or a consumer, unless it belongs to another user or would be one too many: which
    /// limit that is, is counted, told and returned.
    pub(super) fn claim(
        &mut self,
        now: Timestamp,
        client_id: &Arc<str>,
        claim: &Claim,
        limits: SessionLimits,
        fx: &mut impl Effects,
    ) -> Result<Claimed, NotClaimed> {
        let (most, limit) = if self.memory.is_full() {
            (0, Limit::Bytes)
        } else {
            (self.settings.limits.sessions, Limit::Sessions)
        };
        match self.broker.clients.claim(now, client_id, claim, limits, most) {
            Ok(claimed) => {
                let will = claim.connection.will.as_ref().map_or(0, |will| will.message.size());
                let owner = claim.owner.user().map_or(0, |owner| owner.len());
                self.add(now, SESSION_OVERHEAD + client_id.len() + owner + will, fx);
                Ok(claimed)
            }
            Err(Unmet { why, ended }) => {
                let not = match why {
                    WhyUnmet::AnotherUsers => NotClaimed::AnotherUsers,
                    WhyUnmet::NoPlace => {
                        let source = || claim.client.as_deref().map(source_of).unwrap_or_default();
                        tell_limit(limit, Some(client_id), source, fx);
                        NotClaimed::Limit(limit)
                    }
                };
                self.bury_displaced(now, client_id, ended, fx);
                Err(not)
            }
        }
    }

    /// Subscriptions that the client may not have any more do not survive the resume.
    fn drop_denied(
        &mut self,
        now: Timestamp,
        online: &Online,
        known: &BTreeMap<(TopicFilter, QoS), Verdict>,
        fx: &mut impl Effects,
    ) {
        // What came after the question was asked is decided now, or not allowed.
        let is_denied = |subscription: &(TopicFilter, QoS)| match known.get(subscription) {
            Some(verdict) => *verdict == Verdict::Deny,
            None => {
                let (filter, qos) = (subscription.0.as_str(), subscription.1.as_u8());
                let access = Access::Resume { filter, qos };
                self.broker.authorizer.decide(&online.client, access) != Decision::Allow
            }
        };
        let (denied, kept): (Vec<_>, Vec<_>) =
            subscriptions(&online.session).into_iter().partition(is_denied);
        let denied: Vec<_> = denied.into_iter().map(|(filter, _)| filter).collect();
        let kept: Vec<_> = kept.into_iter().map(|(filter, _)| filter).collect();
        let generation = online.generation;
        self.take_away(now, &online.client, &online.session, generation, &denied, fx);
        self.look_again(now, &online.session, &kept, fx);
    }

    /// Clears away what the claim displaced: an old connection, an old session, their wills.
    pub(super) fn settle(&mut self, now: Timestamp, claimed: Claimed, fx: &mut impl Effects) {
        let client_id = claimed.session.client_id.clone();
        if let Some(id) = claimed.timer {
            self.broker.due.cancel(id);
        }
        if let Some(displaced) = claimed.displaced {
            self.dismiss(now, displaced, &client_id, &End::TakenOver, fx);
        }
        if let Some(will) = &claimed.will {
            self.send_will(now, &claimed.session, will, claimed.testator.as_deref(), fx);
        }
        tell_lost(&claimed.session, claimed.dropped, fx);
        self.bury_displaced(now, &client_id, claimed.ended, fx);
        let (kind, event) = match claimed.present {
            true => (EventKind::SessionResumed, Event::SessionResumed { client_id }),
            false => (EventKind::SessionCreated, Event::SessionCreated { client_id }),
        };
        if fx.wants(kind) {
            fx.event_from(event, claimed.session.source());
        }
    }

    /// Clears away the sessions that ended for a claim.
    fn bury_displaced(
        &mut self,
        now: Timestamp,
        client_id: &Arc<str>,
        ended: Vec<Ended>,
        fx: &mut impl Effects,
    ) {
        for mut ended in ended {
            if let Some(displaced) = ended.displaced.take() {
                self.dismiss(now, displaced, client_id, &End::TakenOver, fx);
            }
            self.bury(now, ended, fx);
        }
    }

    /// Clears away a session that is over; its will is due now, whatever its delay.
    pub(super) fn bury(&mut self, now: Timestamp, mut ended: Ended, fx: &mut impl Effects) {
        let mut followed = self.broker.clear(&ended);
        if let Some(will) = &ended.remains.will {
            self.send_will(now, &ended.session, will, ended.testator.as_deref(), fx);
        }
        let mut shared = ended.remains.take_shared();
        shared.append(&mut ended.unsent);
        tell_lost(&ended.session, std::mem::take(&mut ended.remains.dropped), fx);
        self.hand_on(now, shared, fx);
        self.unfinished.append(&mut followed.unfinished);
        tell_left(followed, fx);
        let remains = &ended.remains;
        let reason = DropReason::SessionEnded;
        tell_all_dropped(Some(&ended.session), remains.len(), remains.messages(), reason, fx);
        self.broker.departed.note_end(now, &ended);
        fx.count(Count::SessionEnded(ended.reason));
        if fx.wants(EventKind::SessionEnded) {
            let (client_id, reason) = (ended.session.client_id.clone(), ended.reason);
            fx.event_from(Event::SessionEnded { client_id, reason }, ended.session.source());
        }
    }

    /// Publishes a will message [MQTT-3.1.2-8], if whoever left it still may. What the authorizer would have to be asked
    /// about was answered at CONNECT, and so it is where a store of an earlier version does not say who left it.
    pub(super) fn send_will(
        &mut self,
        now: Timestamp,
        session: &SharedSession,
        will: &Will<Message>,
        testator: Option<&Client>,
        fx: &mut impl Effects,
    ) {
        let lifetime = will.expiry.map(|seconds| Duration::from_secs(seconds.into()));
        let message =
            will.message.sent_by(session.publisher, lifetime.map(|lifetime| now + lifetime));
        let Ok(topic) = TopicName::parse(message.topic()) else { return };
        let (qos, retain) = (message.qos().as_u8(), message.retain());
        let access = Access::Will { topic: topic.as_str(), qos, retain };
        if let Some(testator) = testator.filter(|testator| self.denies(testator, access)) {
            self.tell_denied(now, testator, Denial::Will, topic.as_str(), fx);
            return tell_not_accepted(session, topic, DropReason::NotAuthorized, fx);
        }
        if testator.is_some() {
            fx.count(Count::Allowed(Permission::Will));
        }
        let outcome = self.publish_message(now, topic, &message, Some(&session.client_id), fx);
        if outcome.is_turned_away() {
            return;
        }
        if fx.wants(EventKind::WillSent) {
            let (client_id, topic) = (session.client_id.clone(), message.topic().into());
            let source = testator.map(source_of).unwrap_or_default();
            fx.event_from(Event::WillSent { client_id, topic }, source);
        }
    }

    /// Sends CONNACK and opens the connection for everything else.
    fn welcome(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: Online,
        candidate: &Candidate,
        session_present: bool,
        fx: &mut impl Effects,
    ) -> Stage {
        let Candidate { connect, is_assigned, proof, .. } = candidate;
        let client_id = &online.client.client_id;
        let (settings, terms) = (&self.settings, &online.terms);
        let (is_assigned, proof) = (*is_assigned, proof.clone());
        let connack =
            connack_of(settings, terms, connect, client_id, is_assigned, session_present, proof);
        let max = connect.maximum_packet_size;
        write_connack(&mut self.answers, connect.version, connack, max);
        self.wait_if_stored(&online);
        if self.must_wait {
            self.waits_from = Some(0);
        }
        self.must_precede = true;
        self.endings
            .extend(online.since.map(|since| Ending::of(Span { what: Latency::Connect, since })));
        self.send_answers(id, fx);
        fx.count(Count::Connected(connect.version));
        if let Some(listener) = self.connections.note_admitted(id, connect.version) {
            self.broker.client_counts.enter(&listener, connect.version);
        }
        fx.event(Event::Connected {
            client_id: client_id.clone(),
            protocol_level: connect.version.level(),
            username: online.client.identity.username.clone(),
            peer: online.client.peer,
            listener: online.client.listener.clone(),
            session_present,
        });
        self.connections.heard(id, now);
        self.set_online_timer(now, id, &online);
        self.resend(id, &online.session, online.generation);
        if online.reads() {
            fx.resume(id);
        }
        Stage::Online(Box::new(online))
    }

    /// Has the connection drained if its session brought something along [MQTT-4.4.0-1].
    fn resend(&mut self, id: ConnectionId, session: &SharedSession, generation: u64) {
        let mut state = session.lock();
        if state.generation == generation && state.has_work() && state.wake().is_some() {
            self.dirty.push(id);
        }
    }
}

/// Why nobody gets a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotClaimed {
    /// There would be one too many.
    Limit(Limit),
    /// It belongs to another user. (Not told to consumers: they may have any.)
    AnotherUsers,
}

/// What a client is told that may come in.
pub(super) fn connack_of(
    settings: &Settings,
    terms: &Terms,
    connect: &Connect,
    client_id: &str,
    is_assigned: bool,
    session_present: bool,
    proof: Bytes,
) -> ConnAck {
    let response_information = settings.response_information.clone();
    ConnAck {
        session_present,
        receive_maximum: terms.session.inbound_receive_maximum.max(1),
        maximum_qos: terms.max_qos,
        retain_available: terms.retain_available,
        maximum_packet_size: terms.packet_size,
        topic_alias_maximum: terms.topic_alias_maximum,
        wildcard_subscriptions: terms.wildcard_subscriptions,
        subscription_identifiers: terms.subscription_identifiers,
        shared_subscriptions: terms.shared_subscriptions,
        assigned_client_id: is_assigned.then(|| client_id.to_owned()),
        keep_alive: server_keep_alive(terms, connect),
        session_expiry: (wanted_expiry(connect) > terms.max_session_expiry)
            .then_some(terms.max_session_expiry.as_secs()),
        // [MQTT-3.1.2-28]
        response_information: response_information.filter(|_| connect.wants_response_information),
        authentication: connect.authentication.as_ref().map(|(name, _)| (name.clone(), proof)),
    }
}

/// The Keep Alive that holds in place of what the client asked for [MQTT-3.2.2-21].
fn server_keep_alive(terms: &Terms, connect: &Connect) -> Option<u16> {
    let wanted = connect.keep_alive;
    let is_longer = |max: &u16| wanted == 0 || wanted > *max;
    let longest = terms.max_keep_alive.map(NonZeroU16::get).filter(is_longer);
    let shortest =
        terms.min_keep_alive.map(NonZeroU16::get).filter(|min| (1..*min).contains(&wanted));
    longest.or(shortest).filter(|_| connect.version == Version::V5)
}

const fn wanted_expiry(connect: &Connect) -> SessionExpiry {
    SessionExpiry::from_secs(connect.session_expiry)
}

/// What a session is subscribed to, and at which QoS.
pub(super) fn subscriptions(session: &SharedSession) -> Vec<(TopicFilter, QoS)> {
    let state = session.lock();
    state.session.subscriptions().map(|(filter, options)| (filter.clone(), options.qos)).collect()
}

/// One and a half times Keep Alive [MQTT-3.1.2-22].
fn patience(keep_alive: u16) -> Option<Duration> {
    (keep_alive > 0).then(|| Duration::from_millis(u64::from(keep_alive) * 1500))
}

fn will_of(will: &wire::Will, terms: &Terms) -> Option<Will<Message>> {
    let message = Message::new(Parts {
        // Checked when CONNECT was read.
        topic: TopicName::parse(&will.topic).ok()?,
        properties: &will.properties,
        payload: &will.payload,
        qos: will.qos,
        // Whoever could be told that nothing is retained here did not get in.
        retain: will.retain && terms.retain_available,
        publisher: None,
        expires_at: None,
    });
    Some(Will { message, delay: will.delay, expiry: will.expiry })
}
