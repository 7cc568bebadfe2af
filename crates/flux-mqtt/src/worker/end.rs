//! A connection ends: by whom, what the peer is told, and what becomes of session and will.

use std::sync::Arc;

use flux_eventbus::{DisconnectReason, SessionEnd, excerpt};
use flux_session::{Departure, Due, SessionExpiry, Timestamp};

use super::Worker;
use super::connection::{Online, Stage};
use super::tell::{tell_disconnected, tell_gone, tell_lost};
use crate::clients;
use crate::counters::Count;
use crate::effects::Effects;
use crate::input::Letter;
use crate::message::Delivery;
use crate::names::{ConnectionId, DueId};
use crate::reason::ReasonCode;
use crate::session::{Attachment, Locked, SharedSession};
use crate::wire::{Disconnect, Frame, FrameError, write_disconnect};

/// Why the connection of a client that was online ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client sent DISCONNECT.
    ByClient(Disconnect),
    /// The network connection is gone.
    Lost,
    /// Nothing was heard for one and a half times Keep Alive.
    KeepAlive,
    /// Another connection has the client identifier now.
    TakenOver,
    /// The client broke the rules.
    Violation(FrameError),
    /// Its session had no room for a message, and such sessions are to end.
    Overflow,
    /// The broker holds as much as it may, and the client goes on with a large packet.
    MemoryFull,
    /// An administrator wanted it.
    Kicked,
    /// The store could not make safe what the client published, and its version has no word for that.
    StoreFailed,
    /// Its certificate admits it no longer, it may not be here any more, or it failed to authenticate once more.
    Revoked,
    /// What it had proven about itself holds no longer.
    ProofExpired,
    /// Code panicked while it served this connection.
    Panicked,
    /// The broker stops.
    Shutdown,
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Violation(error)
    }
}

impl End {
    /// What DISCONNECT says, when there is somebody left to tell.
    fn reason_code(&self) -> Option<ReasonCode> {
        match self {
            Self::ByClient(_) | Self::Lost => None,
            Self::KeepAlive => Some(ReasonCode::KeepAliveTimeout),
            Self::TakenOver => Some(ReasonCode::SessionTakenOver),
            Self::Violation(error) => Some(error.reason_code()),
            Self::Overflow | Self::MemoryFull => Some(ReasonCode::QuotaExceeded),
            Self::Kicked => Some(ReasonCode::AdministrativeAction),
            Self::Revoked => Some(ReasonCode::NotAuthorized),
            Self::ProofExpired => Some(ReasonCode::MaximumConnectTime),
            Self::StoreFailed | Self::Panicked => Some(ReasonCode::UnspecifiedError),
            Self::Shutdown => Some(ReasonCode::ServerShuttingDown),
        }
    }

    /// The same in words.
    fn words(&self) -> Option<String> {
        match self {
            Self::Violation(error) => Some(error.explanation()),
            Self::ByClient(_)
            | Self::Lost
            | Self::KeepAlive
            | Self::TakenOver
            | Self::Overflow
            | Self::MemoryFull
            | Self::Kicked
            | Self::StoreFailed
            | Self::Revoked
            | Self::ProofExpired
            | Self::Panicked
            | Self::Shutdown => Some(self.reason_code()?.description().to_owned()),
        }
    }

    /// What the end means for the session.
    fn departure(&self) -> Departure {
        match self {
            // Only a normal DISCONNECT deletes the will [MQTT-3.14.4-3].
            Self::ByClient(Disconnect { reason, session_expiry }) => Departure {
                discard_will: *reason == 0,
                expiry: session_expiry.map(SessionExpiry::from_secs),
            },
            Self::Lost
            | Self::KeepAlive
            | Self::TakenOver
            | Self::Violation(_)
            | Self::Overflow
            | Self::MemoryFull
            | Self::Kicked
            | Self::StoreFailed
            | Self::Revoked
            | Self::ProofExpired
            | Self::Panicked
            | Self::Shutdown => Departure::default(),
        }
    }

