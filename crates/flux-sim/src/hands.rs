//! The hands of a worker: what it wants done is written down, in order, and done afterwards.

use std::sync::Arc;

use flux_auth::{AccessRequest, Client, Credentials};
use flux_eventbus::{Event, EventKind};
use flux_mqtt::{
    Batch, ConnectionId, Count, Effects, Letter, Sequence, SessionKey, Ticket, WorkerId,
};

/// Names a network connection of the world, for good.
pub(crate) type LinkId = usize;

/// Something that a worker wanted done.
#[derive(Debug)]
pub(crate) enum Done {
    /// Bytes to a client.
    Sent(LinkId, Vec<u8>),
    /// A connection is to be closed.
    Closed(LinkId),
    /// Nothing more is read from a connection, for now or because it ends.
    Paused(LinkId),
    /// A letter to another worker.
    Letter(WorkerId, Letter),
    /// Who is this?
    Authenticate(LinkId),
    /// May it do this?
    Authorize(LinkId, Vec<AccessRequest>),
    /// Records for the store.
    Persist(Ticket, Batch),
    /// A part of a session's queue is wanted.
    Load(SessionKey, Option<Sequence>),
    /// Something happened.
    Event(Event),
    /// Code panicked.
    Panicked,
}

/// One worker's side of its connections.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    sockets: Vec<Option<Socket>>,
    stamp: u32,
    /// What was wanted since this was last taken.
    pub done: Vec<Done>,
}

/// A connection as its worker sees it.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Which connection of the world it is.
    pub link: LinkId,
    stamp: u32,
    /// What the network has not taken yet.
    pub unsent: Vec<u8>,
    /// Nothing is to be read from it.
    pub is_paused: bool,
    /// It is to be closed.
    pub is_closing: bool,
    /// The worker wants to know when little is unsent.
    pub wants_writable: bool,
    /// Nothing can be sent on it any more.
    pub is_dead: bool,
}

impl Hands {
    /// Gives a connection a place, mostly one that was used before.
    pub(crate) fn open(&mut self, link: LinkId) -> ConnectionId {
        self.stamp += 1;
        let socket = Socket {
            link,
            stamp: self.stamp,
            unsent: Vec::new(),
            is_paused: false,
            is_closing: false,
            wants_writable: false,
            is_dead: false,
        };
        let free = self.sockets.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        self.sockets[place] = Some(socket);
        ConnectionId { index: u32::try_from(place).unwrap_or(u32::MAX), stamp: self.stamp }
    }

    /// Frees the place of a connection.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        if self.socket(id).is_some() {
            self.sockets[place(id)] = None;
        }
    }

    /// Returns a connection, unless it is gone.
    pub(crate) fn socket(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        let socket = self.sockets.get_mut(place(id))?.as_mut()?;
        (socket.stamp == id.stamp).then_some(socket)
    }

    fn look(&self, id: ConnectionId) -> Option<&Socket> {
        let socket = self.sockets.get(place(id))?.as_ref()?;
        (socket.stamp == id.stamp).then_some(socket)
    }

    /// Writes something down that is about a connection.
    fn note(&mut self, id: ConnectionId, what: impl FnOnce(LinkId) -> Done) {
        if let Some(link) = self.look(id).map(|socket| socket.link) {
            self.done.push(what(link));
        }
    }
}

fn place(id: ConnectionId) -> usize {
    usize::try_from(id.index).unwrap_or(usize::MAX)
}

impl Effects for Hands {
    fn send(&mut self, to: ConnectionId, bytes: &[u8]) {
        if let Some(socket) = self.socket(to) {
            socket.unsent.extend_from_slice(bytes);
        }
        self.note(to, |link| Done::Sent(link, bytes.to_vec()));
    }

    fn unsent(&self, on: ConnectionId) -> Option<usize> {
        let socket = self.look(on)?;
        (!socket.is_dead).then_some(socket.unsent.len())
    }

    fn notify_writable(&mut self, on: ConnectionId) {
        if let Some(socket) = self.socket(on) {
            socket.wants_writable = true;
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.socket(connection) {
            socket.is_closing = true;
        }
        self.note(connection, Done::Closed);
    }

    fn pause(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.socket(connection) {
            socket.is_paused = true;
        }
        self.note(connection, Done::Paused);
    }

    fn resume(&mut self, connection: ConnectionId) {
        if let Some(socket) = self.socket(connection) {
            socket.is_paused = false;
        }
    }

    fn letter(&mut self, to: WorkerId, letter: Letter) {
        self.done.push(Done::Letter(to, letter));
    }

    fn authenticate(&mut self, connection: ConnectionId, _credentials: Credentials) {
        self.note(connection, Done::Authenticate);
    }

    fn authorize(
        &mut self,
        connection: ConnectionId,
        _client: Arc<Client>,
        requests: Vec<AccessRequest>,
    ) {
        self.note(connection, |link| Done::Authorize(link, requests));
    }

    fn persist(&mut self, ticket: Ticket, batch: &mut Batch) -> bool {
        self.done.push(Done::Persist(ticket, std::mem::take(batch)));
        true
    }

    fn load_queue(&mut self, session: SessionKey, after: Option<Sequence>) {
        self.done.push(Done::Load(session, after));
    }

    fn count(&mut self, what: Count) {
        if what == Count::Panicked {
            self.done.push(Done::Panicked);
        }
    }

    fn wants(&self, _kind: EventKind) -> bool {
        true
    }

    fn event(&mut self, event: Event) {
        self.done.push(Done::Event(event));
    }
}
