//! The tree of retained values: tables, and a model that asks every topic every time.

mod cursor;
mod expiry;
mod limits;
mod model;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// A value that never expires.
impl Retain for &str {
    fn size(&self) -> usize {
        self.len()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

/// Returns a tree in which every topic is its own value.
fn tree<'t>(topics: &[&'t str]) -> RetainedTree<&'t str> {
    let mut tree = RetainedTree::new();
    for topic in topics {
        set(&mut tree, topic, *topic);
    }
    tree
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

/// Sets a value for which there is room, and returns the one that it replaces.
fn set<V: Retain>(tree: &mut RetainedTree<V>, topic: &str, value: V) -> Option<V> {
    let displaced = tree.set(NOW, name(topic), value).unwrap();
    assert_eq!(displaced.dropped.len(), 0);
    displaced.replaced
}

fn visits<V: Retain + Clone>(tree: &RetainedTree<V>, pattern: &str) -> Vec<V> {
    let mut values = Vec::new();
    tree.for_each_match(NOW, &filter(pattern), |value| values.push(value.clone()));
    values
}

/// Checks which of `topics` match `pattern`, in the order of the visits, in one walk and by a cursor
/// that looks at one node at a time.
#[track_caller]
fn check(topics: &[&str], pattern: &str, expected: &[&str]) {
    let mut tree = tree(topics);
    assert_eq!(visits(&tree, pattern), expected);

    let nodes = tree.arena.node_count();
    let mut cursor = tree.open(&filter(pattern));
    let mut found = Vec::new();
    while tree.advance(&mut cursor, NOW, 1, |topic| found.push(*topic)) == Progress::More {}
    assert_eq!(found, expected);
    assert_eq!((tree.arena.node_count(), tree.arena[NodeId::ROOT].pins), (nodes, 0));
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
fn empty_levels_are_levels() {
    let topics = ["/", "//", "/a", "a/", "a//b", "a//"];
    check(&topics, "+/+", &["/", "/a", "a/"]);
    check(&topics, "/+", &["/", "/a"]);
    check(&topics, "/#", &["/", "//", "/a"]);
    check(&topics, "//#", &["/", "//"]);
    check(&topics, "a//#", &["a/", "a//b", "a//"]);
    check(&topics, "+//+", &["//", "a//b", "a//"]);
    check(&topics, "+/+/", &["//", "a//"]);
    check(&topics, "/", &["/"]);
}

#[test]
fn literals_between_wildcards_lead_back_to_them() {
    let topics = ["a/x/b/y/1", "a/x/b/z/1", "a/w/b/y/2", "a/w/c/y/3", "q/x/b/y/4", "a/x/b/y/1/5"];
    check(&topics, "+/x/b/+/+", &["a/x/b/y/1", "a/x/b/z/1", "q/x/b/y/4"]);
    check(&topics, "a/+/b/y/#", &["a/x/b/y/1", "a/x/b/y/1/5", "a/w/b/y/2"]);
    check(&topics, "a/+/b/+/1", &["a/x/b/y/1", "a/x/b/z/1"]);
    check(&topics, "+/+/+/y/+", &["a/x/b/y/1", "a/w/b/y/2", "a/w/c/y/3", "q/x/b/y/4"]);
}

#[test]
fn a_topic_has_one_value() {
    let mut tree = RetainedTree::new();
    assert_eq!(set(&mut tree, "a/b", "1"), None);
    assert_eq!(set(&mut tree, "a/b", "2"), Some("1"));
    assert_eq!((tree.get(NOW, name("a/b")), tree.get(NOW, name("a"))), (Some(&"2"), None));
    assert_eq!((tree.len(), tree.is_empty()), (1, false));
    assert_eq!(tree.remove(name("a")), None);
    assert_eq!(tree.remove(name("a/b")), Some("2"));
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
    set(&mut tree, "a", "a");
    assert_eq!(visits(&tree, "+"), ["c", "a"]);
    tree.remove(name("c"));
    tree.remove(name("a"));
    set(&mut tree, "e", "e");
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
    check(&[&slashes, &names], &pluses, &[&names]);
    let mut tree = tree(&[&slashes, &names]);
    assert_eq!(visits(&tree, &pluses), [&names]);
    assert_eq!(visits(&tree, "#"), [&slashes, &names]);
    assert_eq!(visits(&tree, "/#"), [&slashes]);
    tree.remove(name(&slashes));
    tree.remove(name(&names));
    assert_eq!(tree.arena.node_count(), 1);
}
