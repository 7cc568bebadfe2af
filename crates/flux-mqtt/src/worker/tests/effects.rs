//! The hands of a worker under test: everything it wants done is written down.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use flux_auth::{AccessRequest, Client, Credentials, Exchange, Identity, Step};
use flux_eventbus::{Event, EventKind, Source};
use flux_storage::{Batch, Sequence, Ticket};

use super::stored::TestStore;
use crate::counters::Count;
use crate::effects::Effects;
use crate::input::Letter;
use crate::names::{ConnectionId, SessionKey, WorkerId};

/// What the worker wanted of the world.
#[derive(Default)]
pub(super) struct TestEffects {
    sockets: BTreeMap<ConnectionId, Socket>,
    pub(super) letters: Vec<(WorkerId, Letter)>,
    pub(super) authenticate: Vec<(ConnectionId, Credentials)>,
    pub(super) authorize: Vec<(ConnectionId, Vec<AccessRequest>)>,
    pub(super) counts: Vec<Count>,
    pub(super) events: Vec<Event>,
    /// What was told beside events, of connections that more is known of.
    pub(super) sources: Vec<(EventKind, Source)>,
    /// What is persisted goes here.
    pub(super) store: Option<TestStore>,
    /// Parts of queues that were asked for.
    pub(super) loads: Vec<(SessionKey, Option<Sequence>)>,
    /// Whom an exchange by any method accepts, after so many other steps, and what it has for the client at each.
    pub(super) exchange: Option<Identity>,
    pub(super) further_steps: u8,
    pub(super) step_data: Bytes,
    /// Nobody listens to anything.
    pub(super) is_unheard: bool,
    /// Called whenever a letter is written, at that moment.
    pub(super) on_letter: Option<Box<dyn FnMut() + Send>>,
}

/// One connection as its worker sees it.
#[derive(Default)]
pub(super) struct Socket {
    /// Everything sent since it was last taken.
    pub(super) sent: Vec<u8>,
    /// Bytes that count as unsent while the peer does not read; `None` while it does.
    pub(super) stalled: Option<usize>,
    /// What arrived and was not taken yet.
    pub(super) inbound: Vec<u8>,
    /// Nothing can be sent any more, and the worker does not know yet that it is gone.
    pub(super) is_dead: bool,
    /// To send panics.
    pub(super) is_trapped: bool,
    pub(super) is_paused: bool,
    pub(super) is_closed: bool,
    /// How often the worker asked to be told, and was not told yet.
    pub(super) notify: usize,
    /// Bytes sent after the connection was to be closed.
    pub(super) after_close: Vec<u8>,
}

impl TestEffects {
    pub(super) fn socket(&mut self, id: ConnectionId) -> &mut Socket {
        self.sockets.entry(id).or_default()
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.sockets.keys().copied().collect()
    }

    pub(super) fn take_letters(&mut self) -> Vec<(WorkerId, Letter)> {
        mem::take(&mut self.letters)
    }
}

/// Believes whatever it is told, in the end.
struct Accepts {
    identity: Identity,
    further_steps: u8,
    data: Bytes,
}

impl Exchange for Accepts {
    fn step(mut self: Box<Self>, _data: &[u8]) -> Step {
        let data = self.data.clone();
        match self.further_steps.checked_sub(1) {
            Some(left) => {
                self.further_steps = left;
                Step::Continue { data, next: self }
            }
            None => Step::Accepted { identity: self.identity, data },
        }
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

impl Effects for TestEffects {
    fn send(&mut self, to: ConnectionId, bytes: &[u8]) {
        let socket = self.socket(to);
        assert!(!mem::take(&mut socket.is_trapped), "the trap of a test");
        if socket.is_closed {
            socket.after_close.extend_from_slice(bytes);
        }
        socket.sent.extend_from_slice(bytes);
        if let Some(unsent) = &mut socket.stalled {
            *unsent += bytes.len();
        }
    }

    fn unsent(&self, on: ConnectionId) -> Option<usize> {
        let socket = self.sockets.get(&on)?;
        (!socket.is_dead).then(|| socket.stalled.unwrap_or_default())
    }

    fn notify_writable(&mut self, on: ConnectionId) {
        self.socket(on).notify += 1;
    }

    fn close(&mut self, connection: ConnectionId) {
        self.socket(connection).is_closed = true;
    }

    fn pause(&mut self, connection: ConnectionId) {
        self.socket(connection).is_paused = true;
    }

    fn resume(&mut self, connection: ConnectionId) {
        self.socket(connection).is_paused = false;
    }

    fn letter(&mut self, to: WorkerId, letter: Letter) {
        if let Some(on_letter) = &mut self.on_letter {
            on_letter();
        }
        self.letters.push((to, letter));
    }

    fn authenticate(&mut self, connection: ConnectionId, credentials: Credentials) {
        self.authenticate.push((connection, credentials));
    }

    fn begin_exchange(
        &mut self,
        _connection: ConnectionId,
        _method: &str,
        _credentials: &Credentials,
    ) -> Option<Box<dyn Exchange>> {
        Some(Box::new(Accepts {
            identity: self.exchange.clone()?,
            further_steps: self.further_steps,
            data: self.step_data.clone(),
        }))
    }

    fn authorize(
        &mut self,
        connection: ConnectionId,
        _client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) {
        self.authorize.push((connection, requests));
    }

    fn persist(&mut self, ticket: Ticket, batch: &mut Batch) -> bool {
        self.store.as_ref().expect("there is no store").append(ticket, batch)
    }

    fn load_queue(&mut self, session: SessionKey, after: Option<Sequence>) {
        self.loads.push((session, after));
    }

    fn count(&mut self, what: Count) {
        self.counts.push(what);
    }

    fn wants(&self, _kind: EventKind) -> bool {
        !self.is_unheard
    }

    fn event(&mut self, event: Event) {
        // Whatever test this is: what is told of these was counted, just before.
        let counted = match event {
            Event::Dropped { reason, .. } => Some(Count::Dropped(reason)),
            Event::Disconnected { reason, .. } => Some(Count::Disconnected(reason)),
            Event::LimitReached { limit, .. } => Some(Count::Reached(limit)),
            Event::Denied { denial, .. } => Some(Count::Denied(denial)),
            _ => None,
        };
        assert!(counted.is_none() || counted.as_ref() == self.counts.last(), "{event:?}");
        self.events.push(event);
    }

    fn event_from(&mut self, event: Event, source: Source) {
        self.sources.push((event.kind(), source));
        self.event(event);
    }
}
