//! Numbers of normative statements, and lists of them.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};

/// `3.1.2-10`: the tenth statement of section 3.1.2.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Number {
    section: Vec<u16>,
    statement: u16,
}

impl Number {
    /// Reads a list such as `1.5.4-1..3 1.5.5-1`.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>> {
        let mut numbers = Vec::new();
        for word in text.split_whitespace() {
            let (first, last) = word.split_once("..").unwrap_or((word, ""));
            let first: Self = first.parse()?;
            let last = if last.is_empty() { first.statement } else { last.parse()? };
            ensure!(first.statement <= last, "`{word}` is not a range");
            let section = first.section;
            numbers.extend(
                (first.statement..=last)
                    .map(|statement| Self { section: section.clone(), statement }),
            );
        }
        Ok(numbers)
    }

    /// The section as in the standard's table of contents, to one level below the chapter.
    pub(crate) fn chapter(&self) -> String {
        self.section.iter().take(2).map(ToString::to_string).collect::<Vec<_>>().join(".")
    }
}

impl FromStr for Number {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (section, statement) = text.split_once('-')?;
            let section =
                section.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
            Some(Self { section, statement: statement.parse().ok()? })
        };
        read().with_context(|| format!("`{text}` is not the number of a statement"))
    }
}

impl TryFrom<String> for Number {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section: Vec<_> = self.section.iter().map(ToString::to_string).collect();
        write!(f, "{}-{}", section.join("."), self.statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_ranges() {
        let numbers = Number::list("1.5.4-1..3 2.2.1-2\n10.1-1").unwrap();
        let shown: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1.5.4-1", "1.5.4-2", "1.5.4-3", "2.2.1-2", "10.1-1"]);
        assert!(Number::list("1.5.4-3..1").is_err());
        assert!(Number::list("1.5.4").is_err());
    }

    #[test]
    fn numbers_are_in_the_order_of_the_standard() {
        let number = |text: &str| text.parse::<Number>().unwrap();
        assert!(number("3.1.2-9") < number("3.1.2-10"));
        assert!(number("3.9.3-1") < number("3.10.1-1"));
        assert_eq!(number("3.10.1-1").chapter(), "3.10");
    }
}
