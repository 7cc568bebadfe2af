//! The rules of topic filters, and what to say when one is broken.

use thiserror::Error;

use super::SHARE_PREFIX;
use crate::levels::{Levels, MAX_TOPIC_BYTES};

/// Why a text is not a topic filter.
///
/// Positions are byte offsets from 0 in the whole filter. The text is not repeated: a peer
/// chose it, and it can be too long for a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseFilterError {
    /// The filter has no character, `[MQTT-4.7.3-1]`.
    #[error("topic filter is empty: it must be at least 1 character long")]
    Empty,
    /// The filter does not fit the length field of the protocol, `[MQTT-4.7.3-3]`.
    #[error("topic filter is {len} bytes long, the limit is {max}: shorten it", max = MAX_TOPIC_BYTES)]
    TooLong {
        /// The length of the filter in bytes.
        len: usize,
    },
    /// The filter contains U+0000, `[MQTT-4.7.3-2]`.
    #[error("topic filter contains U+0000 at byte {at}: remove it")]
    Nul {
        /// Where the character is.
        at: usize,
    },
    /// `#` is alone in its level, but more levels follow, `[MQTT-4.7.1-1]`.
    #[error("`#` at byte {at} is followed by more levels: end the filter with it, or write `+`")]
    HashNotLast {
        /// Where the wildcard is.
        at: usize,
    },
    /// `#` has other characters beside it in its level, `[MQTT-4.7.1-1]`.
    #[error("`#` at byte {at} is not alone in its level: write `/#` at the end of the filter")]
    HashNotAlone {
        /// Where the wildcard is.
        at: usize,
    },
    /// `+` has other characters beside it in its level, `[MQTT-4.7.1-2]`.
    #[error("`+` at byte {at} is not alone in its level: let it stand for the whole level")]
    PlusNotAlone {
        /// Where the wildcard is.
        at: usize,
    },
    /// Nothing stands between `$share/` and the next `/`, `[MQTT-4.8.2-1]`.
    #[error(
        "share name after `$share/` is empty: it must be at least 1 character long, \
         as in `$share/group/topic`"
    )]
    ShareNameEmpty,
    /// The share name contains a wildcard, `[MQTT-4.8.2-2]`.
    #[error("share name contains `{wildcard}` at byte {at}: name one group, without wildcards")]
    ShareNameWildcard {
        /// The wildcard: `+` or `#`.
        wildcard: char,
        /// Where the wildcard is.
        at: usize,
    },
    /// No topic filter follows the share name, `[MQTT-4.8.2-2]`.
    #[error(
        "share name is not followed by a topic filter: add `/` and at least 1 character, \
         as in `$share/group/topic`"
    )]
    ShareWithoutFilter,
    /// The bytes are not text, `[MQTT-1.5.4-1]`, `[MQTT-3.8.3-1]`: from the network a malformed
    /// packet.
    #[error("topic filter is not UTF-8 from byte {at} on: encode it as UTF-8")]
    NotUtf8 {
        /// Where the first byte is that does not belong to a character.
        at: usize,
    },
}

/// Returns where the pattern of the filter `text` starts: 0, or behind `$share/{name}/`.
///
/// # Errors
///
/// When `text` is not a topic filter.
pub(crate) fn pattern_start(text: &str) -> Result<usize, ParseFilterError> {
    if text.is_empty() {
        return Err(ParseFilterError::Empty);
    }
    if text.len() > MAX_TOPIC_BYTES {
        return Err(ParseFilterError::TooLong { len: text.len() });
    }
    if let Some(at) = text.find('\0') {
        return Err(ParseFilterError::Nul { at });
    }
    let pattern = match text.strip_prefix(SHARE_PREFIX) {
        Some(share) => shared_pattern(share)?,
        None => text,
    };
    let start = text.len() - pattern.len();
    check_wildcards(pattern, start)?;
    Ok(start)
}

/// Returns what follows the share name in `share`, which is a filter without its `$share/`.
fn shared_pattern(share: &str) -> Result<&str, ParseFilterError> {
    let (name, pattern) = share.split_once('/').unwrap_or((share, ""));
    if name.is_empty() {
        return Err(ParseFilterError::ShareNameEmpty);
    }
    if let Some((at, wildcard)) = find_wildcard(name) {
        return Err(ParseFilterError::ShareNameWildcard { wildcard, at: SHARE_PREFIX.len() + at });
    }
    if pattern.is_empty() {
        return Err(ParseFilterError::ShareWithoutFilter);
    }
    Ok(pattern)
}

