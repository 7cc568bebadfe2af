//! The hands of a worker: everything that it wants done is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flux_auth::{AccessRequest, Client, Credentials};
use flux_eventbus::{Event, EventKind};
use flux_mqtt::{
    Batch, ConnectionId, Count, Effects, Letter, Sequence, SessionKey, Ticket, WorkerId,
};

use crate::socket::Socket;

/// What a worker wanted of the world.
#[derive(Default)]
pub(crate) struct Hands {
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    pub(crate) letters: Vec<(WorkerId, Letter)>,
    pub(crate) asked_who: Vec<(ConnectionId, Credentials)>,
    pub(crate) asked_rights: Vec<(ConnectionId, Arc<Client>, Vec<AccessRequest>)>,
    pub(crate) panics: usize,
    /// Sent to a connection that was to be closed, or that is none.
    pub(crate) lost: Vec<(ConnectionId, Vec<u8>)>,
    pub(crate) history: History,
}

/// What the events of a worker tell.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) clients: BTreeSet<Arc<str>>,
    pub(crate) retained: BTreeSet<Arc<str>>,
    pub(crate) connected: usize,
    pub(crate) disconnected: usize,
    pub(crate) sessions_began: usize,
    pub(crate) sessions_ended: usize,
}

impl Effects for Hands {
    fn send(&mut self, to: ConnectionId, bytes: &[u8]) {
        match self.sockets.get_mut(&to) {
            Some(socket) if !socket.is_closing => socket.send(bytes),
            _ => self.lost.push((to, bytes.to_vec())),
        }
    }

    fn unsent(&self, on: ConnectionId) -> Option<usize> {
        let socket = self.sockets.get(&on)?;
        (!socket.is_dead).then_some(socket.unsent)
    }

    fn notify_writable(&mut self, on: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&on) {
            socket.wants_writable = true;
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.is_closing = true;
        }
    }

    fn pause(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.is_paused = true;
        }
    }

    fn resume(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.is_paused = false;
        }
    }

    fn letter(&mut self, to: WorkerId, letter: Letter) {
        self.letters.push((to, letter));
    }

    fn authenticate(&mut self, connection: ConnectionId, credentials: Credentials) {
        self.asked_who.push((connection, credentials));
    }

    fn authorize(
        &mut self,
        connection: ConnectionId,
        client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) {
        self.asked_rights.push((connection, client, requests));
    }

    fn persist(&mut self, ticket: Ticket, _batch: &mut Batch) -> bool {
        panic!("nothing is stored here: {ticket:?}");
    }

    fn load_queue(&mut self, session: SessionKey, _after: Option<Sequence>) {
        panic!("nothing is stored here: {session:?}");
    }

    fn count(&mut self, what: Count) {
        if what == Count::Panicked {
            self.panics += 1;
        }
    }

    fn wants(&self, _kind: EventKind) -> bool {
        true
    }

    fn event(&mut self, event: Event) {
        let history = &mut self.history;
        match event {
            Event::Connected { client_id, .. } => {
                history.connected += 1;
                history.clients.insert(client_id);
            }
            Event::Disconnected { .. } => history.disconnected += 1,
            Event::SessionCreated { client_id } => {
                history.sessions_began += 1;
                history.clients.insert(client_id);
            }
            Event::SessionEnded { .. } => history.sessions_ended += 1,
            Event::Published { topic, retain: true, .. } => {
                history.retained.insert(topic);
            }
            _ => {}
        }
    }
}
