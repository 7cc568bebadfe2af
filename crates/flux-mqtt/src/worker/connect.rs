//! A connection begins: its first packet must be a CONNECT, and somebody decides who it is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Access, Authentication, Client, Credentials, Identity};
use flux_eventbus::Limit;
use flux_session::{QoS, Timestamp};
use flux_topic::{TopicFilter, TopicName};

use super::Worker;
use super::admit::{connack_of, subscriptions};
use super::connection::{Admission, Candidate, Origin, Stage};
use super::decided::Decided;
use super::publish::takes_topic;
use super::tell::{tell_connect_refused, tell_limit};
use crate::counters::Count;
use crate::effects::Effects;
use crate::ledger::{Account, Counted};
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::settings::Settings;
use crate::terms::Terms;
use crate::wire::{Connect, Frame, FrameError, Version, write_connack, write_refusal};

impl Worker {
    pub(super) fn opened(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        origin: Origin,
        fx: &mut impl Effects,
    ) {
        self.connections.open(now, id, origin);
        self.set_timer(id, Some(now + self.settings.connect_timeout));
        if self.is_shutting_down {
            self.connections.put(id, Stage::Closing);
            fx.close(id);
        }
        let share = self.settings.limits.half_open.div_ceil(self.settings.workers.get()).max(1);
        if self.connections.half_open() > share {
            self.close_oldest_half_open(fx);
        }
    }

    /// Makes room for a connection that was just opened, which goes itself if it is the only one.
    fn close_oldest_half_open(&mut self, fx: &mut impl Effects) {
        let Some(oldest) = self.connections.oldest_half_open() else { return };
        tell_limit(Limit::HalfOpen, None, || self.connections.source(oldest), fx);
        self.connections.put(oldest, Stage::Closing);
        fx.close(oldest);
    }

    /// What was sent first does not begin a CONNECT, or no packet at all: nobody would understand an answer.
    pub(super) fn not_mqtt(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        fx: &mut impl Effects,
    ) -> Stage {
        let listener = self.connections.listener(id);
        tell_connect_refused(None, self.connections.peer(id), listener, reason, fx);
        fx.close(id);
        Stage::Closing
    }

    /// The time until CONNECT is over, or that in which somebody should have decided about it.
    pub(super) fn too_late(&mut self, id: ConnectionId, fx: &mut impl Effects) {
        let candidate = match self.connections.take(id) {
            Some(Stage::Authenticating(candidate)) => Some(*candidate),
            Some(Stage::Authorizing(admission, _)) => Some(admission.candidate),
            Some(Stage::Fresh | Stage::Online(_) | Stage::Closing) | None => None,
        };
        let client_id = candidate.as_ref().map(|it| &it.client_id);
        tell_limit(Limit::ConnectTime, client_id, || self.connections.source(id), fx);
        match candidate {
            Some(Candidate { connect, client_id, exchange, .. }) => {
                // It is the client that is late, or whoever should have decided.
                let reason = match exchange {
                    Some(_) => {
                        fx.count(Count::NotAuthenticated);
                        ReasonCode::NotAuthorized
                    }
                    None => ReasonCode::ServerUnavailable,
                };
                let refusal = Refusal::of(&connect, reason);
                self.refuse(id, &refusal, Some(client_id), fx);
            }
            None => fx.close(id),
        }
        self.connections.put(id, Stage::Closing);
    }