/// Checks that every wildcard of `pattern` stands where it may. `start` is where the pattern starts
/// in its filter.
fn check_wildcards(pattern: &str, start: usize) -> Result<(), ParseFilterError> {
    let mut levels = Levels::of(pattern);
    let mut level_start = start;
    while let Some(level) = levels.next() {
        match (level, find_wildcard(level)) {
            (_, None) | ("+", _) => {}
            ("#", _) if levels.is_finished() => {}
            ("#", _) => return Err(ParseFilterError::HashNotLast { at: level_start }),
            (_, Some((at, '#'))) => {
                return Err(ParseFilterError::HashNotAlone { at: level_start + at });
            }
            (_, Some((at, _))) => {
                return Err(ParseFilterError::PlusNotAlone { at: level_start + at });
            }
        }
        level_start += level.len() + '/'.len_utf8();
    }
    Ok(())
}

/// Returns the first wildcard of `text` and where it is.
fn find_wildcard(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, char)| matches!(char, '+' | '#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ParseFilterError as E;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<usize, ParseFilterError>) {
        assert_eq!(pattern_start(text), expected);
    }

    #[test]
    fn wildcards_stand_alone_in_their_level() {
        for text in ["#", "+", "/", "+/", "/+", "+/+/#", "a/+/b", "a/#", "/#", " /é", "$SYS/#"] {
            check(text, Ok(0));
        }
        check("a#", Err(E::HashNotAlone { at: 1 }));
        check("a/b#", Err(E::HashNotAlone { at: 3 }));
        check("##", Err(E::HashNotAlone { at: 0 }));
        check("#/", Err(E::HashNotLast { at: 0 }));
        check("a/#/b", Err(E::HashNotLast { at: 2 }));
        check("+a", Err(E::PlusNotAlone { at: 0 }));
        check("é/a+/b", Err(E::PlusNotAlone { at: 4 }));
        check("a/++", Err(E::PlusNotAlone { at: 2 }));
        check("+#", Err(E::PlusNotAlone { at: 0 }));
    }

    #[test]
    fn a_filter_has_1_to_65535_bytes_without_nul() {
        check(&"/".repeat(65_535), Ok(0));
        check("", Err(E::Empty));
        check(&"/".repeat(65_536), Err(E::TooLong { len: 65_536 }));
        check("a/\0", Err(E::Nul { at: 2 }));
        check("$share/\0/a", Err(E::Nul { at: 7 }));
    }

    #[test]
    fn a_share_has_a_name_and_a_filter() {
        check("$share/g/a", Ok(9));
        check("$share/g//", Ok(9));
        check("$share/g/+/#", Ok(9));
        check("$share/", Err(E::ShareNameEmpty));
        check("$share//a", Err(E::ShareNameEmpty));
        check("$share/+/a", Err(E::ShareNameWildcard { wildcard: '+', at: 7 }));
        check("$share/g#", Err(E::ShareNameWildcard { wildcard: '#', at: 8 }));
        check("$share/g", Err(E::ShareWithoutFilter));
        check("$share/g/", Err(E::ShareWithoutFilter));
        check("$share/g/a#", Err(E::HashNotAlone { at: 10 }));
        check("$share/g/a+/b", Err(E::PlusNotAlone { at: 10 }));
        check("$share/g/#/b", Err(E::HashNotLast { at: 9 }));
    }

    #[test]
    fn messages_name_the_value_and_what_to_do() {
        assert_eq!(
            E::TooLong { len: 65_536 }.to_string(),
            "topic filter is 65536 bytes long, the limit is 65535: shorten it"
        );
        assert_eq!(
            E::HashNotAlone { at: 3 }.to_string(),
            "`#` at byte 3 is not alone in its level: write `/#` at the end of the filter"
        );
        assert_eq!(
            E::ShareNameEmpty.to_string(),
            "share name after `$share/` is empty: it must be at least 1 character long, \
             as in `$share/group/topic`"
        );
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in any::<String>()) {
            let _ = pattern_start(&text);
        }

        #[test]
        fn a_pattern_starts_inside_its_filter(text in r"(\$share/)?[a+#/é\x00]{0,6}") {
            if let Ok(start) = pattern_start(&text) {
                prop_assert!(text.get(start..).is_some_and(|pattern| !pattern.is_empty()));
            }
        }
    }
}
