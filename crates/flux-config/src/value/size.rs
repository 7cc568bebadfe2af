//! [`Size`]: how many bytes.

use std::fmt;
use std::str::FromStr;

use super::{ParseValueError, written};

/// A number of bytes, as people write it: `16MiB`, `64kB`, `4096`.
///
/// It is exact: what it writes, it reads as the same number. So there are no fractions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let parse = || {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (number, unit) = text.split_at_checked(digits)?;
            let unit = unit.trim_start();
            let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
            number.parse::<u64>().ok()?.checked_mul(*factor)
        };
        parse().map(Self).ok_or_else(|| {
            ParseValueError::new(text, "a number of bytes, as `16MiB`, `64kB` and `4096` are")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().rev().filter(|(name, _)| name.ends_with("iB"));
        let mut whole = binary.filter(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match whole.next() {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

written!(Size, "size", ["string", "integer"], ["16MiB", "64kB"]);

const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(text.parse().ok(), expected.map(Size), "{text}");
        }
        check("0", Some(0));
        check("4096", Some(4096));
        check("16MiB", Some(16 << 20));
        check("16 mib", Some(16 << 20));
        check("64kB", Some(64_000));
        check("2TiB", Some(2 << 40));
        for wrong in
            ["", "MiB", "1.5GiB", "-1", "1k", "1 M B", "17000000TiB", "18446744073709551616"]
        {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(bytes: u64, shift in 0_u32..50) {
            for size in [Size(bytes), Size((bytes >> shift) << shift), Size(bytes >> shift)] {
                prop_assert_eq!(size.to_string().parse(), Ok(size));
            }
        }
    }
}
