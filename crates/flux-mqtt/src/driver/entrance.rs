//! Who may come in, how fast, and to which worker.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_eventbus::{Event, EventBus, EventKind, Limit, Source};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::clock::Clock;
use super::doors::Doors;
use super::eras::{Era, Eras};
use super::mailbox::{Accepted, Mail, Mailboxes};
use crate::counters::{Count, Tally};
use crate::gauge::Gauge;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::names::WorkerId;
use crate::token_bucket::TokenBucket;

/// What all listeners share.
pub(super) struct Entrance {
    mailboxes: Mailboxes,
    /// How many connections each worker serves.
    loads: Vec<Arc<AtomicUsize>>,
    limits: watch::Receiver<Limits>,
    eras: Eras,
    pace: TokenBucket,
    /// Those who came through the listeners of each name.
    crowds: RefCell<BTreeMap<Arc<str>, Rc<Crowd>>>,
    /// How many these are, for whoever asks.
    head_counts: HeadCounts,
    clock: Clock,
    events: Arc<EventBus>,
    tally: Tally,
}

impl Entrance {
    pub(super) fn new(
        mailboxes: Mailboxes,
        loads: Vec<Arc<AtomicUsize>>,
        doors: &Doors,
        clock: Clock,
        events: Arc<EventBus>,
        tally: Tally,
        head_counts: HeadCounts,
    ) -> Self {
        let (limits, eras) = (doors.limits(), doors.eras().clone());
        let (pace, crowds) = (TokenBucket::default(), RefCell::default());
        Self { mailboxes, loads, limits, eras, pace, crowds, head_counts, clock, events, tally }
    }

    /// Returns the era of a connection that is accepted now.
    pub(super) fn era(&self) -> Era {
        self.eras.now()
    }

    /// Holds an accepted connection back while too many have come in this second, and with it those
    /// behind it in the backlog.
    pub(super) async fn wait_for_turn(&self, by: &Listener, peer: Option<SocketAddr>) {
        if let Some(rate) = by.connects_per_second {
            let crowd = self.crowd(by);
            let limit = Limit::ListenerConnectsPerSecond;
            self.wait_for(&crowd.pace, rate, limit, by, peer).await;
        }
        let rate = self.limits.borrow().connects_per_second;
        if let Some(rate) = rate {
            self.wait_for(&self.pace, rate, Limit::ConnectsPerSecond, by, peer).await;
        }
    }

    async fn wait_for(
        &self,
        pace: &TokenBucket,
        rate: NonZeroU32,
        limit: Limit,
        by: &Listener,
        peer: Option<SocketAddr>,
    ) {
        loop {
            let taken = pace.take(self.clock.now(), rate.into());
            let Err(wait) = taken else { return };
            self.tell_limit(limit, by, peer);
            tokio::time::sleep(wait).await;
        }
    }

    /// Hands a connection to the worker that serves the fewest, or closes it: it is one too many.
    pub(super) fn admit(&self, mut accepted: Accepted) {
        let served: usize = self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum();
        if served >= self.limits.borrow().connections {
            return self.tell_limit(Limit::Connections, &accepted.by, accepted.peer);
        }
        // Who is there counts whether or not there is a limit: a reload may bring one.
        let most = accepted.by.connections.unwrap_or(usize::MAX);
        accepted.place = self.crowd(&accepted.by).gauge.enter(most);
        if accepted.place.is_none() {
            return self.tell_limit(Limit::ListenerConnections, &accepted.by, accepted.peer);
        }
        if let Some((worker, load)) = least_loaded(&self.loads) {
            load.fetch_add(1, Ordering::Relaxed);
            self.mailboxes.post(worker, Mail::Accepted(accepted));
        }
    }

    pub(super) fn count(&self, what: Count) {
        self.tally.count_outside(what);
    }

    fn crowd(&self, by: &Listener) -> Rc<Crowd> {
        let mut crowds = self.crowds.borrow_mut();
        if let Some(crowd) = crowds.get(&by.name) {
            return crowd.clone();
        }
        let crowd = crowds.entry(by.name.clone()).or_default().clone();
        self.head_counts.0.lock().insert(by.name.clone(), crowd.gauge.clone());
        crowd
    }

    fn tell_limit(&self, limit: Limit, by: &Listener, peer: Option<SocketAddr>) {
        self.count(Count::Reached(limit));
        if self.events.wants(EventKind::LimitReached) {
            let source = Source { username: None, peer, listener: Some(by.name.clone()) };
            self.events.publish_from(Event::LimitReached { limit, client_id: None, peer }, source);
        }
    }
}

/// How many connections came through the listeners of each name. A clone is a reference to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadCounts(Arc<Mutex<BTreeMap<Arc<str>, Gauge>>>);

impl HeadCounts {
    pub(crate) fn read(&self) -> Vec<(Arc<str>, usize)> {
        self.0.lock().iter().map(|(name, gauge)| (name.clone(), gauge.taken())).collect()
    }
}

/// Those who came through the listeners of one name.
#[derive(Default)]
struct Crowd {
    gauge: Gauge,
    pace: TokenBucket,
}

fn least_loaded(loads: &[Arc<AtomicUsize>]) -> Option<(WorkerId, &Arc<AtomicUsize>)> {
    let (index, load) =
        loads.iter().enumerate().min_by_key(|(_, load)| load.load(Ordering::Relaxed))?;
    Some((WorkerId(index), load))
}
