//! Values that expire: nobody finds them, and they are removed when somebody asks for it.

use super::*;

/// A value and when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until(u64);

impl Retain for Until {
    fn size(&self) -> usize {
        1
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.0))
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Returns a tree with values that expire 2, 1 and 3 seconds after [`NOW`].
fn three() -> RetainedTree<Until> {
    let mut tree = RetainedTree::new();
    for (topic, millis) in [("a", 3_000), ("b/c", 2_000), ("d", 4_000)] {
        set(&mut tree, topic, Until(millis));
    }
    tree
}

fn found(tree: &mut RetainedTree<Until>, now: Timestamp) -> [usize; 3] {
    let got = ["a", "b/c", "d"].iter().filter(|topic| tree.get(now, name(topic)).is_some()).count();
    let (mut matched, mut visited) = (0, 0);
    tree.for_each_match(now, &filter("#"), |_| matched += 1);
    let mut cursor = tree.open(&filter("#"));
    assert_eq!(tree.advance(&mut cursor, now, usize::MAX, |_| visited += 1), Progress::Done);
    [got, matched, visited]
}

#[test]
fn an_expired_value_is_not_found_from_its_moment_on() {
    let mut tree = three();
    for (millis, expected) in [(1_999, 3), (2_000, 2), (3_000, 1), (3_999, 1), (4_000, 0)] {
        assert_eq!(found(&mut tree, at(millis)), [expected; 3], "at {millis}");
    }
    assert_eq!(tree.len(), 3, "nobody asked for their removal");
}

#[test]
fn expired_values_are_removed_in_their_order_and_no_more_than_asked_for() {
    let mut tree = three();
    assert_eq!(tree.next_expiry(), Some(at(2_000)));
    assert_eq!(tree.remove_expired(at(1_999), 10), []);
    assert_eq!(tree.remove_expired(at(4_000), 2), [Until(2_000), Until(3_000)]);
    assert_eq!((tree.len(), tree.next_expiry()), (1, Some(at(4_000))));
    assert_eq!(tree.remove_expired(at(4_000), 0), []);
    assert_eq!(tree.remove_expired(at(4_000), 10), [Until(4_000)]);
    assert_eq!((tree.len(), tree.bytes(), tree.next_expiry()), (0, 0, None));
}

#[test]
fn a_value_that_was_replaced_or_removed_does_not_expire() {
    let mut tree = three();
    assert_eq!(set(&mut tree, "a", Until(9_000)), Some(Until(3_000)));
    assert_eq!(tree.remove(name("b/c")), Some(Until(2_000)));
    assert_eq!(tree.remove_expired(at(8_000), 10), [Until(4_000)]);
    assert_eq!(found(&mut tree, at(8_000)), [1; 3]);
}
