//! A broker over a store: what waits for it, and what is there after a crash.

mod answers;
mod failures;
mod groups;
mod promises;
mod queues;
mod restart;
mod wills;
mod withheld;

use std::mem;
use std::sync::{Arc, Mutex};

use flux_auth::{AllowAll, Authorizer};
use flux_session::Timestamp;
use flux_storage::{
    Batch, Durability, Fault, Log, LogSettings, ReadLimit, SimulatedDisk, Store as _, Ticket,
};

use super::client::{self, Peer};
use super::cluster::Cluster;
use crate::core::Core;
use crate::input::Input;
use crate::settings::Settings;
use crate::wire::Version;

/// A log that syncs when the test says so. Clones are the same.
#[derive(Clone)]
pub(super) struct TestStore(Arc<Mutex<Inside>>);

struct Inside {
    disk: SimulatedDisk,
    log: Log<SimulatedDisk>,
    last: Ticket,
    /// It takes nothing more.
    is_full: bool,
}

impl TestStore {
    fn open(disk: SimulatedDisk) -> Self {
        let settings =
            LogSettings { segment_bytes: 4096, new_log_id: 7, durability: Durability::Disk };
        let (log, _) = Log::open(disk.clone(), settings).expect("the log opens");
        Self(Arc::new(Mutex::new(Inside { disk, log, last: Ticket(0), is_full: false })))
    }

    pub(super) fn append(&self, ticket: Ticket, batch: &mut Batch) -> bool {
        let mut inside = self.0.lock().unwrap();
        if inside.is_full {
            return false;
        }
        assert_eq!(ticket.0, inside.last.0 + 1, "tickets come in their order");
        inside.last = ticket;
        inside.log.append(&mem::take(batch));
        true
    }
}

/// A cluster over a store.
pub(super) struct Durable {
    pub(super) c: Cluster,
    store: TestStore,
    settings: Settings,
    authorizer: Arc<dyn Authorizer>,
}

impl Durable {
    pub(super) fn new(workers: usize) -> Self {
        Self::with(workers, Settings::default())
    }

    pub(super) fn with(workers: usize, settings: Settings) -> Self {
        Self::under(workers, settings, Arc::new(AllowAll))
    }

    /// A cluster whose clients may do what the authorizer says.
    fn under(workers: usize, settings: Settings, authorizer: Arc<dyn Authorizer>) -> Self {
        let settings = Settings { workers: workers.try_into().unwrap(), ..settings };
        let now = Timestamp::from_millis(1_000_000);
        Self::over(SimulatedDisk::default(), now, settings, authorizer)
    }

    fn over(
        disk: SimulatedDisk,
        now: Timestamp,
        settings: Settings,
        authorizer: Arc<dyn Authorizer>,
    ) -> Self {
        let store = TestStore::open(disk);
        let core = {
            let log = &mut store.0.lock().unwrap().log;
            Core::restore(settings.clone(), authorizer.clone(), 7, now, log)
        };
        let (core, _) = core.expect("the log can be read");
        let mut c = Cluster::over(now, core.broker, &core.settings);
        for node in &mut c.nodes {
            node.fx.store = Some(store.clone());
        }
        Self { c, store, settings, authorizer }
    }

    /// The store makes safe what it was given, and answers; until nobody has anything to do.
    pub(super) fn sync(&mut self) {
        for _ in 0..1_000 {
            let is_over = self.answer();
            if !self.load() && is_over {
                return;
            }
        }
        panic!("the store never comes to rest");
    }

    /// The store tries once to make safe what it was given, and answers; returns whether it has nothing more to do.
    fn answer(&mut self) -> bool {
        let (synced, unsynced, last) = {
            let mut inside = self.store.0.lock().unwrap();
            let unsynced = inside.log.unsynced();
            (inside.log.sync().is_ok(), unsynced, inside.last)
        };
        for worker in 0..self.c.nodes.len() {
            let answer = if synced { Input::Persisted(last) } else { Input::PersistFailed(last) };
            self.c.input(worker, answer);
        }
        self.c.settle();
        unsynced == 0 || !synced
    }

    /// Answers what was asked of queues; returns whether anything was.
    fn load(&mut self) -> bool {
        (0..self.c.nodes.len()).fold(false, |any, worker| any | self.load_for(worker))
    }

