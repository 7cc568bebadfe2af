//! The steps of a plan, and what is in them for the broker as a whole.

use flux_mqtt::{Command, Letter};

use super::agenda::Happening;
use super::{World, nodes, outside, start};
use crate::hands::LinkId;
use crate::model::Judgement;
use crate::packet::{Options, Sent};
use crate::plan::{Act, ConnectPlan, LONGEST_STALL, Manners, PublishPlan};

impl World {
    pub(super) fn act(&mut self, index: usize) {
        let step = self.plan.steps[index].clone();
        self.note(|| format!("step {}: {:?}", step.number, step.act));
        match step.act {
            Act::Connect(client, how) => self.connect_as(client, how),
            Act::Disconnect(client, with_will, expiry) => {
                if let Some(link) = self.online(client) {
                    let packet = self.clients[client].disconnect(with_will, expiry);
                    self.say_over(link, &packet);
                }
            }
            Act::Subscribe(client, filter, options, identifier) => {
                self.subscribe(client, filter, options, identifier);
            }
            Act::Unsubscribe(client, filter) => {
                if self.online(client).is_some() {
                    let id = self.clients[client].next_id();
                    self.say(client, &Sent::Unsubscribe(id, vec![filter]));
                }
            }
            Act::Publish(client, message) => self.publish(client, message),
            Act::Cut(client) => self.with_link(client, Self::cut),
            Act::HalfOpen(client) => {
                self.with_link(client, |world, link| world.wires[link].is_half_open = true);
            }
            Act::StopReading(client, pause) => {
                self.with_link(client, |world, link| world.stop_reading(link, pause));
            }
            Act::Cheat(client, how) => {
                for packet in self.clients[client].cheat(how) {
                    self.say(client, &packet);
                }
            }
            Act::Kick(client, worker) => {
                let client_id = self.clients[client].plan.name.as_str().into();
                self.command(worker, Command::Kick { client_id, done: Box::new(|_| {}) });
            }
            Act::Stall(worker, pause) => {
                self.nodes[worker].stalled_until = self.now + pause;
                self.model.excuse(self.clock() + pause / 1_000);
            }
            Act::ClockJump(by) => self.jump(by / 1_000),
            Act::Restart => {
                for worker in 0..self.plan.workers {
                    self.command(worker, Command::Shutdown);
                }
                let link = self.wires.len();
                self.agenda.add(self.now + 2 * LONGEST_STALL, Happening::Stopped(link));
            }
            Act::Crash => self.crash(),
        }
    }

    fn connect_as(&mut self, client: usize, mut how: ConnectPlan) {
        if let Some((will, _)) = how.will.as_mut().filter(|_| self.cheats(client)) {
            will.topic = OWN_TOPIC.to_owned();
        }
        self.connect(client, &how);
    }

    fn subscribe(
        &mut self,
        client: usize,
        mut filter: String,
        options: Options,
        identifier: Option<u32>,
    ) {
        if self.cheats(client) && filter.starts_with("$share/") {
            // It would be owed what it never acknowledges, in place of the others.
            filter = format!("$share/x/{OWN_TOPIC}");
        }
        if self.online(client).is_some() {
            let is_5 = self.clients[client].plan.version.is_5();
            let id = self.clients[client].next_id();
            let identifier = identifier.filter(|_| is_5);
            self.say(client, &Sent::Subscribe(id, vec![(filter, options)], identifier));
        }
    }

    fn publish(&mut self, client: usize, mut message: PublishPlan) {
        if self.cheats(client) {
            message.topic = OWN_TOPIC.to_owned();
        }
        for packet in self.clients[client].want(message) {
            self.say(client, &packet);
        }
    }

    /// Does something to the connection of a client, if it has one.
    fn with_link(&mut self, client: usize, act: impl FnOnce(&mut Self, LinkId)) {
        if let Some(link) = self.clients[client].link {
            act(self, link);
        }
    }

    fn cheats(&self, client: usize) -> bool {
        self.clients[client].plan.manners == Manners::Cheating
    }

    /// Returns the connection of a client that has its CONNACK.
    fn online(&self, client: usize) -> Option<usize> {
        let client = &self.clients[client];
        client.link.filter(|_| client.is_online)
    }

    fn command(&mut self, worker: usize, command: Command) {
        let from = outside(&self.plan);
        self.nodes[worker].mail[from].push_back(Letter::Command(command));
        self.wake(worker);
    }

    /// The broker's clock is ahead by so many milliseconds from one moment to the next.
    fn jump(&mut self, by: u64) {
        self.jumped += by;
        self.model.excuse(self.clock());
        for worker in 0..self.plan.workers {
            self.set_alarm(worker);
        }
    }

    /// A broker that was told to stop has closed every connection; then it is started again.
    pub(super) fn stopped(&mut self, before: LinkId) -> Judgement {
        let was_kept = self.nodes.iter().any(|node| node.stalled_until + LONGEST_STALL > self.now);
        let mut old = self.wires.iter().take(before);
        if !was_kept && let Some(wire) = old.find(|wire| wire.is_open) {
            let worker = wire.worker;
            return Err(format!("worker {worker} was told to stop and has a connection"));
        }
        self.crash();
        Ok(())
    }

    /// The broker is gone from one moment to the next, and a new one knows nothing: it has no store.
    fn crash(&mut self) {
        self.note(|| "the broker is gone".to_owned());
        self.starts += 1;
        self.core = start(&self.plan, self.starts);
        self.nodes = nodes(&self.plan, &self.core);
        for link in 0..self.wires.len() {
            let wire = &mut self.wires[link];
            wire.is_open = false;
            wire.question = None;
            if std::mem::take(&mut wire.is_alive) {
                let client = wire.client;
                self.clients[client].lost(link);
                if self.is_calm {
                    self.agenda.add(self.now + 10_000, Happening::Return(client));
                }
            }
        }
        self.oldest = self.wires.len();
        self.model.crashed();
    }
}

/// Where clients that break the rules publish: nobody who keeps to them is subscribed there.
const OWN_TOPIC: &str = "$c/a";
