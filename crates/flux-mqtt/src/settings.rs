//! What an operator may choose.

use std::env;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use flux_retained::RetainedLimits;
use flux_session::{GroupLimits, QoS, SessionExpiry, SessionLimits};
use thiserror::Error;

use crate::inherited::InheritedSockets;
use crate::limits::Limits;
use crate::listener::{Listen, Listener};
use crate::terms::Versions;
use crate::trace::Tracer;

/// The settings of a broker. [`Settings::default`] is safe: it listens on loopback only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where clients come in. Default: plain TCP on port 1883 of both loopback addresses.
    pub listeners: Vec<Listener>,
    /// Sockets that listen already, for listeners at the same addresses. Default: none, and each listener makes its own.
    pub inherited: InheritedSockets,
    /// Threads that serve connections. Default: one for each core.
    pub workers: NonZeroUsize,
    /// Whether an authenticator that admits anyone may serve addresses that are not loopback, on listeners
    /// where clients need no certificate. Default: no.
    pub allow_anonymous: bool,
    /// The highest QoS granted and sent, 0 to 2. Default: 2. With 1, QoS 2 is granted as 1.
    pub max_qos: QoS,
    /// The versions of MQTT that are spoken. Default: all. A CONNECT of another is refused with 0x84 (Unsupported Protocol
    /// Version; MQTT 3.1 and 3.1.1: 0x01).
    pub versions: Versions,
    /// Whether clients may have messages retained (Retain Available). Default: yes. Otherwise one of MQTT 5.0 that tries is
    /// disconnected with 0x9A (Retain not supported; section 3.2.2.3.5), and what an older one, which cannot be told, wants
    /// retained is delivered and not retained.
    pub retain_available: bool,
    /// Whether topic filters may have wildcards (section 3.2.2.3.11). Default: yes. Otherwise they are refused with 0xA2 in
    /// SUBACK (MQTT 3.1.1: 0x80).
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers (section 3.2.2.3.12). Default: yes. Otherwise they are refused with 0xA1 in
    /// SUBACK.
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared (section 3.2.2.3.13). Default: yes. Otherwise they are refused with 0x9E in SUBACK
    /// (MQTT 3.1.1: 0x80).
    pub shared_subscriptions: bool,
    /// Whether clients may come without an identifier, and are given one. Default: yes. Otherwise they are refused with 0x85
    /// (Client Identifier not valid; MQTT 3.1.1: 0x02).
    pub empty_client_ids: bool,
    /// What clients, all together or each of them, may take of the broker.
    pub limits: Limits,
    /// Topic Alias Maximum: how many topic aliases a client may use. Each holds a topic name of at
    /// most 65,535 bytes for as long as the connection lasts, so 16 bound a connection to 1 MiB.
    /// Default: 16; 0 allows none.
    pub topic_alias_maximum: u16,
    /// How many topic aliases are used towards a client that takes as many or more, at the same
    /// cost. Default: 16; 0 uses none.
    pub topic_alias_maximum_cap: u16,
    /// The shortest Keep Alive in seconds: every packet that only says that somebody is there costs. A client of MQTT 5.0
    /// that asks for a shorter one gets this one instead, and CONNACK tells it (section 3.2.2.3.14); an older client
    /// cannot be told and keeps its own. Default: none. [`Limit::KeepAlive`](crate::Limit::KeepAlive), as beyond the longest.
    pub min_keep_alive: Option<NonZeroU16>,
    /// The longest Keep Alive in seconds. A client of MQTT 5.0 that asks for a longer one, or for
    /// none, gets this one instead, and CONNACK tells it (section 3.2.2.3.14); an older client
    /// cannot be told and keeps its own. Default: none.
    pub max_keep_alive: Option<NonZeroU16>,
    /// The longest that a session outlives its connection. A client of MQTT 5.0 that asks for longer gets this, and
    /// CONNACK tells it (section 3.2.2.3.2); one of MQTT 3.1 or 3.1.1 that wants its session kept is not told. Default:
    /// for ever, if the client wants that. [`Limit::SessionExpiry`](crate::Limit::SessionExpiry).
    pub max_session_expiry: SessionExpiry,
    /// What a client of MQTT 5.0 that asks for Response Information gets: by convention the start
    /// of topic names on which it may be answered (section 3.2.2.3.15). At most 65,535 bytes.
    /// Default: none.
    pub response_information: Option<String>,
    /// How long a connection may take until its CONNECT is complete, and again until the client
    /// is authenticated and authorized. Default: 10 s. Then it is closed, with 0x88 (Server unavailable;
    /// MQTT 3.1 and 3.1.1: 0x03) if its CONNECT had come. [`Limit::ConnectTime`](crate::Limit::ConnectTime).
    pub connect_timeout: Duration,
    /// Bytes that may wait unsent in a connection's write buffer before deliveries stay in the
    /// session's queue. Default: 64 KiB; 0 counts as 1.
    pub unsent_for_deliveries: usize,
    /// Bytes that may wait unsent in a connection's write buffer before the broker stops reading
    /// from it, since a client that reads no answers gets no more of them. Default: 16 MiB.
    pub unsent_for_answers: usize,
    /// The limits of each session.
    pub session: SessionLimits,
    /// How shared subscriptions divide their messages.
    pub shared: SharedSettings,
    /// The limits of the retained messages. A PUBLISH that cannot be retained is refused with 0x97
    /// where its client can be told (MQTT 5.0, QoS 1 and 2); else its subscribers get it, and the
    /// topic retains nothing.
    ///
    /// Of [`Limits::bytes`] they have one half at most, whatever is set here: they never go by
    /// themselves, and would leave no room for messages that somebody waits for. A broker that starts
    /// with more says so in the log.
    pub retained: RetainedLimits,
    /// How long a stopping broker waits for its last bytes to be sent. Default: 5 s.
    pub drain_timeout: Duration,
    /// Chooses which PUBLISH packets of clients are followed. Default: none, and nobody looks.
    pub tracer: Option<Arc<dyn Tracer>>,
}