    /// The first packet is a CONNECT: nothing else is let through to here.
    pub(super) fn first_frame(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Stage {
        match Connect::read(frame) {
            Ok(connect) => self.candidate(now, id, connect, frame.bytes.len(), fx),
            Err(error) => {
                tracing::debug!(%error, source = ?error.source, "CONNECT is refused");
                let refusal = Refusal {
                    version: error.answer,
                    reason: error.reason,
                    words: error.source.as_ref().map(FrameError::explanation),
                    maximum_packet_size: error.maximum_packet_size,
                };
                self.refuse(id, &refusal, None, fx)
            }
        }
    }

    fn candidate(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        connect: Connect,
        len: usize,
        fx: &mut impl Effects,
    ) -> Stage {
        let terms = self.connections.terms(id).unwrap_or_else(|| self.terms.clone());
        let is_assigned = connect.client_id.is_empty();
        let is_legal = is_legal_client_id(&connect) && (!is_assigned || terms.empty_client_ids);
        let refused = is_within(&terms, &connect)
            .err()
            .or_else(|| self.refuses_will(id, &connect, &terms, fx))
            .or_else(|| (!is_legal).then_some(ReasonCode::ClientIdentifierNotValid));
        if let Some(reason) = refused {
            let named = (!is_assigned).then(|| connect.client_id.as_str().into());
            return self.refuse(id, &Refusal::of(&connect, reason), named, fx);
        }
        let client_id: Arc<str> =
            if is_assigned { self.new_client_id() } else { connect.client_id.as_str().into() };
        let nothing = Bytes::new();
        // Whoever proves itself step by step may be refused before that, and hears why.
        if connect.authentication.is_none()
            && !can_be_welcomed(&self.settings, &terms, &connect, &client_id, is_assigned, nothing)
        {
            let refusal =
                Refusal { version: None, ..Refusal::of(&connect, ReasonCode::PacketTooLarge) };
            return self.refuse(id, &refusal, Some(client_id), fx);
        }
        let limit = self.settings.limits.pending_connects;
        let Some(pending) = self.broker.pending_connects.enter(limit) else {
            let source = || self.connections.source(id);
            tell_limit(Limit::PendingConnects, Some(&client_id), source, fx);
            let refusal = Refusal::of(&connect, ReasonCode::ServerBusy);
            return self.refuse(id, &refusal, Some(client_id), fx);
        };
        let mut credentials = Credentials::new(client_id.clone());
        credentials.username = connect.username.as_deref().map(Into::into);
        credentials.password.clone_from(&connect.password);
        credentials.peer = self.connections.peer(id);
        credentials.listener = self.connections.listener(id);
        credentials.protocol_level = connect.version.level();
        let (exchange, proof, since) = (None, Bytes::new(), fx.stamp());
        let until = now + self.settings.connect_timeout;
        let mut counted = Counted::new(&self.broker.ledger, Account::Unread);
        counted.add(len);
        self.add(now, len, fx);
        let mut candidate = Candidate {
            until,
            _counted: counted,
            connect,
            client_id,
            is_assigned,
            exchange,
            proof,
            _pending: pending,
            since,
        };
        if let Some((method, data)) = candidate.connect.authentication.take() {
            let exchange = fx.begin_exchange(id, &method, &credentials);
            candidate.connect.authentication = Some((method, Bytes::new()));
            return self.step(now, id, candidate, exchange, &data, fx);
        }
        fx.pause(id);
        fx.authenticate(id, credentials);
        Stage::Authenticating(Box::new(candidate))
    }

    /// Why the topic of a will is not taken, if it is not.
    fn refuses_will(
        &mut self,
        id: ConnectionId,
        connect: &Connect,
        terms: &Terms,
        fx: &mut impl Effects,
    ) -> Option<ReasonCode> {
        let will = connect.will.as_ref()?;
        let topic = TopicName::parse(&will.topic).ok();
        let most_levels = self.most_levels(terms);
        if topic.is_some_and(|topic| takes_topic(topic, most_levels)) {
            return None;
        }
        if topic.is_some_and(|topic| topic.level_count() > most_levels) {
            let client_id = connect.client_id.as_str().into();
            tell_limit(Limit::TopicLevels, Some(&client_id), || self.connections.source(id), fx);
        }
        Some(match connect.version {
            // There is no return code for a topic, and closing without a word says less.
            Version::V31 | Version::V311 => ReasonCode::NotAuthorized,
            Version::V5 => ReasonCode::TopicNameInvalid,
        })
    }

    /// A client identifier that no session has [MQTT-3.1.3-6].
    pub(super) fn new_client_id(&mut self) -> Arc<str> {
        loop {
            self.assigned += 1;
            let mut hasher = DefaultHasher::new();
            (self.seed, self.id.0, self.assigned).hash(&mut hasher);
            let name = format!("flux-{:016x}{:x}", hasher.finish(), self.assigned);
            if !self.broker.clients.contains(&name) {
                return name.into();
            }
        }
    }

    /// The authenticator answered.
    pub(super) fn authenticated(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        authentication: Authentication,
        valid_for: Option<Duration>,
        fx: &mut impl Effects,
    ) {
        let Some(stage) = self.connections.take(id) else { return };
        let stage = match stage {
            Stage::Authenticating(candidate) => match authentication {
                Authentication::Accepted(identity) => {
                    self.known(now, id, *candidate, identity, valid_for, fx)
                }
                Authentication::Refused(refusal) => self.is_not_known(id, *candidate, refusal, fx),
            },
            other @ (Stage::Fresh | Stage::Authorizing(..) | Stage::Online(_) | Stage::Closing) => {
                other
            }
        };
        self.connections.put(id, stage);
    }

    /// It is not known who the client is, for this reason.
    fn is_not_known(
        &mut self,
        id: ConnectionId,
        candidate: Candidate,
        refusal: flux_auth::Refusal,
        fx: &mut impl Effects,
    ) -> Stage {
        fx.count(Count::NotAuthenticated);
        let refusal = Refusal::of(&candidate.connect, refusal_code(refusal));
        self.refuse(id, &refusal, Some(candidate.client_id), fx)
    }

    /// It is known who the client is, and for how long that holds: what is over when it comes proves nothing.
    pub(super) fn known(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        candidate: Candidate,
        identity: Identity,
        valid_for: Option<Duration>,
        fx: &mut impl Effects,
    ) -> Stage {
        if valid_for.is_some_and(|left| left.is_zero()) {
            return self.is_not_known(id, candidate, flux_auth::Refusal::NotAuthorized, fx);
        }
        self.connections.hold_until(id, valid_for.map(|left| now + left));
        fx.count(Count::Authenticated);
        let mut client = Client::new(candidate.client_id.clone(), identity);
        client.peer = self.connections.peer(id);
        client.listener = self.connections.listener(id);
        self.ask_rights(now, id, candidate, Arc::new(client), fx)
    }

    /// Asks what the client may do: connect, leave its will, keep what it subscribed to.
    fn ask_rights(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        candidate: Candidate,
        client: Arc<Client>,
        fx: &mut impl Effects,
    ) -> Stage {
        let (stamp, inherited) = (self.stamp(&client), self.inherited(&candidate));
        let changes = self.decisions.changes();
        let admission = Admission { candidate, client, stamp, changes, inherited };
        let authorizer = &self.broker.authorizer;
        let decide = |access| authorizer.decide(&admission.client, access);
        let decided = Decided::new(admission.accesses().map(decide));
        match decided.all() {
            Some(verdicts) => self.admit(now, id, admission, &verdicts, fx),
            None => {
                let requests = decided.open(admission.accesses());
                fx.pause(id);
                fx.authorize(id, admission.client.clone(), requests);
                Stage::Authorizing(Box::new(admission), decided)
            }
        }
    }

    fn inherited(&self, candidate: &Candidate) -> Vec<(TopicFilter, QoS)> {
        if candidate.connect.clean_start {
            return Vec::new();
        }
        let session = self.broker.clients.get(&candidate.client_id);
        session.map_or_else(Vec::new, |session| subscriptions(&session))
    }

    /// Refuses a CONNECT: CONNACK where there is one to send, then the connection closes
    /// [MQTT-3.2.2-7].
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        refusal: &Refusal,
        client_id: Option<Arc<str>>,
        fx: &mut impl Effects,
    ) -> Stage {
        let Refusal { version, reason, words, maximum_packet_size: max } = refusal;
        let peer = self.connections.peer(id);
        tell_connect_refused(client_id, peer, self.connections.listener(id), *reason, fx);
        if let Some(version) = version {
            let mut connack = Vec::new();
            write_refusal(&mut connack, *version, *reason, words.as_deref(), *max);
            if u32::try_from(connack.len()).is_ok_and(|len| (1..=*max).contains(&len)) {
                fx.send(id, &connack);
            }
        }
        fx.close(id);
        Stage::Closing
    }
}

