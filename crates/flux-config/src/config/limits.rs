//! What clients may take of the broker.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{ByteRate, Rate, Size};

/// What clients, all together or each of them, may take of the broker. Whoever reaches one is counted and told to the
/// platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Network connections at once. One more is accepted and closed. The descriptors of the process may allow fewer.
    #[schemars(range(min = 1))]
    pub connections: u32,
    /// Network connections at once whose CONNECT is not complete; each worker has an equal share. With one more, the oldest
    /// of the same worker is closed.
    #[schemars(range(min = 1))]
    pub half_open: u32,
    /// TLS handshakes at once; each worker has an equal share. Further connections wait; then one that has taken two
    /// seconds makes room for the next.
    #[schemars(range(min = 1))]
    pub handshakes: u32,
    /// Sessions, whether or not their clients are connected. A CONNECT that would make one more is refused with 0x97; who
    /// has one may come back.
    #[schemars(range(min = 1))]
    pub sessions: u32,
    /// CONNECTs that wait for an answer about who the client is and what it may do. One more is refused with 0x89.
    #[schemars(range(min = 1))]
    pub pending_connects: u32,
    /// New network connections in a second, or `unlimited`. Further ones wait in the backlog of the system.
    pub connects_per_second: Rate,
    /// Subscriptions of one session. One more is refused with 0x97.
    pub subscriptions_per_client: u32,
    /// Topic filters of one SUBSCRIBE or UNSUBSCRIBE. Further ones are refused with 0x97 or 0x83; before MQTT 5.0 such an
    /// UNSUBSCRIBE ends the connection.
    #[schemars(range(min = 1))]
    pub subscribe_filters: u32,
    /// Levels of a topic name or filter. Beyond that PUBLISH is answered with 0x90, a filter with 0x8F.
    #[schemars(range(min = 1))]
    pub topic_levels: u32,
    /// Bytes of a packet that a client sends. A larger one ends the connection with 0x95.
    #[schemars(extend("x-minimum" = "64B", "x-maximum" = "268435460B"))]
    pub packet_size: Size,
    /// Bytes of a CONNECT, if that is less than `packet_size`. A larger one is closed.
    #[schemars(extend("x-minimum" = "64B", "x-maximum" = "268435460B"))]
    pub connect_packet_size: Size,
    /// PUBLISH packets of all clients in a second, or `unlimited`; after a quiet second so many may come at once.
    pub publishes_per_second: Rate,
    /// Bytes of such packets in a second. A larger packet passes, and what follows waits for it.
    pub publish_bytes_per_second: ByteRate,
    /// PUBLISH packets of one client in a second. Who comes again under its client identifier has what it had left.
    pub client_publishes_per_second: Rate,
    /// Bytes of such packets in a second.
    pub client_publish_bytes_per_second: ByteRate,
    /// What happens to a client that publishes faster, or finds nothing left of what all may. At QoS 1 and 2 it always waits.
    pub when_too_fast: TooFast,
    /// Bytes that the whole broker holds for its clients. From seven eighths of it on publishers are slowed; at the limit
    /// messages at QoS 0 are dropped, and those at QoS 1 and 2, new sessions and new subscriptions are refused with 0x97.
    #[schemars(extend("x-minimum" = "64KiB"))]
    pub bytes: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            half_open: 10_000,
            handshakes: 1_000,
            sessions: 1_000_000,
            pending_connects: 20_000,
            connects_per_second: Rate(NonZeroU32::new(10_000)),
            subscriptions_per_client: 10_000,
            subscribe_filters: 1_000,
            topic_levels: 128,
            packet_size: Size(16 << 20),
            connect_packet_size: Size(128 << 10),
            publishes_per_second: Rate(None),
            publish_bytes_per_second: ByteRate(None),
            client_publishes_per_second: Rate(None),
            client_publish_bytes_per_second: ByteRate(None),
            when_too_fast: TooFast::Wait,
            bytes: Size(4 << 30),
        }
    }
}

/// What happens to a client that publishes too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TooFast {
    /// Nothing is read from it for a while, acknowledgements included.
    Wait,
    /// What it publishes at QoS 0 is dropped for a while.
    DropQos0,
}
