//! [`ByteRate`]: how many bytes in a second.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use super::{ParseValueError, Size, written};

/// So many bytes in a second: `1MiB/s`, `64kB/s`, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate(pub Option<NonZeroU64>);

impl FromStr for ByteRate {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if text == UNLIMITED {
            return Ok(Self(None));
        }
        let size = text.strip_suffix("/s").unwrap_or(text).trim_end().parse::<Size>();
        let number = size.ok().and_then(|size| NonZeroU64::new(size.0));
        number.map(|number| Self(Some(number))).ok_or_else(|| {
            ParseValueError::new(text, "so many bytes a second, as `1MiB/s` is; or `unlimited`")
        })
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{}/s", Size(number.get())),
            None => f.write_str(UNLIMITED),
        }
    }
}

written!(ByteRate, "byte-rate", ["string", "integer"], ["1MiB/s", "unlimited"]);

const UNLIMITED: &str = "unlimited";

#[cfg(test)]
mod tests {
    use super::*;

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
