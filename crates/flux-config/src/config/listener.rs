//! Where clients come in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MqttVersion, SessionFull, TooFast};
use crate::value::{AddressRange, Bind, ByteRate, OneOrMore, Period, Permissions, Rate, Size};

/// One entrance of the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listener {
    /// What it is called. A file that is read later changes the listener of the same name.
    #[schemars(extend("x-example" = "public", "x-required" = true))]
    pub name: String,
    /// What is spoken below MQTT.
    pub transport: Transport,
    /// Where it listens: one address or several. `loopback:1883` is 127.0.0.1 and, where IPv6 exists, \[::1\]; with port 0 the
    /// system chooses. `unix:/run/flux/mqtt.sock` is a Unix socket, which is made in place of one that nobody listens at.
    pub bind: OneOrMore<Bind>,
    /// The name of the certificates that it uses. Transports with TLS do not go without.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "public"))]
    pub tls: Option<String>,
    /// Whether anybody may connect here from other machines, where `auth` asks nobody, or not everybody, for a password, and
    /// clients need no certificate.
    pub allow_anonymous: bool,
    /// From where load balancers connect that say whom a connection is really from (PROXY protocol, version 1 or 2). It is
    /// demanded of them, and taken from nobody else.
    #[schemars(extend("x-example" = "10.0.0.0/8"))]
    pub proxy_from: OneOrMore<AddressRange>,
    /// The path that clients ask for, with `ws` and `wss`; `*` is any.
    pub path: String,
    /// The origins whose pages may connect, with `ws` and `wss`, as browsers write them; `*` is any. Without one all may where
    /// clients prove who they are; where anybody is let in, only pages from this machine (`localhost`, loopback addresses) and from
    /// the host that they connect to. Programs say nothing of an origin, and are not asked.
    #[schemars(extend("x-example" = "https://example.org"))]
    pub origins: OneOrMore<String>,
    /// From where HTTP proxies connect whose `X-Forwarded-For` is believed, with `ws` and `wss`. Nobody else's is.
    #[schemars(extend("x-example" = "10.0.0.0/8"))]
    pub forwarded_by: OneOrMore<AddressRange>,
    /// The permissions of Unix sockets: who may write may connect.
    pub unix_mode: Permissions,
    /// The versions of MQTT that are spoken here. Without it: those of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OneOrMore<MqttVersion>", extend("x-example" = "5.0"))]
    pub versions: Option<OneOrMore<MqttVersion>>,
    /// The highest quality of service here. Without it: that of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 2), extend("x-example" = 1))]
    pub max_qos: Option<u8>,
    /// Whether messages of these clients may be retained. Without it: as `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("x-example" = false))]
    pub retain_available: Option<bool>,
    /// Whether filters may have wildcards here. Without it: as `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("x-example" = false))]
    pub wildcard_subscriptions: Option<bool>,
    /// Whether subscriptions may have identifiers here. Without it: as `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("x-example" = false))]
    pub subscription_identifiers: Option<bool>,
    /// Whether subscriptions may be shared here. Without it: as `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("x-example" = false))]
    pub shared_subscriptions: Option<bool>,
    /// Whether clients may come here without an identifier. Without it: as `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("x-example" = false))]
    pub empty_client_ids: Option<bool>,
    /// Receive Maximum of the broker here. Without it: that of `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", range(min = 1), extend("x-example" = 100))]
    pub inbound_receive_maximum: Option<u16>,
    /// Topic aliases that a client may use here. Without it: those of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", extend("x-example" = 0))]
    pub topic_alias_maximum: Option<u16>,
    /// Topic aliases that are used towards a client here. Without it: those of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", extend("x-example" = 0))]
    pub topic_alias_maximum_cap: Option<u16>,
    /// The shortest Keep Alive here, in whole seconds. Without it: that of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "10s", "x-minimum" = "1s", "x-maximum" = "65535s"))]
    pub min_keep_alive: Option<Period>,
    /// The longest Keep Alive here, in whole seconds. Without it: that of `protocol`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "10m", "x-minimum" = "1s", "x-maximum" = "65535s"))]
    pub max_keep_alive: Option<Period>,
    /// The longest that a session outlives its connection here, in whole seconds. Without it: that of `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", extend("x-example" = "7d", "x-maximum" = "4294967294s"))]
    pub max_session_expiry: Option<Period>,
    /// Unacknowledged messages to a client whose session begins here. Without it: those of `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", range(min = 1), extend("x-example" = 100))]
    pub receive_maximum_cap: Option<u16>,
    /// Messages that wait for a client whose session begins here. Without it: those of `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", extend("x-example" = 1000))]
    pub queued_messages: Option<u32>,
    /// Bytes that wait for such a client. Without it: those of `session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Size", extend("x-example" = "1MiB"))]
    pub queued_bytes: Option<Size>,
    /// What happens to a message that finds the queue of such a client full. Without it: as `session` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionFull", extend("x-example" = "drop-oldest"))]
    pub when_full: Option<SessionFull>,
    /// Subscriptions of one session here. Without it: those of `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", extend("x-example" = 10))]
    pub subscriptions_per_client: Option<u32>,
    /// Levels of a topic name or filter here. Without it: those of `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1), extend("x-example" = 10))]
    pub topic_levels: Option<u32>,
    /// Bytes of a packet that a client sends here. Without it: those of `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Size", extend("x-example" = "64KiB", "x-minimum" = "64B", "x-maximum" = "268435460B"))]
    pub packet_size: Option<Size>,
    /// Network connections at once here; those of `limits` hold for all listeners together. One more is accepted and closed.
    /// Without it there are as many as there are places.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1), extend("x-example" = 1000))]
    pub connections: Option<u32>,
    /// New network connections in a second here; those of `limits` hold for all listeners together. Further ones wait in the
    /// backlog of the system. Without it there are as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", extend("x-example" = "50/s"))]
    pub connects_per_second: Option<Rate>,
    /// PUBLISH packets in a second of all clients here; those of `limits` hold for all listeners together. Without it there are
    /// as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", extend("x-example" = "50/s"))]
    pub publishes_per_second: Option<Rate>,
    /// Bytes of such packets in a second. Without it there are as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ByteRate", extend("x-example" = "1MiB/s"))]
    pub publish_bytes_per_second: Option<ByteRate>,
    /// PUBLISH packets of one client in a second here. Without it: those of `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate", extend("x-example" = "50/s"))]
    pub client_publishes_per_second: Option<Rate>,
    /// Bytes of such packets in a second. Without it: those of `limits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ByteRate", extend("x-example" = "1MiB/s"))]
    pub client_publish_bytes_per_second: Option<ByteRate>,
    /// What happens here to a client that publishes faster. Without it: as `limits` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TooFast", extend("x-example" = "drop-qos0"))]
    pub when_too_fast: Option<TooFast>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: String::new(),
            transport: Transport::Mqtt,
            bind: OneOrMore(vec![Bind::Loopback(1883)]),
            tls: None,
            allow_anonymous: false,
            proxy_from: OneOrMore::default(),
            path: "/mqtt".to_owned(),
            origins: OneOrMore::default(),
            forwarded_by: OneOrMore::default(),
            unix_mode: Permissions(0o660),
            versions: None,
            max_qos: None,
            retain_available: None,
            wildcard_subscriptions: None,
            subscription_identifiers: None,
            shared_subscriptions: None,
            empty_client_ids: None,
            inbound_receive_maximum: None,
            topic_alias_maximum: None,
            topic_alias_maximum_cap: None,
            min_keep_alive: None,
            max_keep_alive: None,
            max_session_expiry: None,
            receive_maximum_cap: None,
            queued_messages: None,
            queued_bytes: None,
            when_full: None,
            subscriptions_per_client: None,
            topic_levels: None,
            packet_size: None,
            connections: None,
            connects_per_second: None,
            publishes_per_second: None,
            publish_bytes_per_second: None,
            client_publishes_per_second: None,
            client_publish_bytes_per_second: None,
            when_too_fast: None,
        }
    }
}

/// What is spoken below MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Nothing: plain TCP.
    Mqtt,
    /// TLS.
    Mqtts,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Transport {
    /// Returns whether it needs certificates.
    #[must_use]
    pub const fn has_tls(self) -> bool {
        match self {
            Self::Mqtt | Self::Ws => false,
            Self::Mqtts | Self::Wss => true,
        }
    }

    /// Returns whether it is WebSocket.
    #[must_use]
    pub const fn has_websocket(self) -> bool {
        match self {
            Self::Mqtt | Self::Mqtts => false,
            Self::Ws | Self::Wss => true,
        }
    }
}
