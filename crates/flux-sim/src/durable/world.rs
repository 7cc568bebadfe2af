//! The world: workers, a disk, clients, and chance.

mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use flux_auth::AllowAll;
use flux_mqtt::{
    ConnectionId, Core, Input, Letter, Settings, SharedStrategy, Timestamp, Worker, WorkerId,
};
use flux_storage::{Durability, Fault, Log, LogSettings, SimulatedDisk, Store as _, Ticket};

use super::book::Book;
use super::customer::{Customer, read_name};
use super::{DurableOutcome, Hazard};
use crate::hands::{Hands, LinkId};
use crate::packet::{Got, Options, Reader, Sent, Version, write};
use crate::random::Random;

/// Runs a world over a store to its end, or to the first promise that is broken.
#[must_use]
pub fn run_durable(seed: u64, hazard: Hazard, with_trace: bool) -> DurableOutcome {
    let mut world = World::new(seed, hazard, with_trace);
    let failure = world.live().err();
    let mut outcome = world.outcome;
    outcome.acknowledged = world.book.acknowledgements();
    outcome.delivered = world.book.deliveries();
    outcome.refused = world.customers.iter().map(|customer| customer.refused).sum();
    outcome.failure = failure;
    outcome
}

struct World {
    seed: u64,
    hazard: Hazard,
    random: Random,
    settings: Settings,
    now: u64,
    nodes: Vec<Node>,
    disk: SimulatedDisk,
    log: Option<Log<SimulatedDisk>>,
    /// The ticket of the last batch that the log has.
    last: Ticket,
    told: Told,
    links: Vec<Wire>,
    /// Links before this one are those of an earlier start.
    oldest: usize,
    customers: Vec<Customer>,
    book: Book,
    outcome: DurableOutcome,
    with_trace: bool,
}

/// A worker and what waits for it.
struct Node {
    worker: Worker,
    hands: Hands,
    inputs: VecDeque<Input>,
    mail: VecDeque<Letter>,
    loads: VecDeque<(flux_mqtt::SessionKey, Option<flux_storage::Sequence>)>,
}

/// A network connection.
struct Wire {
    worker: usize,
    id: ConnectionId,
    customer: Option<usize>,
    /// What the worker has not taken.
    up: Vec<u8>,
    is_open: bool,
}

/// Up to which tickets the broker has been told that all is safe, and that it is not.
#[derive(Debug, Default)]
struct Told {
    safe: u64,
    failed: u64,
}

impl Told {
    fn hears(&mut self, input: &Input) {
        if let Input::Persisted(ticket) = input {
            self.safe = self.safe.max(ticket.0);
        } else if let Input::PersistFailed(ticket) = input {
            self.failed = self.failed.max(ticket.0);
        }
    }

    /// Whether something that could not be made safe is not safe yet: then, and only then, messages are refused.
    fn fails(&self) -> bool {
        self.failed > self.safe
    }
}