    /// What tells the worker of the connection.
    fn letter(&self, connection: ConnectionId) -> Letter {
        match self {
            Self::TakenOver => Letter::TakenOver(connection),
            Self::Overflow => Letter::Overflow(connection),
            Self::ByClient(_)
            | Self::Lost
            | Self::KeepAlive
            | Self::Violation(_)
            | Self::MemoryFull
            | Self::Kicked
            | Self::StoreFailed
            | Self::Revoked
            | Self::ProofExpired
            | Self::Panicked
            | Self::Shutdown => Letter::Kicked(connection),
        }
    }

    pub(super) fn event(&self) -> DisconnectReason {
        match self {
            Self::ByClient(Disconnect { reason: 0x00, .. }) => DisconnectReason::ByClient,
            Self::ByClient(Disconnect { reason: 0x04, .. }) => DisconnectReason::ByClientWithWill,
            Self::ByClient(Disconnect { reason, .. }) => {
                DisconnectReason::ByClientWithError { code: *reason }
            }
            Self::Lost => DisconnectReason::ConnectionLost,
            Self::KeepAlive => DisconnectReason::KeepAliveTimeout,
            Self::TakenOver => DisconnectReason::TakenOver,
            Self::Violation(FrameError::PacketTooLarge { .. }) => DisconnectReason::PacketTooLarge,
            Self::Violation(error) => {
                DisconnectReason::ProtocolError { code: error.reason_code().as_u8() }
            }
            Self::Overflow | Self::MemoryFull => DisconnectReason::QuotaExceeded,
            Self::Kicked => DisconnectReason::Kicked,
            Self::StoreFailed | Self::Panicked => DisconnectReason::ServerError,
            Self::Revoked => DisconnectReason::NotAuthorized,
            Self::ProofExpired => DisconnectReason::CredentialsExpired,
            Self::Shutdown => DisconnectReason::ServerShutdown,
        }
    }
}

impl Worker {
    /// Reads DISCONNECT and returns the end that it is.
    pub(super) fn disconnect(online: &Online, frame: &Frame<'_>) -> End {
        match Disconnect::read(frame, online.version) {
            Ok(mut packet) => {
                let most = online.terms.max_session_expiry.as_secs();
                packet.session_expiry = packet.session_expiry.map(|expiry| expiry.min(most));
                let expiry = packet.session_expiry.map(SessionExpiry::from_secs);
                let state = online.session.lock();
                if expiry.is_some_and(|expiry| !state.session.expiry_may_become(expiry)) {
                    return FrameError::SessionExpiry.into();
                }
                End::ByClient(packet)
            }
            Err(error) => error.into(),
        }
    }

    /// Ends a connection of ours that is online, at its next stage.
    pub(super) fn cut(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        end: &End,
        fx: &mut impl Effects,
    ) {
        self.guard(now, Some(id), fx, |worker, fx| worker.cut_now(now, id, end, fx));
    }

    fn cut_now(&mut self, now: Timestamp, id: ConnectionId, end: &End, fx: &mut impl Effects) {
        let Some(stage) = self.connections.take(id) else { return };
        let stage = match stage {
            Stage::Online(online) => self.end(now, id, &online, end, fx),
            Stage::Authenticating(candidate) => {
                if candidate.exchange.is_some() {
                    fx.count(Count::NotAuthenticated);
                }
                fx.close(id);
                Stage::Closing
            }
            Stage::Fresh | Stage::Authorizing(..) => {
                fx.close(id);
                Stage::Closing
            }
            Stage::Closing => Stage::Closing,
        };
        self.connections.put(id, stage);
    }

