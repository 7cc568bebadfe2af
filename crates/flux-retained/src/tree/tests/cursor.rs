//! Cursors: what they visit when the tree changes under them, and how much they look at.

use super::*;

/// Advances to the end, two nodes at a time.
fn rest<'t>(tree: &mut RetainedTree<&'t str>, mut cursor: Cursor) -> Vec<&'t str> {
    let mut found = Vec::new();
    while tree.advance(&mut cursor, NOW, 2, |value| found.push(*value)) == Progress::More {}
    found
}

/// Advances until the first value.
fn first<'t>(tree: &mut RetainedTree<&'t str>, cursor: &mut Cursor) -> Option<&'t str> {
    let mut found = None;
    while found.is_none()
        && tree.advance(cursor, NOW, 1, |value| found = Some(*value)) == Progress::More
    {}
    found
}

#[test]
fn what_is_set_after_the_opening_is_skipped() {
    let mut tree = tree(&["a", "b", "c"]);
    let cursor = tree.open(&filter("#"));
    set(&mut tree, "b", "newer");
    set(&mut tree, "d", "new");
    assert_eq!(rest(&mut tree, cursor), ["a", "c"]);
    assert_eq!(visits(&tree, "#"), ["a", "newer", "c", "new"]);
}

#[test]
fn what_was_set_before_the_opening_is_read_at_the_visit() {
    let mut tree = tree(&["a", "b"]);
    let (mut early, late) = (tree.open(&filter("#")), tree.open(&filter("#")));
    assert_eq!(first(&mut tree, &mut early), Some("a"));
    tree.remove(name("b"));
    assert_eq!(rest(&mut tree, early), [""; 0]);
    set(&mut tree, "b", "again");
    assert_eq!(rest(&mut tree, late), ["a"]);
    let after = tree.open(&filter("#"));
    assert_eq!(rest(&mut tree, after), ["a", "again"]);
}

#[test]
fn a_cursor_goes_on_when_all_around_it_goes() {
    let mut tree = tree(&["a/1/x", "a/2/x", "a/3/x", "b"]);
    let mut cursor = tree.open(&filter("#"));
    assert_eq!(first(&mut tree, &mut cursor), Some("a/1/x"));
    assert_eq!(first(&mut tree, &mut cursor), Some("a/2/x"));
    for topic in ["a/1/x", "a/2/x", "a/3/x"] {
        tree.remove(name(topic));
    }
    assert!(tree.arena.node_count() > 2, "the path of the cursor is there");
    set(&mut tree, "a/2/x", "new");
    tree.remove(name("a/2/x"));
    assert_eq!(rest(&mut tree, cursor), ["b"]);
    assert_eq!(tree.arena.node_count(), 2);
}

#[test]
fn a_cursor_that_is_closed_leaves_nothing() {
    let mut tree = tree(&["a/b/c", "d"]);
    let mut cursors: Vec<_> = (0..3).map(|_| tree.open(&filter("+/b/#"))).collect();
    for cursor in &mut cursors {
        assert_eq!(first(&mut tree, cursor), Some("a/b/c"));
    }
    tree.remove(name("a/b/c"));
    for cursor in cursors {
        assert!(tree.arena.node_count() > 2);
        tree.close(cursor);
    }
    assert_eq!(tree.arena.node_count(), 2);

    let mut ended = tree.open(&filter("d"));
    assert_eq!(tree.advance(&mut ended, NOW, 10, |_| ()), Progress::Done);
    assert_eq!(tree.advance(&mut ended, NOW, 10, |_| ()), Progress::Done);
    tree.close(ended);
    assert_eq!(tree.arena[NodeId::ROOT].pins, 0);
}

#[test]
fn a_visit_that_panics_leaves_the_cursor_where_it_was() {
    let mut tree = tree(&["a", "b"]);
    let mut cursor = tree.open(&filter("#"));
    let visit = std::panic::AssertUnwindSafe(|| {
        let _ = tree.advance(&mut cursor, NOW, 10, |value| assert_ne!(*value, "b"));
    });
    assert!(std::panic::catch_unwind(visit).is_err());
    tree.remove(name("a"));
    assert_eq!(rest(&mut tree, cursor), ["b"]);
    assert_eq!(tree.arena.node_count(), 2);
}

#[test]
fn a_call_looks_at_no_more_nodes_than_it_may() {
    let mut tree = RetainedTree::new();
    for number in 0..100_000 {
        set(&mut tree, &format!("{}/{}/{number}", number % 7, number % 1_000), "x");
    }
    // The last levels match `#` and not `+/none`, which looks at as many and finds nothing.
    for (pattern, expected) in [("#", 100_000), ("+/+/none", 0), ("none/#", 0)] {
        let mut cursor = tree.open(&filter(pattern));
        let (mut calls, mut found) = (0, 0);
        loop {
            let mut visited = 0;
            let progress = tree.advance(&mut cursor, NOW, 64, |_| visited += 1);
            assert!(visited <= 64, "{visited} values in a call");
            found += visited;
            calls += 1;
            if progress == Progress::Done {
                break;
            }
        }
        assert_eq!(found, expected, "{pattern}");
        // Each node once on the way down, and each with children once more on the way up.
        assert!(calls <= 2 * tree.arena.node_count() / 64 + 1, "{pattern} took {calls} calls");
        assert!(calls * 64 >= expected);
    }
}

#[test]
fn a_call_that_may_look_at_none_changes_nothing() {
    let mut tree = tree(&["a"]);
    let mut cursor = tree.open(&filter("a"));
    for _ in 0..3 {
        assert_eq!(tree.advance(&mut cursor, NOW, 0, |_| ()), Progress::More);
    }
    assert_eq!(rest(&mut tree, cursor), ["a"]);
}

#[test]
fn topics_that_come_faster_than_the_cursor_do_not_keep_it_open() {
    let mut tree = tree(&["x/old"]);
    let mut cursor = tree.open(&filter("#"));
    let mut added = 0..100;
    while tree.advance(&mut cursor, NOW, 1, |_| ()) == Progress::More {
        let number = added.next().expect("the cursor ends");
        set(&mut tree, &format!("x/{number}"), "new");
        if number == 50 {
            tree.remove(name("x/old"));
        }
    }
    assert_eq!(added.next(), Some(51), "it walked on while there was an old value");
}
