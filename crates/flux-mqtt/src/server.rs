//! Starting and stopping a broker.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;

use flux_auth::{AllowAll, Authenticator, Authorizer};
use flux_eventbus::EventBus;
use flux_storage::{Health as StoreHealth, ReadError, Store};
use flux_time::Histogram;
use parking_lot::{Condvar, Mutex};
use thiserror::Error;
use tokio::sync::Notify;

use crate::RetainedStore;
use crate::certificates::Certificates;
use crate::core::Core;
use crate::counters::{Counters, Tally};
use crate::driver::{
    self, BindError, Busy, Clock, Control, Doors, HeadCounts, Keeper, Loads, Mailboxes,
};
use crate::input::Command;
use crate::inspect::{Census, WorkerView};
use crate::journal::Journal;
use crate::latency::Latency;
use crate::ledger::Holdings;
use crate::limits::Limits;
use crate::listener::{Listening, Place};
use crate::manager::{ManagerError, MqttManager};
use crate::restore::Restored;
use crate::settings::{Settings, SettingsError};
use crate::wire::Version;

/// Starts a broker with [`Settings::from_env`], on threads of its own.
///
/// A plain call: it works in a plain `main`, inside tokio and inside ntex, and several times
/// in one process. The broker runs until [`BrokerHandle::stop`], also when the handle is
/// dropped.
///
/// Whoever the authenticator lets in may do everything, as there is nothing that says otherwise:
/// [`start_broker_with`] takes an authorizer.
///
/// # Errors
///
/// See [`StartBrokerError`]; nothing runs then.
pub fn start_broker(
    events: Arc<EventBus>,
    authenticator: Arc<impl Authenticator>,
) -> Result<BrokerHandle, StartBrokerError> {
    start_broker_with(Settings::from_env()?, events, authenticator, Arc::new(AllowAll))
}

/// Starts a broker with these settings and with an authorizer. See [`start_broker`].
///
/// # Errors
///
/// See [`StartBrokerError`]; nothing runs then.
pub fn start_broker_with(
    settings: Settings,
    events: Arc<EventBus>,
    authenticator: Arc<impl Authenticator>,
    authorizer: Arc<dyn Authorizer>,
) -> Result<BrokerHandle, StartBrokerError> {
    refuse_open_doors(&settings, authenticator.admits_anyone())?;
    let core = Core::new(settings, authorizer.clone());
    start(core, events, authenticator, authorizer, Clock::start(), |_| Ok(None))
}

/// Starts a broker whose sessions and retained messages outlive it, in this store, which it owns from
/// now on: what is acknowledged is safe, as the store means it. See [`start_broker_with`].
///
/// Sessions that end with their connections, and messages that go to no others and are not retained, stay in
/// memory. What was found in the store says [`BrokerHandle::restored`].
///
/// # Errors
///
/// See [`StartBrokerError`]; nothing runs then.
pub fn start_broker_with_store(
    settings: Settings,
    events: Arc<EventBus>,
    authenticator: Arc<impl Authenticator>,
    authorizer: Arc<dyn Authorizer>,
    mut store: impl Store + 'static,
) -> Result<BrokerHandle, StartBrokerError> {
    refuse_open_doors(&settings, authenticator.admits_anyone())?;
    let clock = Clock::start_at_epoch();
    let seed = RandomState::new().hash_one(());
    let restored = Core::restore(settings, authorizer.clone(), seed, clock.now(), &mut store);
    let (core, restored) = restored.map_err(StartBrokerError::Store)?;
    let keeper = |mailboxes| {
        let keeper = Keeper::start(store, mailboxes).map_err(StartBrokerError::Thread)?;
        Ok(Some(Arc::new(keeper)))
    };
    let mut handle = start(core, events, authenticator, authorizer, clock, keeper)?;
    handle.restored = Some(restored);
    Ok(handle)
}

/// Refuses to let anybody in from elsewhere whom nobody asked for.
pub(crate) fn refuse_open_doors(
    settings: &Settings,
    admits_anyone: bool,
) -> Result<(), StartBrokerError> {
    if admits_anyone && !settings.allow_anonymous {
        let open = settings.listeners.iter().filter(|it| !it.transport.proves_clients());
        let mut addresses = open.flat_map(|listener| listener.listen.addresses());
        if let Some((address, _)) = addresses.find(|(address, _)| !address.ip().is_loopback()) {
            return Err(StartBrokerError::AnonymousBeyondLoopback { address });
        }
    }
    Ok(())
}

