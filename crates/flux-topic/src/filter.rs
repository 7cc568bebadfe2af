//! [`TopicFilter`]: what a subscription asks for.

mod parse;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use self::parse::ParseFilterError;
pub(crate) use self::parse::pattern_start;
use crate::levels::{Levels, TooManyLevels, count_levels};
use crate::matching::pattern_matches;
use crate::name::TopicName;

/// A valid topic filter, shared (`$share/{name}/{pattern}`) or not. MQTT 5.0 sections 4.7 and
/// 4.8.2.
///
/// A clone shares the text. Filters are equal, ordered and hashed by their whole text, character
/// by character, as UNSUBSCRIBE compares them `[MQTT-3.10.4-1]`; a map with filters as keys can be
/// asked with a `&str`.
///
/// What it promises: at least one character `[MQTT-4.7.3-1]`, no U+0000 `[MQTT-4.7.3-2]`, at most
/// [`MAX_TOPIC_BYTES`](crate::MAX_TOPIC_BYTES) bytes `[MQTT-4.7.3-3]`, `#` alone in the last level
/// `[MQTT-4.7.1-1]`, `+` alone in its level `[MQTT-4.7.1-2]`, and a share name that is not empty,
/// has no wildcard and is followed by a pattern `[MQTT-4.8.2-1]` `[MQTT-4.8.2-2]`.
#[derive(Clone)]
pub struct TopicFilter {
    text: Arc<str>,
    /// Where the pattern starts in `text`: 0, or behind `$share/{name}/`.
    pattern_start: usize,
}

impl TopicFilter {
    /// Returns a filter with a copy of `text`.
    ///
    /// # Errors
    ///
    /// When `text` breaks one of the rules that the type promises. From the network that is the
    /// reason code 0x8F (Topic Filter invalid) for this filter of the SUBSCRIBE or UNSUBSCRIBE.
    pub fn parse(text: &str) -> Result<Self, ParseFilterError> {
        let pattern_start = pattern_start(text)?;
        Ok(Self { text: Arc::from(text), pattern_start })
    }

    /// Returns a filter with a copy of `bytes`, which nobody has looked at yet.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when `bytes` are not UTF-8, `[MQTT-1.5.4-1]`.
    pub fn from_utf8(bytes: &[u8]) -> Result<Self, ParseFilterError> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(ParseFilterError::NotUtf8 { at: error.valid_up_to() }),
        }
    }

    /// Returns the filter itself if its pattern has at most `max` levels.
    ///
    /// ```
    /// use flux_topic::{TooManyLevels, TopicFilter};
    ///
    /// let filter = TopicFilter::parse("$share/group/fleet/+/#")?;
    /// assert_eq!(filter.clone().within_levels(3), Ok(filter.clone()));
    /// assert_eq!(filter.within_levels(2), Err(TooManyLevels { levels: 3, max: 2 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it has more.
    pub fn within_levels(self, max: usize) -> Result<Self, TooManyLevels> {
        TooManyLevels::check(self.level_count(), max).map(|()| self)
    }

    /// Returns the whole filter as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what topic names are compared with: the filter without `$share/{name}/`. MQTT 5.0
    /// section 4.8.2.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.text.get(self.pattern_start..).unwrap_or_default()
    }

    /// Returns the name of the group that shares the messages, `[MQTT-4.8.2-1]`; `None` when the
    /// subscription is not a shared one.
    #[must_use]
    pub fn share_name(&self) -> Option<&str> {
        let (name, _pattern) = self.text.strip_prefix(SHARE_PREFIX)?.split_once('/')?;
        Some(name)
    }

    /// Returns whether the filter can match more than one topic name, `[MQTT-4.7.0-1]`.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.pattern().contains(['+', '#'])
    }

    /// Returns the levels of [`pattern`](Self::pattern), empty ones included. MQTT 5.0 section
    /// 4.7.1.1.
    #[must_use]
    pub fn levels(&self) -> Levels<'_> {
        Levels::of(self.pattern())
    }

    /// Returns how many [`levels`](Self::levels) the pattern has: at least 1. A `#` is one.
    #[must_use]
    pub fn level_count(&self) -> usize {
        count_levels(self.pattern())
    }

    /// Returns the level that every matching topic name begins with; `None` when the pattern starts
    /// with a wildcard.
    ///
    /// For what a subscription with this filter changes when it comes or goes,
    /// [`scope`](Self::scope) says more: it looks at several levels.
    #[must_use]
    pub fn first_level(&self) -> Option<&str> {
        self.levels().next().filter(|level| !matches!(*level, "+" | "#"))
    }

    /// Returns whether a message published to `topic` is for a subscription with this filter. MQTT
    /// 5.0 section 4.7, `[MQTT-4.7.2-1]`, `[MQTT-4.7.3-4]`.
    #[must_use]
    pub fn matches(&self, topic: TopicName<'_>) -> bool {
        pattern_matches(self.pattern(), topic)
    }
}

