//! A panic loses at most the connection for which something was being done.
//!
//! Nothing is left locked: the locks are freed on the way out, and are not poisoned. What a panic in the
//! middle of a change left in a session stays there; the pure crates have no code of others in them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flux_session::Timestamp;

use super::Worker;
use super::connect::Refusal;
use super::connection::Stage;
use super::end::End;
use super::tell::tell_gone;
use crate::counters::Count;
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;

impl Worker {
    /// Does something, for a connection if it is for one. `None` when that panicked: then the
    /// connection is over.
    pub(super) fn guard<E: Effects, R>(
        &mut self,
        now: Timestamp,
        id: Option<ConnectionId>,
        fx: &mut E,
        act: impl FnOnce(&mut Self, &mut E) -> R,
    ) -> Option<R> {
        let done = catch_unwind(AssertUnwindSafe(|| act(self, fx)));
        if done.is_err() {
            self.panicked(now, id, fx);
        }
        done.ok()
    }

    /// Something panicked: counts it, and ends the connection that it was for.
    #[cold]
    pub(super) fn panicked(
        &mut self,
        now: Timestamp,
        id: Option<ConnectionId>,
        fx: &mut impl Effects,
    ) {
        fx.count(Count::Panicked);
        self.answers.clear();
        self.waits_from = None;
        self.deliveries.clear();
        let Some(id) = id else {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "a panic was caught, no connection is lost"
            );
            return;
        };
        // What panicked once may do so again.
        let ended = catch_unwind(AssertUnwindSafe(|| self.end_after_panic(now, id, fx)));
        if ended.is_err() {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "another panic was caught while the connection was ended"
            );
        }
        self.connections.put(id, Stage::Closing);
        fx.close(id);
    }

    fn end_after_panic(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        let held = self.connections.take_held(id);
        let client_id = held.as_ref().map(|(session, _)| &*session.client_id);
        let peer = self.connections.peer(id);
        tracing::error!(
            help = "report this bug, with the panic that is told before",
            client_id,
            ?peer,
            "a panic was caught, this connection is lost"
        );
        match (self.connections.take(id), held) {
            (Some(Stage::Online(online)), _) => {
                self.end(now, id, &online, &End::Panicked, fx);
            }
            // Its stage was taken out when it happened.
            (_, Some((session, generation))) => {
                self.detach(now, &session, generation, &End::Panicked, fx);
                tell_gone(&session.client_id, End::Panicked.event(), fx);
            }
            (Some(Stage::Authenticating(candidate)), None) => {
                let refusal = Refusal::of(&candidate.connect, ReasonCode::ServerUnavailable);
                self.refuse(id, &refusal, Some(candidate.client_id), fx);
            }
            (Some(Stage::Authorizing(admission, _)), None) => {
                let candidate = admission.candidate;
                let refusal = Refusal::of(&candidate.connect, ReasonCode::ServerUnavailable);
                self.refuse(id, &refusal, Some(candidate.client_id), fx);
            }
            (Some(Stage::Fresh | Stage::Closing) | None, None) => {}
        }
    }
}
