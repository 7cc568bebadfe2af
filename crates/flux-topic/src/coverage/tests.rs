//! Coverage and overlap: tables, and every pair of small filters against every small name.

use super::*;
use crate::matching::tests::slow_matches;

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

#[track_caller]
fn check_covers(wide: &str, narrow: &str, expected: bool) {
    assert_eq!(covers(wide, narrow), expected, "{wide:?} covers {narrow:?}");
    assert_eq!(filter(wide).covers(&filter(narrow)), expected, "{wide:?} covers {narrow:?}");
}

#[track_caller]
fn check_overlaps(a: &str, b: &str, expected: bool) {
    assert_eq!(filter(a).overlaps(&filter(b)), expected, "{a:?} and {b:?}");
    assert_eq!(filter(b).overlaps(&filter(a)), expected, "{b:?} and {a:?}");
}

#[test]
fn what_the_narrow_one_leaves_open_the_wide_one_must() {
    check_covers("a/b", "a/b", true);
    check_covers("+/a", "x/a", true);
    check_covers("x/a", "+/a", false);
    check_covers("#", "+/a", true);
    check_covers("#", "#", true);
    check_covers("a/+", "a/", true);
    check_covers("a/+", "a", false);
    check_covers("a/+", "a/#", false);
    check_covers("a/b", "a/#", false);
    check_covers("+/b/#", "a/+/#", false);
    check_covers("a", "a/b", false);
    check_covers("a", "A", false);
}

#[test]
fn hash_covers_its_parent_and_everything_below() {
    check_covers("a/#", "a", true);
    check_covers("a/#", "a/#", true);
    check_covers("a/#", "a/+/#", true);
    check_covers("a/+/#", "a/#", false);
    check_covers("a/#", "#", false);
    check_covers("a/#", "+", false);
}

#[test]
fn no_name_is_shorter_than_one_character() {
    check_covers("+/#", "#", true);
    check_covers("#", "+/#", true);
    check_covers("+/+/#", "#", false);
    check_covers("+", "#", false);
    check_covers("/+/#", "/#", true);
    check_covers("a/+/#", "a/#", false);
    check_overlaps("/#", "+", false);
    check_overlaps("/#", "+/+", true);
    check_overlaps("/#", "#", true);
}

#[test]
fn leading_wildcards_cover_no_dollar_topics() {
    check_covers("#", "$SYS/#", false);
    check_covers("+/a", "$SYS/a", false);
    check_covers("$SYS/#", "$SYS/+", true);
    check_covers("$SYS/#", "#", false);
    check_covers("a/+", "a/$b", true);
    check_overlaps("#", "$SYS/#", false);
    check_overlaps("+", "$SYS", false);
    check_overlaps("$SYS/#", "$SYS/+/a", true);
}

#[test]
fn of_shared_filters_the_patterns_count() {
    check_covers("a/#", "$share/g/a/b", true);
    check_covers("$share/g/a/#", "$share/h/a/b", true);
    check_covers("#", "$share/g/a", true);
    check_covers("#", "$share/g/$SYS", false);
    check_overlaps("$share/g/a/+", "+/b", true);
}

#[test]
fn what_is_not_valid_covers_nothing_and_is_not_covered() {
    for (wide, narrow) in [("#", "a#"), ("a#", "a#"), ("#", ""), ("", ""), ("$share/g", "a")] {
        assert!(!covers(wide, narrow), "{wide:?} covers {narrow:?}");
    }
}

#[test]
fn filters_overlap_unless_literal_levels_differ() {
    check_overlaps("a/+", "+/b", true);
    check_overlaps("a/b", "a/c", false);
    check_overlaps("a/#", "a", true);
    check_overlaps("a/#", "b/#", false);
    check_overlaps("a/b/#", "+/+", true);
    check_overlaps("a/b/#", "+", false);
    check_overlaps("+", "/", false);
    check_overlaps("+/+", "/", true);
    check_overlaps("#", "a", true);
}

/// Every list of at most `max` levels, in which each is one of `levels`.
fn every_list<'a>(levels: &[&'a str], max: usize) -> Vec<Vec<&'a str>> {
    let mut lists = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..max {
        let to = lists.len();
        for index in from..to {
            for level in levels {
                lists.push([&lists[index][..], &[*level]].concat());
            }
        }
        from = to;
    }
    lists
}

/// Every filter of up to three levels, with and without `#` behind them, against every name of up to
/// four levels. The names decide, because a pair that has a witness (a name for `narrow` and not for
/// `wide`, or a name for both) has one among them:
///
/// - One more level than the filters have before their `#` is enough. Behind the last level that
///   either filter names, `#` alone decides, and it treats one more level like ten.
/// - No other level is needed. At each place a pair of filters names at most two literal levels, so
///   what the names must have there is one of them or, for a `+` against a literal, anything else;
///   of the levels that may stand there (three of them in front, where `$x` is apart; `a` and `b` in
///   a name of one level, which may not be empty) one is left for each literal.
#[test]
fn coverage_and_overlap_are_exact() {
    let names: Vec<String> = every_list(&["", "a", "b", "$x"], 4)
        .iter()
        .map(|levels| levels.join("/"))
        .filter(|name| !name.is_empty())
        .collect();
    let filters: Vec<(TopicFilter, Vec<bool>)> = every_list(&["", "a", "b", "$x", "+"], 3)
        .into_iter()
        .flat_map(|levels| [levels.join("/"), [&levels[..], &["#"]].concat().join("/")])
        .filter_map(|text| TopicFilter::parse(&text).ok())
        .map(|filter| {
            let matched = names.iter().map(|name| slow_matches(filter.pattern(), name)).collect();
            (filter, matched)
        })
        .collect();
    // 4 + 16 + 64 + 256 names and twice 5 + 25 + 125 filters, without the empty ones, and `#`.
    assert_eq!((names.len(), filters.len()), (339, 310));

    for (a, by_a) in &filters {
        assert!(by_a.contains(&true), "{a} matches none of the names");
        for (b, by_b) in &filters {
            let mut pairs = by_a.iter().zip(by_b);
            assert_eq!(a.overlaps(b), pairs.any(|(a, b)| *a && *b), "{a} and {b}");
            let mut pairs = by_a.iter().zip(by_b);
            assert_eq!(a.covers(b), pairs.all(|(a, b)| *a || !*b), "{a} covers {b}");
        }
    }
}
