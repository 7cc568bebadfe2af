//! One worker's thread: the worker, and the connections as ntex sees them.

use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use flux_auth::{Authorizer, DynAuthenticator};
use flux_eventbus::{Event, EventBus, EventKind};
use flux_tls::{ClientCertificate, TlsConfig};
use ntex::io::{Base, Filter, Io, IoRef};
use rustls::ServerConfig;
use slab::Slab;
use tokio::task::AbortHandle;

use super::answers::Answers;
use super::busy::Busy;
use super::clock::Clock;
use super::eras::{Era, Eras};
use super::fx::NtexEffects;
use super::keeper::Keeper;
use super::mailbox::Mailboxes;
use super::outbox::Outbox;
use super::tls::Handshakes;
use crate::counters::{Count, Tally};
use crate::gauge::Place;
use crate::input::Input;
use crate::latency::Latencies;
use crate::listener::Listener;
use crate::names::{ConnectionId, WorkerId};
use crate::settings::Settings;
use crate::terms::Terms;
use crate::traffic::Traffic;
use crate::worker::{Received, Worker};

/// What a worker's thread works with beside the worker.
pub(super) struct Outfit {
    pub(super) id: WorkerId,
    pub(super) clock: Clock,
    pub(super) mailboxes: Mailboxes,
    pub(super) busy: Busy,
    pub(super) authenticator: Arc<dyn DynAuthenticator>,
    pub(super) authorizer: Arc<dyn Authorizer>,
    pub(super) events: Arc<EventBus>,
    pub(super) tally: Tally,
    pub(super) traffic: Arc<Traffic>,
    pub(super) latencies: Latencies,
    /// If there is a store.
    pub(super) keeper: Option<Arc<Keeper>>,
    pub(super) eras: Eras,
    /// How many connections the worker serves, for whoever hands out new ones.
    pub(super) load: Arc<AtomicUsize>,
    /// Told when the last connection is gone.
    pub(super) idle: Arc<tokio::sync::Notify>,
}

/// A worker and its connections, shared by the tasks of its thread.
pub(super) struct Shell {
    worker: RefCell<Worker>,
    pub(super) links: RefCell<Slab<Link>>,
    pub(super) handshakes: RefCell<Handshakes>,
    /// Tells whoever waits for something before it can be served that it never will.
    pub(super) stopped: tokio::sync::Notify,
    /// How long that may take.
    pub(super) connect_timeout: Cell<Duration>,
    stamp: Cell<u32>,
    turn: RefCell<Option<Waker>>,
    pub(super) outbox: Outbox,
    pub(super) answers: Answers,
    pub(super) outfit: Outfit,
}

/// A connection's I/O and what the worker wants of it.
pub(super) struct Link {
    pub(super) stamp: u32,
    era: Era,
    pub(super) io: IoRef,
    /// Something lies between the connection and the socket: what was sent waits in two places.
    pub(super) is_layered: bool,
    /// What is sent at the end of the turn.
    pub(super) answers: Vec<u8>,
    /// The certificate that the client showed.
    pub(super) shown: Option<Shown>,
    pub(super) wish: Wish,
    /// The task that serves it, once that was polled.
    task: Option<Waker>,
    /// Nothing can be written any more.
    pub(super) is_dead: bool,
    /// The task that asks an authenticator or authorizer; at most one at a time.
    pub(super) question: Option<AbortHandle>,
}

impl Link {
    pub(super) fn new(
        stamp: u32,
        io: IoRef,
        is_layered: bool,
        era: Era,
        shown: Option<Shown>,
    ) -> Self {
        Self {
            stamp,
            era,
            io,
            is_layered,
            answers: Vec::new(),
            shown,
            wish: Wish::default(),
            task: None,
            is_dead: false,
            question: None,
        }
    }
}

/// Who is at the other end of a connection, as far as is known before CONNECT.
pub(super) struct Peer {
    pub(super) address: Option<SocketAddr>,
    pub(super) era: Era,
    /// The name of the listener that it came through.
    pub(super) listener: Arc<str>,
    /// What that agrees on with clients.
    pub(super) terms: Option<Arc<Terms>>,
    pub(super) shown: Option<Shown>,
    /// What it shook hands with, if it has shown a certificate.
    pub(super) shook_with: Option<Arc<ServerConfig>>,
}

