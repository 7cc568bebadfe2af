//! The network: bytes under way, cut into pieces, late, lost with their connection.

use std::collections::VecDeque;

use flux_mqtt::{ConnectionId, Input};

use super::agenda::Happening;
use super::{World, shown};
use crate::hands::LinkId;
use crate::model::Judgement;
use crate::packet::{Sent, write};
use crate::plan::{ConnectPlan, Manners, Micros};

/// A network connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: usize,
    pub(super) worker: usize,
    pub(super) id: ConnectionId,
    /// What has arrived and was not taken.
    pub(super) inbound: Vec<u8>,
    /// Something arrived since the worker last looked in vain.
    pub(super) is_fresh: bool,
    /// The packets under way, each with where it ends.
    pub(super) frames: VecDeque<(u64, Sent)>,
    sent: u64,
    pub(super) taken: u64,
    /// When the last piece arrives, both ways.
    up: Micros,
    down: Micros,
    /// Both ends are there.
    pub(super) is_alive: bool,
    /// It swallows everything.
    pub(super) is_half_open: bool,
    /// The worker has it, or will be told of it.
    pub(super) is_open: bool,
    /// Its session went on, as the platform was told.
    pub(super) is_present: bool,
    /// The worker was told of it.
    pub(super) is_known: bool,
    /// The worker will be told that it is gone.
    pub(super) is_gone: bool,
    is_pumped: bool,
    reads_from: Micros,
    /// Somebody is asked about it.
    pub(super) question: Option<Question>,
}

/// What somebody was asked.
#[derive(Debug)]
pub(super) enum Question {
    Who,
    May(Vec<flux_auth::AccessRequest>),
}

impl World {
    /// A client opens a network connection and sends CONNECT.
    pub(super) fn connect(&mut self, client: usize, how: &ConnectPlan) {
        let link = self.wires.len();
        let node = &mut self.nodes[how.worker];
        let id = node.hands.open(link);
        node.inputs.push_back(Input::Opened {
            connection: id,
            peer: None,
            listener: None,
            terms: None,
        });
        node.subjects.push_back(None);
        self.wires.push(Wire {
            client,
            worker: how.worker,
            id,
            inbound: Vec::new(),
            is_fresh: false,
            frames: VecDeque::new(),
            sent: 0,
            taken: 0,
            up: self.now,
            down: self.now,
            is_alive: true,
            is_half_open: false,
            is_open: true,
            is_present: false,
            is_known: false,
            is_gone: false,
            is_pumped: false,
            reads_from: 0,
            question: None,
        });
        self.model.opened(link, client);
        self.wake(how.worker);
        let packet = self.clients[client].connect(link, how);
        let name = self.clients[client].plan.name.clone();
        let worker = how.worker;
        self.note(|| format!("{name} opens {} to worker {worker}", shown(link)));
        self.say(client, &packet);
        let keep_alive = self.clients[client].keep_alive;
        if keep_alive > 0 {
            let pause = Micros::from(keep_alive) * 500_000;
            self.agenda.add(self.now + pause, Happening::Ping(client, link));
        }
    }

    /// A client sends a packet over its connection.
    pub(super) fn say(&mut self, client: usize, packet: &Sent) {
        if let Some(link) = self.clients[client].link {
            self.say_over(link, packet);
        }
    }

