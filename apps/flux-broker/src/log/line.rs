//! [`Line`]: what the log says about an event.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flux_eventbus::{DropReason, Event, EventKind, Handshake, Source, Sourced, excerpt};
use flux_mqtt::ReasonCode;
use tracing::Level;

use super::digest::{Key, Whom};
use super::help;

/// What the log says about an event: never a payload, a password, or a name that nobody has proven; and of long names only
/// how they begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line<'a> {
    text: &'static str,
    client_id: Option<&'a str>,
    username: Option<&'a str>,
    peer: Option<SocketAddr>,
    /// All who are there, whatever their ports are.
    address: Option<IpAddr>,
    listener: Option<&'a str>,
    /// Of the protocol: 3, 4 or 5.
    level: Option<u8>,
    topic: Option<&'a str>,
    code: Option<u8>,
    reason: Option<&'static str>,
    error: Option<&'a str>,
    /// For how long.
    length: Option<Duration>,
    /// What to do next.
    help: Option<&'static str>,
}

/// What events are about: the target of their lines, and the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Connections,
    Refusals,
    Handshakes,
    Sessions,
    Subscriptions,
    Messages,
    Limits,
    Unserved,
    Bans,
}

/// A line is the same macro for each target, which must be known when it is compiled.
macro_rules! write_line {
    ($target:expr, $level:expr, $line:expr, $text:expr) => {
        tracing::event!(
            target: $target,
            $level,
            client_id = $line.client_id.map(excerpt).as_deref(),
            username = $line.username.map(excerpt).as_deref(),
            peer = $line.peer.map(tracing::field::display),
            address = $line.address.map(tracing::field::display),
            listener = $line.listener,
            protocol_level = $line.level,
            topic = $line.topic.map(excerpt).as_deref(),
            code = $line.code.map(|code| tracing::field::display(format!("0x{code:02X}"))),
            reason = $line.reason,
            error = $line.error.map(excerpt).as_deref(),
            length = $line.length.map(tracing::field::debug),
            help = $line.help,
            "{}",
            $text,
        )
    };
}

impl Subject {
    /// Returns what an event is about; `None` for one that is not logged, as there is one for each message.
    pub(crate) fn of(kind: EventKind) -> Option<Self> {
        match kind {
            EventKind::Connected | EventKind::Disconnected => Some(Self::Connections),
            EventKind::ConnectRefused => Some(Self::Refusals),
            EventKind::HandshakeFailed => Some(Self::Handshakes),
            EventKind::SessionCreated | EventKind::SessionResumed | EventKind::SessionEnded => {
                Some(Self::Sessions)
            }
            EventKind::Subscribed | EventKind::Unsubscribed => Some(Self::Subscriptions),
            EventKind::Dropped | EventKind::WillSent => Some(Self::Messages),
            EventKind::LimitReached => Some(Self::Limits),
            EventKind::Listening | EventKind::Stopped => Some(Self::Connections),
            EventKind::Published | EventKind::Delivered => None,
            EventKind::Unserved => Some(Self::Unserved),
            EventKind::Banned => Some(Self::Bans),
            // Whoever denies logs it.
            EventKind::Denied => None,
            _newer => None,
        }
    }

    /// Returns whether lines of it are logged now.
    pub(crate) fn is_logged(self) -> bool {
        match self {
            Self::Connections => tracing::enabled!(target: CONNECTIONS, Level::INFO),
            Self::Refusals => tracing::enabled!(target: REFUSALS, Level::WARN),
            Self::Handshakes => tracing::enabled!(target: HANDSHAKES, Level::INFO),
            Self::Sessions => tracing::enabled!(target: SESSIONS, Level::DEBUG),
            Self::Subscriptions => tracing::enabled!(target: SUBSCRIPTIONS, Level::DEBUG),
            Self::Messages => tracing::enabled!(target: MESSAGES, Level::INFO),
            Self::Limits => tracing::enabled!(target: LIMITS, Level::WARN),
            Self::Unserved => tracing::enabled!(target: HANDSHAKES, Level::WARN),
            Self::Bans => tracing::enabled!(target: BANS, Level::WARN),
        }
    }

    /// Returns how many lines that say the same of the same client are logged in a while.
    pub(crate) fn most(self) -> u32 {
        match self {
            Self::Connections | Self::Sessions | Self::Subscriptions => 10,
            Self::Refusals
            | Self::Handshakes
            | Self::Messages
            | Self::Limits
            | Self::Unserved
            | Self::Bans => 1,
        }
    }

