//! [`LevelArena`]: the nodes of a tree whose branches are topic levels.

mod level;

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slab::Slab;

use self::level::Level;

/// A tree with a topic level (MQTT 5.0 section 4.7.1.1) on every branch and a value at every node:
/// what a subscription tree and a tree of retained messages have in common.
///
/// All nodes stand in one arena, and all children of all nodes in one hash table with the key
/// (parent, level). A node with one child thus costs no map of its own, and dropping a deep tree
/// needs no recursion. The table is only ever asked for one key: no result depends on its order, nor
/// on the hasher. Peers choose the levels, so the hasher is a parameter; keep it seeded from a secret
/// where they are not trusted.
///
/// **Invariant:** every node but the root has a parent in the arena and is in the table exactly
/// once.
pub struct LevelArena<N, S = RandomState> {
    nodes: Slab<Node<N>>,
    /// Every node but the root, by its parent and its level.
    children: HashTable<NodeId>,
    hasher: S,
}

impl<N, S: BuildHasher> LevelArena<N, S> {
    /// Returns a tree that has only a root, with the value `root`.
    #[must_use]
    pub fn with_hasher(root: N, hasher: S) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node {
            parent: NodeId::ROOT,
            children: 0,
            level: Level::new(""),
            value: root,
        });
        Self { nodes, children: HashTable::new(), hasher }
    }

    /// Returns the child of `parent` on the branch `level`.
    #[must_use]
    pub fn child(&self, parent: NodeId, level: &str) -> Option<NodeId> {
        let key = Key { parent, level: level.as_bytes() };
        let hash = self.hasher.hash_one(key);
        self.children.find(hash, |id| self.node(*id).key() == key).copied()
    }

    /// Returns the child of `parent` on the branch `level`, and whether it was added: then it has the value
    /// `new`.
    ///
    /// # Panics
    ///
    /// When `parent` has been removed, and when the tree has 4,294,967,295 nodes, which take more
    /// than 100 GiB: limit the subscriptions or messages long before.
    pub fn child_or_add(&mut self, parent: NodeId, level: &str, new: N) -> (NodeId, bool) {
        let Self { nodes, children, hasher } = self;
        let key = Key { parent, level: level.as_bytes() };
        let hash = hasher.hash_one(key);
        let key_of = |id: &NodeId| nodes[id.index()].key();
        match children.entry(hash, |id| key_of(id) == key, |id| hasher.hash_one(key_of(id))) {
            Entry::Occupied(child) => (*child.get(), false),
            Entry::Vacant(place) => {
                nodes[parent.index()].children += 1;
                let node = Node { parent, children: 0, level: Level::new(level), value: new };
                let id = NodeId::at(nodes.insert(node));
                place.insert(id);
                (id, true)
            }
        }
    }

    /// Removes a node; `None`, and nothing changes, when it is the root or has children.
    ///
    /// # Panics
    ///
    /// When `id` has been removed before.
    pub fn remove_leaf(&mut self, id: NodeId) -> Option<Leaf<N>> {
        if id == NodeId::ROOT || self.node(id).children > 0 {
            return None;
        }
        let hash = self.hasher.hash_one(self.node(id).key());
        if let Ok(entry) = self.children.find_entry(hash, |child| *child == id) {
            entry.remove();
        }
        let Node { parent, level, value, .. } = self.nodes.remove(id.index());
        self.node_mut(parent).children -= 1;
        Some(Leaf { parent, level: level.as_str().into(), value })
    }
}

impl<N, S> LevelArena<N, S> {
    /// Returns the parent of a node; `None` for the root.
    ///
    /// # Panics
    ///
    /// When `id` has been removed.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        let parent = self.node(id).parent;
        (id != NodeId::ROOT).then_some(parent)
    }

    /// Returns the level on the branch from the node's parent; empty for the root.
    ///
    /// # Panics
    ///
    /// When `id` has been removed.
    #[must_use]
    pub fn level(&self, id: NodeId) -> &str {
        self.node(id).level.as_str()
    }

    /// Returns all nodes, the root first. The order depends on what was added and removed when, not on
    /// the hasher.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().map(|(index, _)| NodeId::at(index))
    }

    /// Returns how many nodes the tree has, the root included.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    #[expect(clippy::indexing_slicing, reason = "an id lives as long as its node")]
    fn node(&self, id: NodeId) -> &Node<N> {
        &self.nodes[id.index()]
    }

    #[expect(clippy::indexing_slicing, reason = "an id lives as long as its node")]
    fn node_mut(&mut self, id: NodeId) -> &mut Node<N> {
        &mut self.nodes[id.index()]
    }
}

