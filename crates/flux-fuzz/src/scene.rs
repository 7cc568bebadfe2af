//! A broker of one or two workers, and the clients that a plan moves.

use std::sync::Arc;
use std::time::Duration;

use flux_mqtt::{ConnectionId, Core, Input};
use flux_session::Timestamp;

use crate::bystander::Bystander;
use crate::node::Node;
use crate::plan::Setup;
use crate::rights::Rights;
use crate::socket::Socket;

/// Everything that a plan acts on.
pub(crate) struct Scene {
    pub(crate) now: Timestamp,
    pub(crate) core: Core,
    pub(crate) nodes: Vec<Node>,
    /// The connections of the clients, by their number in the plan: worker and name.
    slots: [Option<Place>; SLOTS],
    pub(crate) asks_who: bool,
    pub(crate) is_scarce: bool,
    pub(crate) bystander: Option<Bystander>,
}

/// Where a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) node: usize,
    pub(crate) id: ConnectionId,
}

impl Scene {
    pub(crate) fn new(setup: Setup) -> Self {
        let Setup { settings, asks_who, asks_rights, is_scarce, bystander_is_v5 } = setup;
        let (workers, packet_size) = (settings.workers.get(), settings.limits.packet_size);
        let core = Core::new(settings, Arc::new(Rights { asks: asks_rights }));
        let nodes = (0..workers).map(|id| Node::new(&core, id, packet_size)).collect();
        let mut scene = Self {
            now: Timestamp::from_millis(1_000),
            core,
            nodes,
            slots: [None; SLOTS],
            asks_who,
            is_scarce,
            bystander: None,
        };
        scene.bystander = Some(Bystander::enter(&mut scene, bystander_is_v5));
        scene
    }

    /// Returns the worker of this number, counted round.
    pub(crate) fn node(&mut self, number: usize) -> &mut Node {
        let at = number % self.nodes.len();
        match self.nodes.get_mut(at) {
            Some(node) => node,
            None => panic!("a broker has a worker"),
        }
    }

    pub(crate) fn open(&mut self, node: usize) -> Place {
        let (node, now) = (node % self.nodes.len(), self.now);
        let id = self.node(node).open(now);
        self.post(node);
        Place { node, id }
    }

    /// Opens a connection for a client that has none, or has another one from now on.
    pub(crate) fn open_slot(&mut self, slot: usize, node: usize) {
        if let Some(old) = self.slot(slot) {
            self.lose(old);
        }
        let place = self.open(node);
        if let Some(slot) = self.slots.get_mut(slot % SLOTS) {
            *slot = Some(place);
        }
    }

    /// Returns the connection of a client, while it has one.
    pub(crate) fn slot(&mut self, slot: usize) -> Option<Place> {
        let place = self.slots.get(slot % SLOTS).copied().flatten()?;
        self.socket(place).is_some().then_some(place)
    }

    pub(crate) fn socket(&mut self, place: Place) -> Option<&mut Socket> {
        self.node(place.node).socket(place.id)
    }

    pub(crate) fn lose(&mut self, place: Place) {
        let now = self.now;
        self.node(place.node).close(now, place.id);
        self.post(place.node);
    }

    /// The client writes; all of it arrives and is handled, unless it is to stay under way.
    pub(crate) fn write(&mut self, place: Place, bytes: &[u8], stays: bool) {
        let Some(socket) = self.socket(place) else { return };
        socket.under_way.extend_from_slice(bytes);
        if !stays {
            self.arrive(place, usize::MAX);
            self.turn(place.node);
        }
    }

    /// So many bytes of what is under way arrive, and the worker looks at them.
    pub(crate) fn arrive(&mut self, place: Place, len: usize) -> bool {
        let now = self.now;
        let Some(socket) = self.socket(place) else { return false };
        socket.arrive(len);
        let progress = self.node(place.node).receive(now, place.id);
        self.post(place.node);
        progress
    }

    pub(crate) fn turn(&mut self, node: usize) {
        let (now, lets_in) = (self.now, !self.asks_who);
        let its = self.node(node);
        while lets_in && its.introduce(now, None) {}
        its.finish_turn(now);
        self.post(node);
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        self.node(node).input(now, input);
        self.post(node);
    }

    /// Puts what a worker wrote into the mailboxes.
    pub(crate) fn post(&mut self, node: usize) {
        for (to, letter) in std::mem::take(&mut self.node(node).hands.letters) {
            self.node(to.0).mail.push_back(letter);
        }
    }

    pub(crate) fn sleep(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        let now = self.now;
        for number in 0..self.nodes.len() {
            self.node(number).tell_time(now);
            self.post(number);
        }
    }

    /// Until no letter waits and nobody has anything to do: nothing stalls, everybody is let in.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let numbers = 0..self.nodes.len();
            let mut progress = false;
            for number in numbers {
                progress |= self.settle_node(number);
                self.post(number);
            }
            progress |= self.nodes.iter().any(|node| !node.mail.is_empty());
            if !progress {
                return;
            }
        }
        panic!("the workers never come to rest");
    }

    fn settle_node(&mut self, number: usize) -> bool {
        let now = self.now;
        let node = self.node(number);
        let mut progress = false;
        while node.deliver(now) {
            progress = true;
        }
        while node.introduce(now, None) || node.authorize(now, 0b0111_0111) {
            progress = true;
        }
        for id in node.ids() {
            if let Some(socket) = node.socket(id) {
                socket.is_stalled = false;
                socket.read(usize::MAX);
                socket.arrive(usize::MAX);
            }
            progress |= node.receive(now, id);
        }
        progress |= node.tell_writable(now);
        node.finish_turn(now);
        progress | node.worker.has_dirty()
    }
}

/// How many clients a plan has.
pub(crate) const SLOTS: usize = 4;

/// What comes to rest does so in far fewer.
const MAX_ROUNDS: usize = 10_000;
