//! One filter against one topic name.

use crate::filter::{ParseFilterError, TopicFilter, pattern_start};
use crate::levels::Levels;
use crate::name::TopicName;

/// Returns whether a message published to `topic` is for a subscription with `filter`; `false` when
/// either is not valid. MQTT 5.0 section 4.7.
///
/// `$share/{name}/` is no part of the comparison. Both texts are parsed at every call: keep a
/// [`TopicMatcher`] for a filter that is asked again, a
/// [`SubscriptionTree`](crate::SubscriptionTree) for many filters.
///
/// ```
/// use flux_topic::matches;
///
/// assert!(matches("sport/#", "sport"));
/// assert!(matches("+/a", "/a"));
/// assert!(!matches("+/monitor", "$SYS/monitor"));
/// assert!(!matches("sport#", "sport"));
/// ```
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let Ok(start) = pattern_start(filter) else { return false };
    let Ok(topic) = TopicName::parse(topic) else { return false };
    filter.get(start..).is_some_and(|pattern| pattern_matches(pattern, topic))
}

/// A filter that is parsed once and asked many times. MQTT 5.0 section 4.7.
///
/// It takes topics as plain text. Who already holds a [`TopicName`] asks
/// [`TopicFilter::matches`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMatcher {
    filter: TopicFilter,
}

impl TopicMatcher {
    /// Returns a matcher for `filter`.
    ///
    /// # Errors
    ///
    /// When `filter` is not a topic filter: see [`TopicFilter::parse`].
    pub fn new(filter: &str) -> Result<Self, ParseFilterError> {
        Ok(Self { filter: TopicFilter::parse(filter)? })
    }

    /// Returns whether a message published to `topic` is for a subscription with this filter;
    /// `false` when `topic` is not a topic name, which no message carries `[MQTT-3.3.2-2]`.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        TopicName::parse(topic).is_ok_and(|topic| self.filter.matches(topic))
    }

    /// Returns the filter.
    #[must_use]
    pub const fn filter(&self) -> &TopicFilter {
        &self.filter
    }
}