/// A certificate that a client showed.
pub(super) struct Shown {
    pub(super) certificate: Box<ClientCertificate>,
    /// What it was accepted by.
    pub(super) by: TlsConfig,
}

/// What the worker wants of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) close: bool,
    pub(super) pause: bool,
    pub(super) notify_writable: bool,
}

impl Peer {
    /// Returns somebody who has shown nothing yet.
    pub(super) fn through(listener: &Listener, address: Option<SocketAddr>, era: Era) -> Self {
        let (listener, terms) = (listener.name.clone(), listener.terms.clone());
        Self { address, era, listener, terms, shown: None, shook_with: None }
    }
}

impl Shell {
    pub(super) fn new(worker: Worker, outfit: Outfit, settings: &Settings) -> Rc<Self> {
        let share = share_of_handshakes(settings);
        Rc::new(Self {
            worker: RefCell::new(worker),
            links: RefCell::new(Slab::new()),
            handshakes: RefCell::new(Handshakes::new(share)),
            stopped: tokio::sync::Notify::new(),
            connect_timeout: Cell::new(settings.connect_timeout),
            stamp: Cell::new(0),
            turn: RefCell::new(None),
            outbox: Outbox::new(outfit.mailboxes.len()),
            answers: Answers::default(),
            outfit,
        })
    }

    /// Has other settings hold for connections that are not served yet; the worker is told by itself.
    pub(super) fn set(&self, settings: &Settings) {
        self.connect_timeout.set(settings.connect_timeout);
        self.handshakes.borrow_mut().set_limit(share_of_handshakes(settings));
    }

    /// Gives a connection a place and tells the worker.
    pub(super) fn open<F: Filter>(self: &Rc<Self>, io: &Io<F>, peer: Peer) -> ConnectionId {
        let stamp = self.stamp.get().wrapping_add(1);
        self.stamp.set(stamp);
        let is_layered = TypeId::of::<F>() != TypeId::of::<Base>();
        let link = Link::new(stamp, io.get_ref(), is_layered, peer.era, peer.shown);
        let index = self.links.borrow_mut().insert(link);
        let connection = ConnectionId { index: u32::try_from(index).unwrap_or(u32::MAX), stamp };
        let listener = Some(peer.listener);
        self.input(Input::Opened { connection, peer: peer.address, listener, terms: peer.terms });
        connection
    }

    /// Tells the worker that a connection is gone and gives its place back.
    pub(super) fn close(self: &Rc<Self>, connection: ConnectionId) {
        self.input(Input::Closed(connection));
        self.with_link(connection, |link| self.answers.write_of(link));
        let index = usize::try_from(connection.index).unwrap_or(usize::MAX);
        let link = self.links.borrow_mut().try_remove(index);
        if let Some(question) = link.and_then(|link| link.question) {
            // Nobody waits for the answer any more.
            question.abort();
        }
    }

    /// Tells the worker that it may send to a connection again, or that nobody ever will; then
    /// what the peer sent before it left is still read.
    pub(super) fn writable(self: &Rc<Self>, connection: ConnectionId, is_dead: bool) {
        self.with_link(connection, |link| {
            link.wish.notify_writable = false;
            link.is_dead = is_dead;
        });
        self.input(Input::Writable(connection));
    }

    /// Hands one input to the worker.
    pub(super) fn input(self: &Rc<Self>, input: Input) {
        let mut fx = NtexEffects { shell: self };
        self.worker.borrow_mut().handle(self.outfit.clock.now(), input, &mut fx);
        self.request_turn();
    }

    /// Hands bytes to the worker.
    pub(super) fn receive(self: &Rc<Self>, connection: ConnectionId, bytes: &[u8]) -> Received {
        let mut fx = NtexEffects { shell: self };
        let mut worker = self.worker.borrow_mut();
        let received = worker.receive(self.outfit.clock.now(), connection, bytes, &mut fx);
        if worker.has_dirty() || self.outbox.has_letters() || self.answers.are_waiting() {
            self.request_turn();
        }
        received
    }

