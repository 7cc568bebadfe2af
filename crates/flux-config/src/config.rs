//! What can be configured: types that are only data. Their comments are the guide.

mod auth;
mod limits;
mod listener;
mod otlp;
mod protocol;
mod queues;
mod tls;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::auth::{Acl, AclDefault, Auth, Bans, ClientIds, HttpCallback, Jwt};
pub use self::limits::{Limits, TooFast};
pub use self::listener::{Listener, Transport};
pub use self::otlp::Otlp;
pub use self::protocol::{MqttVersion, Protocol};
pub use self::queues::{
    Retained, RetainedFull, Session, SessionFull, Shared, SharedFull, SharedStrategy,
};
pub use self::tls::{CertificateFiles, CertificatePart, ClientCertificates, Tls, TlsVersion};
use crate::value::{Bind, OneOrMore, Period, Secret};

/// All that a broker does, as one file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program.
    pub broker: Broker,
    /// Where clients come in. As soon as there is one, the one on loopback that is there by itself is not.
    #[serde(rename = "listener")]
    #[schemars(extend("x-changes" = "reload"))]
    pub listeners: Vec<Listener>,
    /// Certificates, each under a name by which listeners use it.
    #[schemars(extend("x-changes" = "reload"))]
    pub tls: BTreeMap<String, Tls>,
    /// Who may connect.
    #[schemars(extend("x-changes" = "reload"))]
    pub auth: Auth,
    /// What clients may do.
    #[schemars(extend("x-changes" = "reload"))]
    pub acl: Acl,
    /// What clients, all together or each of them, may take of the broker.
    #[schemars(extend("x-changes" = "reload"))]
    pub limits: Limits,
    /// What is spoken with clients.
    #[schemars(extend("x-changes" = "reload"))]
    pub protocol: Protocol,
    /// What each session holds for its client.
    #[schemars(extend("x-changes" = "reload"))]
    pub session: Session,
    /// How shared subscriptions divide their messages.
    pub shared: Shared,
    /// Retained messages.
    pub retained: Retained,
    /// What outlives the broker.
    pub storage: Storage,
    /// Metrics and health over HTTP.
    pub admin: Admin,
    /// Numbers of the broker as messages under `$SYS/broker`.
    pub sys: Sys,
    /// Metrics and traces for an OpenTelemetry collector, by OTLP over HTTP: see the guide, tracing.md. Only a broker that was
    /// built with `--features otlp` can send them; another one says so and does not start.
    pub otlp: Otlp,
    /// What the broker says to its operator.
    #[schemars(extend("x-changes" = "reload"))]
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            broker: Broker::default(),
            listeners: vec![Listener { name: "mqtt".to_owned(), ..Listener::default() }],
            tls: BTreeMap::new(),
            auth: Auth::default(),
            acl: Acl::default(),
            limits: Limits::default(),
            protocol: Protocol::default(),
            session: Session::default(),
            shared: Shared::default(),
            retained: Retained::default(),
            storage: Storage::default(),
            admin: Admin::default(),
            sys: Sys::default(),
            otlp: Otlp::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// Returns whether a client can prove who it is: somebody can be a user.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.auth.asks_for_proof() || self.tls.values().any(|tls| tls.username_from.is_some())
    }

    /// Returns what is decided where no rule says anything, and the file of roles does not either.
    #[must_use]
    pub fn acl_default(&self) -> AclDefault {
        let is_open = self.acl.file.is_none() && !self.has_users();
        let unsaid = if is_open { AclDefault::Allow } else { AclDefault::Deny };
        self.acl.default.unwrap_or(unsaid)
    }
}

/// The program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Broker {
    /// Threads that serve connections. Without it: one for each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NonZeroU32", extend("x-example" = 4))]
    pub workers: Option<NonZeroU32>,
    /// How long a broker that stops waits for its last bytes to be sent.
    pub drain_timeout: Period,
}

impl Default for Broker {
    fn default() -> Self {
        Self { workers: None, drain_timeout: Period(Duration::from_secs(5)) }
    }
}

/// What outlives the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// The directory that keeps sessions, their messages and retained messages; it is made if it is missing. Without it
    /// everything is in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/var/lib/flux"))]
    pub data_dir: Option<PathBuf>,
    /// What an acknowledgement outlives. Without it: `disk` where there is a `data_dir`, else `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Durability", extend("x-example" = "disk"))]
    pub durability: Option<Durability>,
}

/// What an acknowledgement outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A crash of the broker, of the system, and a power cut: it is on the disk.
    Disk,
    /// A crash of the broker, but none of the system and no power cut: the system has it.
    Os,
    /// Nothing: everything is in memory.
    None,
}

/// Metrics and health over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where metrics (Prometheus) and health are served. Without it: `loopback:9883` where there is a `token` or `tls`,
    /// else they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Bind", extend("x-example" = "loopback:9883"))]
    pub bind: Option<Bind>,
    /// The certificates of `[tls.NAME]`, to serve over TLS. Without it there is no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "public"))]
    pub tls: Option<String>,
    /// The token that metrics ask for. Without it they ask for none, which is possible on loopback, or where `tls`
    /// requires certificates of clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "a long secret", "x-secret" = true))]
    pub token: Option<Secret>,
    /// Other brokers under whose names metrics are served as well, where they mean the same here. Which those are is in the
    /// guide, metrics.md.
    pub compat: OneOrMore<Compat>,
}

/// A broker whose names for metrics are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compat {
    /// EMQX.
    Emqx,
}

/// Numbers of the broker as messages under `$SYS/broker`, with mosquitto's names and meanings. Where there are roles,
/// whoever is to read them needs the right to subscribe there. No client may publish there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sys {
    /// How often what has changed is published; `0s` is never.
    #[schemars(extend("x-maximum" = "1day"))]
    pub interval: Period,
}

impl Default for Sys {
    fn default() -> Self {
        Self { interval: Period(Duration::from_secs(10)) }
    }
}

/// What the broker says to its operator, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter by module such as `warn,events=info,flux_mqtt=debug`.
    pub filter: String,
    /// What lines look like: `text` for people, `json` for programs, or `auto` for text on a terminal and JSON otherwise.
    #[schemars(extend("x-changes" = "start"))]
    pub format: LogFormat,
}

/// What lines of the log look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "warn".to_owned(), format: LogFormat::Auto }
    }
}
