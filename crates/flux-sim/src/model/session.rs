//! What a client is owed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::hands::LinkId;
use crate::packet::Options;
use crate::plan::PublishPlan;

/// A message at the moment at which it was offered to everybody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Publication {
    pub(super) message: PublishPlan,
    /// Whose.
    pub(super) publisher: usize,
    pub(super) expires_at: Option<u64>,
    /// In which order.
    pub(super) number: u64,
    /// Bytes between topic and payload that are kept with them.
    pub(super) gap: usize,
}

impl Publication {
    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|moment| moment <= now)
    }

    /// Whether this is how long it is still worth sending, in the seconds that a client is told.
    pub(super) fn expires_in(&self, now: u64, told: Option<u32>) -> bool {
        let left = self.expires_at.map(|moment| moment.saturating_sub(now));
        match (left, told) {
            (None, None) => true,
            (Some(left), Some(secs)) => {
                (left / 1_000..=left.div_ceil(1_000)).contains(&u64::from(secs))
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Returns how large its packet is at most: with an identifier, an alias and two subscriptions.
    pub(super) fn largest(&self) -> usize {
        let expiry = if self.expires_at.is_some() { 5 } else { 0 };
        self.message.topic.len() + self.message.payload.len() + expiry + 17
    }

    /// Returns what it counts in a queue: what is kept of the packet, and its place.
    pub(super) fn cost(&self) -> usize {
        self.message.topic.len() + self.gap + self.message.payload.len() + 64
    }
}

/// A subscription with its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) options: Options,
    pub(super) identifier: Option<u32>,
}

/// A will, and when it is due once its client is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) message: PublishPlan,
    /// In milliseconds.
    pub(super) delay: u64,
}

/// How something came to be for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// By its own subscriptions.
    Own,
    /// By a new subscription, out of what is retained.
    Retained,
    /// By the shared subscription of this number.
    Shared(u64),
}

/// Something that a client is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) publication: Rc<Publication>,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) identifiers: Vec<u32>,
    pub(super) origin: Origin,
    /// A loss was told that may have been this.
    pub(super) may_be_lost: bool,
}

/// A retained message that a subscription brings.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    pub(super) filter: String,
    pub(super) promise: Promise,
    /// It may come and need not: there is a newer one, or the subscription is not as it was.
    pub(super) is_optional: bool,
}

/// A message of a shared subscription that no member was sent.
#[derive(Clone, Debug)]
pub(super) struct Pooled {
    pub(super) publication: Rc<Publication>,
    pub(super) may_be_lost: bool,
}

/// A message that a client was sent by one shared subscription, where another had it too.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) client: usize,
    pub(super) publication: Rc<Publication>,
    /// By which it came, and by which it could have come.
    pub(super) taken: String,
    pub(super) other: String,
    /// The other is over, and the message went with it.
    pub(super) is_gone: bool,
}

/// A message that a client was sent and has not acknowledged to the end.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) id: u16,
    pub(super) promise: Promise,
    /// PUBREC has come.
    pub(super) is_released: bool,
    /// The present connection has carried PUBLISH, or PUBREL.
    pub(super) is_carried: bool,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) holder: Option<LinkId>,
    pub(super) detached_since: u64,
    /// Session Expiry Interval in seconds.
    pub(super) expiry: u32,
    pub(super) will: Option<Will>,
    /// It had no room for a message and is over.
    pub(super) is_over: bool,
    /// The window of the present connection.
    pub(super) window: usize,
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    pub(super) unsent: VecDeque<Promise>,
    pub(super) replays: Vec<Replay>,
    pub(super) in_flight: Vec<InFlight>,
    /// QoS 2 messages that the client has begun and not released.
    pub(super) receipts: BTreeSet<u16>,
    /// The newest retained value of a topic that the client was sent, by whether it is acknowledged.
    pub(super) newest: BTreeMap<(String, bool), u64>,
    /// What waits is what we think; not where others chose and we were not told.
    pub(super) is_exact: bool,
}

impl Session {
    pub(super) const fn new() -> Self {
        Self {
            holder: None,
            detached_since: 0,
            expiry: 0,
            will: None,
            is_over: false,
            window: 0,
            subscriptions: BTreeMap::new(),
            unsent: VecDeque::new(),
            replays: Vec::new(),
            in_flight: Vec::new(),
            receipts: BTreeSet::new(),
            newest: BTreeMap::new(),
            is_exact: true,
        }
    }

    /// Returns when it ends, if it has no connection.
    pub(super) fn end_moment(&self) -> Option<u64> {
        let ends = self.holder.is_none() && self.expiry != u32::MAX;
        ends.then(|| self.detached_since + u64::from(self.expiry) * 1_000)
    }

    /// Returns when its will is due, if it has one and no connection.
    pub(super) fn will_moment(&self) -> Option<u64> {
        let will = self.will.as_ref().filter(|_| self.holder.is_none())?;
        let delayed = self.detached_since + will.delay;
        Some(self.end_moment().map_or(delayed, |end| end.min(delayed)))
    }

    /// Loses one of the messages that this may be: the only one, or which of them is open.
    pub(super) fn lose(&mut self, is_it: &impl Fn(&Publication) -> bool) -> bool {
        let has_choices = self.has_choices();
        let found = self.unsent.iter().filter(|promise| is_it(&promise.publication)).count();
        if found == 1 && !has_choices {
            self.unsent.retain(|promise| !is_it(&promise.publication));
            return true;
        }
        self.is_exact &= found == 0;
        for promise in self.unsent.iter_mut().filter(|promise| is_it(&promise.publication)) {
            promise.may_be_lost = true;
        }
        let mut replayed = false;
        for replay in self.replays.iter_mut().filter(|r| is_it(&r.promise.publication)) {
            replay.is_optional = true;
            replayed = true;
        }
        found > 0 || replayed
    }

    /// Whether a shared subscription, or a retained message, can have put something into its queue.
    pub(super) fn has_choices(&self) -> bool {
        !self.replays.is_empty() || self.subscriptions.keys().any(|f| f.starts_with("$share/"))
    }

    /// Returns the bytes that wait, as far as they are known.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.iter().map(|promise| promise.publication.cost()).sum()
    }

    pub(super) fn exchange(&mut self, id: u16) -> Option<&mut InFlight> {
        self.in_flight.iter_mut().find(|exchange| exchange.id == id)
    }
}