    /// Answers what one worker asked of queues; returns whether it asked anything.
    fn load_for(&mut self, worker: usize) -> bool {
        let asked = mem::take(&mut self.c.nodes[worker].fx.loads);
        let any = !asked.is_empty();
        for (session, after) in asked {
            let limit = ReadLimit { messages: 3, bytes: 1 << 20 };
            let key = crate::storage::key(session);
            let read = self.store.0.lock().unwrap().log.queue(key, after, limit);
            self.c.input(worker, Input::Loaded { session, messages: read.ok() });
        }
        self.c.settle();
        any
    }

    /// The power is cut: what was not synced is gone. The broker starts again after `millis`.
    fn restart(self, millis: u64) -> Self {
        let authorizer = self.authorizer.clone();
        self.restart_with(millis, authorizer)
    }

    /// The same with other rules.
    fn restart_with(self, millis: u64, authorizer: Arc<dyn Authorizer>) -> Self {
        let now = self.c.now + std::time::Duration::from_millis(millis);
        let disk = self.store.0.lock().unwrap().disk.cut_power(|| false);
        let settings = self.settings.clone();
        drop(self);
        Self::over(disk, now, settings, authorizer)
    }

    /// The same, but all that the store was given is there.
    fn restart_with_all(self) -> Self {
        self.store.0.lock().unwrap().log.sync().expect("the disk works");
        self.restart(0)
    }

    /// How many sessions would have a will after a crash in which nothing is lost.
    #[cfg(feature = "shuttle")]
    pub(super) fn stored_wills(&self) -> usize {
        self.stored_sessions().iter().filter(|session| session.will.is_some()).count()
    }

    /// How many messages would wait for them.
    #[cfg(feature = "shuttle")]
    pub(super) fn stored_messages(&self) -> usize {
        self.stored_sessions().iter().map(|session| session.queued).sum()
    }

    #[cfg(feature = "shuttle")]
    fn stored_sessions(&self) -> Vec<flux_storage::StoredSession> {
        let log = &mut self.store.0.lock().unwrap().log;
        log.sync().expect("the disk works");
        log.sessions(None, 99).expect("the log can be read")
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.store.0.lock().unwrap().disk.set_fault(fault);
    }

    /// Connects a client of MQTT 5.0 whose session lives for an hour.
    pub(super) fn connect(&mut self, worker: usize, client_id: &str) -> Peer {
        let peer = self.c.dial(worker, client::connect(client_id));
        self.sync();
        let heard = self.c.heard(peer);
        assert!(heard[0].starts_with("CONNACK 00"), "{heard:?}");
        peer
    }

    /// Comes back to a session that is there.
    fn come_back(&mut self, worker: usize, client_id: &str) -> Peer {
        let connect =
            ntex_mqtt::v5::codec::Connect { clean_start: false, ..client::connect(client_id) };
        let peer = self.c.dial(worker, connect);
        self.sync();
        peer
    }

    /// Connects a client whose session ends with its connection.
    fn visit(&mut self, worker: usize, client_id: &str) -> Peer {
        let connect = ntex_mqtt::v5::codec::Connect {
            session_expiry_interval_secs: 0,
            ..client::connect(client_id)
        };
        let peer = self.c.dial(worker, connect);
        let heard = self.c.heard(peer);
        assert!(heard[0].starts_with("CONNACK 00"), "the store is not asked: {heard:?}");
        peer
    }

    /// The same with MQTT 3.1.1.
    fn visit_v3(&mut self, worker: usize, client_id: &str) -> Peer {
        let connect = ntex_mqtt::v3::codec::Connect {
            clean_session: true,
            client_id: client_id.into(),
            ..ntex_mqtt::v3::codec::Connect::default()
        };
        let peer = self.c.dial_v3(worker, connect);
        assert_eq!(self.heard(peer), ["CONNACK 00"]);
        peer
    }

    pub(super) fn subscribe(&mut self, peer: Peer, filter: &str, qos: u8) {
        self.c.send(peer, &client::subscribe(peer.version, 999, &[(filter, qos)]));
        self.sync();
        assert_eq!(self.c.heard(peer)[0], format!("SUBACK 999 [{qos:02x}]"));
    }

    fn heard(&mut self, peer: Peer) -> Vec<String> {
        self.c.settle();
        self.c.heard(peer)
    }

    fn ack(&mut self, peer: Peer, first: u8, id: u16) {
        self.c.send(peer, &client::ack(first, id));
    }
}

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const NOTHING: [&str; 0] = [];