    pub(super) fn say_over(&mut self, link: LinkId, packet: &Sent) {
        let wire = &mut self.wires[link];
        if !wire.is_alive {
            return;
        }
        let client = &self.clients[wire.client];
        let bytes = write(client.plan.version, packet);
        wire.sent += u64::try_from(bytes.len()).unwrap_or_default();
        wire.frames.push_back((wire.sent, packet.clone()));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            // Mostly whole packets, sometimes byte by byte.
            let whole = self.random.chance(70);
            let len = if whole { rest.len() } else { 1 + self.random.index(rest.len()) };
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            let (low, high) = self.plan.delay;
            let wire = &mut self.wires[link];
            wire.up = wire.up.max(self.now) + self.random.between(low, high);
            self.agenda.add(wire.up, Happening::Up(link, piece.to_vec()));
        }
        let name = self.clients[self.wires[link].client].plan.name.clone();
        self.note(|| format!("{name} {} <- {packet:?}", shown(link)));
    }

    /// Bytes arrive at the broker.
    pub(super) fn arrive(&mut self, link: LinkId, bytes: &[u8]) {
        let wire = &mut self.wires[link];
        if !wire.is_alive || wire.is_half_open || !wire.is_open {
            return;
        }
        wire.inbound.extend_from_slice(bytes);
        wire.is_fresh = true;
        let worker = wire.worker;
        self.wake(worker);
    }

    /// The network is to take what a worker has sent.
    pub(super) fn pump_soon(&mut self, link: LinkId) {
        let wire = &mut self.wires[link];
        if !std::mem::replace(&mut wire.is_pumped, true) {
            let delay = self.random.between(self.plan.delay.0, self.plan.delay.1);
            self.agenda.add(self.now + delay, Happening::Pump(link));
        }
    }

    /// The network takes some of what a worker has sent, if the client reads.
    pub(super) fn pump(&mut self, link: LinkId) {
        let now = self.now;
        let wire = &mut self.wires[link];
        wire.is_pumped = false;
        if !wire.is_alive || wire.is_half_open || !wire.is_open || wire.reads_from > now {
            return;
        }
        let worker = wire.worker;
        let Some(socket) = self.nodes[worker].hands.socket(wire.id) else { return };
        if socket.unsent.is_empty() {
            return;
        }
        let all = socket.unsent.len();
        let len = if self.random.chance(60) { all } else { 1 + self.random.index(all) };
        let piece: Vec<u8> = socket.unsent.drain(..len).collect();
        let left = socket.unsent.len();
        let is_writable = left == 0 || left * 2 <= self.plan.settings.unsent_for_deliveries;
        if socket.wants_writable && is_writable {
            socket.wants_writable = false;
            let input = Input::Writable(wire.id);
            self.nodes[worker].inputs.push_back(input);
            self.nodes[worker].subjects.push_back(Some(link));
            self.wake(worker);
        }
        self.carry(link, piece);
        if left > 0 {
            self.pump_soon(link);
        }
    }

    /// Bytes are under way to a client.
    pub(super) fn carry(&mut self, link: LinkId, piece: Vec<u8>) {
        let delay = self.random.between(self.plan.delay.0, self.plan.delay.1);
        let wire = &mut self.wires[link];
        wire.down = wire.down.max(self.now) + delay;
        self.agenda.add(wire.down, Happening::Down(link, piece));
    }

    /// The worker is done with a connection: its client sees that, after all that was sent.
    pub(super) fn hang_up(&mut self, link: LinkId, unsent: Vec<u8>) {
        let wire = &mut self.wires[link];
        wire.is_open = false;
        wire.question = None;
        wire.inbound = Vec::new();
        if wire.is_alive && !wire.is_half_open {
            self.carry(link, unsent);
            self.agenda.add(self.wires[link].down, Happening::End(link));
        }
    }

    /// Bytes arrive at a client.
    pub(super) fn hear(&mut self, link: LinkId, bytes: &[u8]) -> Judgement {
        let wire = &self.wires[link];
        let client = wire.client;
        let is_its = self.clients[client].link == Some(link);
        if !wire.is_alive || wire.is_half_open || !is_its {
            return Ok(());
        }
        let manners = self.clients[client].plan.manners;
        let was_online = self.clients[client].is_online;
        let is_present = self.wires[link].is_present;
        let answers = self.clients[client].hear(bytes, is_present, &mut self.random);
        if manners == Manners::Cheating && !self.clients[client].is_leaving {
            return Ok(());
        }
        let answers = answers?;
        let is_late = manners == Manners::Lazy && !self.is_calm && was_online;
        for answer in answers {
            let is_receipt = matches!(answer, Sent::Ack(..));
            if is_late && is_receipt {
                let delay = self.random.between(0, 2_000_000);
                self.agenda.add(self.now + delay, Happening::Say(client, link, answer));
            } else if let Sent::Disconnect(..) = answer {
                self.say_over(link, &answer);
            } else {
                self.say(client, &answer);
            }
        }
        Ok(())
    }

    /// A client sees that its connection is closed.
    pub(super) fn ended(&mut self, link: LinkId) {
        let wire = &mut self.wires[link];
        if std::mem::take(&mut wire.is_alive) {
            let client = wire.client;
            let was_its = self.clients[client].link == Some(link);
            self.clients[client].lost(link);
            if was_its && self.is_calm && !self.clients[client].is_leaving {
                self.agenda.add(self.now + 10_000, Happening::Return(client));
            }
        }
    }

    /// A connection breaks; the broker sees that some time later.
    pub(super) fn cut(&mut self, link: LinkId) {
        let wire = &mut self.wires[link];
        wire.is_alive = false;
        let client = wire.client;
        self.clients[client].lost(link);
        let delay = if self.random.chance(50) { 0 } else { self.random.between(0, 2_000_000) };
        self.agenda.add(self.now + delay, Happening::Gone(link));
    }

    /// The broker's side sees that a connection is gone.
    pub(super) fn gone(&mut self, link: LinkId) {
        let wire = &mut self.wires[link];
        if !wire.is_open {
            return;
        }
        wire.is_gone = true;
        let (worker, id) = (wire.worker, wire.id);
        if let Some(socket) = self.nodes[worker].hands.socket(id) {
            socket.is_dead = true;
            socket.unsent.clear();
            if std::mem::take(&mut socket.wants_writable) {
                self.nodes[worker].inputs.push_back(Input::Writable(id));
                self.nodes[worker].subjects.push_back(Some(link));
            }
        }
        self.wake(worker);
    }

    /// A client stops reading for a while.
    pub(super) fn stop_reading(&mut self, link: LinkId, pause: Micros) {
        self.wires[link].reads_from = self.now + pause;
        self.agenda.add(self.now + pause, Happening::Read(link));
    }

    pub(super) fn read_again(&mut self, link: LinkId) {
        self.wires[link].reads_from = 0;
        self.pump_soon(link);
    }

    /// A client that has nothing else to say, says that.
    pub(super) fn ping(&mut self, client: usize, link: LinkId) {
        if self.clients[client].link != Some(link) || !self.wires[link].is_alive {
            return;
        }
        if self.clients[client].is_online {
            self.say(client, &Sent::Ping);
        }
        let pause = Micros::from(self.clients[client].keep_alive) * 500_000;
        self.agenda.add(self.now + pause, Happening::Ping(client, link));
    }
}
