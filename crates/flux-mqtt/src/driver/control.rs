//! The control thread: starts the workers, accepts unless there is only one, and stops everything again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_auth::{Authorizer, DynAuthenticator};
use flux_eventbus::{Event, EventBus};
use ntex::rt::{Arbiter, System};
use tokio::sync::Notify;

use super::accept;
use super::busy::Busy;
use super::clock::Clock;
use super::doors::Doors;
use super::entrance::{Entrance, HeadCounts};
use super::keeper::Keeper;
use super::mailbox::{Mail, Mailboxes};
use super::runtime::Runtime;
use super::shell::{Outfit, Shell};
use super::turn;
use crate::core::Core;
use crate::input::{Command, Letter};
use crate::listener::Place;
use crate::names::WorkerId;

/// How many connections each worker has.
pub(crate) type Loads = Arc<[Arc<AtomicUsize>]>;

/// Everything a broker runs with.
pub(crate) struct Control {
    pub(crate) core: Core,
    pub(crate) clock: Clock,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) loads: Loads,
    pub(crate) head_counts: HeadCounts,
    pub(crate) busy: Busy,
    pub(crate) doors: Doors,
    pub(crate) authenticator: Arc<dyn DynAuthenticator>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) events: Arc<EventBus>,
    pub(crate) seed: u64,
    /// If there is a store.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Told when the broker shall stop.
    pub(crate) stop: Arc<Notify>,
}

/// Runs a broker on this thread until it is told to stop.
pub(crate) fn run(control: Control) {
    let system = System::build().name("flux").ping_interval(0).build(Runtime);
    system.block_on(serve(control));
}

async fn serve(control: Control) {
    let idle = Arc::new(Notify::new());
    let loads = control.loads.to_vec();
    let mut arbiters: Vec<Arbiter> = loads
        .iter()
        .enumerate()
        .map(|(index, load)| start_worker(&control, WorkerId(index), load.clone(), idle.clone()))
        .collect();
    let (mailboxes, doors) = (control.mailboxes.clone(), control.doors.clone());
    let (events, tally) = (control.events.clone(), control.core.broker.tally.clone());
    let (clock, shares) = (control.clock, loads.clone());
    // On the thread that it stays on.
    let head_counts = control.head_counts.clone();
    let entrance =
        move || Entrance::new(mailboxes, shares, &doors, clock, events, tally, head_counts);
    for listening in control.doors.listening() {
        if let Place::Address(address) = listening.place {
            control.events.publish(Event::Listening { address });
        }
    }
    let doors = control.doors.clone();
    match &arbiters[..] {
        // It would be woken for each connection by a thread that was woken for it.
        [alone] => {
            alone.handle().spawn(async move {
                tokio::task::spawn_local(accept::run(doors, entrance()));
            });
        }
        _ => {
            tokio::task::spawn_local(accept::run(doors, entrance()));
        }
    }
    control.stop.notified().await;
    control.doors.close();
    for (index, load) in loads.iter().enumerate() {
        // Until it has heard of it, with or without connections: consumers have to be told.
        load.fetch_add(1, Ordering::Relaxed);
        control.mailboxes.post(WorkerId(index), Mail::Letter(Letter::Command(Command::Shutdown)));
    }
    let drained = tokio::time::timeout(control.core.settings.drain_timeout, async {
        while loads.iter().any(|load| load.load(Ordering::Relaxed) > 0) {
            idle.notified().await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!(
            help = "where many clients are slow, raise broker.drain_timeout",
            "some connections did not take their last bytes in time"
        );
    }
    for arbiter in &arbiters {
        arbiter.stop();
    }
    for arbiter in &mut arbiters {
        if arbiter.join().is_err() {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "a worker had panicked"
            );
        }
    }
    if let (Some(keeper), Some(journal)) = (&control.keeper, &control.core.broker.journal) {
        keeper.stop(journal);
    }
    control.mailboxes.close();
    control.events.publish(Event::Stopped);
}

fn start_worker(
    control: &Control,
    id: WorkerId,
    load: Arc<AtomicUsize>,
    idle: Arc<Notify>,
) -> Arbiter {
    let arbiter = Arbiter::with_name(format!("flux-worker-{}", id.0));
    let outfit = Outfit {
        id,
        clock: control.clock,
        mailboxes: control.mailboxes.clone(),
        busy: control.busy.clone(),
        authenticator: control.authenticator.clone(),
        authorizer: control.authorizer.clone(),
        events: control.events.clone(),
        tally: control.core.broker.tally.clone(),
        traffic: control.core.broker.tally.traffic_of(id),
        latencies: control.core.broker.latencies.clone(),
        keeper: control.keeper.clone(),
        eras: control.doors.eras().clone(),
        load,
        idle,
    };
    let settings = control.core.settings.clone();
    let worker = control.core.worker(id, control.seed);
    arbiter.handle().spawn(async move {
        let shell = Shell::new(worker, outfit, &settings);
        ntex::rt::spawn(turn::run(shell, settings));
    });
    arbiter
}