    /// Logs a line, with a text that may say more than the line's own.
    pub(crate) fn log(self, line: &Line<'_>, text: &str) {
        match self {
            Self::Connections => write_line!(CONNECTIONS, Level::INFO, line, text),
            Self::Refusals => write_line!(REFUSALS, Level::WARN, line, text),
            Self::Handshakes => write_line!(HANDSHAKES, Level::INFO, line, text),
            Self::Sessions => write_line!(SESSIONS, Level::DEBUG, line, text),
            Self::Subscriptions => write_line!(SUBSCRIPTIONS, Level::DEBUG, line, text),
            Self::Messages => write_line!(MESSAGES, Level::INFO, line, text),
            Self::Limits => write_line!(LIMITS, Level::WARN, line, text),
            Self::Unserved => write_line!(HANDSHAKES, Level::WARN, line, text),
            Self::Bans => write_line!(BANS, Level::WARN, line, text),
        }
    }
}

impl<'a> Line<'a> {
    /// Returns what there is to say about an event, if it is logged at all.
    pub(crate) fn of(Sourced { event, source }: &'a Sourced) -> Option<Self> {
        let line = Self::of_event(event)?;
        let Source { username, peer, listener } = source;
        Some(Self {
            username: line.username.or(username.as_deref()),
            peer: line.peer.or(*peer),
            listener: line.listener.or(listener.as_deref()),
            ..line
        })
    }

    fn of_event(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Listening { address } => Self {
                text: "a listener accepts connections",
                peer: Some(*address),
                ..Self::default()
            },
            Event::Connected { client_id, protocol_level, username, peer, listener, .. } => Self {
                text: "a client was admitted",
                client_id: Some(client_id),
                username: username.as_deref(),
                peer: *peer,
                listener: listener.as_deref(),
                level: Some(*protocol_level),
                code: Some(0),
                reason: Some(ReasonCode::Success.description()),
                ..Self::default()
            },
            Event::Disconnected { client_id, username, peer, listener, reason } => Self {
                text: "a connection is over",
                client_id: Some(client_id),
                username: username.as_deref(),
                peer: *peer,
                listener: listener.as_deref(),
                code: reason.code(),
                reason: Some(reason.name()),
                ..Self::default()
            },
            Event::ConnectRefused { client_id, peer, listener, code } => Self {
                text: "a client was refused",
                client_id: client_id.as_deref(),
                peer: *peer,
                listener: listener.as_deref(),
                ..Self::refused(*code)
            },
            Event::HandshakeFailed { handshake, peer, listener, error } => Self {
                text: failure(*handshake),
                peer: *peer,
                listener: listener.as_deref(),
                error: Some(error),
                help: advice(*handshake),
                ..Self::default()
            },
            Event::Unserved { peer, listener, error } => Self {
                text: "cannot serve an accepted connection",
                peer: *peer,
                listener: listener.as_deref(),
                error: Some(error),
                help: Some(ROOM_FOR_FILES),
                ..Self::default()
            },
            Event::Banned { address, length } => Self {
                text: "banned: it failed too often to prove who it is",
                address: Some(*address),
                length: Some(*length),
                help: Some(LIFT_A_BAN),
                ..Self::default()
            },
            Event::LimitReached { limit, client_id, peer } => Self {
                text: "a limit was reached",
                client_id: client_id.as_deref(),
                peer: *peer,
                reason: Some(limit.name()),
                help: Some(help::on_limit(*limit)),
                ..Self::default()
            },
            Event::Stopped => Self { text: "the broker has stopped", ..Self::default() },
            _of_sessions_and_messages => return Self::of_session(event),
        })
    }

    fn of_session(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Dropped { client_id, topic, reason } => Self {
                text: "a message was dropped",
                client_id: client_id.as_deref(),
                topic: Some(topic),
                reason: Some(reason.name()),
                code: told(*reason).map(ReasonCode::as_u8),
                ..Self::default()
            },
            Event::Subscribed { client_id, filter, qos } => Self {
                topic: Some(filter),
                code: Some(*qos),
                reason: Some(granted(*qos)),
                ..Self::about("a client subscribed", client_id)
            },
            Event::Unsubscribed { client_id, filter } => Self {
                topic: Some(filter),
                code: Some(0),
                reason: Some(ReasonCode::Success.description()),
                ..Self::about("a client unsubscribed", client_id)
            },
            Event::SessionCreated { client_id } => Self::about("a session began", client_id),
            Event::SessionResumed { client_id } => Self::about("a session goes on", client_id),
            Event::SessionEnded { client_id, reason } => {
                Self { reason: Some(reason.name()), ..Self::about("a session is over", client_id) }
            }
            Event::WillSent { client_id, topic } => {
                Self { topic: Some(topic), ..Self::about("a will was sent", client_id) }
            }
            _of_each_message => return None,
        })
    }

    fn about(text: &'static str, client_id: &'a str) -> Self {
        Self { text, client_id: Some(client_id), ..Self::default() }
    }

    fn refused(code: u8) -> Self {
        let named = ReasonCode::FAILURES.into_iter().find(|it| it.as_u8() == code);
        Self {
            code: Some(code),
            reason: named.map(ReasonCode::description),
            help: Some(named.map_or(help::LOOK_CLOSER, help::on_refusal)),
            ..Self::default()
        }
    }

    /// Returns what says the same of the same client.
    pub(crate) fn key(&self, subject: Subject) -> Key {
        let address = self.address.or(self.peer.map(|peer| peer.ip()));
        let whom = match (self.client_id, address) {
            (Some(client_id), _) => Whom::Client(excerpt(client_id).into()),
            (None, Some(address)) => Whom::Address(address),
            (None, None) => Whom::Nobody,
        };
        Key { subject, text: self.text, reason: self.reason, help: self.help, whom }
    }

    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// Returns what is said of lines of a subject that were left out, about others than those that were logged.
    pub(crate) fn of_others(subject: Subject) -> Self {
        let help = match subject {
            Subject::Refusals => Some("see flux_connects_refused_total: how many, and why"),
            Subject::Limits => Some("see flux_limits_reached_total: which ones, and how often"),
            Subject::Bans => Some("`flux-broker bans list` shows them all"),
            Subject::Unserved => Some(ROOM_FOR_FILES),
            Subject::Connections
            | Subject::Handshakes
            | Subject::Sessions
            | Subject::Subscriptions
            | Subject::Messages => None,
        };
        Self { help, ..Self::default() }
    }

    /// Returns what is said of lines that were left out.
    pub(crate) fn of_key(key: &'a Key) -> Self {
        let (text, reason, help) = (key.text, key.reason, key.help);
        let mut line = Self { text, reason, help, ..Self::default() };
        match &key.whom {
            Whom::Client(client_id) => line.client_id = Some(client_id),
            Whom::Address(address) => line.address = Some(*address),
            Whom::Nobody => {}
        }
        line
    }
}