fn start(
    core: Core,
    events: Arc<EventBus>,
    authenticator: Arc<impl Authenticator>,
    authorizer: Arc<dyn Authorizer>,
    clock: Clock,
    keeper: impl FnOnce(Mailboxes) -> Result<Option<Arc<Keeper>>, StartBrokerError>,
) -> Result<BrokerHandle, StartBrokerError> {
    let doors = driver::bind_all(&core.settings).map_err(StartBrokerError::Bind)?;
    let doors = Doors::new(doors, core.settings.limits);
    let broker = &core.broker;
    let mailboxes = Mailboxes::new(core.settings.workers.get());
    let certificates = Certificates::new(&core.settings.listeners, mailboxes.clone());
    let keeper = keeper(mailboxes.clone())?;
    let stop = Arc::new(Notify::new());
    let loads: Loads = (0..mailboxes.len()).map(|_| Arc::default()).collect();
    let (head_counts, busy) = (HeadCounts::default(), Busy::new(mailboxes.len()));
    let handle = BrokerHandle {
        settings: core.settings.clone(),
        doors: doors.clone(),
        certificates,
        manager: MqttManager::new(
            mailboxes.clone(),
            broker.clone(),
            clock,
            Arc::downgrade(&events),
        ),
        retained: broker.retained.clone(),
        tally: broker.tally.clone(),
        journal: broker.journal.clone(),
        keeper: keeper.as_ref().map(Arc::downgrade).unwrap_or_default(),
        restored: None,
        loads: loads.clone(),
        head_counts: head_counts.clone(),
        mailboxes: mailboxes.clone(),
        busy: busy.clone(),
        stop: stop.clone(),
        stopped: Arc::default(),
    };
    let control = Control {
        core,
        clock,
        mailboxes,
        loads,
        head_counts,
        busy,
        doors,
        authenticator,
        authorizer,
        events,
        seed: RandomState::new().hash_one(0),
        keeper,
        stop,
    };
    let stopped = handle.stopped.clone();
    thread::Builder::new()
        .name("flux-control".to_owned())
        .spawn(move || {
            // Tells whoever waits, also when this thread panics.
            let _guard = StopGuard(stopped);
            driver::run(control);
        })
        .map_err(StartBrokerError::Thread)?;
    Ok(handle)
}

const fn address(listening: &Listening) -> Option<SocketAddr> {
    match &listening.place {
        Place::Address(address) => Some(*address),
        Place::Unix(_) => None,
    }
}