    /// Ends a connection: the peer is told where its version allows it, the network
    /// connection closes, the session goes on or ends.
    pub(super) fn end(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &Online,
        end: &End,
        fx: &mut impl Effects,
    ) -> Stage {
        if let End::Violation(error) = end {
            let client_id = &*excerpt(&online.client.client_id);
            tracing::debug!(client_id, %error, source = ?std::error::Error::source(error), "protocol violation");
        }
        fx.pause(id);
        // Whoever is told goodbye finds the session as it is from now on.
        self.detach(now, &online.session, online.generation, end, fx);
        tell_disconnected(&online.client, end.event(), fx);
        let mut goodbye = Vec::new();
        if let Some(reason) = end.reason_code() {
            let (words, max) = (end.words(), online.maximum_packet_size);
            write_disconnect(&mut goodbye, online.version, reason, words.as_deref(), max);
            if u32::try_from(goodbye.len()).is_ok_and(|len| len > max) {
                goodbye.clear();
            }
        }
        self.close_in_time(id, &goodbye, fx);
        self.connections.hold(id, None);
        Stage::Closing
    }

    /// The driver says that the network connection is gone.
    pub(super) fn closed(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        self.cut(now, id, &End::Lost, fx);
        self.note_unsent(id, 0);
        self.note_unread(id, 0);
        let Some(connection) = self.connections.close(id) else { return };
        if let (Some(version), Some(listener)) = (connection.admitted, &connection.origin.listener)
        {
            self.broker.client_counts.leave(listener, version);
        }
        if let Some(timer) = connection.timer {
            self.timers.cancel(timer);
        }
    }

    /// Ends whoever had a session that is another's now, or over.
    pub(super) fn dismiss(
        &mut self,
        now: Timestamp,
        old: Attachment,
        client_id: &Arc<str>,
        end: &End,
        fx: &mut impl Effects,
    ) {
        match old {
            Attachment::Connection { worker, connection } if worker == self.id => {
                self.cut(now, connection, end, fx);
            }
            Attachment::Connection { worker, connection } => {
                fx.letter(worker, end.letter(connection));
            }
            Attachment::Consumer(consumer) => {
                consumer.close(end.event());
                tell_gone(client_id, end.event(), fx);
            }
        }
    }

    /// Lets go of the session, unless somebody else has it already; returns who had it.
    pub(super) fn detach(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        generation: u64,
        end: &End,
        fx: &mut impl Effects,
    ) -> Option<Attachment> {
        let mut state = session.lock();
        if state.ended || state.generation != generation {
            return None;
        }
        let attached = state.attached.take()?;
        state.dirty = false;
        let had_will = state.session.will().is_some();
        let unsent = state.session.detach(now, end.departure());
        session.write_standing(&state);
        if state.session.expiry() > SessionExpiry::WITH_CONNECTION {
            session.set_holder(None);
        }
        if had_will && state.session.will().is_none() {
            session.write_will(&state);
        }
        let client = state.client.take();
        state.keep_client(client);
        // Still under the lock: nobody resumes the session before its will is taken out.
        self.settle_detached(now, session, state, unsent, fx);
        Some(attached)
    }

    /// Looks at a session that the list of due sessions gave out.
    pub(super) fn look_at_session(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        fx: &mut impl Effects,
    ) {
        let state = session.lock();
        if !state.ended && state.attached.is_none() {
            self.settle_detached(now, session, state, Vec::new(), fx);
        }
    }

    /// A session without a connection: sends its will and ends it when the time has come, and
    /// otherwise has it looked at again later. What it had of shared subscriptions and did not send
    /// goes to other members, after what it did send if it ends.
    fn settle_detached(
        &mut self,
        now: Timestamp,
        session: &Arc<SharedSession>,
        mut state: Locked<'_>,
        unsent: Vec<Delivery>,
        fx: &mut impl Effects,
    ) {
        state.timer = None;
        let _together = session.keep_together(&state);
        let mut will = None;
        while let Some(due) = state.session.due(now) {
            match due {
                Due::Will(due) => {
                    will = Some(due);
                    session.write_will(&state);
                }
                Due::End => {
                    let lives_on = state.session.expiry() > SessionExpiry::WITH_CONNECTION;
                    let reason =
                        if lives_on { SessionEnd::Expired } else { SessionEnd::Disconnected };
                    let mut ended = clients::end(session, &mut state, reason);
                    drop(state);
                    ended.remains.will = will;
                    ended.unsent = unsent;
                    self.bury(now, ended, fx);
                    return;
                }
            }
        }
        let dropped = state.session.take_dropped();
        let next = state.session.deadline();
        let (key, generation) = (session.key, state.generation);
        state.timer = next.map(|moment| DueId { moment, key, generation });
        let timer = state.timer;
        let testator = will.as_ref().and_then(|_| state.client.clone());
        if testator.is_some() {
            let client = state.client.take();
            state.keep_client(client);
        }
        drop(state);
        if let Some(id) = timer {
            self.broker.due.set(id, session);
            // Who resumed or ended it meanwhile could not find it in the list.
            if session.lock().timer != timer {
                self.broker.due.cancel(id);
            }
        }
        if let Some(will) = will {
            self.send_will(now, session, &will, testator.as_deref(), fx);
        }
        tell_lost(session, dropped, fx);
        self.hand_on(now, unsent, fx);
    }

