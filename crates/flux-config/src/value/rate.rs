//! [`Rate`]: how often in a second.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::{ParseValueError, written};

/// So many in a second: `50/s`, `50`, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub Option<NonZeroU32>);

impl FromStr for Rate {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if text == UNLIMITED {
            return Ok(Self(None));
        }
        let number = text.strip_suffix("/s").unwrap_or(text).trim_end().parse();
        number.map(|number| Self(Some(number))).map_err(|_| {
            ParseValueError::new(text, "so many a second, as `50/s` is, at least 1; or `unlimited`")
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "{number}/s"),
            None => f.write_str(UNLIMITED),
        }
    }
}

written!(Rate, "rate", ["string", "integer"], ["50/s", "unlimited"]);

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
}
