//! Enhanced authentication: AUTH packets before CONNACK, and after it once more (section 4.12).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Client, Credentials, Exchange, Step};
use flux_session::Timestamp;

use super::connect::{Refusal, can_be_welcomed, refusal_code};
use super::connection::{Awaited, Candidate, Method, Online, Stage};
use super::end::End;
use super::{Received, Worker};
use crate::counters::Count;
use crate::effects::Effects;
use crate::ledger::{Account, Counted};
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SharedSession;
use crate::wire::{self, Auth, AuthStep, Frame, FrameError, PacketType, Version, write_auth};

impl Worker {
    /// Takes one frame of a client that is to send AUTH; what follows has its turn later.
    pub(super) fn take_step(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut candidate: Candidate,
        bytes: &[u8],
        fx: &mut impl Effects,
    ) -> Received {
        let Some(awaited) = candidate.exchange.take() else {
            // Somebody else is asked who it is.
            self.connections.put(id, Stage::Authenticating(Box::new(candidate)));
            return Received { consumed: 0, again: false };
        };
        let max = self.largest_packet(id, &Stage::Fresh);
        let (consumed, stage) = match wire::split(bytes, max, Some(Version::V5)) {
            Ok(None) => {
                candidate.exchange = Some(awaited);
                (0, Stage::Authenticating(Box::new(candidate)))
            }
            Ok(Some(frame)) => {
                self.traffic.received.note_all(frame.bytes);
                (
                    frame.bytes.len(),
                    self.next_step(now, id, candidate, awaited.exchange, &frame, fx),
                )
            }
            Err(error) => (0, self.refuse_step(id, candidate, &error, fx)),
        };
        let consumed = if stage.is_closing() { bytes.len() } else { consumed };
        let unread = bytes.len() - consumed;
        let again = unread > 0 && consumed > 0 && stage.reads();
        let stage = self.hold_back(now, id, stage, unread, again, fx);
        self.connections.put(id, stage);
        Received { consumed, again }
    }

    fn next_step(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        candidate: Candidate,
        exchange: Box<dyn Exchange>,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Stage {
        // [MQTT-3.1.2-30]
        let auth = match frame.packet_type {
            PacketType::Auth => Auth::read(frame),
            PacketType::Disconnect => {
                fx.count(Count::NotAuthenticated);
                fx.close(id);
                return Stage::Closing;
            }
            other => Err(FrameError::UnexpectedPacket(other.name())),
        };
        let method = candidate.connect.authentication.as_ref().map(|(name, _)| name);
        let auth = auth.and_then(|auth| match auth.step {
            AuthStep::Again => Err(FrameError::AuthOutOfTurn),
            AuthStep::Continue if Some(&auth.method) != method => {
                Err(FrameError::AuthenticationMethodChanged)
            }
            AuthStep::Continue => Ok(auth),
        });
        match auth {
            Ok(auth) => self.step(now, id, candidate, Some(exchange), &auth.data, fx),
            Err(error) => self.refuse_step(id, candidate, &error, fx),
        }
    }

    fn refuse_step(
        &mut self,
        id: ConnectionId,
        candidate: Candidate,
        error: &FrameError,
        fx: &mut impl Effects,
    ) -> Stage {
        let refusal = Refusal::of(&candidate.connect, error.reason_code());
        self.refuse(id, &refusal, Some(candidate.client_id), fx)
    }

    /// Goes on with an exchange before CONNACK; `None` if there is no such method.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut candidate: Candidate,
        exchange: Option<Box<dyn Exchange>>,
        data: &Bytes,
        fx: &mut impl Effects,
    ) -> Stage {
        let received = data.len();
        let refused = Step::Refused(flux_auth::Refusal::BadAuthenticationMethod);
        let reason = match exchange.map_or(refused, |exchange| exchange.step(data)) {
            Step::Continue { data, next } => {
                let mut auth = Vec::new();
                let method = candidate.connect.authentication.as_ref().map(|(name, _)| name);
                let method = method.map_or("", String::as_str);
                let max = candidate.connect.maximum_packet_size;
                if write_auth(&mut auth, false, method, &data, max) {
                    fx.send(id, &auth);
                    return self.wait_for_step(now, id, candidate, next, received);
                }
                ReasonCode::PacketTooLarge
            }
            Step::Accepted { identity, data } => {
                candidate.proof = data;
                let Candidate { connect, client_id, is_assigned, proof, .. } = &candidate;
                let terms = self.connections.terms(id).unwrap_or_else(|| self.terms.clone());
                let (settings, is_assigned, proof) = (&self.settings, *is_assigned, proof.clone());
                if can_be_welcomed(settings, &terms, connect, client_id, is_assigned, proof) {
                    let valid_for = fx.valid_for(&identity);
                    return self.known(now, id, candidate, identity, valid_for, fx);
                }
                ReasonCode::PacketTooLarge
            }
            Step::Refused(refusal) => {
                fx.count(Count::NotAuthenticated);
                refusal_code(refusal)
            }
        };
        let refusal = Refusal::of(&candidate.connect, reason);
        self.refuse(id, &refusal, Some(candidate.client_id), fx)
    }

