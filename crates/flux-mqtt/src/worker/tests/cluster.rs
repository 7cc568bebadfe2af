//! Several workers over one broker, pumped by hand in one thread and in virtual time.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use flux_auth::{AllowAll, Authentication, Authorizer, Identity, Verdict};
use flux_eventbus::Event;
use flux_session::Timestamp;
use ntex_mqtt::{v3, v5};

use super::client::{self, Peer};
use super::effects::{Socket, TestEffects};
use crate::broker::Broker;
use crate::input::{Command, Input, Letter};
use crate::names::{ConnectionId, WorkerId};
use crate::settings::Settings;
use crate::terms::Terms;
use crate::wire::Version;
use crate::worker::{Away, Worker};

/// Workers, their mailboxes, and the clients that are connected to them.
pub(super) struct Cluster {
    pub(super) now: Timestamp,
    pub(super) broker: Arc<Broker>,
    pub(super) nodes: Vec<Node>,
    /// The test answers the authenticator's questions itself.
    pub(super) asks_who: bool,
    /// What is made of a user name where the test does not answer.
    pub(super) believes: fn(Arc<str>) -> Identity,
}

/// A worker with what surrounds it.
pub(super) struct Node {
    pub(super) worker: Worker,
    pub(super) fx: TestEffects,
    pub(super) mail: VecDeque<Letter>,
    /// Places that connections left, and the stamp of the last one.
    free: Vec<u32>,
    places: u32,
    stamp: u32,
}

impl Cluster {
    pub(super) fn new(workers: usize) -> Self {
        Self::with(workers, Settings::default(), Arc::new(AllowAll))
    }

    pub(super) fn with(
        workers: usize,
        settings: Settings,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        let workers = workers.try_into().expect("a broker has a worker");
        let settings = Settings { workers, ..settings };
        let broker = Broker::new(&settings, authorizer, 7, None);
        Self::over(Timestamp::from_millis(1_000), Arc::new(broker), &Arc::new(settings))
    }

    /// Workers of a broker that is there.
    pub(super) fn over(now: Timestamp, broker: Arc<Broker>, settings: &Arc<Settings>) -> Self {
        let node = |id| Node {
            worker: Worker::new(WorkerId(id), broker.clone(), settings.clone(), 7),
            fx: TestEffects::default(),
            mail: VecDeque::new(),
            free: Vec::new(),
            places: 0,
            stamp: 0,
        };
        let nodes = (0..settings.workers.get()).map(node).collect();
        Self { now, broker, nodes, asks_who: false, believes: Identity::user }
    }

    /// Opens a network connection to a worker.
    pub(super) fn open(&mut self, worker: usize, version: Version) -> Peer {
        let id = self.nodes[worker].open(self.now, None);
        Peer { worker, id, version }
    }

    /// Connects a client of MQTT 5.0 through a listener with terms of its own.
    pub(super) fn enter(
        &mut self,
        worker: usize,
        client_id: &str,
        (listener, terms): (&str, &Arc<Terms>),
    ) -> Peer {
        let id = self.nodes[worker].open(self.now, Some((listener.into(), terms.clone())));
        let peer = Peer { worker, id, version: Version::V5 };
        self.send(peer, &client::encode_v5(client::connect(client_id).into()));
        let heard = self.heard(peer);
        assert!(heard[0].starts_with("CONNACK 00"), "{heard:?}");
        peer
    }

    /// Sends a CONNECT of MQTT 5.0 over a new connection; the answer is still to be heard.
    pub(super) fn dial(&mut self, worker: usize, connect: v5::codec::Connect) -> Peer {
        let peer = self.open(worker, Version::V5);
        self.send(peer, &client::encode_v5(connect.into()));
        peer
    }

    /// The same for MQTT 3.1.1.
    pub(super) fn dial_v3(&mut self, worker: usize, connect: v3::codec::Connect) -> Peer {
        let peer = self.open(worker, Version::V311);
        self.send(peer, &client::encode_v3(connect.into()));
        peer
    }

    /// Connects a client of MQTT 5.0 whose session lives for an hour.
    #[track_caller]
    pub(super) fn connect(&mut self, worker: usize, client_id: &str) -> Peer {
        let peer = self.dial(worker, client::connect(client_id));
        let heard = self.heard(peer);
        assert!(heard[0].starts_with("CONNACK 00"), "{heard:?}");
        peer
    }

