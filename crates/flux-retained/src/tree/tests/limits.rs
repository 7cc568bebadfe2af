//! Limits: each is reached, under both policies.

use super::*;
use crate::limits::WhenFull;

/// A value: its name, its size, and when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sized(&'static str, usize, Option<u64>);

impl Retain for Sized {
    fn size(&self) -> usize {
        self.1
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.2.map(Timestamp::from_millis)
    }
}

/// Room for three messages with topics of one level and 10 bytes, of at most 20 bytes each.
fn small(when_full: WhenFull) -> RetainedLimits {
    let bytes = 3 * (LEVEL_OVERHEAD + 10);
    RetainedLimits { messages: 3, bytes, message_bytes: 20, when_full }
}

/// Returns a tree with `limits` that holds a, b and c, 10 bytes each; c expires after `NOW`.
fn full(limits: RetainedLimits) -> RetainedTree<Sized> {
    let mut tree = RetainedTree::with_limits(limits);
    for value in [Sized("a", 10, None), Sized("b", 10, None), Sized("c", 10, Some(1_001))] {
        set(&mut tree, value.0, value);
    }
    tree
}

/// Sets `value` in a full tree at `millis`; checks which values are there then, oldest first, and
/// what was dropped.
#[track_caller]
fn check(
    limits: RetainedLimits,
    millis: u64,
    value: Sized,
    expected: Result<&[&str], RetainedLimitError>,
    left: &[&str],
) {
    let mut tree = full(limits);
    let set = tree.set(Timestamp::from_millis(millis), name(value.0), value);
    let dropped = set.map(|set| set.dropped.iter().map(|value| value.0).collect::<Vec<_>>());
    assert_eq!(dropped, expected.map(<[_]>::to_vec));
    let in_order = std::iter::successors(tree.oldest(), |id| tree.newer_than(*id));
    let names: Vec<_> = in_order.map(|id| tree.arena[id].value.unwrap().0).collect();
    assert_eq!(names, left);
    assert!(tree.len() <= limits.messages && tree.bytes() <= limits.bytes);
}

#[test]
fn a_full_tree_refuses_new_topics() {
    let limits = small(WhenFull::Refuse);
    let too_many = RetainedLimitError::Messages { messages: 4, limit: 3 };
    check(limits, 1_000, Sized("d", 1, None), Err(too_many), &["a", "b", "c"]);
    check(limits, 1_000, Sized("b", 5, None), Ok(&[]), &["a", "c", "b"]);
    check(limits, 1_000, Sized("b", 10, None), Ok(&[]), &["a", "c", "b"]);

    let limit = limits.bytes;
    let too_large = RetainedLimitError::Bytes { bytes: limit + 1, limit };
    check(limits, 1_000, Sized("b", 11, None), Err(too_large), &["a", "b", "c"]);
    let limits = RetainedLimits { messages: 4, ..limits };
    let too_large = RetainedLimitError::Bytes { bytes: limit + LEVEL_OVERHEAD, limit };
    check(limits, 1_000, Sized("d", 0, None), Err(too_large), &["a", "b", "c"]);
}

#[test]
fn a_full_tree_drops_the_oldest_until_there_is_room() {
    let limits = small(WhenFull::DropOldest);
    check(limits, 1_000, Sized("d", 1, None), Ok(&["a"]), &["b", "c", "d"]);
    check(limits, 1_000, Sized("d/e", 1, None), Ok(&["a", "b"]), &["c", "d/e"]);
    check(limits, 1_000, Sized("b", 10, None), Ok(&[]), &["a", "c", "b"]);
    check(limits, 1_000, Sized("a", 11, None), Ok(&["b"]), &["c", "a"]);
}

#[test]
fn what_has_expired_goes_first() {
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest] {
        let limits = small(when_full);
        check(limits, 1_001, Sized("d", 10, None), Ok(&[]), &["a", "b", "d"]);
        check(limits, 1_001, Sized("a", 20, None), Ok(&[]), &["b", "a"]);
        check(limits, 1_001, Sized("c", 10, None), Ok(&[]), &["a", "b", "c"]);
        check(limits, 1_001, Sized("c", 1, None), Ok(&[]), &["a", "b", "c"]);
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_and_nothing_goes_for_it() {
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest] {
        let limits = small(when_full);
        let too_large = RetainedLimitError::MessageBytes { bytes: 21, limit: 20 };
        check(limits, 1_000, Sized("a", 21, None), Err(too_large), &["a", "b", "c"]);
    }
    let limits = small(WhenFull::DropOldest);
    let error = RetainedLimitError::Bytes { bytes: 4 * LEVEL_OVERHEAD, limit: limits.bytes };
    check(limits, 1_000, Sized("a/b/c/d", 0, None), Err(error), &["a", "b", "c"]);

    let nothing = RetainedLimits { messages: 0, ..limits };
    let mut tree = RetainedTree::with_limits(nothing);
    let error = RetainedLimitError::Messages { messages: 1, limit: 0 };
    assert_eq!(tree.set(NOW, name("a/b"), Sized("a", 0, None)), Err(error));
    assert_eq!(tree.arena.node_count(), 1);
}

#[test]
fn levels_that_topics_share_count_once() {
    let mut tree = RetainedTree::new();
    set(&mut tree, "a/b/c", "123");
    assert_eq!(tree.bytes(), 3 * LEVEL_OVERHEAD + 3);
    set(&mut tree, "a/b/d", "12345");
    assert_eq!(tree.bytes(), 4 * LEVEL_OVERHEAD + 8);
    tree.remove(name("a/b/c"));
    assert_eq!(tree.bytes(), 3 * LEVEL_OVERHEAD + 5);
}

#[test]
fn an_error_names_the_value_and_the_limit() {
    let texts = [
        (
            RetainedLimitError::MessageBytes { bytes: 21, limit: 20 },
            "retained message has 21 bytes, the limit is 20",
        ),
        (
            RetainedLimitError::Messages { messages: 4, limit: 3 },
            "4 messages would be retained, the limit is 3",
        ),
        (
            RetainedLimitError::Bytes { bytes: 31, limit: 30 },
            "retained messages would take 31 bytes, the limit is 30",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

/// A node does not grow unnoticed: with its text and its place in the table it is what a message
/// takes beside its value.
#[test]
fn a_node_is_as_small_as_it_was_measured() {
    assert_eq!(size_of::<Topic<Box<u8>>>(), 40);
}
