//! [`Draft`]: a listener of a mosquitto.conf, as its lines add up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::Line;
use crate::config::{
    CertificatePart, ClientCertificates, Config, Listener, Tls, TlsVersion, Transport,
};
use crate::value::{Bind, OneOrMore};

/// A listener under way.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Whether something was said about it. The one before the first `listener` may be none.
    pub(super) is_used: bool,
    /// Whether it cannot be had here as it was meant. It is left out then: less would be asked of clients, or more given.
    pub(super) is_left_out: bool,
    /// The line that begins it.
    pub(super) line: Option<Line>,
    pub(super) port: Option<u16>,
    /// The path of a Unix socket, which takes the place of a port.
    pub(super) unix: Option<PathBuf>,
    pub(super) is_websocket: bool,
    pub(super) origins: Vec<String>,
    pub(super) host: Host,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    pub(super) requires_certificates: bool,
    pub(super) username_from: Option<CertificatePart>,
    pub(super) minimum_version: Option<TlsVersion>,
    pub(super) allow_anonymous: bool,
    pub(super) connections: Option<u32>,
    pub(super) max_qos: Option<u8>,
    pub(super) topic_aliases: Option<u16>,
}

/// Where a listener listens.
#[derive(Debug, Default)]
pub(super) enum Host {
    /// What holds without a word: loopback if there is no port either, else everywhere.
    #[default]
    Unsaid,
    Loopback,
    Address(IpAddr),
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(Self::Unsaid),
            "localhost" => Ok(Self::Loopback),
            text => text.parse().map(Self::Address).map_err(|_| {
                "only IP addresses can be listened on: add the address of this name to `bind`"
                    .to_owned()
            }),
        }
    }
}

impl Draft {
    /// Begins the listener of a line `listener PORT [HOST]`.
    pub(super) fn listening(line: &Line) -> Result<Self, String> {
        let (port, host) = line.value.split_once([' ', '\t']).unwrap_or((&line.value, ""));
        let port: u16 = port.parse().map_err(|_| "this is no port".to_owned())?;
        let (host, path) = (host.trim(), host.trim());
        let line = Some(line.clone());
        if port == 0 {
            let unix = Some(PathBuf::from(path));
            return match path {
                "" => Err("port 0 goes with the path of a Unix socket".to_owned()),
                _ => Ok(Self { is_used: true, line, unix, ..Self::default() }),
            };
        }
        let host = Host::parse(host)?;
        Ok(Self { is_used: true, line, port: Some(port), host, ..Self::default() })
    }

    /// Returns one for the lines that follow a line which begins none.
    pub(super) fn left_out() -> Self {
        Self { is_used: true, is_left_out: true, ..Self::default() }
    }

    /// Returns why certificates cannot be had as they were meant.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.requires_certificates && self.ca.is_none() {
            return Some("it demands certificates of clients, but names no `cafile`");
        }
        let is_half = self.cert.is_some() != self.key.is_some();
        is_half.then_some("`certfile` and `keyfile` go together")
    }

    fn bind(&self) -> Vec<Bind> {
        let everywhere = |port| {
            let all: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            all.map(|ip| Bind::Address(SocketAddr::new(ip, port))).to_vec()
        };
        if let Some(path) = &self.unix {
            return vec![Bind::Unix(path.clone())];
        }
        match (&self.host, self.port) {
            (Host::Unsaid, Some(port)) => everywhere(port),
            (Host::Unsaid, None) => vec![Bind::Loopback(1883)],
            (Host::Loopback, port) => vec![Bind::Loopback(port.unwrap_or(1883))],
            (Host::Address(ip), port) => {
                vec![Bind::Address(SocketAddr::new(*ip, port.unwrap_or(1883)))]
            }
        }
    }

    /// Adds it to a config, with its certificates.
    pub(super) fn add_to(&self, config: &mut Config, number: usize) {
        let bind = self.bind();
        let name = match (&self.unix, self.port) {
            (Some(_), _) => "unix".to_owned(),
            (None, Some(port)) => port.to_string(),
            (None, None) => "mqtt".to_owned(),
        };
        let is_taken = config.listeners.iter().any(|listener| listener.name == name);
        let name = if is_taken { format!("{name}-{number}") } else { name };
        let mut listener = Listener {
            name: name.clone(),
            allow_anonymous: self.allow_anonymous && bind.iter().any(|bind| !bind.is_local()),
            bind: OneOrMore(bind),
            connections: self.connections,
            max_qos: self.max_qos,
            topic_alias_maximum: self.topic_aliases,
            ..Listener::default()
        };
        let tls = self.tls();
        listener.transport = match (self.is_websocket, &tls) {
            (false, None) => Transport::Mqtt,
            (false, Some(_)) => Transport::Mqtts,
            (true, None) => Transport::Ws,
            (true, Some(_)) => Transport::Wss,
        };
        if self.is_websocket {
            // There clients may ask for any.
            listener.path = "*".to_owned();
            listener.origins = OneOrMore(self.origins.clone());
        }
        if let Some(tls) = tls {
            listener.tls = Some(name.clone());
            config.tls.insert(name, tls);
        }
        config.listeners.push(listener);
    }

    fn tls(&self) -> Option<Tls> {
        let mut tls = Tls { cert: self.cert.clone()?, key: self.key.clone()?, ..Tls::default() };
        if let Some(version) = self.minimum_version {
            tls.minimum_version = version;
        }
        let ca = self.ca.as_ref().filter(|_| self.requires_certificates);
        if let Some(ca) = ca {
            tls.client_ca = OneOrMore(vec![ca.clone()]);
            tls.client_certificates = Some(ClientCertificates::Required);
            tls.crl = OneOrMore(self.crl.iter().cloned().collect());
            tls.username_from = self.username_from;
        }
        Some(tls)
    }
}
