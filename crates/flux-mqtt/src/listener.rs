//! Where clients can come in, and what they must speak there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flux_tls::TlsConfig;
use flux_websocket::{Origins, UpgradeRules};
use ipnet::IpNet;

use crate::terms::Terms;

/// One entrance of a broker. It may have several.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listener {
    /// What authenticators and rules call it. Default: as addresses of it begin, `mqtts` say.
    pub name: Arc<str>,
    /// Where it listens.
    pub listen: Listen,
    /// What is spoken below MQTT, or below WebSocket.
    pub transport: Transport,
    /// That and which WebSocket lies between.
    pub websocket: Option<WebSocketSettings>,
    /// From where load balancers connect that say, before all else, whom a connection is really from (PROXY protocol,
    /// version 1 or 2). It is demanded of them, and of nobody else: others cannot speak for somebody. Default: none.
    pub proxies: Vec<IpNet>,
    /// What is agreed on with its clients. Default: `None`, and then what [`Settings::terms`](crate::Settings::terms) says.
    pub terms: Option<Arc<Terms>>,
    /// Network connections at once through all listeners of this name. Default: `None` for as many as
    /// [`Limits::connections`](crate::Limits::connections) allows. One more is accepted and closed at once.
    /// [`Limit::ListenerConnections`](crate::Limit::ListenerConnections).
    pub connections: Option<usize>,
    /// New network connections in a second through all listeners of this name. Default: `None` for as many as
    /// [`Limits::connects_per_second`](crate::Limits::connects_per_second) allows. Further ones wait in the backlog.
    /// [`Limit::ListenerConnectsPerSecond`](crate::Limit::ListenerConnectsPerSecond), once for each pause.
    pub connects_per_second: Option<NonZeroU32>,
}

impl Listener {
    /// Returns a listener for MQTT over plain TCP, or over a Unix socket.
    #[must_use]
    pub fn tcp(listen: Listen) -> Self {
        Self::new(listen, Transport::Tcp, None)
    }

    /// Returns a listener for MQTT over TLS.
    #[must_use]
    pub fn tls(listen: Listen, tls: TlsConfig) -> Self {
        Self::new(listen, Transport::Tls(tls), None)
    }

    /// Returns a listener for MQTT over WebSocket, `ws`.
    #[must_use]
    pub fn ws(listen: Listen, websocket: WebSocketSettings) -> Self {
        Self::new(listen, Transport::Tcp, Some(websocket))
    }

    /// Returns a listener for MQTT over WebSocket over TLS, `wss`.
    #[must_use]
    pub fn wss(listen: Listen, tls: TlsConfig, websocket: WebSocketSettings) -> Self {
        Self::new(listen, Transport::Tls(tls), Some(websocket))
    }

    fn new(listen: Listen, transport: Transport, websocket: Option<WebSocketSettings>) -> Self {
        let (name, proxies) = (Arc::default(), Vec::new());
        let (terms, connections, connects_per_second) = (None, None, None);
        let mut listener = Self {
            name,
            listen,
            transport,
            websocket,
            proxies,
            terms,
            connections,
            connects_per_second,
        };
        listener.name = match &listener.listen {
            Listen::Unix(_) => "unix".into(),
            Listen::Loopback(_) | Listen::Addresses(_) => listener.scheme().to_string().into(),
        };
        listener
    }

    /// Returns how addresses of it are written.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        match (&self.transport, &self.websocket) {
            (Transport::Tcp, None) => Scheme::Mqtt,
            (Transport::Tls(_), None) => Scheme::Mqtts,
            (Transport::Tcp, Some(_)) => Scheme::Ws,
            (Transport::Tls(_), Some(_)) => Scheme::Wss,
        }
    }
}

/// How MQTT is spoken over WebSocket: the sub-protocol is `mqtt`, or `mqttv3.1`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebSocketSettings {
    /// The path that clients ask for; `*` is any. Default: `/mqtt`.
    pub path: String,
    /// The origins whose pages may connect, as browsers write them: `https://example.org`; `*` is any. Default: none. Then all
    /// may where clients prove who they are; where the authenticator [admits anyone](flux_auth::Authenticator::admits_anyone),
    /// only those [from near](Origins::Near). Clients that are no browsers say nothing of an origin, and are not asked.
    pub origins: Vec<String>,
    /// From where HTTP proxies connect that say in `X-Forwarded-For` whom a connection is from. Of others, it is not
    /// believed. Default: none.
    pub forwarded_by: Vec<IpNet>,
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self { path: "/mqtt".to_owned(), origins: Vec::new(), forwarded_by: Vec::new() }
    }
}

impl WebSocketSettings {
    pub(crate) fn rules(&self, admits_anyone: bool) -> UpgradeRules {
        let origins = match &self.origins[..] {
            [] if admits_anyone => Origins::Near,
            [] => Origins::Any,
            origins if origins.iter().any(|origin| origin == "*") => Origins::Any,
            origins => Origins::Listed(origins.to_vec()),
        };
        UpgradeRules { path: self.path.clone(), origins }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of 127.0.0.1 and, where IPv6 exists, of \[::1\]. Port 0 lets the system choose.
    Loopback(u16),
    /// Exactly these addresses.
    Addresses(Vec<SocketAddr>),
    /// A Unix socket: only programs of this machine reach it.
    Unix(UnixSocket),
}

/// A file through which programs of this machine connect. It is made when the broker starts, in place of one that nobody
/// listens at any more, and removed when it stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Where it is.
    pub path: PathBuf,
    /// Who may connect, as permissions of the file: those who may write it.
    pub mode: u32,
}

impl Listen {
    /// Returns the addresses, each with whether the system may lack it; none of a Unix socket.
    pub(crate) fn addresses(&self) -> Vec<(SocketAddr, bool)> {
        match self {
            Self::Loopback(port) => vec![
                (SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port), false),
                (SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), *port), true),
            ],
            Self::Addresses(addresses) => {
                addresses.iter().map(|address| (*address, false)).collect()
            }
            Self::Unix(_) => Vec::new(),
        }
    }
}

/// What is spoken below MQTT.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Nothing: plain TCP, or a Unix socket.
    Tcp,
    /// TLS.
    Tls(TlsConfig),
}

impl Transport {
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
    /// `ws`: WebSocket over TCP.
    Ws,
    /// `wss`: WebSocket over TLS.
    Wss,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        })
    }
}

/// Something that a broker listens on. `Display` writes it as a URL: `mqtts://127.0.0.1:8883`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listening {
    /// What is spoken there.
    pub scheme: Scheme,
    /// Where it is.
    pub place: Place,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Address(address) => write!(f, "{}://{address}", self.scheme),
            Place::Unix(path) => write!(f, "{}+unix://{}", self.scheme, path.display()),
        }
    }
}

/// Where one can listen and connect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address. Of a listener, with the port that the system chose where the settings said 0.
    Address(SocketAddr),
    /// The path of a Unix socket.
    Unix(Arc<Path>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
