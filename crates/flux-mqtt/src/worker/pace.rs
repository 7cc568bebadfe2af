//! Who publishes faster than agreed on is not read for a while.
//!
//! A packet that came is handled, and what it took is paid for by not reading: nothing of QoS 1 and 2 is lost. Only who
//! has to wait has a moment at which it is read again, and there are few of those for each second of a connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use flux_eventbus::{DropReason, Limit};
use flux_session::{QoS, Timestamp};

use super::Worker;
use super::connection::Online;
use super::tell::{tell_limit_of, tell_not_accepted};
use crate::effects::Effects;
use crate::limits::WhenTooFast;
use crate::meters::{Meter, PublishRates, RateKind};
use crate::names::ConnectionId;
use crate::terms::Terms;
use crate::wire::Publish;

/// What a client may publish, for itself and together with who came in through the same listener.
#[derive(Debug)]
pub(super) struct Allowance {
    client: Share,
    shared: Arc<Share>,
}

/// What was taken beforehand of the rates of one scope, or of two: nobody looks at the rates again before it is used up.
/// A worker has one for each listener, a connection one of its own.
#[derive(Debug, Default)]
struct Share {
    messages: AtomicU64,
    bytes: AtomicU64,
    /// Of the client, or of the listener.
    rates: PublishRates,
    meter: Arc<Meter>,
}

impl Share {
    fn new(rates: PublishRates, meter: Arc<Meter>) -> Self {
        Self { rates, meter, ..Self::default() }
    }

    fn covers(&self, len: u64) -> bool {
        self.messages.load(Relaxed) > 0 && self.bytes.load(Relaxed) >= len
    }

    /// Nobody else uses it now: a worker is one thread.
    fn take(&self, len: u64) {
        self.messages.store(self.messages.load(Relaxed).saturating_sub(1), Relaxed);
        self.bytes.store(self.bytes.load(Relaxed).saturating_sub(len), Relaxed);
    }

    /// Returns how long until there is something left, if nothing is.
    fn wait(&self, now: Timestamp, meters: &[(Scope, &Meter, &PublishRates)]) -> Option<Pause> {
        let waits = meters.iter().filter_map(|(scope, meter, rates)| {
            let left = |kind| self.of(kind).load(Relaxed);
            let (wait, kind) = meter.wait(now, rates, |kind| left(kind) == 0)?;
            Some((wait, limit(*scope, kind)))
        });
        waits.max_by_key(|(wait, _)| *wait)
    }

    /// Takes of the rates what is missing for a packet of so many bytes, and a little more of fast ones.
    fn fill(&self, now: Timestamp, len: u64, meters: &[(Scope, &Meter, &PublishRates)]) {
        for (kind, need) in [(RateKind::Messages, 1), (RateKind::Bytes, len)] {
            let left = self.of(kind).load(Relaxed);
            if left >= need {
                continue;
            }
            let slowest = meters.iter().filter_map(|(_, _, rates)| rates.of(kind)).min();
            let taken = slowest.map_or(UNLIMITED, |rate| (need - left).max(rate.get() / A_PART));
            for (_, meter, rates) in meters {
                meter.spend(now, rates, kind, taken);
            }
            self.of(kind).store(left + taken, Relaxed);
        }
    }

    const fn of(&self, kind: RateKind) -> &AtomicU64 {
        match kind {
            RateKind::Messages => &self.messages,
            RateKind::Bytes => &self.bytes,
        }
    }
}

/// Whose rate it is.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Client,
    Listener,
    All,
}

/// How long to wait, and for which limit.
type Pause = (Duration, Limit);

/// The connections that are not read because they published too fast, by the moment at which they are read again.
#[derive(Default)]
pub(super) struct Paced {
    due: BTreeSet<(Timestamp, ConnectionId)>,
    /// One was added: whoever sets the alarm must look.
    pub(super) is_moment_new: bool,
    /// Of those who come through no listener with rates of its own.
    unlisted: Arc<Share>,
    listeners: BTreeMap<Arc<str>, Arc<Share>>,
}

impl Paced {
    /// Other rates may hold: what was taken of those before is forgotten.
    pub(super) fn forget_shares(&mut self) {
        for share in self.listeners.values().chain([&self.unlisted]) {
            share.messages.store(0, Relaxed);
            share.bytes.store(0, Relaxed);
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(moment, _)| *moment)
    }

    fn add(&mut self, moment: Timestamp, id: ConnectionId) {
        self.due.insert((moment, id));
        self.is_moment_new = true;
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<ConnectionId> {
        self.next().filter(|moment| *moment <= now)?;
        self.due.pop_first().map(|(_, id)| id)
    }
}

impl Worker {
    /// Returns what a client may publish; none where nothing but what all may is limited.
    pub(super) fn allowance(
        &mut self,
        now: Timestamp,
        client_id: &Arc<str>,
        listener: Option<&Arc<str>>,
        terms: &Terms,
    ) -> Option<Box<Allowance>> {
        let meters = &self.broker.meters;
        let shared = match listener.filter(|_| !terms.publishes.are_unlimited()) {
            None if terms.client_publishes.are_unlimited() => return None,
            None => self.paced.unlisted.clone(),
            Some(name) => {
                let known = self.paced.listeners.get(name);
                match known.filter(|known| known.rates == terms.publishes) {
                    Some(known) => known.clone(),
                    None => {
                        let share = Share::new(terms.publishes, meters.of_listener(name));
                        let share = Arc::new(share);
                        self.paced.listeners.insert(name.clone(), share.clone());
                        share
                    }
                }
            }
        };
        let rates = terms.client_publishes;
        let meter = match rates.are_unlimited() {
            true => Arc::default(),
            false => meters.of_client(now, client_id),
        };
        Some(Box::new(Allowance { client: Share::new(rates, meter), shared }))
    }

