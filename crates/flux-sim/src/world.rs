//! A world: the broker's real workers, their mailboxes, the network and the clients, in virtual time.
//!
//! What a worker does at once, a real thread does at once too: one input, one `receive`, one
//! `finish_turn`. Between them any other worker may do any of its own, as the seed will have it; letters
//! of one worker to another arrive in order. Everything happens on an agenda by (time, insertion).

mod act;
mod agenda;
mod network;
mod rest;
mod work;

use std::sync::Arc;

use flux_mqtt::{Core, Timestamp, WorkerId};

use self::agenda::{Agenda, Happening};
use self::network::Wire;
use self::work::Node;
use crate::client::Client;
use crate::hands::LinkId;
use crate::model::{Judged, Judgement, Model};
use crate::plan::{Micros, Plan};
use crate::random::Random;
use crate::rules::Rules;

/// A world while it runs.
#[derive(Debug)]
pub(crate) struct World {
    plan: Arc<Plan>,
    now: Micros,
    /// By how many milliseconds the broker's clock has jumped ahead.
    jumped: u64,
    core: Core,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    clients: Vec<Client>,
    model: Model,
    agenda: Agenda,
    random: Random,
    /// Faults are over.
    is_calm: bool,
    /// How often the broker has been started.
    starts: u64,
    /// Connections before this one are those of an earlier start.
    oldest: LinkId,
    work: u64,
    trace: Option<Vec<String>>,
}

/// What came of a world.
#[derive(Debug)]
pub struct Outcome {
    /// What is wrong, if anything is.
    pub failure: Option<String>,
    /// How many things workers did.
    pub work: u64,
    /// How much virtual time passed.
    pub time: Micros,
    /// How much was judged.
    pub judged: Judged,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

/// Runs a plan to its end, or to the first thing that is wrong.
#[must_use]
pub fn run(plan: &Plan, with_trace: bool) -> Outcome {
    let mut world = World::new(plan, with_trace);
    let failure = world.live().err();
    if let Some(failure) = &failure {
        world.note(|| format!("WRONG: {failure}"));
    }
    Outcome {
        failure,
        work: world.work,
        time: world.now,
        judged: world.model.judged,
        trace: world.trace.unwrap_or_default(),
    }
}

impl World {
    fn new(plan: &Plan, with_trace: bool) -> Self {
        let plan = Arc::new(plan.clone());
        let quota = usize::from(plan.settings.session.inbound_receive_maximum.max(1));
        let max_qos = plan.settings.max_qos.as_u8();
        let clients = plan.clients.iter();
        let clients = clients.map(|client| Client::new(client.clone(), quota, max_qos)).collect();
        let core = start(&plan, 0);
        let nodes = nodes(&plan, &core);
        let model = Model::new(plan.settings.clone(), plan.clients.clone());
        let mut agenda = Agenda::default();
        for (index, step) in plan.steps.iter().enumerate() {
            agenda.add(step.at, Happening::Step(index));
        }
        agenda.add(plan.calm_at, Happening::Calm);
        Self {
            random: Random::new(plan.seed, 2),
            now: 0,
            jumped: 0,
            core,
            nodes,
            wires: Vec::new(),
            clients,
            model,
            agenda,
            is_calm: false,
            starts: 0,
            oldest: 0,
            work: 0,
            trace: with_trace.then(Vec::new),
            plan,
        }
    }

    fn live(&mut self) -> Judgement {
        while let Some((at, what)) = self.agenda.next() {
            self.now = at;
            self.happen(what)?;
            if self.work > TOO_MUCH {
                return Err(format!(
                    "the world does not come to rest: {TOO_MUCH} things were done"
                ));
            }
        }
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Judgement {
        match what {
            Happening::Step(index) => self.act(index),
            Happening::Work(worker) => return self.work(worker),
            Happening::Up(link, bytes) => self.arrive(link, &bytes),
            Happening::Down(link, bytes) => return self.hear(link, &bytes),
            Happening::Pump(link) => self.pump(link),
            Happening::End(link) => self.ended(link),
            Happening::Gone(link) => self.gone(link),
            Happening::Answer(link) => self.answered(link),
            Happening::Say(client, link, packet) => {
                if self.clients[client].link == Some(link) {
                    self.say(client, &packet);
                }
            }
            Happening::Ping(client, link) => self.ping(client, link),
            Happening::Read(link) => self.pump(link),
            Happening::Alarm(worker, moment) => self.ring(worker, moment),
            Happening::Stopped(before) => return self.stopped(before),
            Happening::Calm => self.calm_down(),
            Happening::Return(client) => self.come_back(client),
            Happening::Rest(tries) => return self.rest(tries),
            Happening::Empty => return self.is_empty(),
        }
        Ok(())
    }

    /// Returns the broker's time in milliseconds.
    fn clock(&self) -> u64 {
        BEGINNING + self.jumped + self.now / 1_000
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.clock())
    }

    /// Returns when the broker's clock will show this.
    fn moment(&self, clock: u64) -> Micros {
        clock.saturating_sub(BEGINNING + self.jumped).saturating_mul(1_000).max(self.now)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = line();
            trace.push(format!("{:>10.3} {line}", micros(self.now)));
        }
    }
}

/// Starts a broker.
fn start(plan: &Plan, starts: u64) -> Core {
    let rules = Arc::new(Rules { asks: plan.asks });
    Core::with_seed(plan.settings.clone(), rules, plan.seed ^ starts)
}

fn nodes(plan: &Plan, core: &Core) -> Vec<Node> {
    let node = |id| Node::new(core.worker(WorkerId(id), plan.seed), plan.workers);
    (0..plan.workers).map(node).collect()
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn micros(time: Micros) -> f64 {
    time as f64 / 1_000.0
}

/// What the broker's clock shows when the world begins.
const BEGINNING: u64 = 1_000;

/// More than this is no small world.
const TOO_MUCH: u64 = 200_000;

/// Names what comes from outside of all workers, behind their own numbers.
fn outside(plan: &Plan) -> usize {
    plan.workers
}

/// Which connection, for who reads a trace.
fn shown(link: LinkId) -> String {
    format!("#{link}")
}