/// Why a client may not come in, and what it is told.
pub(super) struct Refusal {
    /// In which version to answer; `None` closes without a word.
    version: Option<Version>,
    reason: ReasonCode,
    words: Option<String>,
    /// The client's Maximum Packet Size in bytes.
    maximum_packet_size: u32,
}

impl Refusal {
    /// Refuses a CONNECT that was understood.
    pub(super) fn of(connect: &Connect, reason: ReasonCode) -> Self {
        Self {
            version: Some(connect.version),
            reason,
            words: Some(reason.description().to_owned()),
            maximum_packet_size: connect.maximum_packet_size,
        }
    }
}

impl Admission {
    /// What must be allowed: to connect; then the will; then each inherited subscription.
    pub(super) fn accesses(&self) -> impl Iterator<Item = Access<'_>> + Clone {
        let will = self.candidate.connect.will.as_ref();
        let will = will.map(|will| Access::Will {
            topic: &will.topic,
            qos: will.qos.as_u8(),
            retain: will.retain,
        });
        let inherited = self.inherited.iter();
        let inherited = inherited
            .map(|(filter, qos)| Access::Resume { filter: filter.as_str(), qos: qos.as_u8() });
        std::iter::once(Access::Connect).chain(will).chain(inherited)
    }
}

/// Whether what a client asks for is agreed on; if not, why.
fn is_within(terms: &Terms, connect: &Connect) -> Result<(), ReasonCode> {
    if !terms.versions.has(connect.version) {
        return Err(ReasonCode::UnsupportedProtocolVersion);
    }
    let Some(will) = connect.will.as_ref().filter(|_| connect.version == Version::V5) else {
        // Nobody else can be told: at most our maximum is granted, and nothing retained.
        return Ok(());
    };
    // [MQTT-3.2.2-12]
    if will.qos > terms.max_qos {
        return Err(ReasonCode::QosNotSupported);
    }
    // [MQTT-3.2.2-13]
    if will.retain && !terms.retain_available {
        return Err(ReasonCode::RetainNotSupported);
    }
    Ok(())
}

