//! The hands of a worker: bytes go into buffers, everything else is noted.

use std::sync::Arc;

use flux_auth::{AccessRequest, Client, Credentials};
use flux_eventbus::{DropReason, Event, EventKind};
use flux_mqtt::{
    Batch, ConnectionId, Count, Effects, Letter, ReasonCode, Sequence, SessionKey, Ticket, WorkerId,
};

/// What a worker wanted of the world. Nobody listens to events.
#[derive(Default)]
pub(crate) struct Hands {
    /// What was sent on each connection, by its place.
    pub(crate) sent: Vec<Vec<u8>>,
    /// The places to which something was sent.
    pub(crate) sent_to: Vec<usize>,
    pub(crate) letters: Vec<(WorkerId, Letter)>,
    pub(crate) asked_who: Option<ConnectionId>,
    pub(crate) writable: Vec<ConnectionId>,
    /// What no script provokes.
    pub(crate) surprises: u64,
}

impl Effects for Hands {
    fn send(&mut self, to: ConnectionId, bytes: &[u8]) {
        let index = usize::try_from(to.index).unwrap_or(usize::MAX);
        let Some(sent) = self.sent.get_mut(index) else {
            self.surprises += 1;
            return;
        };
        if sent.is_empty() {
            self.sent_to.push(index);
        }
        sent.extend_from_slice(bytes);
    }

    /// Everybody reads at once.
    fn unsent(&self, _on: ConnectionId) -> Option<usize> {
        Some(0)
    }

    fn notify_writable(&mut self, on: ConnectionId) {
        self.writable.push(on);
    }

    fn close(&mut self, _connection: ConnectionId) {}

    fn pause(&mut self, _connection: ConnectionId) {}

    fn resume(&mut self, _connection: ConnectionId) {}

    fn letter(&mut self, to: WorkerId, letter: Letter) {
        self.letters.push((to, letter));
    }

    fn authenticate(&mut self, connection: ConnectionId, _credentials: Credentials) {
        self.asked_who = Some(connection);
    }

    fn authorize(
        &mut self,
        _connection: ConnectionId,
        _client: Arc<Client>,
        _requests: Vec<AccessRequest>,
    ) {
        self.surprises += 1;
    }

    fn persist(&mut self, _ticket: Ticket, _batch: &mut Batch) -> bool {
        self.surprises += 1;
        true
    }

    fn load_queue(&mut self, _session: SessionKey, _after: Option<Sequence>) {
        self.surprises += 1;
    }

    fn count(&mut self, what: Count) {
        match what {
            Count::Connected(_) | Count::Disconnected(_) | Count::SessionEnded(_) => {}
            // Where there are rules. Whoever is denied what it may do gets no answer, or none comes elsewhere.
            Count::Denied(_) | Count::Refused(ReasonCode::NotAuthorized) => {}
            Count::Dropped(DropReason::NotAuthorized) => {}
            Count::Authenticated | Count::NotAuthenticated | Count::Allowed(_) => {}
            Count::Replayed => {}
            _ => self.surprises += 1,
        }
    }

    fn wants(&self, _kind: EventKind) -> bool {
        false
    }

    fn event(&mut self, _event: Event) {}
}
