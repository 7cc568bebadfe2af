//! [`NamePattern`]: user names and client identifiers, exact or with wildcards.

use thiserror::Error;

/// A name, or many: `*` stands for any number of characters, `?` for one, `\` takes the next one as it is.
///
/// ```
/// use flux_auth::NamePattern;
///
/// let pattern: NamePattern = "meter-*".parse()?;
/// assert!(pattern.matches("meter-7") && pattern.matches("meter-"));
/// assert!(!pattern.matches("a meter-7"));
/// # Ok::<(), flux_auth::ParsePatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    parts: Vec<Part>,
}

impl NamePattern {
    /// Returns whether the whole of `name` fits. It takes time in proportion to the product of both
    /// lengths at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut parts, mut rest) = (self.parts.as_slice(), name);
        // Where to go on when the last `*` has to take one more character.
        let mut retry: Option<(&[Part], &str)> = None;
        loop {
            let step = match parts.split_first() {
                Some((Part::Any, after)) => {
                    retry = Some((after, rest));
                    Some((after, rest))
                }
                Some((Part::One, after)) => without_first(rest).map(|rest| (after, rest)),
                Some((Part::Text(text), after)) => {
                    rest.strip_prefix(&**text).map(|rest| (after, rest))
                }
                None if rest.is_empty() => return true,
                None => None,
            };
            (parts, rest) = match step {
                Some(step) => step,
                None => {
                    let Some((after, seen)) = retry else { return false };
                    let Some(seen) = without_first(seen) else { return false };
                    retry = Some((after, seen));
                    (after, seen)
                }
            };
        }
    }

    /// Returns the one name that fits, if the pattern has no wildcard.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl std::str::FromStr for NamePattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, ParsePatternError> {
        let (mut parts, mut literal) = (Vec::new(), String::new());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let wildcard = match character {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => {
                    literal.push(characters.next().ok_or(ParsePatternError)?);
                    continue;
                }
                other => {
                    literal.push(other);
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(wildcard);
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Ok(Self { parts })
    }
}

/// A pattern ends with a `\` that takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the pattern ends with `\\`: write `\\\\` for a backslash")]
pub struct ParsePatternError;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    One,
    Any,
}

fn without_first(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    characters.next().map(|_| characters.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        let pattern: NamePattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(name), expected, "{pattern:?} and {name:?}");
    }

    #[test]
    fn a_star_is_anything_and_a_question_mark_one_character() {
        check("alice", "alice", true);
        check("alice", "alice2", false);
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("a*c", "abcbc", true);
        check("a*c", "abcb", false);
        check("?", "é", true);
        check("?", "", false);
        check("*-?", "a-b-c", true);
        check(r"a\*", "a*", true);
        check(r"a\*", "ab", false);
        assert_eq!("a\\".parse::<NamePattern>(), Err(ParsePatternError));
        assert_eq!(r"a\*".parse::<NamePattern>().unwrap().exact(), Some("a*"));
        assert_eq!("a*".parse::<NamePattern>().unwrap().exact(), None);
    }

    fn slow_matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', after @ ..], _) => {
                (0..=name.len()).any(|taken| slow_matches(after, &name[taken..]))
            }
            (['?', after @ ..], [_, rest @ ..]) => slow_matches(after, rest),
            ([a, after @ ..], [b, rest @ ..]) => a == b && slow_matches(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let characters: Vec<char> = pattern.chars().collect();
            let expected = slow_matches(&characters, &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(pattern.parse::<NamePattern>().unwrap().matches(&name), expected);
        }
    }
}
