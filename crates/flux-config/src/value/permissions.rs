//! [`Permissions`]: who may use a file.

use std::fmt;
use std::str::FromStr;

use super::{ParseValueError, written};

/// Permissions of a file, in octal: `660`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(pub u32);

impl FromStr for Permissions {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let is_octal = !text.is_empty() && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        mode.map(Self)
            .ok_or_else(|| ParseValueError::new(text, "permissions in octal, as `660` are"))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

written!(Permissions, "permissions", "string", ["660"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal() {
        let mode = |text: &str| text.parse::<Permissions>().ok().map(|it| (it.0, it.to_string()));
        assert_eq!(mode("660"), Some((0o660, "660".to_owned())));
        assert_eq!(mode("0600"), Some((0o600, "600".to_owned())));
        assert_eq!(mode("0"), Some((0, "000".to_owned())));
        for wrong in ["", "668", "1000", "+66", "rw", "-1", "0o660"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