/// Returns whether `topic` matches `pattern`, the valid pattern of a filter. MQTT 5.0 section 4.7.
///
/// `#` matches the level before it too (section 4.7.1.2), `+` matches an empty level (4.7.1.3), and
/// a leading wildcard matches no name that starts with `$` `[MQTT-4.7.2-1]`.
pub(crate) fn pattern_matches(pattern: &str, topic: TopicName<'_>) -> bool {
    if topic.is_reserved() && pattern.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.levels();
    for level in Levels::of(pattern) {
        match (level, names.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.is_finished()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::*;

    /// The definition of matching, level by level, in as few words as possible.
    pub(crate) fn slow_matches(pattern: &str, topic: &str) -> bool {
        fn levels_match(pattern: &[&str], topic: &[&str]) -> bool {
            match (pattern, topic) {
                ([], []) | (["#"], _) => true,
                (["+", pattern @ ..], [_, topic @ ..]) => levels_match(pattern, topic),
                ([level, pattern @ ..], [name, topic @ ..]) => {
                    level == name && levels_match(pattern, topic)
                }
                _ => false,
            }
        }
        let hidden = topic.starts_with('$') && pattern.starts_with(['+', '#']);
        let pattern: Vec<_> = pattern.split('/').collect();
        let topic: Vec<_> = topic.split('/').collect();
        !hidden && levels_match(&pattern, &topic)
    }

    /// A topic name of few levels out of few, so that it meets the filters of [`any_filter`].
    pub(crate) fn any_topic() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["", "a", "b", "$x"]);
        prop::collection::vec(level, 1..5)
            .prop_map(|levels| levels.join("/"))
            .prop_filter("a name is not empty", |name| !name.is_empty())
    }

    /// A filter of few levels out of few, with every wildcard where it may stand.
    pub(crate) fn any_filter() -> impl Strategy<Value = TopicFilter> {
        let level = prop::sample::select(vec!["", "a", "b", "$x", "+"]);
        (prop::collection::vec(level, 0..5), any::<bool>()).prop_filter_map(
            "a filter is not empty",
            |(mut levels, hash)| {
                levels.extend(hash.then_some("#"));
                TopicFilter::parse(&levels.join("/")).ok()
            },
        )
    }

    /// A topic name and a filter made of it: some levels replaced by `+`, the last ones by `#`. It
    /// matches.
    pub(crate) fn long_filter_and_topic(
        levels: Range<usize>,
    ) -> impl Strategy<Value = (TopicFilter, String)> {
        let level = prop_oneof![9 => prop::sample::select(vec!["", "a", "b"]).prop_map_into(), 1 => "[a-z]{9,30}"];
        let levels = prop::collection::vec((level, prop::bool::weighted(0.2)), levels);
        (levels, any::<prop::sample::Index>(), any::<bool>()).prop_filter_map(
            "names and filters are not empty",
            |(levels, cut, hash)| {
                let topic =
                    levels.iter().map(|(level, _)| level.as_str()).collect::<Vec<_>>().join("/");
                let mut filter: Vec<_> =
                    levels.iter().map(|(level, plus)| if *plus { "+" } else { level }).collect();
                if hash {
                    filter.truncate(cut.index(levels.len() + 1));
                    filter.push("#");
                }
                TopicName::parse(&topic).ok()?;
                Some((TopicFilter::parse(&filter.join("/")).ok()?, topic))
            },
        )
    }

    #[track_caller]
    fn check(filter: &str, topic: &str, expected: bool) {
        assert_eq!(matches(filter, topic), expected, "filter {filter:?}, topic {topic:?}");
        let matcher = TopicMatcher::new(filter);
        let found = matcher.is_ok_and(|matcher| matcher.matches(topic));
        assert_eq!(found, expected, "filter {filter:?}, topic {topic:?}");
    }

    #[test]
    fn hash_matches_its_parent_and_everything_below() {
        check("sport/tennis/player1/#", "sport/tennis/player1", true);
        check("sport/tennis/player1/#", "sport/tennis/player1/ranking", true);
        check("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true);
        check("sport/#", "sport", true);
        check("sport/#", "sport/", true);
        check("sport/#", "sports", false);
        check("sport/#", "spor", false);
        check("a/b/#", "a", false);
        check("#", "/", true);
        check("/#", "/", true);
        check("/#", "a", false);
    }

    #[test]
    fn plus_matches_exactly_one_level_even_an_empty_one() {
        check("sport/tennis/+", "sport/tennis/player1", true);
        check("sport/tennis/+", "sport/tennis/player1/ranking", false);
        check("sport/+", "sport", false);
        check("sport/+", "sport/", true);
        check("+/+", "/finance", true);
        check("/+", "/finance", true);
        check("+", "/finance", false);
        check("a/+/b", "a//b", true);
        check("+/+/#", "a/b", true);
        check("+/+/#", "a", false);
    }

    #[test]
    fn leading_wildcards_do_not_see_dollar_topics() {
        check("#", "$SYS/monitor", false);
        check("+", "$SYS", false);
        check("+/monitor/Clients", "$SYS/monitor/Clients", false);
        check("$SYS/#", "$SYS/monitor/Clients", true);
        check("$SYS/#", "$SYS", true);
        check("$SYS/monitor/+", "$SYS/monitor/Clients", true);
        check("a/+", "a/$b", true);
        check("$share/g/#", "$SYS/monitor", false);
        check("$share/g/$SYS/#", "$SYS/monitor", true);
    }

    #[test]
    fn texts_are_compared_as_they_are() {
        check("ACCOUNTS", "Accounts", false);
        check("/finance", "finance", false);
        check("a/", "a", false);
        check("e\u{301}", "é", false);
        check("a/ b", "a/ b", true);
        check("$share/g/a", "a", true);
        check("$share/g/a", "$share/g/a", false);
    }

    #[test]
    fn what_is_not_valid_matches_nothing() {
        check("a#", "a#", false);
        check("", "", false);
        check("a", "", false);
        check("#", "a/+", false);
        check("$share/g", "$share/g", false);
        check("a\0", "a\0", false);
    }

    #[test]
    fn a_matcher_returns_its_filter() {
        let matcher = TopicMatcher::new("$share/g/a").unwrap();
        assert_eq!(matcher.filter().share_name(), Some("g"));
        assert_eq!(TopicMatcher::new("a+"), Err(ParseFilterError::PlusNotAlone { at: 1 }));
    }

    proptest! {
        #[test]
        fn matching_is_the_slow_definition(filter in any_filter(), topic in any_topic()) {
            let expected = slow_matches(filter.pattern(), &topic);
            prop_assert_eq!(matches(filter.as_str(), &topic), expected);
            prop_assert_eq!(filter.matches(TopicName::parse(&topic).unwrap()), expected);
        }

        #[test]
        fn long_names_match_what_is_made_of_them((filter, topic) in long_filter_and_topic(1..200)) {
            prop_assert!(slow_matches(filter.pattern(), &topic));
            prop_assert!(filter.matches(TopicName::parse(&topic).unwrap()));
        }

        #[test]
        fn a_match_begins_with_the_first_level(filter in any_filter(), topic in any_topic()) {
            let name = TopicName::parse(&topic).unwrap();
            if let (true, Some(first)) = (filter.matches(name), filter.first_level()) {
                prop_assert_eq!(name.levels().next(), Some(first));
            }
        }
    }
}