/// The value of a node. Panics when the node has been removed.
impl<N, S> Index<NodeId> for LevelArena<N, S> {
    type Output = N;

    fn index(&self, id: NodeId) -> &N {
        &self.node(id).value
    }
}

/// The value of a node. Panics when the node has been removed.
impl<N, S> IndexMut<NodeId> for LevelArena<N, S> {
    fn index_mut(&mut self, id: NodeId) -> &mut N {
        &mut self.node_mut(id).value
    }
}

impl<N, S> fmt::Debug for LevelArena<N, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LevelArena").field("nodes", &self.node_count()).finish_non_exhaustive()
    }
}

/// Which node of a [`LevelArena`].
///
/// It is valid until its node is removed; then a later node may get the same one. An `Option` of it
/// takes no more room: four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node without a parent, which every tree has.
    pub const ROOT: Self = Self(NonZeroU32::MIN);

    #[expect(clippy::expect_used, reason = "4 billion nodes are not a state to go on from")]
    fn at(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("a tree has fewer than 2^32 nodes"))
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What [`LevelArena::remove_leaf`] took out of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<N> {
    /// The node that it was a child of.
    pub parent: NodeId,
    /// The level that was on the branch to it.
    pub level: Box<str>,
    /// Its value.
    pub value: N,
}

/// A node: where it hangs and what it holds.
struct Node<N> {
    /// The node above; the root has itself.
    parent: NodeId,
    /// How many nodes have this one as their parent.
    children: u32,
    level: Level,
    value: N,
}

impl<N> Node<N> {
    fn key(&self) -> Key<'_> {
        Key { parent: self.parent, level: self.level.as_bytes() }
    }
}

/// What the table of children is keyed by.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key<'a> {
    parent: NodeId,
    level: &'a [u8],
}

/// Nothing follows the level, so its length need not be hashed as a slice's would be.
impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parent.hash(state);
        state.write(self.level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> LevelArena<&'static str> {
        LevelArena::with_hasher("root", RandomState::new())
    }

    #[test]
    fn a_child_is_found_by_its_parent_and_level() {
        let mut tree = tree();
        let (a, _) = tree.child_or_add(NodeId::ROOT, "a", "a");
        let (ab, is_new) = tree.child_or_add(a, "b", "a/b");
        assert!(is_new);
        let (b, _) = tree.child_or_add(NodeId::ROOT, "b", "b");
        assert_eq!(tree.child_or_add(a, "b", "again"), (ab, false));
        assert_eq!(tree.child(NodeId::ROOT, "a"), Some(a));
        assert_eq!(tree.child(a, "b"), Some(ab));
        assert_eq!(tree.child(NodeId::ROOT, "b"), Some(b));
        assert_eq!(tree.child(b, "b"), None);
        assert_eq!((tree[ab], tree.level(ab), tree.parent(ab)), ("a/b", "b", Some(a)));
        assert_eq!(tree.parent(NodeId::ROOT), None);
    }

    #[test]
    fn only_leaves_are_removed() {
        let mut tree = tree();
        let (a, _) = tree.child_or_add(NodeId::ROOT, "a", "a");
        let (empty, _) = tree.child_or_add(a, "", "a/");
        assert_eq!(tree.remove_leaf(NodeId::ROOT), None);
        assert_eq!(tree.remove_leaf(a), None);
        assert_eq!(
            tree.remove_leaf(empty),
            Some(Leaf { parent: a, level: "".into(), value: "a/" })
        );
        assert_eq!(tree.child(a, ""), None);
        assert!(tree.remove_leaf(a).is_some());
        assert_eq!(tree.node_count(), 1);
        assert!(tree.children.is_empty());
    }

    #[test]
    fn a_node_id_takes_four_bytes_even_as_an_option() {
        assert_eq!(size_of::<Option<NodeId>>(), 4);
    }
}
