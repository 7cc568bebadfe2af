//! [`Place`]: where a walk over what matches a filter stands, and the step from there to the next.

use std::hash::BuildHasher;

use flux_topic::NodeId;

use super::{RetainedTree, Topic};

/// Where a walk stands: at a node whose path matches the filter so far.
///
/// The node's parent and the links of the siblings say what follows in the order of a book's
/// contents, so a walk remembers nothing else, and goes on whatever was set or removed between two
/// steps: only its node must stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) node: NodeId,
    /// Whether the node and all below it are done.
    is_done: bool,
    /// Where the level begins in the pattern that the node's children have to match: behind the end
    /// when the pattern ends with the node's own level.
    level_start: usize,
    /// How many levels of the node's path `#` stands for.
    under_hash: usize,
}

impl Place {
    /// Where every walk begins.
    pub(super) const START: Self =
        Self { node: NodeId::ROOT, is_done: false, level_start: 0, under_hash: 0 };
}

impl<V, S: BuildHasher> RetainedTree<V, S> {
    /// Looks at the node of `place`. Returns it if its topic matches the whole pattern, and the
    /// place that follows; none when the walk is over.
    ///
    /// The effort depends on the length of one level, not on the tree.
    #[inline]
    pub(super) fn step(&self, pattern: &str, place: Place) -> (Option<&Topic<V>>, Option<Place>) {
        if place.is_done || self.is_hidden(pattern, place) {
            return (None, self.after(pattern, place));
        }
        let topic = &self.arena[place.node];
        let (found, below) = match place.children(pattern) {
            Children::None => (Some(topic), None),
            Children::AllBelow => {
                let below = |node| Place { node, under_hash: place.under_hash + 1, ..place };
                (Some(topic), topic.first_child.map(below))
            }
            Children::All => (None, topic.first_child.map(|child| place.below(child, "+"))),
            Children::Named(level) => {
                let child = self.arena.child(place.node, level);
                (None, child.map(|child| place.below(child, level)))
            }
        };
        (found, below.or_else(|| self.after(pattern, place)))
    }

    /// Returns the place that follows when a node and all below it are done: its next sibling if a
    /// wildcard stands for it, otherwise its parent, which is done then.
    #[inline]
    fn after(&self, pattern: &str, place: Place) -> Option<Place> {
        let parent = self.arena.parent(place.node)?;
        // What the pattern has up to the level of the node, if it is not under `#`.
        let own = pattern.get(..place.level_start.saturating_sub(1)).unwrap_or_default();
        if (place.under_hash > 0 || own.ends_with('+'))
            && let Some(node) = self.arena[place.node].next
        {
            return Some(Place { node, is_done: false, ..place });
        }
        let (level_start, under_hash) = match place.under_hash.checked_sub(1) {
            Some(under_hash) => (place.level_start, under_hash),
            None => (own.rfind('/').map_or(0, |slash| slash + 1), 0),
        };
        Some(Place { node: parent, is_done: true, level_start, under_hash })
    }

    /// Returns whether a leading wildcard stands for the node and its level starts with `$`,
    /// `[MQTT-4.7.2-1]`.
    #[inline]
    fn is_hidden(&self, pattern: &str, place: Place) -> bool {
        place.under_hash <= 1
            && self.arena.parent(place.node) == Some(NodeId::ROOT)
            && pattern.starts_with(['+', '#'])
            && self.arena.level(place.node).starts_with('$')
    }
}

impl Place {
    /// Returns which of the node's children match.
    fn children(self, pattern: &str) -> Children<'_> {
        if self.under_hash > 0 {
            return Children::AllBelow;
        }
        let Some(rest) = pattern.get(self.level_start..) else { return Children::None };
        match rest.split_once('/').map_or(rest, |(level, _)| level) {
            "#" => Children::AllBelow,
            "+" => Children::All,
            level => Children::Named(level),
        }
    }

    /// Returns the place of a child that matches a `level` of the pattern other than `#`.
    const fn below(self, node: NodeId, level: &str) -> Self {
        Self { node, level_start: self.level_start + level.len() + 1, ..self }
    }
}

/// Which children of a node match a pattern.
enum Children<'p> {
    /// None: the pattern ends here.
    None,
    /// All, and so does everything below them: `#`.
    AllBelow,
    /// All: `+`.
    All,
    /// The one with this level.
    Named(&'p str),
}
