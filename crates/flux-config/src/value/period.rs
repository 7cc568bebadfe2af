//! [`Period`]: how long.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{ParseValueError, written};

/// A length of time, as people write it: `30s`, `1h 30m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let duration = humantime::parse_duration(text).map_err(|_| {
            ParseValueError::new(text, "a time, as `500ms`, `30s`, `1h 30m` and `7d` are")
        })?;
        Ok(Self(duration))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

written!(Period, "time", "string", ["30s", "1h 30m"]);
