//! [`World`]: a tree, its model and open cursors, which go through the same operations.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::ControlFlow;

use flux_topic::matches;

use super::plain::Plain;
use super::*;

pub(super) struct World {
    tree: RetainedTree<Value>,
    plain: Plain,
    cursors: Vec<Open>,
    now: Timestamp,
    /// The number of the value that was set last.
    number: u64,
}

/// An open cursor, and what it has to keep its promise.
struct Open {
    cursor: Cursor,
    pattern: String,
    /// The number of the value that was set last before it was opened.
    opened: u64,
    /// The numbers of the values that it visited.
    visited: BTreeSet<u64>,
}

impl World {
    pub(super) fn new(limits: RetainedLimits) -> Self {
        Self {
            tree: RetainedTree::with_limits(limits),
            plain: Plain { limits, values: BTreeMap::new(), removed: Vec::new() },
            cursors: Vec::new(),
            now: Timestamp::from_millis(0),
            number: 0,
        }
    }

    /// Applies an operation to the tree and to the model, and checks that they answer alike.
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Set(topic, size, life) => self.set(topic, *size, *life),
            Operation::Remove(topic) => {
                assert_eq!(self.tree.remove(name(topic)), self.plain.values.remove(topic));
            }
            Operation::Open(pattern) => self.cursors.push(Open {
                cursor: self.tree.open(&filter(pattern)),
                pattern: pattern.clone(),
                opened: self.number,
                visited: BTreeSet::new(),
            }),
            Operation::Advance(which, at_most, room) => {
                if let Some(which) = which.checked_rem(self.cursors.len()) {
                    self.advance(which, *at_most, *room);
                }
            }
            Operation::Close(which) => {
                if let Some(which) = which.checked_rem(self.cursors.len()) {
                    self.tree.close(self.cursors.swap_remove(which).cursor);
                }
            }
            Operation::RemoveExpired(at_most) => {
                let mut removed = std::mem::take(&mut self.plain.removed);
                let more = iter::from_fn(|| self.plain.remove_expired(self.now));
                removed.extend(more.take(*at_most));
                assert_eq!(self.tree.remove_expired(self.now, *at_most), removed);
            }
            Operation::Pass(millis) => {
                self.now = Timestamp::from_millis(self.now.as_millis() + millis);
            }
        }
        self.check();
    }

    fn set(&mut self, topic: &str, size: usize, life: Option<u64>) {
        self.number += 1;
        let expires_at = life.map(|life| Timestamp::from_millis(self.now.as_millis() + life));
        let value = Value { topic: topic.to_owned(), number: self.number, size, expires_at };
        let expected = self.plain.set(self.now, &value, &self.pinned());
        assert_eq!(self.tree.set(self.now, name(topic), value), expected);
    }

    /// Advances a cursor, and holds it to its promise.
    fn advance(&mut self, which: usize, at_most: usize, room: usize) {
        let Self { tree, plain, cursors, now, .. } = self;
        let Open { cursor, pattern, opened, visited } = &mut cursors[which];
        let mut visits = 0;
        let progress = tree.advance_while(cursor, *now, at_most, |value| {
            if visits == room {
                return ControlFlow::Break(());
            }
            visits += 1;
            assert_eq!(plain.values.get(&value.topic), Some(value), "removed or replaced");
            assert!(matches(pattern, &value.topic), "{value:?} does not match {pattern}");
            assert!(value.number <= *opened, "{value:?} was set after the opening");
            assert!(!value.has_expired(*now), "{value:?} has expired");
            assert!(visited.insert(value.number), "{value:?} was visited before");
            ControlFlow::Continue(())
        });
        assert!(visits <= at_most.min(room));
        if progress == Progress::Done {
            // What is there now with an old number was there all the time.
            for value in plain.values.values() {
                let promised = value.number <= *opened
                    && matches(pattern, &value.topic)
                    && !value.has_expired(*now);
                assert!(!promised || visited.contains(&value.number), "{value:?} was missed");
            }
            assert_eq!(cursor.node(), None);
        }
    }

    /// Returns the values that match, in the order of the visits, after comparing them with the
    /// model.
    pub(super) fn matches(&self, pattern: &str) -> Vec<Value> {
        let mut found = Vec::new();
        self.tree.for_each_match(self.now, &filter(pattern), |value| found.push(value.clone()));
        let mut sorted = found.clone();
        sorted.sort_unstable_by(|one, other| one.topic.cmp(&other.topic));
        let values = self.plain.values.values();
        let expected = values
            .filter(|value| matches(pattern, &value.topic) && !value.has_expired(self.now))
            .cloned();
        assert_eq!(sorted, expected.collect::<Vec<_>>());
        found
    }

    /// Brings the cursors to their ends, removes everything and checks that nothing is left.
    pub(super) fn end(mut self) {
        while !self.cursors.is_empty() {
            // Each step may end a cursor: none takes more than two for each node.
            let steps = 2 * self.tree.arena.node_count();
            self.advance(0, steps, usize::MAX);
            assert_eq!(self.cursors[0].cursor.node(), None, "the cursor did not end");
            self.apply(&Operation::Close(0));
        }
        for topic in self.plain.values.keys().cloned().collect::<Vec<_>>() {
            self.apply(&Operation::Remove(topic));
        }
        assert_eq!((self.tree.bytes(), self.tree.arena.node_count()), (0, 1));
    }

    /// Checks what the tree says of itself, and what it is made of.
    fn check(&self) {
        let Self { tree, plain, now, .. } = self;
        let values = plain.values.values();
        assert_eq!((tree.len(), tree.is_empty()), (plain.values.len(), plain.values.is_empty()));
        assert_eq!(tree.bytes(), plain.bytes(&self.pinned()));
        assert_eq!(tree.next_expiry(), values.clone().filter_map(|value| value.expires_at).min());
        for value in values.clone() {
            let expected = Some(value).filter(|value| !value.has_expired(*now));
            assert_eq!(tree.get(*now, name(&value.topic)), expected);
        }

        // Every limit holds for what the values need.
        assert!(tree.len() <= plain.limits.messages);
        assert!(plain.bytes(&BTreeSet::new()) <= plain.limits.bytes);
        assert!(values.clone().all(|value| value.size <= plain.limits.message_bytes));

        let mut numbers: Vec<_> = values.map(|value| value.number).collect();
        numbers.sort_unstable();
        let in_order = iter::successors(tree.oldest(), |id| tree.newer_than(*id));
        let in_order = in_order.map(|id| tree.arena[id].value.as_ref().unwrap().number);
        assert_eq!(in_order.collect::<Vec<_>>(), numbers);
        self.check_nodes();
    }

    /// Checks that the links lead to all nodes, and that these are the ones that are needed.
    fn check_nodes(&self) {
        let tree = &self.tree;
        let (mut pending, mut reached) = (vec![NodeId::ROOT], BTreeMap::new());
        while let Some(id) = pending.pop() {
            let standing = self.cursors.iter().filter(|open| open.cursor.node() == Some(id));
            assert_eq!(tree.arena[id].pins as usize, standing.count());
            let children = iter::successors(tree.arena[id].first_child, |id| tree.arena[*id].next);
            let children: Vec<_> = children.collect();
            for pair in children.windows(2) {
                assert_eq!(tree.arena[pair[1]].previous, pair[0]);
            }
            if let (Some(first), Some(last)) = (children.first(), children.last()) {
                assert_eq!(tree.arena[*first].previous, *last);
            }
            pending.extend(children);
            reached.extend(self.path(id).map(|path| (path, id)));
        }
        assert_eq!(tree.arena.node_count(), reached.len() + 1, "no node is out of reach");
        let needed = self.plain.paths(&self.pinned());
        assert!(reached.keys().eq(&needed), "{reached:?} are there, {needed:?} are needed");
    }

    /// Returns the paths of the nodes that cursors stand on.
    fn pinned(&self) -> BTreeSet<String> {
        let nodes = self.cursors.iter().filter_map(|open| open.cursor.node());
        nodes.filter_map(|id| self.path(id)).collect()
    }

    /// Returns the path of a node, none for the root.
    fn path(&self, id: NodeId) -> Option<String> {
        let parent = self.tree.arena.parent(id)?;
        let level = self.tree.arena.level(id);
        Some(self.path(parent).map_or(level.to_owned(), |above| format!("{above}/{level}")))
    }
}