    /// Returns whether a message is to be dropped, because it came too fast; and takes it into account otherwise.
    pub(super) fn comes_too_fast(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        len: usize,
        fx: &mut impl Effects,
    ) -> bool {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        match &online.allowance {
            Some(own) if own.client.covers(len) && own.shared.covers(len) => {
                own.client.take(len);
                own.shared.take(len);
                false
            }
            None if self.settings.limits.publishes.are_unlimited() => false,
            None if self.paced.unlisted.covers(len) => {
                self.paced.unlisted.take(len);
                false
            }
            Some(_) | None => self.has_used_up(now, id, online, publish, len, fx),
        }
    }

    #[cold]
    fn has_used_up(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        len: u64,
        fx: &mut impl Effects,
    ) -> bool {
        let client = online.client.clone();
        let own = online.allowance.as_ref();
        let shared = own.map_or(&self.paced.unlisted, |own| &own.shared);
        let all = (Scope::All, &*self.broker.meters.all, &self.settings.limits.publishes);
        let of_shared = [(Scope::Listener, &*shared.meter, &shared.rates), all];
        let of_client = own.map(|own| {
            let client = &own.client;
            (client, [(Scope::Client, &*client.meter, &client.rates)])
        });
        let wait = || {
            let client = of_client.as_ref().and_then(|(share, meters)| share.wait(now, meters));
            client.into_iter().chain(shared.wait(now, &of_shared)).max_by_key(|(wait, _)| *wait)
        };
        let drops_qos0 = match online.terms.when_too_fast {
            WhenTooFast::Wait => false,
            WhenTooFast::DropQos0 => publish.qos == QoS::AtMostOnce,
        };
        if drops_qos0 && let Some((_, limit)) = wait() {
            tell_limit_of(limit, &client, fx);
            tell_not_accepted(&online.session, publish.topic, DropReason::QuotaExceeded, fx);
            return true;
        }
        if let Some((share, meters)) = &of_client {
            share.fill(now, len, meters);
            share.take(len);
        }
        shared.fill(now, len, &of_shared);
        shared.take(len);
        if !drops_qos0
            && !online.is_paced
            && let Some((wait, limit)) = wait()
        {
            tell_limit_of(limit, &client, fx);
            self.pace(now, id, online, wait, fx);
        }
        false
    }

    /// Has a client that used up what it may publish before it came wait before it is read.
    pub(super) fn wait_for_allowance(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        fx: &mut impl Effects,
    ) {
        let Some(Allowance { client: own, .. }) = online.allowance.as_deref() else { return };
        if online.terms.when_too_fast == WhenTooFast::Wait
            && let Some((wait, limit)) = own.wait(now, &[(Scope::Client, &own.meter, &own.rates)])
        {
            tell_limit_of(limit, &online.client, fx);
            self.pace(now, id, online, wait, fx);
        }
    }

    fn pace(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        wait: Duration,
        fx: &mut impl Effects,
    ) {
        online.is_paced = true;
        fx.pause(id);
        self.paced.add(now + wait.max(SHORTEST), id);
    }

    /// Reads again from those that have waited long enough.
    pub(super) fn read_paced(&mut self, now: Timestamp, fx: &mut impl Effects) {
        while let Some(id) = self.paced.pop_due(now) {
            // Until now it was we who did not read.
            self.connections.heard(id, now);
            let Some(online) = self.connections.online(id) else { continue };
            online.is_paced = false;
            if online.reads() {
                fx.resume(id);
            }
        }
    }
}

const fn limit(scope: Scope, kind: RateKind) -> Limit {
    match (scope, kind) {
        (Scope::All, RateKind::Messages) => Limit::PublishesPerSecond,
        (Scope::All, RateKind::Bytes) => Limit::PublishBytesPerSecond,
        (Scope::Listener, RateKind::Messages) => Limit::ListenerPublishesPerSecond,
        (Scope::Listener, RateKind::Bytes) => Limit::ListenerPublishBytesPerSecond,
        (Scope::Client, RateKind::Messages) => Limit::ClientPublishesPerSecond,
        (Scope::Client, RateKind::Bytes) => Limit::ClientPublishBytesPerSecond,
    }
}

/// The shortest pause: fewer, longer ones cost less, and as much gets through.
const SHORTEST: Duration = Duration::from_millis(20);
/// Of a rate, so little is taken beforehand: what comes in 4 ms. A rate with less is looked at each time.
const A_PART: u64 = 256;
/// What there is of what is not limited: nobody uses it up.
const UNLIMITED: u64 = u64::MAX >> 1;
