//! [`TopicName`]: where a message is published, and [`TopicNameBuf`], which keeps one.

use std::fmt;

use thiserror::Error;

use crate::levels::{Levels, MAX_TOPIC_BYTES, TooManyLevels, count_levels};

/// A valid topic name: the label that a message carries. MQTT 5.0 section 4.7.
///
/// It borrows its text and is as cheap to copy as a `&str`. What it promises: at least one
/// character `[MQTT-4.7.3-1]`, no wildcard `[MQTT-4.7.0-1]` `[MQTT-3.3.2-2]`, no U+0000
/// `[MQTT-4.7.3-2]`, at most [`MAX_TOPIC_BYTES`] bytes `[MQTT-4.7.3-3]`. Names compare byte by
/// byte, nothing is normalised `[MQTT-4.7.3-4]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Returns `text` as a topic name.
    ///
    /// # Errors
    ///
    /// When `text` breaks one of the rules that the type promises. From the network that is a
    /// malformed packet or the reason code 0x90 (Topic Name invalid).
    pub fn parse(text: &'a str) -> Result<Self, ParseTopicError> {
        if text.is_empty() {
            return Err(ParseTopicError::Empty);
        }
        if text.len() > MAX_TOPIC_BYTES {
            return Err(ParseTopicError::TooLong { len: text.len() });
        }
        if !has_special(text.as_bytes()) {
            return Ok(Self(text));
        }
        match text.bytes().zip(0..).find(|(byte, _)| SPECIAL.contains(byte)) {
            None => Ok(Self(text)),
            Some((b'\0', at)) => Err(ParseTopicError::Nul { at }),
            Some((wildcard, at)) => {
                Err(ParseTopicError::Wildcard { wildcard: char::from(wildcard), at })
            }
        }
    }

    /// Returns `bytes`, which nobody has looked at yet, as a topic name.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and when `bytes` are not UTF-8, `[MQTT-1.5.4-1]`.
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self, ParseTopicError> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(ParseTopicError::NotUtf8 { at: error.valid_up_to() }),
        }
    }

    /// Returns the name itself if it has at most `max` levels.
    ///
    /// ```
    /// use flux_topic::{TooManyLevels, TopicName};
    ///
    /// let name = TopicName::parse("fleet/17/state")?;
    /// assert_eq!(name.within_levels(3), Ok(name));
    /// assert_eq!(name.within_levels(2), Err(TooManyLevels { levels: 3, max: 2 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When it has more.
    pub fn within_levels(self, max: usize) -> Result<Self, TooManyLevels> {
        // One more level than bytes at most: most names need not be counted.
        if self.0.len() < max {
            return Ok(self);
        }
        TooManyLevels::check(self.level_count(), max).map(|()| self)
    }

    /// Returns the name as it was written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns the levels of the name, empty ones included. MQTT 5.0 section 4.7.1.1.
    #[must_use]
    pub const fn levels(self) -> Levels<'a> {
        Levels::of(self.0)
    }

    /// Returns how many [`levels`](Self::levels) the name has: at least 1.
    #[must_use]
    pub fn level_count(self) -> usize {
        count_levels(self.0)
    }

    /// Returns whether the name starts with `$`, so that no filter which starts with a wildcard
    /// matches it, `[MQTT-4.7.2-1]`.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.0.starts_with('$')
    }
}

/// A topic name that is kept: [`as_name`](Self::as_name) gives it back without looking at it again.
///
/// ```
/// use flux_topic::{TopicName, TopicNameBuf};
///
/// let mut kept = TopicNameBuf::from(TopicName::parse("fleet/17/state")?);
/// assert_eq!(kept.as_name().as_str(), "fleet/17/state");
/// kept.assign(TopicName::parse("fleet/18")?);
/// assert_eq!(kept.as_name().as_str(), "fleet/18");
/// # Ok::<(), flux_topic::ParseTopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNameBuf(String);

impl TopicNameBuf {
    /// Returns the name.
    #[must_use]
    pub fn as_name(&self) -> TopicName<'_> {
        TopicName(&self.0)
    }

    /// Keeps another name, in the room of the one before if that suffices.
    pub fn assign(&mut self, name: TopicName<'_>) {
        self.0.clear();
        self.0.push_str(name.0);
    }
}

impl From<TopicName<'_>> for TopicNameBuf {
    fn from(name: TopicName<'_>) -> Self {
        Self(name.0.into())
    }
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// What stands in no name.
const SPECIAL: [u8; 3] = [b'\0', b'+', b'#'];

/// Returns whether one of the [`SPECIAL`] bytes is there, eight bytes at a time: every message that is
/// published has a topic name.
fn has_special(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks();
    let rest = match bytes.last_chunk() {
        Some(last) => u64::from_ne_bytes(*last),
        // Where there is nothing more, 1 stands, which is not special.
        None => rest.iter().fold(EACH, |word, byte| word << 8 | u64::from(*byte)),
    };
    let in_rest = special_in(rest);
    words.iter().fold(in_rest, |found, word| found | special_in(u64::from_ne_bytes(*word))) != 0
}

/// Not 0 when one of the eight bytes is special.
fn special_in(word: u64) -> u64 {
    SPECIAL.iter().fold(0, |found, special| {
        // A byte that is 0 now, and none else, borrows from its highest bit, or the next one does.
        let word = word ^ (EACH * u64::from(*special));
        found | (word.wrapping_sub(EACH) & !word & EACH << 7)
    })
}