/// Whether CONNACK fits into what the client takes; nothing smaller could stand for it
/// [MQTT-3.1.2-24].
pub(super) fn can_be_welcomed(
    settings: &Settings,
    terms: &Terms,
    connect: &Connect,
    client_id: &str,
    is_assigned: bool,
    proof: Bytes,
) -> bool {
    if connect.maximum_packet_size == u32::MAX {
        return true;
    }
    let mut connack = Vec::new();
    let answer = connack_of(settings, terms, connect, client_id, is_assigned, false, proof);
    let max = connect.maximum_packet_size;
    write_connack(&mut connack, connect.version, answer, max);
    u32::try_from(connack.len()).is_ok_and(|len| len <= max)
}

fn is_legal_client_id(connect: &Connect) -> bool {
    match connect.version {
        // Section 3.1 of 3.1.
        Version::V31 => (1..=23).contains(&connect.client_id.chars().count()),
        // [MQTT-3.1.3-8] of 3.1.1: without a name there is nothing to come back to.
        Version::V311 => connect.clean_start || !connect.client_id.is_empty(),
        Version::V5 => true,
    }
}

/// What a refusal is called on the wire (sections 3.2.2.2 and, in 3.1.1, 3.2.2.3).
pub(super) const fn refusal_code(refusal: flux_auth::Refusal) -> ReasonCode {
    use flux_auth::Refusal;
    match refusal {
        Refusal::BadUserNameOrPassword => ReasonCode::BadUserNameOrPassword,
        Refusal::NotAuthorized => ReasonCode::NotAuthorized,
        Refusal::ServerUnavailable => ReasonCode::ServerUnavailable,
        Refusal::Banned => ReasonCode::Banned,
        Refusal::BadAuthenticationMethod => ReasonCode::BadAuthenticationMethod,
    }
}