    /// Ends the worker's turn; returns when it wants to be told the time.
    pub(super) fn finish_turn(self: &Rc<Self>) -> Option<flux_session::Timestamp> {
        let mut fx = NtexEffects { shell: self };
        let mut worker = self.worker.borrow_mut();
        // Whom they are for can begin while this worker drains.
        self.outbox.post(&self.outfit.mailboxes);
        worker.finish_turn(self.outfit.clock.now(), &mut fx);
        self.outbox.post(&self.outfit.mailboxes);
        self.answers.write_all(self);
        if worker.is_in_a_hurry() {
            self.request_turn();
        }
        worker.next_deadline()
    }

    /// Whether something is left to do that has time until others had their turn.
    pub(super) fn has_unfinished(&self) -> bool {
        self.worker.borrow().has_unfinished()
    }

    /// Remembers how to wake the task that ends turns.
    pub(super) fn set_turn(&self, waker: &Waker) {
        let mut turn = self.turn.borrow_mut();
        if !turn.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *turn = Some(waker.clone());
            self.outfit.mailboxes.set_reader(self.outfit.id, waker);
        }
    }

    pub(super) fn request_turn(&self) {
        if let Some(waker) = &*self.turn.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Returns what is wanted of a connection; its task is woken when that changes.
    pub(super) fn wish(&self, connection: ConnectionId, task: &Waker) -> Wish {
        // Each task comes by here: no connection keeps the worker from its mail.
        if self.outfit.mailboxes.has_mail(self.outfit.id) {
            self.request_turn();
        }
        let gone = Wish { close: true, ..Wish::default() };
        let wish = self.with_link(connection, |link| {
            if !link.task.as_ref().is_some_and(|known| known.will_wake(task)) {
                link.task = Some(task.clone());
            }
            link.wish
        });
        wish.unwrap_or(gone)
    }

    /// Changes what is wanted of a connection, and has its task look at it.
    pub(super) fn change_wish(&self, connection: ConnectionId, change: impl FnOnce(&mut Wish)) {
        self.with_link(connection, |link| {
            change(&mut link.wish);
            if let Some(task) = &link.task {
                task.wake_by_ref();
            }
        });
    }

    /// Returns whether a connection was accepted since it last changed who may come in.
    pub(super) fn is_of_this_era(&self, connection: ConnectionId) -> bool {
        let era = self.with_link(connection, |link| link.era);
        era.is_some_and(|era| self.outfit.eras.is_now(era))
    }

    pub(super) fn with_link<R>(
        &self,
        connection: ConnectionId,
        act: impl FnOnce(&mut Link) -> R,
    ) -> Option<R> {
        let mut links = self.links.borrow_mut();
        let link = links.get_mut(usize::try_from(connection.index).ok()?)?;
        (link.stamp == connection.stamp).then(|| act(link))
    }

    /// A connection was accepted that the system does not let us serve.
    pub(super) fn tell_unserved(&self, error: &io::Error, by: &Listener, peer: Option<SocketAddr>) {
        self.outfit.tally.count(self.outfit.id, Count::AcceptError);
        let events = &self.outfit.events;
        if events.wants(EventKind::Unserved) {
            let (listener, error) = (Some(by.name.clone()), error.to_string().into());
            events.publish(Event::Unserved { peer, listener, error });
        }
    }

    /// Takes part in serving until the guard is dropped.
    pub(super) fn count(self: &Rc<Self>, place: Option<Place>) -> Counted {
        Counted { shell: self.clone(), _place: place }
    }
}

/// Each worker has an equal share.
fn share_of_handshakes(settings: &Settings) -> usize {
    settings.limits.handshakes.div_ceil(settings.workers.get()).max(1)
}

impl Outfit {
    /// Takes one off the load.
    pub(super) fn unload(&self) {
        if self.load.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_one();
        }
    }
}

/// A connection that counts as load until this is dropped. The acceptor has counted it.
pub(super) struct Counted {
    shell: Rc<Shell>,
    /// Among those who came through the same listener.
    _place: Option<Place>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shell.outfit.unload();
    }
}
