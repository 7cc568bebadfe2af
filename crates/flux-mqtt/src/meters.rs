//! How fast clients may publish, and what they have used up of that: each, those of a listener, all together.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use flux_session::Timestamp;
use parking_lot::Mutex;

use crate::token_bucket::TokenBucket;

/// How fast clients may publish. After a quiet second as much may come at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishRates {
    /// PUBLISH packets in a second. Default: `None` for no limit.
    pub messages: Option<NonZeroU32>,
    /// Bytes of them in a second. Default: `None` for no limit. A larger packet passes, and what follows waits for it.
    pub bytes: Option<NonZeroU64>,
}

impl PublishRates {
    /// Returns whether there is no limit.
    #[must_use]
    pub const fn are_unlimited(&self) -> bool {
        self.messages.is_none() && self.bytes.is_none()
    }

    pub(crate) fn of(&self, kind: RateKind) -> Option<NonZeroU64> {
        match kind {
            RateKind::Messages => self.messages.map(NonZeroU64::from),
            RateKind::Bytes => self.bytes,
        }
    }
}

/// Which of two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateKind {
    Messages,
    Bytes,
}

/// What one of them has used up, or several together.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    messages: TokenBucket,
    bytes: TokenBucket,
}

impl Meter {
    /// Takes so much of a rate, however much there is.
    pub(crate) fn spend(&self, now: Timestamp, rates: &PublishRates, kind: RateKind, much: u64) {
        if let Some(rate) = rates.of(kind) {
            self.of(kind).spend(now, rate, much);
        }
    }

    /// Returns how long until there is something left of both rates, and of which it takes longer; nothing if there is. Only
    /// those are looked at that are wanted.
    pub(crate) fn wait(
        &self,
        now: Timestamp,
        rates: &PublishRates,
        wants: impl Fn(RateKind) -> bool,
    ) -> Option<(Duration, RateKind)> {
        let kinds = [RateKind::Messages, RateKind::Bytes].into_iter().filter(|kind| wants(*kind));
        let waits = kinds.filter_map(|kind| {
            let wait = self.of(kind).wait(now, rates.of(kind)?)?;
            Some((wait, kind))
        });
        waits.max_by_key(|(wait, _)| *wait)
    }

    const fn of(&self, kind: RateKind) -> &TokenBucket {
        match kind {
            RateKind::Messages => &self.messages,
            RateKind::Bytes => &self.bytes,
        }
    }

    fn is_unused(&self, now: Timestamp) -> bool {
        self.messages.is_full(now) && self.bytes.is_full(now)
    }
}

/// The meters of a broker. Those of clients are kept beyond their connections until they are as if new: who comes again
/// has what it had left.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) all: Arc<Meter>,
    listeners: Mutex<HashMap<Arc<str>, Arc<Meter>>>,
    clients: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    meters: HashMap<Arc<str>, Arc<Meter>>,
    /// How many there may be before those are looked for that nobody needs.
    next_look: usize,
}

impl Meters {
    /// Returns the meter of all who come in through the listeners of a name. There are as many as names.
    pub(crate) fn of_listener(&self, name: &Arc<str>) -> Arc<Meter> {
        self.listeners.lock().entry(name.clone()).or_default().clone()
    }

    /// Returns the meter of a client.
    pub(crate) fn of_client(&self, now: Timestamp, client_id: &Arc<str>) -> Arc<Meter> {
        let mut kept = self.clients.lock();
        if let Some(meter) = kept.meters.get(client_id) {
            return meter.clone();
        }
        if kept.meters.len() >= kept.next_look {
            kept.forget(now);
        }
        kept.meters.entry(client_id.clone()).or_default().clone()
    }

    #[cfg(test)]
    pub(crate) fn clients(&self) -> usize {
        self.clients.lock().meters.len()
    }
}

impl Kept {
    /// Forgets the meters of clients that are gone and have everything again; and if too many are left, of all that are gone.
    fn forget(&mut self, now: Timestamp) {
        let is_held = |meter: &Arc<Meter>| Arc::strong_count(meter) > 1;
        self.meters.retain(|_, meter| is_held(meter) || !meter.is_unused(now));
        let held = self.meters.values().filter(|meter| is_held(meter)).count();
        if self.meters.len() - held > MOST_LEFT {
            self.meters.retain(|_, meter| is_held(meter));
        }
        self.next_look = (2 * self.meters.len()).max(FEWEST);
    }
}

/// Clients that are gone and have something used up.
const MOST_LEFT: usize = 65_536;
/// So few are not worth a look.
const FEWEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_is_remembered_until_it_has_everything_again() {
        let meters = Meters::default();
        let rates = PublishRates { messages: NonZeroU32::new(1), ..PublishRates::default() };
        let at = Timestamp::from_millis;
        let client = |number: usize| Arc::from(number.to_string());
        for number in 0..FEWEST {
            let meter = meters.of_client(at(0), &client(number));
            meter.spend(at(0), &rates, RateKind::Messages, 1);
            let wait = meter.wait(at(0), &rates, |_| true);
            assert_eq!(wait, Some((Duration::from_secs(1), RateKind::Messages)));
        }
        let held = meters.of_client(at(0), &client(0));
        assert!(held.wait(at(999), &rates, |_| true).is_some(), "it is the same as before");
        // Nobody has everything again, then all have.
        meters.of_client(at(999), &client(FEWEST));
        assert_eq!(meters.clients(), FEWEST + 1);
        let (mut number, mut most) = (FEWEST, 0);
        while number < 10 * FEWEST {
            number += 1;
            meters.of_client(at(1000), &client(number));
            most = most.max(meters.clients());
        }
        assert_eq!(most, 2 * FEWEST, "so many come together until somebody looks");
        assert!(Arc::ptr_eq(&held, &meters.of_client(at(1000), &client(0))));
    }

    #[test]
    fn of_those_that_are_gone_so_many_are_remembered() {
        let (meters, at) = (Meters::default(), Timestamp::from_millis(0));
        let rates = PublishRates { bytes: NonZeroU64::new(1), ..PublishRates::default() };
        let mut most = 0;
        for number in 0..3 * MOST_LEFT {
            let meter = meters.of_client(at, &number.to_string().into());
            meter.spend(at, &rates, RateKind::Bytes, 1000);
            most = most.max(meters.clients());
        }
        assert!(most <= 2 * MOST_LEFT, "{most}");
    }
}
