//! Scopes: what they keep apart, and that no match lies outside.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::matching::tests::{any_filter, any_topic, long_filter_and_topic};

fn scope(filter: &str) -> Scope {
    TopicFilter::parse(filter).unwrap().scope()
}

/// Checks whether a change of `filter` concerns what is known about `topic`.
#[track_caller]
fn check(filter: &str, topic: &str, expected: bool) {
    let scopes = TopicName::parse(topic).unwrap().scopes();
    assert_eq!(scopes.contains(&scope(filter)), expected, "filter {filter:?}, topic {topic:?}");
}

#[test]
fn a_change_concerns_what_begins_with_the_literal_levels() {
    check("fleet/17/cmd", "fleet/17/cmd", true);
    check("fleet/17/cmd", "fleet/18/cmd", false);
    check("fleet/17/cmd", "fleet/17", false);
    check("fleet/17/cmd", "fleet/17/cmd/now", true);
    check("fleet/+/cmd", "fleet/18/cmd", true);
    check("fleet/+/cmd", "fleets/18/cmd", false);
    check("fleet/17/#", "fleet/17", true);
    check("fleet/17/#", "fleet/18", false);
    check("$share/g/fleet/17/#", "fleet/17/cmd", true);
    check("$share/g/fleet/17/#", "fleet/18/cmd", false);
    check("#", "fleet/17/cmd", true);
    check("+/17", "/", true);
    check("/+", "/a", true);
    check("/+", "a", false);
    check("a/+", "a", true);
}

#[test]
fn levels_behind_the_fourth_are_not_told_apart() {
    check("a/b/c/d/e", "a/b/c/d/x/y", true);
    check("a/b/c/d", "a/b/c/x", false);
    check("a/b/c/d/#", "a/b/c/x", false);
}

#[test]
fn a_wildcard_in_front_concerns_all() {
    for filter in ["#", "+", "+/a", "$share/g/+"] {
        assert_eq!(scope(filter), Scope::ALL);
    }
    assert_ne!(scope("/"), Scope::ALL);
}

#[test]
fn levels_do_not_run_into_each_other() {
    let texts = [
        "a",
        "a/",
        "a//",
        "a///",
        "/a",
        "//a",
        "///a",
        "/",
        "//",
        "///",
        "ab",
        "a/b",
        "ab/c",
        "a/bc",
        "abcdefg",
        "abcdefg/",
        "abcdef/g",
        "abcdefgh",
        "abcdefg/h",
        "abcdefgabcdefg",
        "abcdefg/abcdefg",
        "\u{1}",
        "\u{1}\u{1}",
        "/\u{1}",
    ];
    let scopes: HashSet<_> = texts.iter().map(|text| scope(text)).collect();
    assert_eq!(scopes.len(), texts.len());
}

#[test]
fn devices_spread_over_the_counters() {
    let mut counters = [0_u32; 256];
    for device in 0..25_600 {
        counters[scope(&format!("fleet/{device}/cmd")).index(256)] += 1;
    }
    let range = (counters.iter().min().unwrap(), counters.iter().max().unwrap());
    assert!(*range.0 > 50 && *range.1 < 150, "{range:?} of 100");
    assert_eq!(scope("a").index(0), 0);
}

proptest! {
    #[test]
    fn a_match_lies_in_the_scope_of_its_filter(filter in any_filter(), topic in any_topic()) {
        let name = TopicName::parse(&topic).unwrap();
        prop_assert!(!filter.matches(name) || name.scopes().contains(&filter.scope()));
    }

    #[test]
    fn a_long_match_lies_in_the_scope_of_its_filter(
        (filter, topic) in long_filter_and_topic(1..12),
    ) {
        let name = TopicName::parse(&topic).unwrap();
        prop_assert!(name.scopes().contains(&filter.scope()));
    }
}
