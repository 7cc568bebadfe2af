//! [`RetainedTree`]: one value per topic name, found by name or by filter.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::iter;

use flux_topic::{LevelArena, Levels, NodeId, TopicFilter, TopicName};

/// Retained values, indexed by the levels of their topic names. MQTT 5.0 sections 3.3.1.3 and 4.7.
///
/// A lookup by filter visits only nodes whose path matches the filter so far: a literal level is
/// one hash lookup, a wildcard follows the links between siblings. Nothing recurses, so a name may
/// have as many levels as fit into its length.
///
/// **Invariant:** a node without children holds a value, except the root; so the tree needs no more
/// room than the topics that it holds now, plus what a larger past has left allocated.
pub struct RetainedTree<V, S = RandomState> {
    arena: LevelArena<Topic<V>, S>,
    /// How many nodes hold a value.
    len: usize,
}

impl<V> RetainedTree<V> {
    /// Returns a tree without values, with a hasher that is seeded at random.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<V, S: BuildHasher> RetainedTree<V, S> {
    /// Returns a tree without values that hashes levels with `hasher`.
    ///
    /// Peers choose the levels, so in production it must be seeded from a secret. No result depends
    /// on it.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self { arena: LevelArena::with_hasher(Topic::unlinked(), hasher), len: 0 }
    }

    /// Stores the value of a topic, and returns the one that it replaces, `[MQTT-3.3.1-5]`.
    pub fn set(&mut self, topic: TopicName<'_>, value: V) -> Option<V> {
        let mut id = NodeId::ROOT;
        for level in topic.levels() {
            id = self.child_or_add(id, level);
        }
        let replaced = self.arena[id].value.replace(value);
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Removes the value of a topic, and returns it, `[MQTT-3.3.1-6]`.
    pub fn remove(&mut self, topic: TopicName<'_>) -> Option<V> {
        let id = self.find(topic)?;
        let removed = self.arena[id].value.take()?;
        self.len -= 1;
        self.prune(id);
        Some(removed)
    }

    /// Returns the value of exactly this topic.
    #[must_use]
    pub fn get(&self, topic: TopicName<'_>) -> Option<&V> {
        self.arena[self.find(topic)?].value.as_ref()
    }

    /// Calls `visit` once for each value whose topic matches `filter`. MQTT 5.0 section 4.7,
    /// `[MQTT-4.7.2-1]`, `[MQTT-3.3.1-9]`.
    ///
    /// Of a shared filter only the pattern counts; that shared subscriptions receive no retained
    /// messages (MQTT 5.0 section 4.8.2) is for the caller to see to.
    ///
    /// The order is the one of a book's contents: a topic before the topics below it, the levels
    /// below one topic in the order in which they came. A level that was removed and comes again is
    /// the last. The order does not depend on the hasher.
    pub fn for_each_match(&self, filter: &TopicFilter, mut visit: impl FnMut(&V)) {
        let mut pending = Vec::new();
        let mut current = Some((NodeId::ROOT, filter.levels()));
        while let Some((id, mut levels)) = current.take().or_else(|| next_pending(&mut pending)) {
            match levels.next() {
                None => self.arena[id].value.iter().for_each(&mut visit),
                Some("#") => self.for_each_from(id, &mut visit),
                Some("+") => pending.push((self.wildcard_children(id), levels)),
                Some(level) => current = self.arena.child(id, level).map(|child| (child, levels)),
            }
        }
    }

    /// Calls `visit` for the value of `id` and all values below that a wildcard sees.
    fn for_each_from(&self, id: NodeId, visit: &mut impl FnMut(&V)) {
        self.arena[id].value.iter().for_each(&mut *visit);
        for child in self.wildcard_children(id) {
            let below = iter::successors(Some(child), |at| self.next_below(child, *at));
            below.filter_map(|at| self.arena[at].value.as_ref()).for_each(&mut *visit);
        }
    }

    /// Returns the children of `id` that a wildcard matches: below the root, where the wildcard
    /// leads its filter, not those that start with `$`, `[MQTT-4.7.2-1]`.
    fn wildcard_children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        iter::successors(self.arena[id].first_child, |child| self.arena[*child].next)
            .filter(move |child| id != NodeId::ROOT || !self.arena.level(*child).starts_with('$'))
    }

    /// Returns the node that follows `at` in the subtree of `top`: its first child, or the next
    /// sibling of the nearest node on the way up that has one.
    fn next_below(&self, top: NodeId, at: NodeId) -> Option<NodeId> {
        self.arena[at].first_child.or_else(|| {
            iter::successors(Some(at), |id| self.arena.parent(*id))
                .take_while(|id| *id != top)
                .find_map(|id| self.arena[id].next)
        })
    }

    fn find(&self, topic: TopicName<'_>) -> Option<NodeId> {
        topic.levels().try_fold(NodeId::ROOT, |id, level| self.arena.child(id, level))
    }

    fn child_or_add(&mut self, parent: NodeId, level: &str) -> NodeId {
        if let Some(child) = self.arena.child(parent, level) {
            return child;
        }
        let child = self.arena.add_child(parent, level, Topic::unlinked());
        self.link_last(parent, child);
        child
    }

    /// Removes `id` if it holds nothing any more, then its parent, and so on.
    fn prune(&mut self, mut id: NodeId) {
        while self.arena[id].value.is_none()
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
    /// Returns how many topics have a value.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no topic has a value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<V, S: BuildHasher + Default> Default for RetainedTree<V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
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
    first_child: Option<NodeId>,
    /// The sibling that came after this one.
    next: Option<NodeId>,
    /// The sibling that came before this one; of the first child, the last. So a child is added
    /// last without a third link in its parent.
    previous: NodeId,
}

impl<V> Topic<V> {
    /// Returns a topic without value, children and siblings. The root stays like this.
    const fn unlinked() -> Self {
        Self { value: None, first_child: None, next: None, previous: NodeId::ROOT }
    }
}

/// Returns the next node of the deepest `+` that has one, with the levels of the filter behind that
/// `+`.
fn next_pending<'f>(
    pending: &mut Vec<(impl Iterator<Item = NodeId>, Levels<'f>)>,
) -> Option<(NodeId, Levels<'f>)> {
    while let Some((children, levels)) = pending.last_mut() {
        if let Some(child) = children.next() {
            return Some((child, levels.clone()));
        }
        pending.pop();
    }
    None
}
