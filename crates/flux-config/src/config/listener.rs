//! Where clients come in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{AddressRange, Bind, OneOrMore, Permissions};

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
    /// The origins whose pages may connect, with `ws` and `wss`, as browsers write them. Without one all may; programs say
    /// nothing of an origin, and are not asked.
    #[schemars(extend("x-example" = "https://example.org"))]
    pub origins: OneOrMore<String>,
    /// From where HTTP proxies connect whose `X-Forwarded-For` is believed, with `ws` and `wss`. Nobody else's is.
    #[schemars(extend("x-example" = "10.0.0.0/8"))]
    pub forwarded_by: OneOrMore<AddressRange>,
    /// The permissions of Unix sockets: who may write may connect.
    pub unix_mode: Permissions,
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