/// What to say of a handshake that failed.
const fn failure(handshake: Handshake) -> &'static str {
    match handshake {
        Handshake::Tls => "a TLS handshake failed",
        Handshake::WebSocket => "a WebSocket handshake failed",
        Handshake::Admin => "a connection to the admin listener was not served",
        Handshake::Proxy => "a load balancer does not say where a connection is from",
        _newer => "a handshake failed",
    }
}

/// What to do about handshakes that fail.
const fn advice(handshake: Handshake) -> Option<&'static str> {
    match handshake {
        Handshake::Proxy => {
            Some("have it send the PROXY protocol, or take its address out of proxy_from")
        }
        _the_client_is_to_blame => None,
    }
}

/// What a publisher is told of a message that is dropped because of it.
const fn told(reason: DropReason) -> Option<ReasonCode> {
    match reason {
        DropReason::NotAuthorized => Some(ReasonCode::NotAuthorized),
        DropReason::QuotaExceeded => Some(ReasonCode::QuotaExceeded),
        _nobody_is_told => None,
    }
}

/// The name of a reason code of SUBACK (MQTT 5.0 section 3.9.3).
const fn granted(qos: u8) -> &'static str {
    match qos {
        0 => "granted QoS 0",
        1 => "granted QoS 1",
        _most => "granted QoS 2",
    }
}

const CONNECTIONS: &str = "events::connections";
const REFUSALS: &str = "events::refusals";
const HANDSHAKES: &str = "events::handshakes";
const SESSIONS: &str = "events::sessions";
const SUBSCRIPTIONS: &str = "events::subscriptions";
const MESSAGES: &str = "events::messages";
const LIMITS: &str = "events::limits";
const BANS: &str = "events::bans";

const ROOM_FOR_FILES: &str =
    "let the process have more open files (LimitNOFILE), or lower limits.connections";
const LIFT_A_BAN: &str = "`flux-broker bans lift ADDRESS` lets it in again; [auth.bans] says after how many failures, and for how long";

#[cfg(test)]
mod tests;
