//! Who gets a message: the subscription tree as all workers share it.
//!
//! A publish matches once; what it found is kept by each worker (see `route_cache`) together
//! with the version of what could change the answer: a change of a subscription concerns only the
//! topics of its scope (`changes`). Fleets subscribe and leave all the time, and must not empty
//! every cache.
//!
//! One lock protects the tree, and there is no second copy of it. Who looks for routes is a reader,
//! who changes subscriptions a writer. What holds:
//!
//! - Readers never wait for readers: a writer that waits does not make the next one wait, as it
//!   would with a fair lock (`read_recursive`).
//! - A reader waits for a writer at work, which has a bounded number of filters at a time.
//! - A writer waits for the readers of the moment. The first moment without one is the writer's. It
//!   comes soon: a worker reads for as long as one match takes, only for topics that it does not
//!   remember, and handles the whole message before it reads again. Only workers that all the time
//!   meet new topics, and are never all elsewhere, could put it off, which grows less likely
//!   by the moment.

mod changes;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashMap, VecDeque};
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use flux_session::{
    DropReason, QoS, Sequence, ShareId, SubscriptionIds, SubscriptionOptions, Timestamp,
};
use flux_topic::{SubscriptionTree, TopicFilter, TopicName};
use smallvec::SmallVec;

use self::changes::Changes;
pub(crate) use self::changes::Scopes;
use crate::inspect::ShareView;
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::message::{Delivery, Message};
use crate::names::SessionKey;
use crate::session::{Offered, SharedSession};
use crate::settings::SharedSettings;
use crate::share::{Member, Share, Waiting};
use crate::storage::target;
use crate::sync::RwLock;

/// The subscriptions of all sessions.
#[derive(Debug)]
pub(crate) struct Routes {
    map: RwLock<Map>,
    shared: SharedSettings,
    ledger: Ledger,
    journal: Option<Arc<Journal>>,
    /// Counted under the write lock, so that a reader who sees the old count sees the old tree.
    changes: Changes,
}

/// What the lock protects.
#[derive(Debug, Default)]
struct Map {
    tree: SubscriptionTree<RouteKey, Target>,
    /// Shared subscriptions that have members, each in the tree once.
    shares: HashMap<TopicFilter, Arc<Share>>,
    by_id: HashMap<ShareId, Arc<Share>>,
    last_share: u32,
    /// What groups are called that the store has messages for, until they have members.
    stored: HashMap<TopicFilter, ShareId>,
}

/// Whose a subscription in the tree is. Sessions come first, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RouteKey(NonZeroU64);

impl RouteKey {
    /// No session ever has a key so high.
    const SHARES: u64 = 1 << 63;

    const fn session(key: SessionKey) -> Self {
        Self(key.0)
    }

    fn share(id: ShareId) -> Self {
        Self(NonZeroU64::from(id.0) | Self::SHARES)
    }
}

#[derive(Clone, Debug)]
enum Target {
    Session(Member),
    Share(Arc<Share>),
}

/// Everything that gets a message.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order of the sessions.
    pub(crate) sessions: SmallVec<[Route; 1]>,
    pub(crate) shares: Vec<Arc<Share>>,
}

impl Found {
    pub(crate) fn len(&self) -> usize {
        self.sessions.len() + self.shares.len()
    }
}

/// What came of making the routes what a session's subscriptions are.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Shared subscriptions that it is a member of: they are to hear that it is ready.
    pub(crate) joined: Vec<Arc<Share>>,
    /// What waited in those whose last member it was. Much, perhaps: dropped without the lock.
    pub(crate) waited: Vec<VecDeque<Waiting>>,
    /// What waited in the others and no other member may have.
    pub(crate) dropped: Vec<(Waiting, DropReason)>,
    /// Those of which more is to be dropped than was at once.
    pub(crate) unfinished: Vec<Arc<Share>>,
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
    /// `sequence` is its number, if it is stored for somebody.
    pub(crate) fn offer(
        &self,
        now: Timestamp,
        message: &Message,
        sequence: Option<Sequence>,
    ) -> Option<Offered> {
        let mut delivery = self.grant_for(message)?.delivery(message);
        // One that came at QoS 2 carries it to everybody: it has to wait for the store.
        if sequence.is_some() && (self.session.is_stored() || message.qos() == QoS::ExactlyOnce) {
            delivery.sequence = sequence;
        }
        self.session.offer(now, delivery)
    }

    /// Returns what the store is to know of this delivery; `None` if nothing.
    pub(crate) fn stored(&self, message: &Message) -> Option<flux_storage::Target> {
        let delivery = self.grant_for(message).filter(|_| self.session.is_stored())?;
        let delivery = delivery.delivery(message);
        (delivery.qos > QoS::AtMostOnce).then(|| target(self.session.key, &delivery))
    }

    fn grant_for(&self, message: &Message) -> Option<&Grant> {
        let is_own = message.publisher() == Some(self.session.publisher);
        if is_own { self.own.as_ref() } else { Some(&self.grant) }
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
            sequence: None,
        }
    }
}

