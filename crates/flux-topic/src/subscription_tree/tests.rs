//! The subscription tree: tables, and a model that asks every filter every time.

mod cost;
mod model;

use super::*;

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

/// Returns the keys that `topic` visits, in the order of the visits.
fn visits<K: Ord + Clone, V, S: BuildHasher>(
    tree: &SubscriptionTree<K, V, S>,
    topic: &str,
) -> Vec<K> {
    let mut keys = Vec::new();
    tree.for_each_match(TopicName::parse(topic).unwrap(), |key, _| keys.push(key.clone()));
    keys
}

/// Checks which of `filters` match `topic`, in the order of the visits. A filter is its own key.
#[track_caller]
fn check(filters: &[&'static str], topic: &str, expected: &[&str]) {
    let mut tree = SubscriptionTree::new();
    for text in filters {
        tree.insert(&filter(text), *text, ());
    }
    assert_eq!(visits(&tree, topic), expected);
}

#[test]
fn every_matching_filter_is_visited_hash_first_plus_last() {
    let filters = ["a/b", "a/+", "+/b", "+/+", "#", "a/#", "a/b/#", "+/#", "a", "b", "a/b/c"];
    check(&filters, "a/b", &["#", "a/#", "a/b/#", "a/b", "a/+", "+/#", "+/b", "+/+"]);
    check(&filters, "a", &["#", "a/#", "a", "+/#"]);
    check(&filters, "c", &["#", "+/#"]);
}

#[test]
fn leading_wildcards_do_not_see_dollar_topics() {
    let filters = ["#", "+", "+/up", "+/#", "$SYS/#", "$SYS/+", "$SYS/up", "$SYS"];
    check(&filters, "$SYS/up", &["$SYS/#", "$SYS/up", "$SYS/+"]);
    check(&filters, "$SYS", &["$SYS/#", "$SYS"]);
    check(&["a/#", "a/+"], "a/$b", &["a/#", "a/+"]);
}

#[test]
fn empty_levels_count() {
    let filters = ["/", "/+", "+/", "+/+", "/#", "#", "+", "//"];
    check(&filters, "/", &["#", "/#", "/", "/+", "+/", "+/+"]);
    check(&filters, "//", &["#", "/#", "//"]);
    check(&["a//b", "a/b", "a/+/b"], "a//b", &["a//b", "a/+/b"]);
}

#[test]
fn subscribers_of_one_filter_are_visited_by_key() {
    let mut tree = SubscriptionTree::new();
    for key in [3, 1, 2] {
        assert_eq!(tree.insert(&filter("a"), key, ()), None);
    }
    assert_eq!(visits(&tree, "a"), [1, 2, 3]);
    assert_eq!(tree.len(), 3);
}

#[test]
fn the_same_filter_and_key_replace() {
    let mut tree = SubscriptionTree::new();
    assert_eq!(tree.insert(&filter("a/+"), "k", 1), None);
    assert_eq!(tree.insert(&filter("a/+"), "k", 2), Some(1));
    assert_eq!(tree.get(&filter("a/+"), &"k"), Some(&2));
    assert_eq!(tree.get(&filter("a/b"), &"k"), None);
    assert_eq!(tree.get(&filter("a"), &"k"), None);
    assert_eq!(tree.len(), 1);
}

#[test]
fn a_share_is_indexed_by_its_pattern() {
    let mut tree = SubscriptionTree::new();
    tree.insert(&filter("$share/g/a/+"), ("k", Some("g")), ());
    tree.insert(&filter("a/+"), ("k", None), ());
    assert_eq!(visits(&tree, "a/b"), [("k", None), ("k", Some("g"))]);
    assert_eq!(tree.remove(&filter("a/+"), &("k", Some("g"))), Some(()));
    assert_eq!(visits(&tree, "a/b"), [("k", None)]);
}

#[test]
fn removal_takes_only_what_nobody_else_needs() {
    let mut tree = SubscriptionTree::new();
    for text in ["a/b/c/d", "a/b", "a/+/c", "a/#"] {
        tree.insert(&filter(text), text, ());
    }
    assert_eq!(tree.remove(&filter("a/b"), &"other"), None);
    assert_eq!(tree.remove(&filter("a/b/c"), &"a/b"), None);
    assert_eq!(tree.remove(&filter("a/b/c/d"), &"a/b/c/d"), Some(()));
    assert_eq!(visits(&tree, "a/b"), ["a/#", "a/b"]);
    for text in ["a/b", "a/+/c", "a/#"] {
        assert_eq!(tree.remove(&filter(text), &text), Some(()));
    }
    assert!(tree.is_empty());
    assert_eq!(tree.arena.node_count(), 1);
}

#[test]
fn the_longest_filter_and_name_need_no_deep_stack() {
    let slashes = "/".repeat(65_535);
    let pluses = vec!["+"; 32_768].join("/");
    let name = vec!["a"; 32_768].join("/");
    let mut tree = SubscriptionTree::new();
    for text in [&slashes, &pluses, &name] {
        tree.insert(&filter(text), text.clone(), ());
    }
    assert_eq!(visits(&tree, &slashes), std::slice::from_ref(&slashes));
    assert_eq!(visits(&tree, &name), [name.clone(), pluses.clone()]);
    for text in [&slashes, &pluses, &name] {
        tree.remove(&filter(text), text);
    }
    assert_eq!(tree.arena.node_count(), 1);
}
