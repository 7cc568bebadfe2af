//! [`Handshake`]: what comes before MQTT, or HTTP.

/// What is agreed on below a protocol before it can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Handshake {
    /// TLS, through a listener of the broker.
    Tls,
    /// The request to upgrade to WebSocket (RFC 6455 section 4).
    WebSocket,
    /// TLS with the server that administers the broker, or a place for a connection to it.
    Admin,
    /// The PROXY protocol, by which a load balancer says where a connection is from.
    Proxy,
}
