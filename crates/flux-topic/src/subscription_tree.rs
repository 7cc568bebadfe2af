//! [`SubscriptionTree`]: which of many subscriptions match a topic name.

mod subscribers;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::iter;

use self::subscribers::Subscribers;
use crate::filter::TopicFilter;
use crate::level_arena::{LevelArena, NodeId};
use crate::name::TopicName;

/// Subscriptions, indexed by the levels of their filters. MQTT 5.0 sections 4.7 and 4.8.
///
/// A subscription is a filter's [`pattern`](TopicFilter::pattern), a key (who subscribed) and a
/// value (the subscription options, say). `$share/{name}/` is not part of the index: callers that
/// have shared subscriptions put the group into `K` (or, if a key has at most one, into `V`);
/// otherwise `$share/g/a` and `a` of one key are the same subscription, and the later one replaces
/// the earlier.
///
/// A lookup visits the nodes whose path matches the topic so far, one hash lookup for each;
/// subscriptions beside that path cost nothing. It does not recurse, and allocates only where a `+`
/// and the name's own level both go on.
///
/// An insertion makes at most one node per level of the filter, and a filter of 65,535 bytes can
/// have 65,536 levels: who lets peers subscribe limits the levels first.
pub struct SubscriptionTree<K, V, S = RandomState> {
    arena: LevelArena<Branch<K, V>, S>,
    /// How many (pattern, key) pairs the nodes hold together.
    len: usize,
}

impl<K: Ord, V> SubscriptionTree<K, V> {
    /// Returns a tree without subscriptions, with a hasher that is seeded at random.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: Ord, V, S: BuildHasher> SubscriptionTree<K, V, S> {
    /// Returns a tree without subscriptions that hashes levels with `hasher`.
    ///
    /// Peers choose the levels, so in production it must be seeded from a secret. No result depends
    /// on it.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self { arena: LevelArena::with_hasher(Branch::default(), hasher), len: 0 }
    }

    /// Stores a subscription, and returns the value of the one that it replaces: the same pattern
    /// and the same key, `[MQTT-3.8.4-3]`.
    pub fn insert(&mut self, filter: &TopicFilter, key: K, value: V) -> Option<V> {
        let mut id = NodeId::ROOT;
        for level in filter.levels() {
            id = self.child_or_add(id, level);
        }
        let replaced = self.arena[id].subscribers.insert(key, value);
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Removes a subscription, and returns its value, `[MQTT-3.10.4-1]`.
    ///
    /// What the tree held for this filter alone goes with it.
    pub fn remove(&mut self, filter: &TopicFilter, key: &K) -> Option<V> {
        let id = self.find(filter)?;
        let removed = self.arena[id].subscribers.remove(key)?;
        self.len -= 1;
        self.prune(id);
        Some(removed)
    }

    /// Returns the value of the subscription with exactly this pattern and key.
    #[must_use]
    pub fn get(&self, filter: &TopicFilter, key: &K) -> Option<&V> {
        self.arena[self.find(filter)?].subscribers.get(key)
    }

    /// Calls `visit` once for each subscription that matches `topic`. A key with several matching
    /// filters is visited once for each. MQTT 5.0 section 4.7, `[MQTT-4.7.2-1]`.
    ///
    /// The order depends on the subscriptions alone, not on the hasher nor on the order in which
    /// they came: wherever filters part, first those with `#`, then those with the name's own level
    /// (or that end here), last those with `+`; subscribers of one filter by their key.
    pub fn for_each_match(&self, topic: TopicName<'_>, mut visit: impl FnMut(&K, &V)) {
        let mut pending = Vec::new();
        let mut current = Some((NodeId::ROOT, topic.levels()));
        while let Some((id, mut levels)) = current.take().or_else(|| pending.pop()) {
            let branch = &self.arena[id];
            let wildcards_match = id != NodeId::ROOT || !topic.is_reserved();
            if wildcards_match && let Some(hash) = branch.hash {
                self.arena[hash].subscribers.for_each(&mut visit);
            }
            let Some(level) = levels.next() else {
                branch.subscribers.for_each(&mut visit);
                continue;
            };
            let own = self.arena.child(id, level);
            let plus = branch.plus.filter(|_| wildcards_match);
            if let (Some(_), Some(plus)) = (own, plus) {
                pending.push((plus, levels.clone()));
            }
            current = own.or(plus).map(|child| (child, levels));
        }
    }

    /// Calls `visit` once for each subscription of the tree, with the pattern of its filter.
    ///
    /// It is meant for an administrator who wants to see them all: patterns are put together anew, and
    /// the order is the arena's, in which later patterns take the places of removed ones.
    pub fn for_each(&self, mut visit: impl FnMut(&str, &K, &V)) {
        for id in self.arena.ids().filter(|id| !self.arena[*id].subscribers.is_empty()) {
            let pattern = self.pattern(id);
            self.arena[id].subscribers.for_each(&mut |key, value| visit(&pattern, key, value));
        }
    }

    /// Returns the pattern that ends at a node.
    fn pattern(&self, id: NodeId) -> String {
        let up = iter::successors(Some(id), |id| self.arena.parent(*id));
        let mut levels: Vec<_> =
            up.take_while(|id| *id != NodeId::ROOT).map(|id| self.arena.level(id)).collect();
        levels.reverse();
        levels.join("/")
    }

    /// Returns the node where the filter's pattern ends.
    fn find(&self, filter: &TopicFilter) -> Option<NodeId> {
        filter.levels().try_fold(NodeId::ROOT, |id, level| self.arena.child(id, level))
    }

    fn child_or_add(&mut self, parent: NodeId, level: &str) -> NodeId {
        let (child, is_new) = self.arena.child_or_add(parent, level, Branch::default());
        if is_new {
            self.arena[parent].set_wildcard(level, Some(child));
        }
        child
    }

    /// Removes `id` if nobody needs it any more, then its parent, and so on.
    fn prune(&mut self, mut id: NodeId) {
        while self.arena[id].subscribers.is_empty()
            && let Some(leaf) = self.arena.remove_leaf(id)
        {
            self.arena[leaf.parent].set_wildcard(&leaf.level, None);
            id = leaf.parent;
        }
    }
}

impl<K, V, S> SubscriptionTree<K, V, S> {
    /// Returns how many subscriptions the tree holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the tree holds no subscription.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<K: Ord, V, S: BuildHasher + Default> Default for SubscriptionTree<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> fmt::Debug for SubscriptionTree<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionTree").field("len", &self.len).finish_non_exhaustive()
    }
}

/// What the tree holds at a node: who subscribed to the filter that ends here, and a short cut to
/// the children that every lookup asks for.
struct Branch<K, V> {
    plus: Option<NodeId>,
    hash: Option<NodeId>,
    subscribers: Subscribers<K, V>,
}

impl<K, V> Branch<K, V> {
    /// Notes which child is on the branch `level`, if that is a wildcard.
    fn set_wildcard(&mut self, level: &str, child: Option<NodeId>) {
        match level {
            "+" => self.plus = child,
            "#" => self.hash = child,
            _ => {}
        }
    }
}

impl<K, V> Default for Branch<K, V> {
    fn default() -> Self {
        Self { plus: None, hash: None, subscribers: Subscribers::default() }
    }
}
