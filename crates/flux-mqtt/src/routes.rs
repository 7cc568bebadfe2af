//! Who gets a message: the subscription tree as all workers share it.
//!
//! A publish matches once; what it found is kept by each worker (see `route_cache`) together
//! with the version of what could change the answer. A subscription changes the version of its
//! leading level only, or of all when it begins with a wildcard: fleets subscribe and leave all
//! the time, and must not empty every cache.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_session::{QoS, SubscriptionIds, SubscriptionOptions, Timestamp};
use flux_topic::{SubscriptionTree, TopicFilter, TopicName};
use parking_lot::RwLock;

use crate::message::{Delivery, Message};
use crate::names::SessionKey;
use crate::session::{Offered, SharedSession};

/// The subscriptions of all sessions.
#[derive(Debug)]
pub(crate) struct Routes {
    tree: RwLock<SubscriptionTree<SessionKey, Subscriber>>,
    /// One number for each class of leading levels; it only grows.
    literal: [AtomicU64; CLASSES],
    /// The same for filters that begin with a wildcard.
    wildcard: AtomicU64,
}

#[derive(Clone, Debug)]
struct Subscriber {
    session: Arc<SharedSession>,
    options: SubscriptionOptions,
}

/// One session that gets a message, once, however many of its subscriptions match.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) session: Arc<SharedSession>,
    /// What holds for messages of other clients.
    pub(crate) grant: Grant,
    /// What holds for the session's own messages; `None` when every match is No Local.
    pub(crate) own: Option<Grant>,
}

impl Route {
    /// Offers a message to the session. `None` when it is not for it, or the session is over.
    pub(crate) fn offer(&self, now: Timestamp, message: &Message) -> Option<Offered> {
        let is_own = message.publisher() == Some(self.session.publisher);
        let grant = if is_own { self.own.as_ref()? } else { &self.grant };
        self.session.offer(now, grant.delivery(message))
    }
}

/// How a message goes to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The highest QoS of the matching subscriptions [MQTT-3.3.4-2].
    pub(crate) qos: QoS,
    pub(crate) retain_as_published: bool,
    /// The identifiers of all matching subscriptions [MQTT-3.3.4-4].
    pub(crate) subscription_ids: SubscriptionIds,
}

impl Grant {
    /// A message as the session gets it: at the lower of both QoS [MQTT-3.8.4-8], with RETAIN
    /// only where the subscription wants it as published [MQTT-3.3.1-12].
    fn delivery(&self, message: &Message) -> Delivery {
        Delivery {
            message: message.clone(),
            qos: QoS::min(message.qos(), self.qos),
            retain: self.retain_as_published && message.retain(),
            subscription_ids: self.subscription_ids.clone(),
            share: None,
        }
    }
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            tree: RwLock::new(SubscriptionTree::new()),
            literal: [const { AtomicU64::new(0) }; CLASSES],
            wildcard: AtomicU64::new(0),
        }
    }

    /// Makes the routes of a session's filters what its subscriptions are, after they changed.
    ///
    /// Session and tree have locks of their own, so another thread may change the session again
    /// before the tree is written. Whoever writes the tree therefore looks at the session once
    /// more, until what it wrote is what it sees: the last writer leaves both alike.
    pub(crate) fn follow(&self, session: &Arc<SharedSession>, filters: &[TopicFilter]) {
        let mut wanted = session.options_of(filters);
        loop {
            let mut tree = self.tree.write();
            for (filter, options) in filters.iter().zip(&wanted) {
                match options {
                    Some(options) => {
                        let subscriber = Subscriber { session: session.clone(), options: *options };
                        tree.insert(filter, session.key, subscriber);
                    }
                    None => {
                        tree.remove(filter, &session.key);
                    }
                }
                self.changed(filter);
            }
            drop(tree);
            let current = session.options_of(filters);
            if current == wanted {
                return;
            }
            wanted = current;
        }
    }

    /// Says that what `filter` can match may be routed otherwise now. Called under the write
    /// lock, so that a reader who sees the old number sees the old tree.
    fn changed(&self, filter: &TopicFilter) {
        let number = match filter.first_level() {
            Some(level) => self.literal.get(class(level)).unwrap_or(&self.wildcard),
            None => &self.wildcard,
        };
        number.fetch_add(1, Ordering::Release);
    }

    /// Returns a number that differs whenever the routes of `topic` may have changed: the sum
    /// of two that only grow.
    pub(crate) fn version(&self, topic: TopicName<'_>) -> u64 {
        let level = topic.levels().next().unwrap_or_default();
        let literal = self.literal.get(class(level)).unwrap_or(&self.wildcard);
        literal.load(Ordering::Acquire).wrapping_add(self.wildcard.load(Ordering::Acquire))
    }

    /// Returns the routes of `topic` in the order of the sessions, and their version.
    pub(crate) fn find(&self, topic: TopicName<'_>) -> (u64, Arc<[Route]>) {
        let tree = self.tree.read();
        let version = self.version(topic);
        let mut matches: Vec<(SessionKey, Subscriber)> = Vec::new();
        tree.for_each_match(topic, |key, subscriber| matches.push((*key, subscriber.clone())));
        drop(tree);
        matches.sort_by_key(|(key, _)| *key);
        let routes = matches.chunk_by(|a, b| a.0 == b.0).filter_map(merge).collect();
        (version, routes)
    }
}

/// Makes one route of all the matches of a session (section 3.3.4).
fn merge(matches: &[(SessionKey, Subscriber)]) -> Option<Route> {
    let session = matches.first()?.1.session.clone();
    let all = matches.iter().map(|(_, subscriber)| &subscriber.options);
    let grant = grant(all.clone())?;
    let own = grant_own(all);
    Some(Route { session, grant, own })
}

fn grant_own<'a>(options: impl Iterator<Item = &'a SubscriptionOptions> + Clone) -> Option<Grant> {
    grant(options.filter(|options| !options.no_local))
}

fn grant<'a>(options: impl Iterator<Item = &'a SubscriptionOptions> + Clone) -> Option<Grant> {
    Some(Grant {
        qos: options.clone().map(|options| options.qos).max()?,
        retain_as_published: options.clone().any(|options| options.retain_as_published),
        subscription_ids: options.filter_map(|options| options.subscription_id).collect(),
    })
}

const CLASSES: usize = 256;

/// Sorts leading levels into classes (FNV-1a). Peers may aim at one class; then the cached
/// routes of that class are found again more often, nothing else.
fn class(level: &str) -> usize {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = level.as_bytes().iter().fold(0x811C_9DC5, step);
    usize::try_from(hash ^ (hash >> 16)).unwrap_or_default() % CLASSES
}
