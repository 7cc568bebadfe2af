//! Where clients can come in, and what they must speak there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use flux_tls::TlsConfig;
use ipnet::IpNet;

/// One entrance of a broker. It may have several.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listener {
    /// Where it listens.
    pub listen: Listen,
    /// What is spoken below MQTT.
    pub transport: Transport,
    /// From where load balancers connect that say, before all else, whom a connection is really from (PROXY protocol,
    /// version 1 or 2). It is demanded of them, and of nobody else: others cannot speak for somebody. Default: none.
    pub proxies: Vec<IpNet>,
}

impl Listener {
    /// Returns a listener for MQTT over plain TCP.
    #[must_use]
    pub const fn tcp(listen: Listen) -> Self {
        Self { listen, transport: Transport::Tcp, proxies: Vec::new() }
    }

    /// Returns a listener for MQTT over TLS.
    #[must_use]
    pub const fn tls(listen: Listen, tls: TlsConfig) -> Self {
        Self { listen, transport: Transport::Tls(tls), proxies: Vec::new() }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of 127.0.0.1 and, where IPv6 exists, of \[::1\]. Port 0 lets the system choose.
    Loopback(u16),
    /// Exactly these addresses.
    Addresses(Vec<SocketAddr>),
}

impl Listen {
    /// Returns the addresses, each with whether the system may lack it.
    pub(crate) fn addresses(&self) -> Vec<(SocketAddr, bool)> {
        match self {
            Self::Loopback(port) => vec![
                (SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port), false),
                (SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), *port), true),
            ],
            Self::Addresses(addresses) => {
                addresses.iter().map(|address| (*address, false)).collect()
            }
        }
    }
}

/// What is spoken below MQTT.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Nothing: plain TCP.
    Tcp,
    /// TLS.
    Tls(TlsConfig),
}

impl Transport {
    /// Returns how addresses of it are written.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match self {
            Self::Tcp => Scheme::Mqtt,
            Self::Tls(_) => Scheme::Mqtts,
        }
    }

    /// Returns whether nobody comes in who has not proven who it is.
    pub(crate) fn proves_clients(&self) -> bool {
        match self {
            Self::Tcp => false,
            Self::Tls(tls) => tls.requires_certificates(),
        }
    }
}

/// How addresses of a transport are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `mqtt`: TCP.
    Mqtt,
    /// `mqtts`: TLS.
    Mqtts,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
        })
    }
}

/// An address that a broker listens on. `Display` writes it as a URL: `mqtts://127.0.0.1:8883`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listening {
    /// What is spoken there.
    pub scheme: Scheme,
    /// With the port that the system chose, where the settings said 0.
    pub address: SocketAddr,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address)
    }
}