/// 1 in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Why a text is not a topic name.
///
/// Positions are byte offsets from 0. The text is not repeated: a peer
/// chose it, and it can be too long for a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseTopicError {
    /// The name has no character, `[MQTT-4.7.3-1]`.
    #[error("topic name is empty: it must be at least 1 character long")]
    Empty,
    /// The name does not fit the length field of the protocol, `[MQTT-4.7.3-3]`.
    #[error("topic name is {len} bytes long, the limit is {max}: shorten it", max = MAX_TOPIC_BYTES)]
    TooLong {
        /// The length of the name in bytes.
        len: usize,
    },
    /// The name contains U+0000, `[MQTT-4.7.3-2]`.
    #[error("topic name contains U+0000 at byte {at}: remove it")]
    Nul {
        /// Where the character is.
        at: usize,
    },
    /// The name contains a wildcard, `[MQTT-4.7.0-1]` `[MQTT-3.3.2-2]`.
    #[error(
        "topic name contains `{wildcard}` at byte {at}: name one topic, wildcards are for filters"
    )]
    Wildcard {
        /// The wildcard: `+` or `#`.
        wildcard: char,
        /// Where the wildcard is.
        at: usize,
    },
    /// The bytes are not text, `[MQTT-1.5.4-1]`, `[MQTT-3.3.2-1]`: from the network a malformed
    /// packet.
    #[error("topic name is not UTF-8 from byte {at} on: encode it as UTF-8")]
    NotUtf8 {
        /// Where the first byte is that does not belong to a character.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), ParseTopicError>) {
        assert_eq!(TopicName::parse(text).map(|name| assert_eq!(name.as_str(), text)), expected);
    }

    #[test]
    fn a_name_is_any_text_without_wildcards_and_nul() {
        check("a", Ok(()));
        check("/", Ok(()));
        check(" ", Ok(()));
        check("Accounts payable", Ok(()));
        check("$SYS/monitor/Clients", Ok(()));
        check("$share/g/a", Ok(()));
        check("温度/\u{feff}/€", Ok(()));
        check(&"x".repeat(MAX_TOPIC_BYTES), Ok(()));

        check("", Err(ParseTopicError::Empty));
        check(&"x".repeat(65_536), Err(ParseTopicError::TooLong { len: 65_536 }));
        check("ab\0", Err(ParseTopicError::Nul { at: 2 }));
        check("a/+", Err(ParseTopicError::Wildcard { wildcard: '+', at: 2 }));
        check("€#", Err(ParseTopicError::Wildcard { wildcard: '#', at: 3 }));
    }

    #[test]
    fn a_name_has_at_most_one_level_more_than_bytes() {
        let name = TopicName::parse("///").unwrap();
        assert_eq!(name.within_levels(4), Ok(name));
        assert_eq!(name.within_levels(3), Err(TooManyLevels { levels: 4, max: 3 }));
    }

    #[test]
    fn bytes_are_a_name_when_they_are_text() {
        let name = TopicName::from_utf8("温度/€".as_bytes());
        assert_eq!(name, TopicName::parse("温度/€"));
        assert_eq!(TopicName::from_utf8(b""), Err(ParseTopicError::Empty));
        assert_eq!(TopicName::from_utf8(b"a\xFF"), Err(ParseTopicError::NotUtf8 { at: 1 }));
        // U+D800 as three bytes, and a character that is cut.
        assert_eq!(TopicName::from_utf8(b"\xED\xA0\x80"), Err(ParseTopicError::NotUtf8 { at: 0 }));
        assert_eq!(TopicName::from_utf8(b"a/\xC3"), Err(ParseTopicError::NotUtf8 { at: 2 }));
    }

    #[test]
    fn only_a_leading_dollar_reserves() {
        let reserved = |text| TopicName::parse(text).unwrap().is_reserved();
        assert!(reserved("$SYS") && reserved("$"));
        assert!(!reserved("/$SYS") && !reserved("a$"));
    }

    #[test]
    fn messages_name_the_value_and_the_limit() {
        assert_eq!(
            ParseTopicError::TooLong { len: 70_000 }.to_string(),
            "topic name is 70000 bytes long, the limit is 65535: shorten it"
        );
        assert_eq!(
            ParseTopicError::Wildcard { wildcard: '+', at: 2 }.to_string(),
            "topic name contains `+` at byte 2: name one topic, wildcards are for filters"
        );
    }

    proptest! {
        #[test]
        fn the_special_bytes_are_found_wherever_they_stand(
            mut bytes in prop::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
            special in prop::sample::select(SPECIAL.to_vec()),
        ) {
            let has = |bytes: &[u8]| bytes.iter().any(|byte| SPECIAL.contains(byte));
            prop_assert_eq!(has_special(&bytes), has(&bytes));
            bytes.iter_mut().filter(|byte| SPECIAL.contains(byte)).for_each(|byte| *byte ^= 0x80);
            prop_assert!(!has_special(&bytes));
            bytes.insert(at.index(bytes.len() + 1), special);
            prop_assert!(has_special(&bytes));
        }

        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let valid = !text.is_empty() && !text.contains(['\0', '+', '#']);
            prop_assert_eq!(TopicName::parse(&text).is_ok(), valid);
        }
    }
}