    #[track_caller]
    pub(super) fn subscribe(&mut self, peer: Peer, filter: &str, qos: u8) {
        self.send(peer, &client::subscribe(peer.version, 999, &[(filter, qos)]));
        let heard = self.heard(peer);
        assert_eq!(heard[0], format!("SUBACK 999 [{qos:02x}]"));
    }

    /// The first subscription of a client whose CONNACK was not looked at.
    #[track_caller]
    pub(super) fn subscribe_after_connack(&mut self, peer: Peer, filter: &str, qos: u8) {
        assert_eq!(self.heard(peer), ["CONNACK 00"]);
        self.subscribe(peer, filter, qos);
    }

    pub(super) fn publish(&mut self, peer: Peer, qos: u8, id: u16, topic: &str, payload: &str) {
        self.send(peer, &client::publish(peer.version, qos << 1, id, topic, payload));
    }

    /// Bytes arrive; the worker has its turn. Letters stay in the mailboxes.
    pub(super) fn send(&mut self, peer: Peer, bytes: &[u8]) {
        self.socket(peer).inbound.extend_from_slice(bytes);
        self.turn(peer.worker);
    }

    /// The same, but for one turn of the worker and no more.
    pub(super) fn send_for_one_turn(&mut self, peer: Peer, bytes: &[u8]) {
        self.socket(peer).inbound.extend_from_slice(bytes);
        let node = &mut self.nodes[peer.worker];
        while node.read(self.now) {}
        node.worker.finish_turn(self.now, &mut node.fx);
    }

    /// Hands one input to a worker, and gives it its turn.
    pub(super) fn input(&mut self, worker: usize, input: Input) {
        self.nodes[worker].handle(self.now, input);
        self.turn(worker);
    }

    pub(super) fn command(&mut self, worker: usize, command: Command) {
        self.input(worker, Input::Letter(Letter::Command(command)));
    }

    /// The same for one turn, whatever is left to be done.
    pub(super) fn command_for_one_turn(&mut self, worker: usize, command: Command) {
        let node = &mut self.nodes[worker];
        node.handle(self.now, Input::Letter(Letter::Command(command)));
        node.worker.finish_turn(self.now, &mut node.fx);
    }

    /// Rights have changed: all workers hear of it, and whose clients are away.
    pub(super) fn recheck(&mut self) {
        let away = Arc::new(Away::of(&self.broker.clients));
        for worker in 0..self.nodes.len() {
            self.command(worker, Command::RecheckRights(away.clone()));
        }
    }

    pub(super) fn answer(&mut self, peer: Peer, verdicts: Vec<Verdict>) {
        self.input(peer.worker, Input::Authorized { connection: peer.id, verdicts });
    }

    /// The network connection breaks.
    pub(super) fn lose(&mut self, peer: Peer) {
        self.nodes[peer.worker].close(self.now, peer.id);
        self.turn(peer.worker);
    }

    /// Delivers the letters that wait for a worker.
    pub(super) fn deliver(&mut self, worker: usize) {
        let mail = mem::take(&mut self.nodes[worker].mail);
        for letter in mail {
            self.nodes[worker].handle(self.now, Input::Letter(letter));
        }
        self.turn(worker);
    }

    /// Until no letter waits and nobody has anything to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let nodes = 0..self.nodes.len();
            for worker in nodes {
                self.deliver(worker);
            }
            if self
                .nodes
                .iter_mut()
                .all(|node| node.mail.is_empty() && !node.tell_writable(self.now))
            {
                return;
            }
        }
        panic!("the workers never come to rest");
    }

    /// Time passes, and everybody is told.
    pub(super) fn sleep(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        for worker in 0..self.nodes.len() {
            let due = self.nodes[worker].worker.next_deadline();
            if due.is_some_and(|due| due <= self.now) {
                self.input(worker, Input::Time);
            }
        }
        self.settle();
    }

    /// What the client got since it was last asked.
    pub(super) fn heard(&mut self, peer: Peer) -> Vec<String> {
        let sent = mem::take(&mut self.socket(peer).sent);
        client::show(peer.version, &sent)
    }

    pub(super) fn socket(&mut self, peer: Peer) -> &mut Socket {
        self.nodes[peer.worker].fx.socket(peer.id)
    }

    pub(super) fn is_closed(&mut self, peer: Peer) -> bool {
        self.socket(peer).is_closed
    }

    /// The events of all workers since they were last asked for.
    pub(super) fn events(&mut self) -> Vec<Event> {
        self.nodes.iter_mut().flat_map(|node| mem::take(&mut node.fx.events)).collect()
    }

    /// Everything that can happen without letters and time happens on one worker.
    pub(super) fn turn(&mut self, worker: usize) {
        let believes = (!self.asks_who).then_some(self.believes);
        let node = &mut self.nodes[worker];
        node.turn(self.now, believes);
        for (to, letter) in node.fx.take_letters() {
            self.nodes[to.0].mail.push_back(letter);
        }
    }
}