impl Routes {
    /// `first_share` numbers the first shared subscription.
    pub(crate) fn new(
        shared: SharedSettings,
        ledger: Ledger,
        journal: Option<Arc<Journal>>,
        first_share: u32,
    ) -> Self {
        let map = Map { last_share: first_share.saturating_sub(1), ..Map::default() };
        Self { map: RwLock::new(map), shared, ledger, journal, changes: Changes::new() }
    }

    /// Says what a shared subscription is called that an earlier process left, before its members come.
    pub(crate) fn expect_share(&self, filter: TopicFilter, id: ShareId) {
        self.map.write().stored.insert(filter, id);
    }

    /// No more members come of those that were expected.
    pub(crate) fn expect_no_share(&self) {
        self.map.write().stored = HashMap::new();
    }

    /// Makes the routes of a session's filters what its subscriptions are, after they changed.
    ///
    /// Session and map have locks of their own, so another thread may change the session again
    /// before the map is written. Whoever writes the map therefore looks at the session once
    /// more, until what it wrote is what it sees: the last writer leaves both alike.
    pub(crate) fn follow(&self, session: &Arc<SharedSession>, filters: &[TopicFilter]) -> Followed {
        let mut followed = Followed::default();
        for filters in filters.chunks(FILTERS_AT_ONCE) {
            self.follow_some(session, filters, &mut followed);
        }
        followed
    }

    fn follow_some(
        &self,
        session: &Arc<SharedSession>,
        filters: &[TopicFilter],
        followed: &mut Followed,
    ) {
        let mut wanted = session.options_of(filters);
        loop {
            let mut joined = Vec::new();
            let mut map = self.map.write();
            for (filter, options) in filters.iter().zip(&wanted) {
                let member = options.map(|options| Member { session: session.clone(), options });
                match (filter.share_name(), member) {
                    (None, Some(member)) => self.enter(&mut map, filter, member),
                    (None, None) => {
                        if map.tree.remove(filter, &RouteKey::session(session.key)).is_some() {
                            self.changes.count(filter);
                        }
                    }
                    (Some(_), Some(member)) => joined.push(self.join(&mut map, filter, member)),
                    (Some(_), None) => {
                        self.leave(&mut map, filter, session.key, followed);
                    }
                }
            }
            drop(map);
            let current = session.options_of(filters);
            if current == wanted {
                followed.joined.append(&mut joined);
                return;
            }
            wanted = current;
        }
    }

    /// Enters a subscription that is not shared.
    fn enter(&self, map: &mut Map, filter: &TopicFilter, member: Member) {
        let (key, options) = (RouteKey::session(member.session.key), member.options);
        match map.tree.insert(filter, key, Target::Session(member)) {
            // Clients that come back subscribe to what they have.
            Some(Target::Session(before)) if before.options == options => {}
            Some(Target::Session(_) | Target::Share(_)) | None => self.changes.count(filter),
        }
    }

    /// Makes a session a member of a shared subscription, which begins with its first member.
    fn join(&self, map: &mut Map, filter: &TopicFilter, member: Member) -> Arc<Share> {
        let share = match map.shares.get(filter) {
            Some(share) => share.clone(),
            None => {
                let known = map.stored.remove(filter);
                let id = known.unwrap_or_else(|| map.next_share_id());
                let SharedSettings { strategy, limits } = self.shared;
                let (ledger, journal) = (self.ledger.clone(), self.journal.clone());
                let share = Arc::new(Share::new(id, filter, strategy, limits, ledger, journal));
                if known.is_some() {
                    share.is_from_store();
                }
                map.shares.insert(filter.clone(), share.clone());
                map.by_id.insert(id, share.clone());
                map.tree.insert(filter, RouteKey::share(id), Target::Share(share.clone()));
                self.changes.count(filter);
                share
            }
        };
        if member.session.is_stored() {
            share.store();
        }
        share.lock().join(member.session.key, member);
        share
    }