    /// Clears away the sessions that had no room for a message in this turn. Not sooner: one of
    /// them may be that of the connection whose packet was being handled.
    pub(super) fn bury_overflowed(&mut self, now: Timestamp, fx: &mut impl Effects) {
        while let Some(mut ended) = self.overflowed.pop() {
            if let Some(old) = ended.displaced.take() {
                let client_id = ended.session.client_id.clone();
                self.dismiss(now, old, &client_id, &End::Overflow, fx);
            }
            self.guard(now, None, fx, |worker, fx| worker.bury(now, ended, fx));
        }
    }

    /// Has a connection looked at at this moment, and at no other.
    pub(super) fn set_timer(&mut self, id: ConnectionId, moment: Option<Timestamp>) {
        let Some(connection) = self.connections.get(id) else { return };
        if let Some(timer) = connection.timer.take() {
            self.timers.cancel(timer);
        }
        connection.timer = moment.map(|moment| self.timers.set(moment, id));
    }

    /// The same for the connection of a client that is in, and was heard now.
    pub(super) fn set_online_timer(&mut self, now: Timestamp, id: ConnectionId, online: &Online) {
        let patience = online.patience.map(|patience| now + patience);
        let valid_until = self.connections.get(id).and_then(|connection| connection.valid_until);
        let moments = [patience, valid_until, online.step_until()];
        self.set_timer(id, moments.into_iter().flatten().min());
    }

    /// A connection's deadline: CONNECT must have come, or the next packet.
    pub(super) fn connection_timer(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        fx: &mut impl Effects,
    ) {
        let Some(connection) = self.connections.get(id) else { return };
        connection.timer = None;
        let awaited = match connection.stage() {
            Stage::Authenticating(candidate) => candidate.exchange.as_ref().map(|it| it.until),
            Stage::Fresh | Stage::Authorizing(..) => None,
            Stage::Online(_) => return self.online_timer(now, id, fx),
            Stage::Closing => return,
        };
        let deadline = connection.heard + self.settings.connect_timeout;
        let deadline = awaited.unwrap_or(deadline);
        if deadline > now {
            self.set_timer(id, Some(deadline));
        } else {
            self.too_late(id, fx);
        }
    }

    /// That of a client that is in: what it has proven holds, it goes on with proving it anew, and its next packet has come.
    fn online_timer(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        let time_for_step = self.time_for_step();
        let Some(connection) = self.connections.get(id) else { return };
        let Stage::Online(online) = connection.stage() else { return };
        // While it waits for the authorizer, or is slowed, it is we who do not read.
        let is_parked = online.parked.is_some() || online.is_slowed || online.is_paced;
        let step = online.step_until();
        let step = step.map(|until| if is_parked { until.max(now + time_for_step) } else { until });
        let heard = if is_parked { now } else { connection.heard };
        let ends = [
            (connection.valid_until, End::ProofExpired),
            (step, End::Revoked),
            (online.patience.map(|patience| heard + patience), End::KeepAlive),
        ];
        for (moment, end) in &ends {
            if moment.is_some_and(|moment| moment <= now) {
                self.cut(now, id, end, fx);
                return;
            }
        }
        self.set_timer(id, ends.iter().filter_map(|(moment, _)| *moment).min());
    }
}
