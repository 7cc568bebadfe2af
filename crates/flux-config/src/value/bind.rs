//! [`Bind`]: an address to listen on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{ParseValueError, written};

/// An address to listen on: `0.0.0.0:1883`, `[::1]:1883`, `loopback:1883`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A port of 127.0.0.1 and, where IPv6 exists, of \[::1\].
    Loopback(u16),
    /// Exactly this address.
    Address(SocketAddr),
}

impl Bind {
    /// Returns whether nobody reaches it from another machine.
    #[must_use]
    pub const fn is_loopback(self) -> bool {
        match self {
            Self::Loopback(_) => true,
            Self::Address(address) => address.ip().is_loopback(),
        }
    }
}

impl FromStr for Bind {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if let Some(port) = text.strip_prefix(LOOPBACK).and_then(|rest| rest.strip_prefix(':')) {
            return port
                .parse()
                .map(Self::Loopback)
                .map_err(|_| ParseValueError::new(text, "`loopback:` and a port from 0 to 65535"));
        }
        text.parse().map(Self::Address).map_err(|_| {
            let expected = if text.parse::<IpAddr>().is_ok() {
                "an address with a port: the port is missing, as in `192.0.2.7:1883` and `[::]:1883`"
            } else {
                "an IP address with a port, as `0.0.0.0:1883`, `[::]:1883` and `loopback:1883` are"
            };
            ParseValueError::new(text, expected)
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "{LOOPBACK}:{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

written!(Bind, "bind", "string", ["0.0.0.0:1883", "loopback:1883"]);

const LOOPBACK: &str = "loopback";
