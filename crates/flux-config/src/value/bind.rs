//! [`Bind`]: an address to listen on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::{ParseValueError, written};

/// An address to listen on: `0.0.0.0:1883`, `[::1]:1883`, `loopback:1883`, `unix:/run/flux/mqtt.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A port of 127.0.0.1 and, where IPv6 exists, of \[::1\].
    Loopback(u16),
    /// Exactly this address.
    Address(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Bind {
    /// Returns whether nobody reaches it from another machine.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        match self {
            Self::Loopback(_) | Self::Unix(_) => true,
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
        if let Some(path) = text.strip_prefix(UNIX) {
            let path = Some(path).filter(|path| !path.is_empty()).map(PathBuf::from);
            return path
                .map(Self::Unix)
                .ok_or_else(|| ParseValueError::new(text, "`unix:` and the path of a socket"));
        }
        text.parse().map(Self::Address).map_err(|_| {
            let expected = if text.parse::<IpAddr>().is_ok() {
                "an address with a port: the port is missing, as in `192.0.2.7:1883` and `[::]:1883`"
            } else {
                "an IP address with a port, as `0.0.0.0:1883`, `[::]:1883` and `loopback:1883` are, or `unix:` and a path"
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
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

written!(Bind, "bind", "string", ["0.0.0.0:1883", "loopback:1883", "unix:/run/flux/mqtt.sock"]);

const LOOPBACK: &str = "loopback";
const UNIX: &str = "unix:";
