//! [`Rate`] and [`ByteRate`]: how often, and how many bytes, in a second.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

use super::{ParseValueError, Size, written};

/// So many in a second: `50/s`, `50`, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<NonZeroU32>);

impl FromStr for Rate {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let expected = "so many a second, as `50/s` is, at least 1; or `unlimited`";
        per_second(text, expected, |number| number.parse().ok()).map(Self)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_per_second(self.0, f)
    }
}

written!(Rate, "rate", ["string", "integer"], ["50/s", "unlimited"]);

/// So many bytes in a second: `1MiB/s`, `64kB/s`, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate(pub Option<NonZeroU64>);

impl FromStr for ByteRate {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let expected = "so many bytes a second, as `1MiB/s` is; or `unlimited`";
        per_second(text, expected, |size| NonZeroU64::new(size.parse::<Size>().ok()?.0)).map(Self)
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_per_second(self.0.map(|number| Size(number.get())), f)
    }
}

written!(ByteRate, "byte-rate", ["string", "integer"], ["1MiB/s", "unlimited"]);

/// Reads how many in a second; `None` is unlimited.
fn per_second<N>(
    text: &str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<N>,
) -> Result<Option<N>, ParseValueError> {
    if text == UNLIMITED {
        return Ok(None);
    }
    let number = read(text.strip_suffix("/s").unwrap_or(text).trim_end());
    number.map(Some).ok_or_else(|| ParseValueError::new(text, expected))
}

fn write_per_second(number: Option<impl fmt::Display>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match number {
        Some(number) => write!(f, "{number}/s"),
        None => f.write_str(UNLIMITED),
    }
}

const UNLIMITED: &str = "unlimited";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_number_or_no_limit() {
        let rate = |text: &str| text.parse::<Rate>().ok().map(|rate| rate.to_string());
        assert_eq!(rate("50/s").as_deref(), Some("50/s"));
        assert_eq!(rate("50").as_deref(), Some("50/s"));
        assert_eq!(rate("unlimited").as_deref(), Some("unlimited"));
        for wrong in ["0", "0/s", "50/m", "", "/s", "-1/s"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_rate_has_a_size_or_no_limit() {
        let rate = |text: &str| text.parse::<ByteRate>().ok().map(|rate| rate.to_string());
        assert_eq!(rate("1MiB/s").as_deref(), Some("1MiB/s"));
        assert_eq!(rate("1000").as_deref(), Some("1000B/s"));
        assert_eq!(rate("unlimited").as_deref(), Some("unlimited"));
        for wrong in ["0", "0B/s", "1MiB/m", "", "/s", "-1/s"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }
}