impl PartialEq for TopicFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TopicFilter {}

impl PartialOrd for TopicFilter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TopicFilter {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for TopicFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for TopicFilter {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// What a shared subscription's filter starts with, `[MQTT-4.8.2-1]`.
const SHARE_PREFIX: &str = "$share/";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).unwrap()
    }

    /// Checks the parts of a filter: its pattern, share name, first level and whether it has
    /// wildcards.
    #[track_caller]
    fn check(text: &str, pattern: &str, share: Option<&str>, first: Option<&str>, wild: bool) {
        let filter = filter(text);
        assert_eq!(filter.as_str(), text);
        assert_eq!(filter.pattern(), pattern);
        assert_eq!(filter.share_name(), share);
        assert_eq!(filter.first_level(), first);
        assert_eq!(filter.has_wildcards(), wild);
        assert_eq!(filter.levels().collect::<Vec<_>>().join("/"), pattern);
        assert_eq!(filter.level_count(), filter.levels().count());
        assert_eq!(TopicFilter::from_utf8(text.as_bytes()), Ok(filter));
    }

    #[test]
    fn bytes_that_are_not_text_are_no_filter() {
        assert_eq!(TopicFilter::from_utf8(b"a/\xC3"), Err(ParseFilterError::NotUtf8 { at: 2 }));
        assert_eq!(TopicFilter::from_utf8(b"a#"), Err(ParseFilterError::HashNotAlone { at: 1 }));
    }

    #[test]
    fn a_filter_has_parts() {
        check("a/b", "a/b", None, Some("a"), false);
        check("/a", "/a", None, Some(""), false);
        check("/+", "/+", None, Some(""), true);
        check("+/a", "+/a", None, None, true);
        check("#", "#", None, None, true);
        check("$SYS/#", "$SYS/#", None, Some("$SYS"), true);
        check("$share/g/a/b", "a/b", Some("g"), Some("a"), false);
        check("$share/g//a", "/a", Some("g"), Some(""), false);
        check("$share/g/#", "#", Some("g"), None, true);
        check("$share/$g/$SYS/+", "$SYS/+", Some("$g"), Some("$SYS"), true);
    }

    #[test]
    fn dollar_share_without_a_slash_is_an_ordinary_level() {
        check("$share", "$share", None, Some("$share"), false);
        check("$shared/g/a", "$shared/g/a", None, Some("$shared"), false);
        check("$SHARE/g/a", "$SHARE/g/a", None, Some("$SHARE"), false);
    }

    #[test]
    fn filters_compare_by_their_whole_text() {
        assert_ne!(filter("$share/g/a"), filter("a"));
        assert_ne!(filter("$share/g/a"), filter("$share/h/a"));
        assert_eq!(filter("a/+"), filter("a/+"));

        let sorted: BTreeSet<_> = [filter("b"), filter("a/b"), filter("a")].into();
        assert_eq!(sorted.iter().map(TopicFilter::as_str).collect::<Vec<_>>(), ["a", "a/b", "b"]);
        assert!(HashSet::from([filter("$share/g/a")]).contains("$share/g/a"));
    }

    #[test]
    fn a_filter_prints_as_it_was_written() {
        assert_eq!(filter("$share/g/a/+").to_string(), "$share/g/a/+");
        assert_eq!(format!("{:?}", filter("a/\u{7}")), r#""a/\u{7}""#);
    }
}