/// Why a broker does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartBrokerError {
    /// Some addresses cannot be listened on: one error for each.
    #[error("{}", lines(.0))]
    Bind(Vec<BindError>),
    /// Anybody could connect from elsewhere.
    #[error(
        "refusing to listen on {address}: it is not loopback and anybody may connect; \
         use an authenticator, demand certificates of clients (TLS), or allow anonymous access explicitly \
         (--allow-anonymous, Settings::allow_anonymous)"
    )]
    AnonymousBeyondLoopback {
        /// The address in question.
        address: SocketAddr,
    },
    /// The environment holds a setting that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What is stored cannot be read.
    #[error("cannot read what is stored")]
    Store(#[source] ReadError),
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

fn lines(errors: &[BindError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A running broker. Dropping the handle does not stop it.
#[derive(Clone)]
pub struct BrokerHandle {
    /// What it started with.
    pub(crate) settings: Arc<Settings>,
    pub(crate) doors: Doors,
    certificates: Certificates,
    manager: MqttManager,
    retained: RetainedStore,
    tally: Tally,
    journal: Option<Arc<Journal>>,
    /// Weak: a handle that outlives the broker does not keep its store.
    keeper: Weak<Keeper>,
    restored: Option<Restored>,
    /// How many connections each worker has.
    loads: Loads,
    head_counts: HeadCounts,
    mailboxes: Mailboxes,
    busy: Busy,
    stop: Arc<Notify>,
    stopped: Arc<Stopped>,
}

impl BrokerHandle {
    /// Returns the addresses the broker listens on, in the order of the settings, with the
    /// ports the system chose where the settings said 0. Unix sockets have none. A reload may change them.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listening().iter().filter_map(address).collect()
    }

    /// Returns everything it listens on, each with what is spoken there. A reload may change it.
    #[must_use]
    pub fn listening(&self) -> Vec<Listening> {
        self.doors.listening()
    }

    /// Returns what nobody comes in by for now, each with the reason: one is not open yet, the process has no
    /// descriptor left, the listener is lost, the broker stops.
    #[must_use]
    pub fn not_accepting(&self) -> Vec<(Listening, String)> {
        self.doors.troubles()
    }

    /// Returns the certificates of all listeners, to have them read again.
    #[must_use]
    pub const fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Returns the way to publish and subscribe without a socket.
    #[must_use]
    pub const fn manager(&self) -> &MqttManager {
        &self.manager
    }

    /// Returns the bus of its events, as long as somebody has it.
    #[must_use]
    pub fn events(&self) -> Option<Arc<EventBus>> {
        self.manager.events()
    }

    /// Returns the broker's retained messages.
    ///
    /// What is set here is not written to a store, and gone after a restart: who wants it to last publishes it with
    /// [`Publication::retain`](crate::Publication::retain), through the [`manager`](Self::manager).
    #[must_use]
    pub const fn retained(&self) -> &RetainedStore {
        &self.retained
    }

    /// Returns what the broker has counted since it began, workers and listeners together. What
    /// happens at this moment may be missing.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.read()
    }

    /// Returns how long something took, as far as it was timed.
    #[must_use]
    pub fn latency(&self, what: Latency) -> Histogram {
        self.manager.latencies().read(what)
    }

    /// Returns how many bytes the broker holds for its clients, all together. What happens at this
    /// moment may be missing.
    #[must_use]
    pub fn ledger(&self) -> Holdings {
        self.manager.holdings()
    }

    /// Returns how many network connections the workers have.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// Returns how many network connections came through the listeners of each name, since the first of them.
    #[must_use]
    pub fn connections_by_listener(&self) -> Vec<(Arc<str>, usize)> {
        self.head_counts.read()
    }

    /// Returns how many clients are connected, by the listener that they came through and the version that they speak.
    #[must_use]
    pub fn clients_by_listener(&self) -> Vec<(Arc<str>, Version, usize)> {
        self.manager.client_counts()
    }

    /// Returns how much each worker has to do, in the order of their numbers.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerView> {
        let depths = self.mailboxes.depths();
        let views = self.busy.read().into_iter().zip(depths);
        views.map(|(awake, letters)| WorkerView { awake, letters }).collect()
    }

    /// Returns the limits that hold now; a reload may change them.
    #[must_use]
    pub fn limits(&self) -> Limits {
        *self.doors.limits().borrow()
    }

    /// Returns how many subscriptions there are; a shared one counts once for all its members.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.manager.subscriptions()
    }

    /// Returns once every worker has answered: whoever waits for long knows that one is stuck.
    ///
    /// # Errors
    ///
    /// When the broker has stopped.
    pub async fn workers_answer(&self) -> Result<(), ManagerError> {
        self.manager.workers_answer().await
    }

    /// Returns how many sessions there are, whether or not their clients are connected.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.manager.sessions()
    }

    /// Looks at every session, one after the other, and remembers the `most` that are furthest behind. It takes
    /// about a microsecond for each session, of the caller's time.
    #[must_use]
    pub fn census(&self, most: usize) -> Census {
        self.manager.census(most)
    }

    /// Returns what was found in the store, if the broker has one.
    #[must_use]
    pub const fn restored(&self) -> Option<Restored> {
        self.restored
    }

    /// Returns whether the store does not take what it should: publishers are refused then where their
    /// messages would have to be stored. It goes on by itself when the store works again.
    #[must_use]
    pub fn store_fails(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.refuses())
    }

    /// Returns how the store is: whether and since when it fails or hangs, what waits for it, and whether
    /// space comes back. `None` without a store, or when the broker has stopped.
    #[must_use]
    pub fn store_health(&self) -> Option<StoreHealth> {
        self.keeper.upgrade()?.health()
    }

    /// Has what connected clients may do looked at once more, after the authorizer's rules changed: whoever may not be
    /// here any more, or has a subscription that it may not have, is disconnected (MQTT 5.0: DISCONNECT 0x87).
    /// The subscription is gone; so it is where its client is away, as far as the broker knows who that is: after a restart it
    /// knows it of those who left a will, and looks at the others when they come back. Returns at once: workers look at a part
    /// each turn, and what is delivered until then is held against the new rules.
    pub fn recheck_rights(&self) {
        let away = Arc::new(self.manager.away());
        self.manager.tell_workers(|| Command::RecheckRights(away.clone()));
    }

    /// Asks the broker to stop, and returns at once: no more connections are accepted, clients
    /// are told (MQTT 5.0: DISCONNECT 0x8B), what was sent to them goes out.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Returns whether the broker has stopped.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        *self.stopped.flag.lock()
    }

    /// Blocks this thread until the broker has stopped. In async code use
    /// [`BrokerHandle::stopped`].
    pub fn wait(&self) {
        let mut has_stopped = self.stopped.flag.lock();
        while !*has_stopped {
            self.stopped.condition.wait(&mut has_stopped);
        }
    }

    /// Returns when the broker has stopped.
    pub async fn stopped(&self) {
        loop {
            let notified = self.stopped.notify.notified();
            if *self.stopped.flag.lock() {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for BrokerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerHandle")
            .field("addresses", &self.local_addrs())
            .finish_non_exhaustive()
    }
}

/// Whether the control thread is done, for those who block and those who await.
#[derive(Default)]
struct Stopped {
    flag: Mutex<bool>,
    condition: Condvar,
    notify: Notify,
}

struct StopGuard(Arc<Stopped>);

impl Drop for StopGuard {
    fn drop(&mut self) {
        *self.0.flag.lock() = true;
        self.0.condition.notify_all();
        self.0.notify.notify_waiters();
    }
}