/// How shared subscriptions divide their messages (MQTT 5.0 section 4.8.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedSettings {
    /// Which member gets a message. Default: one after the other.
    pub strategy: SharedStrategy,
    /// What may wait in a shared subscription while no member can take it.
    pub limits: GroupLimits,
}

/// Which of the members that are online and have a place in their window gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SharedStrategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Any.
    Random,
    /// The one that took the last, for as long as it can.
    Sticky,
    /// The same one for all messages of a publisher, for as long as it can.
    HashClient,
    /// The same one for all messages of a topic, for as long as it can.
    HashTopic,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::tcp(Listen::Loopback(1883))],
            inherited: InheritedSockets::default(),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            allow_anonymous: false,
            max_qos: QoS::ExactlyOnce,
            versions: Versions::ALL,
            retain_available: true,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
            empty_client_ids: true,
            limits: Limits::default(),
            topic_alias_maximum: 16,
            topic_alias_maximum_cap: 16,
            min_keep_alive: None,
            max_keep_alive: None,
            max_session_expiry: SessionExpiry::NEVER,
            response_information: None,
            connect_timeout: Duration::from_secs(10),
            unsent_for_deliveries: 64 * 1024,
            unsent_for_answers: 16 * 1024 * 1024,
            session: SessionLimits::default(),
            shared: SharedSettings::default(),
            retained: RetainedLimits::default(),
            drain_timeout: Duration::from_secs(5),
            tracer: None,
        }
    }
}

/// A setting in the environment that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}={value:?} is not {expected}")]
pub struct SettingsError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

impl Settings {
    /// Returns the default settings, listening where the environment says: `FLUX_BIND`, an IP
    /// address (default: loopback), and `FLUX_PORT` (default: 1883; 0 lets the system choose).
    ///
    /// # Errors
    ///
    /// When a variable is set to something that it cannot be.
    pub fn from_env() -> Result<Self, SettingsError> {
        let bind = variable("FLUX_BIND", "an IP address")?;
        let port = variable("FLUX_PORT", "a port from 0 to 65535")?.unwrap_or(1883);
        let listen = match bind {
            Some(ip) => Listen::Addresses(vec![SocketAddr::new(ip, port)]),
            None => Listen::Loopback(port),
        };
        Ok(Self { listeners: vec![Listener::tcp(listen)], ..Self::default() })
    }
}

fn variable<T: std::str::FromStr>(
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, SettingsError> {
    let Some(value) = env::var_os(name) else { return Ok(None) };
    let parsed = value.to_str().and_then(|value| value.parse().ok());
    let wrong = || SettingsError { name, value: value.to_string_lossy().into_owned(), expected };
    parsed.map(Some).ok_or_else(wrong)
}
