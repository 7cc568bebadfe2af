//! A door of a broker: how clients come in, and where.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// Where a broker listens, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) scheme: Scheme,
    /// What stands behind the scheme: an address, or a path on a Unix socket.
    pub(crate) place: String,
}

impl Door {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { scheme: Scheme::Mqtt, place: address.to_string() }
    }

    /// Returns the doors that the broker's line about them names, in its order.
    pub(crate) fn all_in(line: &str) -> Vec<Self> {
        let Some((_, rest)) = line.split_once(" listening on ") else { return Vec::new() };
        let doors = rest.split(';').next().unwrap_or_default();
        doors.split(" and ").filter_map(Self::parse).collect()
    }

    fn parse(url: &str) -> Option<Self> {
        let (name, place) = url.trim().split_once("://")?;
        let scheme = Scheme::ALL.into_iter().find(|scheme| scheme.name() == name)?;
        Some(Self { scheme, place: place.to_owned() })
    }

    /// Returns the address, unless this is a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.place.parse().ok()
    }

    /// Returns the path, if this is a Unix socket.
    pub(crate) fn socket(&self) -> Option<&Path> {
        matches!(self.scheme, Scheme::Unix).then(|| Path::new(&self.place))
    }
}

/// The URL, as the suites written in other languages take it.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.scheme.is_websocket() { "/mqtt" } else { "" };
        write!(f, "{}://{}{path}", self.scheme.name(), self.place)
    }
}

/// What is laid between MQTT and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
    Unix,
}

impl Scheme {
    pub(crate) const ALL: [Self; 5] = [Self::Mqtt, Self::Mqtts, Self::Ws, Self::Wss, Self::Unix];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "mqtt+unix",
        }
    }

    pub(crate) fn is_websocket(self) -> bool {
        match self {
            Self::Ws | Self::Wss => true,
            Self::Mqtt | Self::Mqtts | Self::Unix => false,
        }
    }

    pub(crate) fn is_over_tls(self) -> bool {
        match self {
            Self::Mqtts | Self::Wss => true,
            Self::Mqtt | Self::Ws | Self::Unix => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_are_found_in_a_line() {
        let line = "flux-broker 1.0 listening on mqtt://127.0.0.1:1883 and wss://127.0.0.1:8084 and \
                    mqtt+unix:///run/a.sock; anonymous and more";
        let urls: Vec<_> = Door::all_in(line).iter().map(ToString::to_string).collect();
        let wanted =
            ["mqtt://127.0.0.1:1883", "wss://127.0.0.1:8084/mqtt", "mqtt+unix:///run/a.sock"];
        assert_eq!(urls, wanted);
        assert_eq!(Door::all_in("possible connections=5"), []);
    }
}
