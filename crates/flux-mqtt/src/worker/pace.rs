//! Who publishes faster than agreed on is not read for a while.
//!
//! A packet that came is handled, and what it took is paid for by not reading: nothing of QoS 1 and 2 is lost. Only who
//! has to wait has a moment at which it is read again, and there are few of those for each second of a connection.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flux_eventbus::{DropReason, Limit};
use flux_session::{QoS, Timestamp};

use super::Worker;
use super::connection::Online;
use super::tell::{tell_limit, tell_not_accepted};
use crate::effects::Effects;
use crate::limits::WhenTooFast;
use crate::meters::{Meter, Meters, PublishRates, RateKind, Wait};
use crate::names::ConnectionId;
use crate::terms::Terms;
use crate::wire::Publish;

/// What a client may publish, for itself and together with who came in through the same listener.
#[derive(Debug)]
pub(super) struct Allowance {
    client: Option<Metered>,
    listener: Option<Metered>,
}

/// A limited rate, and what has been used up of it.
#[derive(Debug)]
struct Metered {
    rates: PublishRates,
    meter: Arc<Meter>,
}

/// Whose rate it is.
#[derive(Clone, Copy, Debug)]
enum Scope {
    Client,
    Listener,
    All,
}

impl Allowance {
    /// Returns none where nothing is limited.
    pub(super) fn new(
        now: Timestamp,
        meters: &Meters,
        client_id: &Arc<str>,
        listener: Option<&Arc<str>>,
        terms: &Terms,
    ) -> Option<Box<Self>> {
        let limited = |rates: PublishRates| (!rates.are_unlimited()).then_some(rates);
        let client = limited(terms.client_publishes)
            .map(|rates| Metered { rates, meter: meters.of_client(now, client_id) });
        let listener = limited(terms.publishes)
            .zip(listener)
            .map(|(rates, name)| Metered { rates, meter: meters.of_listener(name) });
        let is_limited = client.is_some() || listener.is_some();
        is_limited.then(|| Box::new(Self { client, listener }))
    }
}

/// The connections that are not read because they published too fast, by the moment at which they are read again.
#[derive(Default)]
pub(super) struct Paced {
    due: BTreeSet<(Timestamp, ConnectionId)>,
    /// One was added: whoever sets the alarm must look.
    pub(super) is_moment_new: bool,
}

impl Paced {
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
        if online.allowance.is_none() && self.settings.limits.publishes.are_unlimited() {
            return false;
        }
        self.is_metered_out(now, id, online, publish, len, fx)
    }

    fn is_metered_out(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        len: usize,
        fx: &mut impl Effects,
    ) -> bool {
        let (client_id, peer) = (&online.client.client_id, online.client.peer);
        let drops_qos0 = match online.terms.when_too_fast {
            WhenTooFast::Wait => false,
            WhenTooFast::DropQos0 => publish.qos == QoS::AtMostOnce,
        };
        if drops_qos0
            && let Some((_, limit)) = self.longest(online, |meter, rates| meter.wait(now, rates))
        {
            tell_limit(limit, Some(client_id), peer, fx);
            tell_not_accepted(&online.session, publish.topic, DropReason::QuotaExceeded, fx);
            return true;
        }
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        if let Some((wait, limit)) =
            self.longest(online, |meter, rates| meter.spend(now, rates, len))
            && !drops_qos0
            && !online.is_paced
        {
            tell_limit(limit, Some(client_id), peer, fx);
            self.pace(now, id, online, wait, fx);
        }
        false
    }

    /// Asks for each rate that a client is limited by, and returns the longest wait and for which limit.
    fn longest(
        &self,
        online: &Online,
        wait: impl Fn(&Meter, &PublishRates) -> Option<Wait>,
    ) -> Option<(Duration, Limit)> {
        let allowance = online.allowance.as_ref();
        let all = &self.settings.limits.publishes;
        let all = (!all.are_unlimited()).then_some((&*self.broker.meters.all, all));
        let own = |metered: &Metered| wait(&metered.meter, &metered.rates);
        let waits = [
            (Scope::Client, allowance.and_then(|it| it.client.as_ref()).and_then(own)),
            (Scope::Listener, allowance.and_then(|it| it.listener.as_ref()).and_then(own)),
            (Scope::All, all.and_then(|(meter, rates)| wait(meter, rates))),
        ];
        let waits = waits.into_iter().filter_map(|(scope, wait)| {
            let (wait, kind) = wait?;
            Some((wait, limit(scope, kind)))
        });
        waits.max_by_key(|(wait, _)| *wait)
    }

    /// Has a client that used up what it may publish before it came wait before it is read.
    pub(super) fn wait_for_allowance(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        fx: &mut impl Effects,
    ) {
        let Some(allowance) = &online.allowance else { return };
        let Some(Metered { meter, rates }) = &allowance.client else { return };
        if online.terms.when_too_fast == WhenTooFast::Wait
            && let Some((wait, kind)) = meter.wait(now, rates)
        {
            let client = &online.client;
            tell_limit(limit(Scope::Client, kind), Some(&client.client_id), client.peer, fx);
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
