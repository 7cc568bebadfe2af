//! [`RetainedTree`]: one value per topic name, found by name or by filter.

mod cursor;
mod order;
mod room;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use flux_time::Timestamp;
use flux_topic::{LevelArena, NodeId, TopicFilter, TopicName};

pub use self::cursor::{Cursor, Progress};
use self::walk::Place;
use crate::limits::{LEVEL_OVERHEAD, RetainedLimitError, RetainedLimits};
use crate::retain::Retain;

/// Retained values, indexed by the levels of their topic names. MQTT 5.0 sections 3.3.1.3 and 4.7.
///
/// A lookup by filter visits only nodes whose path matches the filter so far: a literal level is
/// one hash lookup, a wildcard follows the links between siblings. Nothing recurses, so a name may
/// have as many levels as fit into its length.
///
/// **Invariant:** a node without children holds a value or a cursor stands on it, except the root;
/// so the tree needs no more room than the topics that it holds now, plus what a larger past has
/// left allocated.
pub struct RetainedTree<V, S = RandomState> {
    arena: LevelArena<Topic<V>, S>,
    limits: RetainedLimits,
    /// How many nodes hold a value.
    len: usize,
    /// The sizes of all values.
    value_bytes: usize,
    /// The number of the value that was set last. It only grows.
    sequence: u64,
    /// The values that expire, by when they do and then by their number.
    expiry: BTreeMap<(Timestamp, u64), NodeId>,
    /// Values that had expired and were removed to make room, until somebody is told.
    expired: Vec<V>,
}

/// What had to make way for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced<V> {
    /// The value that the topic had, be it expired.
    pub replaced: Option<V>,
    /// The values of other topics that were removed to make room
    /// ([`WhenFull::DropOldest`](crate::WhenFull)), the oldest first. Those that had expired are not
    /// among them: [`remove_expired`](RetainedTree::remove_expired) returns them.
    pub dropped: Vec<V>,
}

impl<V> RetainedTree<V> {
    /// Returns the limits that hold.
    #[must_use]
    pub const fn limits(&self) -> RetainedLimits {
        self.limits
    }

    /// Returns a tree without values, with the default limits and a hasher that is seeded at
    /// random.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a tree without values, with a hasher that is seeded at random.
    #[must_use]
    pub fn with_limits(limits: RetainedLimits) -> Self {
        Self::with_hasher(limits, RandomState::new())
    }
}

impl<V, S: BuildHasher> RetainedTree<V, S> {
    /// Returns a tree without values that hashes levels with `hasher`.
    ///
    /// Peers choose the levels, so in production it must be seeded from a secret. No result depends
    /// on it.
    #[must_use]
    pub fn with_hasher(limits: RetainedLimits, hasher: S) -> Self {
        Self {
            arena: LevelArena::with_hasher(Topic::unlinked(), hasher),
            limits,
            len: 0,
            value_bytes: 0,
            sequence: 0,
            expiry: BTreeMap::new(),
            expired: Vec::new(),
        }
    }
}

impl<V: Retain, S: BuildHasher> RetainedTree<V, S> {
    /// Stores the value of a topic, `[MQTT-3.3.1-5]`, and returns what had to make way for it.
    ///
    /// When the limits leave no room, values that have expired at `now` are removed first, and then
    /// what [`when_full`](RetainedLimits::when_full) says. The limits may be exceeded by what open
    /// cursors stand on, the path of one topic each.
    ///
    /// # Errors
    ///
    /// When the limits do not allow it; then the topic keeps the value that it has.
    pub fn set(
        &mut self,
        now: Timestamp,
        topic: TopicName<'_>,
        value: V,
    ) -> Result<Displaced<V>, RetainedLimitError> {
        let size = value.size();
        if size > self.limits.message_bytes {
            let limit = self.limits.message_bytes;
            return Err(RetainedLimitError::MessageBytes { bytes: size, limit });
        }
        let mut id = NodeId::ROOT;
        for level in topic.levels() {
            id = self.child_or_add(id, level);
        }
        // The node has to stay when the topics below it go.
        self.arena[id].pins += 1;
        let room = self.make_room(now, id, size);
        self.arena[id].pins -= 1;
        let dropped = match room {
            Ok(dropped) => dropped,
            Err(error) => {
                self.prune(id);
                return Err(error);
            }
        };
        let replaced = self.take_value(id);
        self.put_value(id, value);
        Ok(Displaced { replaced, dropped })
    }