/// Whatever test this is: the ledger says what the sessions hold, and the directory how many there are.
impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let held = u64::try_from(self.broker.clients.held_bytes()).unwrap();
            assert_eq!(self.broker.holdings().sessions, held);
            assert_eq!(self.broker.clients.count(), self.broker.clients.listed());
        }
    }
}

impl Node {
    pub(super) fn open(
        &mut self,
        now: Timestamp,
        by: Option<(Arc<str>, Arc<Terms>)>,
    ) -> ConnectionId {
        let (listener, terms) = by.unzip();
        let index = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        });
        self.stamp += 1;
        let connection = ConnectionId { index, stamp: self.stamp };
        self.fx.socket(connection);
        self.handle(now, Input::Opened { connection, peer: None, listener, terms });
        connection
    }

    pub(super) fn handle(&mut self, now: Timestamp, input: Input) {
        self.worker.handle(now, input, &mut self.fx);
    }

    /// The worker is told that a connection is gone; its place is free. What it got stays.
    pub(super) fn close(&mut self, now: Timestamp, id: ConnectionId) {
        if self.worker.connections.get(id).is_none() {
            return;
        }
        self.handle(now, Input::Closed(id));
        self.fx.socket(id).is_closed = true;
        self.free.push(id.index);
    }

    pub(super) fn turn(&mut self, now: Timestamp, believes: Option<fn(Arc<str>) -> Identity>) {
        while self.read(now) || believes.is_some_and(|believes| self.introduce(now, believes)) {}
        self.worker.finish_turn(now, &mut self.fx);
        while self.worker.has_dirty() {
            self.worker.finish_turn(now, &mut self.fx);
        }
        self.close_what_is_to_be_closed(now);
    }

    fn close_what_is_to_be_closed(&mut self, now: Timestamp) {
        for id in self.fx.ids() {
            if self.fx.socket(id).is_closed {
                self.close(now, id);
            }
        }
    }

    /// Hands over what arrived; returns whether anything was taken.
    fn read(&mut self, now: Timestamp) -> bool {
        let mut progress = false;
        for id in self.fx.ids() {
            let socket = self.fx.socket(id);
            if socket.is_paused || socket.is_closed || socket.inbound.is_empty() {
                continue;
            }
            let mut bytes = mem::take(&mut socket.inbound);
            let received = self.worker.receive(now, id, &bytes, &mut self.fx);
            bytes.drain(..received.consumed);
            self.fx.socket(id).inbound = bytes;
            progress |= received.consumed > 0;
        }
        progress
    }

    /// Everybody is who they say they are.
    fn introduce(&mut self, now: Timestamp, believes: fn(Arc<str>) -> Identity) -> bool {
        let asked = mem::take(&mut self.fx.authenticate);
        let progress = !asked.is_empty();
        for (connection, credentials) in asked {
            let identity = credentials.username.map_or_else(Identity::anonymous, believes);
            let authentication = Authentication::Accepted(identity);
            self.handle(now, Input::Authenticated { connection, authentication, valid_for: None });
        }
        progress
    }

    /// Tells the worker of connections that it waits for and that do not stall.
    pub(super) fn tell_writable(&mut self, now: Timestamp) -> bool {
        let mut progress = false;
        for id in self.fx.ids() {
            let socket = self.fx.socket(id);
            if socket.notify > 0 && socket.stalled.is_none() && !socket.is_closed {
                socket.notify = 0;
                self.handle(now, Input::Writable(id));
                progress = true;
            }
        }
        progress
    }
}
