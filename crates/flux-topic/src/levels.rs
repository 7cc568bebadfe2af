//! The text of names and filters: how long it may be and how it splits into levels.

use std::iter::FusedIterator;

use thiserror::Error;

/// The most bytes that a topic name or a topic filter may have, `[MQTT-4.7.3-3]`.
pub const MAX_TOPIC_BYTES: usize = 65_535;

/// The levels of a topic name or of a filter's pattern, from the first to the last.
///
/// `/` separates levels, and an empty level counts: `/a` has two, `a//b` has three. Nothing is
/// normalised, `[MQTT-4.7.3-4]`. MQTT 5.0 section 4.7.1.1.
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    /// What has not been returned yet: `Some("")` is one more empty level, `None` is the end.
    rest: Option<&'a str>,
}

impl<'a> Levels<'a> {
    pub(crate) const fn of(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// Returns whether the level returned last was the last one.
    pub(crate) const fn is_finished(&self) -> bool {
        self.rest.is_none()
    }
}

impl<'a> Iterator for Levels<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        // Levels are short: a plain walk over the bytes is faster than the search of `split_once`.
        let slash = rest.bytes().position(|byte| byte == b'/');
        let (level, rest) = match slash.and_then(|at| rest.split_at_checked(at)) {
            Some((level, rest)) => (level, rest.get(1..)),
            None => (rest, None),
        };
        self.rest = rest;
        Some(level)
    }
}

impl FusedIterator for Levels<'_> {}

/// A topic name or filter has more levels than whoever asked allows.
///
/// The standard sets no limit. A server that sets one tells a publisher the reason code 0x90 (Topic
/// Name invalid), a subscriber 0x8F (Topic Filter invalid): well formed, but not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there are {levels} topic levels, the limit is {max}: write fewer `/`")]
pub struct TooManyLevels {
    /// How many levels there are.
    pub levels: usize,
    /// How many are allowed.
    pub max: usize,
}

impl TooManyLevels {
    pub(crate) const fn check(levels: usize, max: usize) -> Result<(), Self> {
        if levels > max { Err(Self { levels, max }) } else { Ok(()) }
    }
}

/// Returns how many [`Levels`] a text has.
pub(crate) fn count_levels(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(Levels::of(text).collect::<Vec<_>>(), expected);
        assert_eq!(count_levels(text), expected.len());
    }

    #[test]
    fn empty_levels_count() {
        check("a", &["a"]);
        check("a/b", &["a", "b"]);
        check("/", &["", ""]);
        check("/a", &["", "a"]);
        check("a/", &["a", ""]);
        check("a//b", &["a", "", "b"]);
    }

    #[test]
    fn a_limit_is_the_last_count_that_passes() {
        assert_eq!(TooManyLevels::check(3, 3), Ok(()));
        assert_eq!(
            TooManyLevels::check(4, 3).unwrap_err().to_string(),
            "there are 4 topic levels, the limit is 3: write fewer `/`"
        );
    }
}
