//! [`AddressRange`]: addresses that begin alike.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{ParseValueError, written};

/// A range of IP addresses, or one: `10.0.0.0/8`, `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(pub IpNet);

impl FromStr for AddressRange {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let range = text.parse().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
        range.map(Self).ok_or_else(|| {
            ParseValueError::new(
                text,
                "an address or a range, as `192.0.2.7` and `192.0.2.0/24` are",
            )
        })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

written!(AddressRange, "range", "string", ["10.0.0.0/8", "192.0.2.7"]);