    /// The next step is the client's.
    fn wait_for_step(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut candidate: Candidate,
        exchange: Box<dyn Exchange>,
        received: usize,
    ) -> Stage {
        let awaited = self.awaited(now, candidate.until, exchange, received);
        self.set_timer(id, Some(awaited.until));
        candidate.exchange = Some(awaited);
        Stage::Authenticating(Box::new(candidate))
    }

    /// The client has a part of the time for the next step: who lets others wait for a place, or has memory held for it, is to do
    /// so no longer than it takes to answer.
    fn awaited(
        &self,
        now: Timestamp,
        all_until: Timestamp,
        exchange: Box<dyn Exchange>,
        received: usize,
    ) -> Awaited {
        let mut counted = Counted::new(&self.broker.ledger, Account::Unread);
        counted.add(exchange.held_bytes().max(received));
        let until = all_until.min(now + self.time_for_step());
        Awaited { exchange, until, all_until, _counted: counted }
    }

    /// Returns how long a client may take for a step.
    pub(super) fn time_for_step(&self) -> Duration {
        self.settings.connect_timeout / STEPS_IN_TIME
    }

    /// An AUTH of a client that is in: it may authenticate once more, and be nobody else then.
    pub(super) fn authenticate_again(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let max = online.maximum_packet_size;
        // [MQTT-4.12.0-7]
        let Some(Method { name, exchange }) = online.method.as_deref_mut() else {
            return Err(FrameError::UnexpectedPacket(frame.packet_type.name()).into());
        };
        let auth = Auth::read(frame)?;
        // [MQTT-4.12.1-1]
        if auth.method != *name {
            return Err(FrameError::AuthenticationMethodChanged.into());
        }
        let (current, all_until) = match (auth.step, exchange.take()) {
            (AuthStep::Continue, Some(Awaited { exchange, all_until, .. })) => {
                (exchange, all_until)
            }
            (AuthStep::Again, None) => {
                let mut credentials = Credentials::new(online.client.client_id.clone());
                credentials.peer = online.client.peer;
                credentials.listener = online.client.listener.clone();
                let begun = fx.begin_exchange(id, name, &credentials).ok_or(End::Revoked)?;
                (begun, now + self.settings.connect_timeout)
            }
            (AuthStep::Continue, None) | (AuthStep::Again, Some(_)) => {
                return Err(FrameError::AuthOutOfTurn.into());
            }
        };
        match current.step(&auth.data) {
            Step::Continue { data, next } => {
                // Who cannot be asked cannot prove anything.
                if !write_auth(&mut self.answers, false, name, &data, max) {
                    return Err(End::Revoked);
                }
                *exchange = Some(self.awaited(now, all_until, next, auth.data.len()));
            }
            Step::Accepted { identity, data } => {
                // The session stays the same user's.
                let before = &online.client.identity;
                if identity.username != before.username || identity.owner() != before.owner() {
                    return Err(End::Revoked);
                }
                let valid_for = fx.valid_for(&identity);
                if valid_for.is_some_and(|left| left.is_zero()) {
                    return Err(End::ProofExpired);
                }
                self.connections.hold_until(id, valid_for.map(|left| now + left));
                let mut client = Client::new(online.client.client_id.clone(), identity);
                client.peer = online.client.peer;
                client.listener = online.client.listener.clone();
                online.client = Arc::new(client);
                let generation = online.generation;
                self.is_another(now, id, &online.client, &online.session, generation, fx)?;

                // What the client does not take is as if it had been sent [MQTT-3.1.2-25].
                let _is_written = write_auth(&mut self.answers, true, name, &data, max);
            }
            Step::Refused(_) => return Err(End::Revoked),
        }
        self.set_online_timer(now, id, online);
        Ok(())
    }

    /// What a client proved anew may come with other rights.
    fn is_another(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        client: &Arc<Client>,
        session: &Arc<SharedSession>,
        generation: u64,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let mut state = session.lock();
        if state.generation == generation {
            state.client = Some(client.clone());
            session.set_holder(Some(client.clone()));
            if state.session.will().is_some() {
                session.write_will(&state);
            }
        }
        drop(state);
        match self.has_lost_rights(now, id, session, generation, fx) {
            true => Err(End::Revoked),
            false => Ok(()),
        }
    }
}

/// For each step of an exchange a client has this part of the time for CONNECT: a third.
const STEPS_IN_TIME: u32 = 3;