impl World {
    fn new(seed: u64, hazard: Hazard, with_trace: bool) -> Self {
        let mut random = Random::new(seed, 11);
        let workers = 1 + random.index(3);
        let mut settings = Settings::default();
        settings.workers = workers.try_into().unwrap_or(std::num::NonZeroUsize::MIN);
        settings.session.queued_here = random.pick(&[1, 3, 4_096]);
        settings.session.receive_maximum_cap = random.pick(&[1, 4, 1_024]);
        settings.unsent_for_deliveries = random.pick(&[40, 65_536]);
        let strategies =
            [SharedStrategy::RoundRobin, SharedStrategy::Sticky, SharedStrategy::Random];
        settings.shared.strategy = random.pick(&strategies);
        let version = |random: &mut Random| random.pick(&[Version::V5, Version::V311]);
        let mut customers = Vec::new();
        for number in 0..1 + random.index(3) {
            let mut publisher = Customer::new(number, version(&mut random));
            publisher.publishes = Some(random.pick(&[1, 2]));
            customers.push(publisher);
        }
        for _ in 0..1 + random.index(3) {
            let mut subscriber = Customer::new(customers.len(), version(&mut random));
            subscriber.subscribes = Some(random.pick(&[1, 2]));
            customers.push(subscriber);
        }
        let qos_of_group = random.pick(&[1, 2]);
        for _ in 0..random.index(4) {
            let mut member = Customer::new(customers.len(), version(&mut random));
            (member.subscribes, member.is_member) = (Some(qos_of_group), true);
            customers.push(member);
        }
        Self {
            seed,
            hazard,
            random,
            settings,
            now: 1_000_000,
            nodes: Vec::new(),
            disk: SimulatedDisk::default(),
            log: None,
            last: Ticket(0),
            told: Told::default(),
            links: Vec::new(),
            oldest: 0,
            customers,
            book: Book::default(),
            outcome: DurableOutcome::default(),
            with_trace,
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.with_trace {
            self.outcome.trace.push(what());
        }
    }

    fn live(&mut self) -> Result<(), String> {
        self.start()?;
        for _ in 0..STEPS {
            self.step()?;
        }
        self.disk.set_fault(Fault::None);
        let mut quiet = 0;
        for _ in 0..CALM {
            quiet = if self.calm()? { quiet + 1 } else { 0 };
            if quiet == QUIET {
                self.book.close()?;
                return self.look_at_retained();
            }
        }
        Err("the world does not come to rest".to_owned())
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.below(1_000) {
            0..=299 => {
                let customer = self.random.index(self.customers.len());
                self.act(customer)
            }
            300..=699 => {
                let worker = self.random.index(self.nodes.len());
                for _ in 0..self.random.between(1, 8) {
                    self.work(worker)?;
                }
                Ok(())
            }
            700..=869 => {
                let customer = self.random.index(self.customers.len());
                self.hear(customer)
            }
            870..=969 => self.sync(),
            970..=979 => {
                let fault = self.random.pick(&[Fault::None, Fault::None, Fault::Full, Fault::Sync]);
                self.note(|| format!("the disk: {fault:?}"));
                self.disk.set_fault(fault);
                Ok(())
            }
            980..=991 => {
                let customer = self.random.index(self.customers.len());
                self.hang_up(customer);
                Ok(())
            }
            992..=994 => self.crash(),
            _ => {
                self.now += self.random.below(1_000);
                (0..self.nodes.len()).for_each(|worker| self.push(worker, Input::Time));
                Ok(())
            }
        }
    }

    /// One round without faults; `true` once nobody has anything left.
    fn calm(&mut self) -> Result<bool, String> {
        for customer in 0..self.customers.len() {
            if self.customers[customer].link.is_none() {
                self.dial(Some(customer));
            }
            self.subscribe(customer);
            while let Some(ack) = self.customers[customer].acknowledge() {
                self.say(customer, &ack);
            }
        }
        for worker in 0..self.nodes.len() {
            while self.has_work(worker) {
                self.work(worker)?;
            }
        }
        let mut is_quiet = self.log.as_ref().is_none_or(|log| log.unsynced() == 0);
        self.sync()?;
        for customer in 0..self.customers.len() {
            is_quiet &= !self.hears(customer);
            self.hear(customer)?;
        }
        self.now += 200;
        (0..self.nodes.len()).for_each(|worker| self.push(worker, Input::Time));
        Ok(is_quiet && self.customers.iter().all(Customer::is_at_rest))
    }

    /// Starts the broker over what the disk has.
    fn start(&mut self) -> Result<(), String> {
        let fault = if self.hazard.silent_sync { Fault::SilentSync } else { Fault::None };
        self.disk.set_fault(fault);
        let settings = LogSettings {
            segment_bytes: 2_048,
            new_log_id: self.seed | 1,
            durability: Durability::Disk,
        };
        let (mut log, report) =
            Log::open(self.disk.clone(), settings).map_err(|error| format!("{error}"))?;
        let now = Timestamp::from_millis(self.now);
        let restored =
            Core::restore(self.settings.clone(), Arc::new(AllowAll), self.seed, now, &mut log);
        let (core, restored) = restored.map_err(|error| format!("{error}"))?;
        self.note(|| format!("the broker starts: {report:?} {restored:?}"));
        if restored.left_out > 0 {
            return Err(format!("{restored:?}"));
        }
        let node = |id| Node {
            worker: core.worker(WorkerId(id), self.seed),
            hands: Hands::default(),
            inputs: VecDeque::new(),
            mail: VecDeque::new(),
            loads: VecDeque::new(),
        };
        self.nodes = (0..self.settings.workers.get()).map(node).collect();
        self.log = Some(log);
        self.last = Ticket(0);
        self.told = Told::default();
        Ok(())
    }

    /// The broker is gone, and perhaps the power: then any part of what was not synced is left.
    fn crash(&mut self) -> Result<(), String> {
        self.outcome.crashes += 1;
        let percent = self.random.pick(&[0, 30, 70, 100]);
        let random = &mut self.random;
        self.disk = self.disk.cut_power(|| random.chance(percent));
        self.note(|| format!("the broker is gone, the disk keeps {percent} of a hundred sectors"));
        for customer in &mut self.customers {
            customer.lost();
        }
        for wire in &mut self.links {
            wire.is_open = false;
        }
        self.oldest = self.links.len();
        self.now += self.random.below(5_000);
        self.start()
    }

    /// A client does something.
    fn act(&mut self, customer: usize) -> Result<(), String> {
        if self.customers[customer].link.is_none() {
            self.dial(Some(customer));
            return Ok(());
        }
        self.subscribe(customer);
        if self.random.chance(50) {
            if let Some(ack) = self.customers[customer].acknowledge() {
                self.say(customer, &ack);
            }
            return Ok(());
        }
        let is_retained = self.random.chance(20);
        if let Some((name, packet)) = self.customers[customer].publish(is_retained) {
            if is_retained {
                self.book.retained_sent(name.0, name.1);
            } else {
                let there = self.customers.iter().filter(|other| other.is_subscribed);
                let (members, there): (Vec<_>, Vec<_>) = there.partition(|other| other.is_member);
                let there = there.into_iter();
                let owed: BTreeMap<_, _> =
                    there.filter_map(|other| Some((other.number, other.subscribes?))).collect();
                let qos = self.customers[customer].publishes.unwrap_or(0);
                self.book.sent(name, qos, owed, !members.is_empty());
            }
            self.say(customer, &packet);
        }
        Ok(())
    }

    fn subscribe(&mut self, customer: usize) {
        if let Some(packet) = self.customers[customer].subscribe() {
            self.say(customer, &packet);
        }
    }

    /// Opens a connection: a client's, or that of somebody who only looks.
    fn dial(&mut self, customer: Option<usize>) -> LinkId {
        let worker = self.random.index(self.nodes.len());
        let link = self.links.len();
        let id = self.nodes[worker].hands.open(link);
        self.links.push(Wire { worker, id, customer, up: Vec::new(), is_open: true });
        self.push(
            worker,
            Input::Opened { connection: id, peer: None, listener: None, terms: None },
        );
        if let Some(customer) = customer {
            let connect = self.customers[customer].connect(link);
            self.say(customer, &connect);
        }
        link
    }

    fn say(&mut self, customer: usize, packet: &Sent) {
        let version = self.customers[customer].version;
        self.note(|| format!("c{customer} sends {packet:?}"));
        if let Some(link) = self.customers[customer].link.as_ref().map(|link| link.number) {
            self.links[link].up.extend_from_slice(&write(version, packet));
        }
    }

    fn hears(&mut self, customer: usize) -> bool {
        let Some(link) = self.customers[customer].link.as_ref().map(|link| link.number) else {
            return false;
        };
        let Wire { worker, id, .. } = self.links[link];
        self.nodes[worker].hands.socket(id).is_some_and(|socket| !socket.unsent.is_empty())
    }

    /// What was sent to a client reaches it; what it says to that goes out.
    fn hear(&mut self, customer: usize) -> Result<(), String> {
        let Some(link) = self.customers[customer].link.as_ref().map(|link| link.number) else {
            return Ok(());
        };
        let Wire { worker, id, .. } = self.links[link];
        let Some(socket) = self.nodes[worker].hands.socket(id) else { return Ok(()) };
        let bytes = std::mem::take(&mut socket.unsent);
        let is_closing = socket.is_closing;
        if std::mem::take(&mut socket.wants_writable) {
            self.push(worker, Input::Writable(id));
        }
        if !bytes.is_empty() {
            self.note(|| format!("c{customer} gets {bytes:02x?}"));
        }
        for answer in self.customers[customer].hear(&bytes, &mut self.book)? {
            self.say(customer, &answer);
        }
        if is_closing {
            self.hang_up(customer);
        }
        Ok(())
    }

    fn hang_up(&mut self, customer: usize) {
        let Some(link) = self.customers[customer].link.take().map(|link| link.number) else {
            return;
        };
        self.note(|| format!("c{customer} loses its connection"));
        self.customers[customer].lost();
        let wire = &mut self.links[link];
        wire.is_open = false;
        let (worker, id) = (wire.worker, wire.id);
        self.push(worker, Input::Closed(id));
    }

    fn push(&mut self, worker: usize, input: Input) {
        self.nodes[worker].inputs.push_back(input);
    }

    /// Somebody subscribes to all retained messages.
    fn look_at_retained(&mut self) -> Result<(), String> {
        let link = self.dial(None);
        let Wire { worker, id, .. } = self.links[link];
        let connect = crate::packet::Connect {
            client_id: "visitor".to_owned(),
            clean_start: true,
            expiry: 0,
            keep_alive: 0,
            receive_maximum: None,
            packet_size: None,
            aliases: 0,
            will: None,
        };
        let options = Options { qos: 0, no_local: false, as_published: false, handling: 0 };
        let subscribe = Sent::Subscribe(1, vec![("r/+".to_owned(), options)], None);
        for packet in [Sent::Connect(connect), subscribe] {
            self.links[link].up.extend_from_slice(&write(Version::V5, &packet));
        }
        let mut bytes = Vec::new();
        for _ in 0..CALM {
            for worker in 0..self.nodes.len() {
                self.work(worker)?;
            }
            self.sync()?;
            let Some(socket) = self.nodes[worker].hands.socket(id) else { continue };
            bytes.append(&mut socket.unsent);
            if std::mem::take(&mut socket.wants_writable) {
                self.push(worker, Input::Writable(id));
            }
        }
        let mut found = BTreeMap::new();
        for packet in Reader::new(Version::V5, 1 << 20, 0).read(&bytes)? {
            if let Got::Publish(publish) = packet {
                let (publisher, number) = read_name(&publish.payload)?;
                found.insert(publisher, number);
            }
        }
        self.book.judge_retained(&found)
    }
}

/// How much happens before all comes to rest.
const STEPS: usize = 2_000;
/// Nothing happens in so many rounds, of so many.
const QUIET: usize = 4;
const CALM: usize = 400;
