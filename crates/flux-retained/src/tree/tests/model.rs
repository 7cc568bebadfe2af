//! The tree against a plain map of topics: every operation, every answer, and after every step what
//! the tree is made of.

mod plain;
mod world;

use proptest::prelude::*;

use self::world::World;
use super::super::*;
use super::{filter, name};
use crate::limits::WhenFull;

/// The value says its topic and its number, so that a wrong one shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    topic: String,
    number: u64,
    size: usize,
    expires_at: Option<Timestamp>,
}

impl Retain for Value {
    fn size(&self) -> usize {
        self.size
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

impl Value {
    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|moment| moment <= now)
    }
}

#[derive(Clone, Debug)]
enum Operation {
    /// With how long it lives, in milliseconds.
    Set(String, usize, Option<u64>),
    Remove(String),
    Open(String),
    /// Which of the open cursors, modulo their number, how many nodes, and for how many values there
    /// is room.
    Advance(usize, usize, usize),
    Close(usize),
    RemoveExpired(usize),
    Pass(u64),
}

fn any_topic() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["", "a", "b", "$x"]);
    prop::collection::vec(level, 1..4)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a name is not empty", |name| !name.is_empty())
}

fn any_filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["", "a", "b", "$x", "+"]);
    (prop::collection::vec(level, 0..5), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            levels.extend(hash.then_some("#"));
            levels.join("/")
        })
        .prop_filter("a filter is not empty", |filter| !filter.is_empty())
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let life = prop::option::weighted(0.3, 0..20u64);
    prop_oneof![
        8 => (any_topic(), any_size(), life).prop_map(|(topic, size, life)| {
            Operation::Set(topic, size, life)
        }),
        4 => any_topic().prop_map(Operation::Remove),
        2 => any_filter().prop_map(Operation::Open),
        6 => (any::<usize>(), 0..6usize, 0..4usize).prop_map(|(which, nodes, room)| {
            Operation::Advance(which, nodes, room)
        }),
        1 => any::<usize>().prop_map(Operation::Close),
        1 => (0..4usize).prop_map(Operation::RemoveExpired),
        2 => (0..8u64).prop_map(Operation::Pass),
    ]
}

/// Small ones, and some that are about as much as a level.
fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..12usize, 1 => LEVEL_OVERHEAD - 6..LEVEL_OVERHEAD + 6]
}

fn any_limits() -> impl Strategy<Value = RetainedLimits> {
    let when_full = prop::sample::select(vec![WhenFull::Refuse, WhenFull::DropOldest]);
    let tiny = (0..8usize, 0..16usize, 0..60usize, any_size(), when_full);
    prop_oneof![
        1 => Just(RetainedLimits::default()),
        2 => tiny.prop_map(|(messages, levels, bytes, message_bytes, when_full)| RetainedLimits {
            messages,
            bytes: levels * LEVEL_OVERHEAD + bytes,
            message_bytes,
            when_full,
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_is_the_model(
        limits in any_limits(),
        operations in prop::collection::vec(any_operation(), 0..80),
        filters in prop::collection::vec(any_filter(), 1..12),
    ) {
        // Two worlds differ only in their hashers.
        let (mut world, mut other) = (World::new(limits), World::new(limits));
        for operation in &operations {
            world.apply(operation);
            other.apply(operation);
        }
        for pattern in &filters {
            prop_assert_eq!(world.matches(pattern), other.matches(pattern), "the order of visits");
        }
        world.end();
    }
}