    /// Removes the value of a topic, and returns it, `[MQTT-3.3.1-6]`.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<V> {
        self.remove_at(self.find(topic)?)
    }

    /// Returns the value of exactly this topic, unless it has expired at `now`.
    #[must_use]
    pub fn get(&self, now: Timestamp, topic: TopicName<'_>) -> Option<&V> {
        self.arena[self.find(topic)?].value_at(now)
    }

    /// Calls `visit` once for each value whose topic matches `filter` and that has not expired at
    /// `now`. MQTT 5.0 section 4.7, `[MQTT-4.7.2-1]`, `[MQTT-3.3.1-9]`.
    ///
    /// Of a shared filter only the pattern counts; that shared subscriptions receive no retained
    /// messages (MQTT 5.0 section 4.8.2) is for the caller to see to.
    ///
    /// The order is the one of a book's contents: a topic before the topics below it, the levels
    /// below one topic in the order in which they came. A level that was removed and comes again is
    /// the last, unless a cursor stood on it. The order does not depend on the hasher.
    pub fn for_each_match(&self, now: Timestamp, filter: &TopicFilter, mut visit: impl FnMut(&V)) {
        let mut place = Some(Place::START);
        while let Some(at) = place {
            let (found, next) = self.step(filter.pattern(), at);
            found.and_then(|topic| topic.value_at(now)).into_iter().for_each(&mut visit);
            place = next;
        }
    }

    /// Removes the value of a node, and the node if nothing needs it any more.
    fn remove_at(&mut self, id: NodeId) -> Option<V> {
        let removed = self.take_value(id)?;
        self.prune(id);
        Some(removed)
    }

    fn take_value(&mut self, id: NodeId) -> Option<V> {
        let value = self.arena[id].value.take()?;
        if let Some(moment) = value.expires_at() {
            self.expiry.remove(&(moment, self.arena[id].sequence));
        }
        self.unlink_from_order(id);
        self.value_bytes -= value.size();
        self.len -= 1;
        Some(value)
    }

    /// Stores the value of a node that has none.
    fn put_value(&mut self, id: NodeId, value: V) {
        self.sequence += 1;
        if let Some(moment) = value.expires_at() {
            self.expiry.insert((moment, self.sequence), id);
        }
        self.link_newest(id);
        self.value_bytes += value.size();
        self.len += 1;
        self.arena[id].sequence = self.sequence;
        self.arena[id].value = Some(value);
    }
}

impl<V, S: BuildHasher> RetainedTree<V, S> {
    fn find(&self, topic: TopicName<'_>) -> Option<NodeId> {
        topic.levels().try_fold(NodeId::ROOT, |id, level| self.arena.child(id, level))
    }

    fn child_or_add(&mut self, parent: NodeId, level: &str) -> NodeId {
        let (child, is_new) = self.arena.child_or_add(parent, level, Topic::unlinked());
        if is_new {
            self.link_last(parent, child);
        }
        child
    }

    /// Removes `id` if it holds nothing any more and no cursor stands on it, then its parent, and so
    /// on.
    fn prune(&mut self, mut id: NodeId) {
        while self.arena[id].value.is_none()
            && self.arena[id].pins == 0
            && let Some(leaf) = self.arena.remove_leaf(id)
        {
            self.unlink(leaf.parent, id, &leaf.value);
            id = leaf.parent;
        }
    }

    /// Makes `child` the last in its parent's ring of children.
    fn link_last(&mut self, parent: NodeId, child: NodeId) {
        let Some(first) = self.arena[parent].first_child else {
            self.arena[parent].first_child = Some(child);
            self.arena[child].previous = child;
            return;
        };
        let last = self.arena[first].previous;
        self.arena[last].next = Some(child);
        self.arena[child].previous = last;
        self.arena[first].previous = child;
    }

    /// Takes the removed node `id`, whose links were those of `removed`, out of the ring.
    fn unlink(&mut self, parent: NodeId, id: NodeId, removed: &Topic<V>) {
        if self.arena[parent].first_child == Some(id) {
            self.arena[parent].first_child = removed.next;
        } else {
            self.arena[removed.previous].next = removed.next;
        }
        // Behind the last child the ring goes on with the first.
        if let Some(behind) = removed.next.or(self.arena[parent].first_child) {
            self.arena[behind].previous = removed.previous;
        }
    }
}

impl<V, S> RetainedTree<V, S> {
    /// Returns how many topics have a value, which may have expired.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no topic has a value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many bytes the values and the levels of the tree count, as
    /// [`RetainedLimits::bytes`] defines it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // The root is there always.
        self.value_bytes + (self.arena.node_count() - 1) * LEVEL_OVERHEAD
    }
}

impl<V, S: BuildHasher + Default> Default for RetainedTree<V, S> {
    fn default() -> Self {
        Self::with_hasher(RetainedLimits::default(), S::default())
    }
}

impl<V, S> fmt::Debug for RetainedTree<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedTree").field("len", &self.len).finish_non_exhaustive()
    }
}

/// What the tree holds at a node: the value of the topic that ends here, and the links by which a
/// wildcard walks.
struct Topic<V> {
    value: Option<V>,
    /// The number of the value, or of one that was here before.
    sequence: u64,
    /// Whose value was set next before this one, and next after it; the root is between the newest
    /// and the oldest.
    older: NodeId,
    newer: NodeId,
    first_child: Option<NodeId>,
    /// The sibling that came after this one.
    next: Option<NodeId>,
    /// The sibling that came before this one; of the first child, the last. So a child is added
    /// last without a third link in its parent.
    previous: NodeId,
    /// How many cursors stand here.
    pins: u32,
}

impl<V> Topic<V> {
    /// Returns a topic without value, children and siblings.
    const fn unlinked() -> Self {
        Self {
            value: None,
            sequence: 0,
            older: NodeId::ROOT,
            newer: NodeId::ROOT,
            first_child: None,
            next: None,
            previous: NodeId::ROOT,
            pins: 0,
        }
    }
}

impl<V: Retain> Topic<V> {
    /// Returns the value, unless it has expired at `now`.
    fn value_at(&self, now: Timestamp) -> Option<&V> {
        self.value.as_ref().filter(|value| value.expires_at().is_none_or(|moment| moment > now))
    }
}
