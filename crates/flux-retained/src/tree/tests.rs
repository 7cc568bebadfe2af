//! The tree of retained values: tables, and a model that asks every topic every time.

mod model;

use super::*;

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

/// Returns a tree in which every topic is its own value.
fn tree<'t>(topics: &[&'t str]) -> RetainedTree<&'t str> {
    let mut tree = RetainedTree::new();
    for topic in topics {
        tree.set(name(topic), *topic);
    }
    tree
}

fn visits<V: Clone>(tree: &RetainedTree<V>, filter: &str) -> Vec<V> {
    let mut values = Vec::new();
    tree.for_each_match(&TopicFilter::parse(filter).unwrap(), |value| values.push(value.clone()));
    values
}

/// Checks which of `topics` match `filter`, in the order of the visits.
#[track_caller]
fn check(topics: &[&str], filter: &str, expected: &[&str]) {
    assert_eq!(visits(&tree(topics), filter), expected);
}

#[test]
fn a_literal_filter_finds_its_topic() {
    let topics = ["a", "a/b", "a/b/c", "/", "a/"];
    check(&topics, "a/b", &["a/b"]);
    check(&topics, "a", &["a"]);
    check(&topics, "a/", &["a/"]);
    check(&topics, "/", &["/"]);
    check(&topics, "b", &[]);
    check(&["a/b/c"], "a/b", &[]);
}

#[test]
fn plus_finds_exactly_one_level() {
    let topics = ["a/x/1", "b/x/1", "a/y/1", "a/x/2", "a//1", "a/x", "a/x/1/z"];
    check(&topics, "a/+/1", &["a/x/1", "a/y/1", "a//1"]);
    check(&topics, "+/x/+", &["a/x/1", "a/x/2", "b/x/1"]);
    check(&topics, "+/+", &["a/x"]);
    check(&topics, "+", &[]);
    check(&topics, "a/+/+/+", &["a/x/1/z"]);
}

#[test]
fn hash_finds_the_topic_itself_and_all_below() {
    let topics = ["a/b/c", "a", "b", "a/d", "a/b", "ab"];
    check(&topics, "a/#", &["a", "a/b", "a/b/c", "a/d"]);
    check(&topics, "a/b/#", &["a/b", "a/b/c"]);
    check(&topics, "a/b/c/d/#", &[]);
    check(&topics, "#", &["a", "a/b", "a/b/c", "a/d", "b", "ab"]);
    check(&topics, "+/b/#", &["a/b", "a/b/c"]);
    check(&topics, "+/#", &["a", "a/b", "a/b/c", "a/d", "b", "ab"]);
}

#[test]
fn leading_wildcards_do_not_see_dollar_topics() {
    let topics = ["$SYS/up", "$SYS", "a/$b", "a"];
    check(&topics, "#", &["a", "a/$b"]);
    check(&topics, "+/#", &["a", "a/$b"]);
    check(&topics, "+", &["a"]);
    check(&topics, "+/up", &[]);
    check(&topics, "$SYS/#", &["$SYS", "$SYS/up"]);
    check(&topics, "$SYS/+", &["$SYS/up"]);
    check(&topics, "a/+", &["a/$b"]);
    check(&topics, "$share/g/#", &["a", "a/$b"]);
}

#[test]
fn a_topic_has_one_value() {
    let mut tree = RetainedTree::new();
    assert_eq!(tree.set(name("a/b"), 1), None);
    assert_eq!(tree.set(name("a/b"), 2), Some(1));
    assert_eq!((tree.get(name("a/b")), tree.get(name("a"))), (Some(&2), None));
    assert_eq!((tree.len(), tree.is_empty()), (1, false));
    assert_eq!(tree.remove(name("a")), None);
    assert_eq!(tree.remove(name("a/b")), Some(2));
    assert_eq!(tree.remove(name("a/b")), None);
    assert_eq!(tree.arena.node_count(), 1);
}

#[test]
fn siblings_keep_their_order_when_one_leaves() {
    let mut tree = tree(&["a", "b", "c", "d"]);
    for (leaving, left) in [("b", ["a", "c", "d"].as_slice()), ("d", &["a", "c"]), ("a", &["c"])] {
        tree.remove(name(leaving));
        assert_eq!(visits(&tree, "+"), left);
    }
    tree.set(name("a"), "a");
    assert_eq!(visits(&tree, "+"), ["c", "a"]);
    tree.remove(name("c"));
    tree.remove(name("a"));
    tree.set(name("e"), "e");
    assert_eq!(visits(&tree, "#"), ["e"]);
}

#[test]
fn a_topic_stays_while_there_are_topics_below_it() {
    let mut tree = tree(&["a/b", "a"]);
    assert_eq!(tree.remove(name("a")), Some("a"));
    assert_eq!(visits(&tree, "#"), ["a/b"]);
    assert_eq!(tree.arena.node_count(), 3);
}

#[test]
fn the_longest_name_and_filter_need_no_deep_stack() {
    let slashes = "/".repeat(65_535);
    let names = vec!["a"; 32_768].join("/");
    let pluses = vec!["+"; 32_768].join("/");
    let mut tree = tree(&[&slashes, &names]);
    assert_eq!(visits(&tree, &pluses), [&names]);
    assert_eq!(visits(&tree, "#"), [&slashes, &names]);
    assert_eq!(visits(&tree, "/#"), [&slashes]);
    tree.remove(name(&slashes));
    tree.remove(name(&names));
    assert_eq!(tree.arena.node_count(), 1);
}