    /// Ends a membership; the shared subscription ends with its last member, and what waited there,
    /// which is returned, with it. Workers may remember the share for long: it keeps nothing.
    fn leave(&self, map: &mut Map, filter: &TopicFilter, key: SessionKey, followed: &mut Followed) {
        let Some(share) = map.shares.get(filter).cloned() else { return };
        {
            let mut members = share.lock();
            members.leave(&key);
            if !members.is_empty() {
                let dropped = members.take_dropped();
                dropped.iter().for_each(|(waiting, _)| share.write_done(waiting));
                if members.claim_rest() {
                    followed.unfinished.push(share.clone());
                }
                return followed.dropped.extend(dropped);
            }
            followed.waited.push(members.take_queued());
        }
        share.write_end();
        map.shares.remove(filter);
        map.by_id.remove(&share.id);
        map.tree.remove(filter, &RouteKey::share(share.id));
        self.changes.count(filter);
    }

    /// Returns a shared subscription that has members.
    pub(crate) fn share(&self, id: ShareId) -> Option<Arc<Share>> {
        self.map.read_recursive().by_id.get(&id).cloned()
    }

    /// Returns the shared subscriptions among these filters that have members, each once, in
    /// the order of their identifiers.
    pub(crate) fn shares(&self, filters: &[TopicFilter]) -> Vec<Arc<Share>> {
        if filters.iter().all(|filter| filter.share_name().is_none()) {
            return Vec::new();
        }
        let map = self.map.read_recursive();
        let mut shares: Vec<_> =
            filters.iter().filter_map(|filter| map.shares.get(filter).cloned()).collect();
        drop(map);
        shares.sort_unstable_by_key(|share| share.id);
        shares.dedup_by_key(|share| share.id);
        shares
    }

    /// Returns how many subscriptions the tree holds.
    pub(crate) fn len(&self) -> usize {
        self.map.read_recursive().tree.len()
    }

    /// Looks at every shared subscription, in the order of their filters.
    pub(crate) fn share_views(&self) -> Vec<ShareView> {
        let mut shares: Vec<_> =
            self.map.read_recursive().shares.values().map(|share| ShareView::of(share)).collect();
        shares.sort_by(|a, b| a.filter.cmp(&b.filter));
        shares
    }

    /// Returns a number that differs whenever the routes of a topic with these scopes may have
    /// changed.
    pub(crate) fn version(&self, scopes: &Scopes) -> u64 {
        self.changes.version(scopes)
    }

    /// Returns the routes of `topic`.
    pub(crate) fn find(&self, topic: TopicName<'_>) -> Found {
        let matches = self.map.read_recursive().matches(topic);
        matches.merge()
    }

    /// Returns the routes of `topic`, whose scopes these are, and their version.
    pub(crate) fn find_version(&self, topic: TopicName<'_>, scopes: &Scopes) -> (u64, Found) {
        let map = self.map.read_recursive();
        let version = self.version(scopes);
        let matches = map.matches(topic);
        drop(map);
        (version, matches.merge())
    }
}

/// All subscriptions that match a topic.
#[derive(Default)]
struct Matches {
    members: SmallVec<[Member; 1]>,
    shares: Vec<Arc<Share>>,
}

impl Matches {
    /// Makes one route of all that a session has.
    fn merge(mut self) -> Found {
        self.members.sort_by_key(|member| member.session.key);
        self.shares.sort_by_key(|share| share.id);
        let routes = self.members.chunk_by(|a, b| a.session.key == b.session.key);
        Found { sessions: routes.filter_map(merge).collect(), shares: self.shares }
    }
}

impl Map {
    fn matches(&self, topic: TopicName<'_>) -> Matches {
        let mut matches = Matches::default();
        self.tree.for_each_match(topic, |_, target| match target {
            Target::Session(member) => matches.members.push(member.clone()),
            Target::Share(share) => matches.shares.push(share.clone()),
        });
        matches
    }

    /// Returns an identifier that no shared subscription has now. Numbers come again only after
    /// four billion others.
    fn next_share_id(&mut self) -> ShareId {
        loop {
            self.last_share = self.last_share.wrapping_add(1);
            let id = ShareId(NonZeroU32::new(self.last_share).unwrap_or(NonZeroU32::MAX));
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

/// Makes one route of all the matches of a session (section 3.3.4).
fn merge(matches: &[Member]) -> Option<Route> {
    let session = matches.first()?.session.clone();
    let all = matches.iter().map(|member| &member.options);
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

/// How many filters of a session change under one lock: tens of microseconds of work. A client may
/// send thousands in one packet, and its session may end with more.
const FILTERS_AT_ONCE: usize = 64;
