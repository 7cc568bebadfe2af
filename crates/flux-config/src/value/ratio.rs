//! [`Ratio`]: a part of the whole.

use std::fmt;
use std::str::FromStr;

use super::{ParseValueError, written};

/// A part of the whole, from 0 to 1: `0.01`, `1`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

impl FromStr for Ratio {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
        number.map(Self).ok_or_else(|| ParseValueError::new(text, "a number from 0 to 1"))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

written!(Ratio, "ratio", ["number", "string"], ["0.01", "1"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_number_from_0_to_1() {
        for right in ["0", "1", "0.25", "1e-3", "1.0"] {
            let ratio: Ratio = right.parse().unwrap();
            assert_eq!(ratio.to_string().parse(), Ok(ratio));
        }
        for wrong in ["", "-0.1", "1.1", "nan", "inf", "1%", "a"] {
            assert!(wrong.parse::<Ratio>().is_err(), "{wrong}");
        }
    }
}
