//! What clients may take of the broker.

use std::num::NonZeroU32;

use crate::meters::PublishRates;

/// What clients, all together or each of them, may take of the broker.
///
/// Whoever reaches one is counted ([`Counters::reached`](crate::Counters::reached)) and told to the
/// platform ([`Event::LimitReached`](flux_eventbus::Event::LimitReached)), under the
/// [`Limit`](crate::Limit) that each field names. The limits of sessions, of shared subscriptions and
/// of retained messages stand in [`Settings`](crate::Settings) of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Network connections at once, of the whole broker. Default: 100,000; the descriptors of the
    /// process may allow fewer. One more is accepted and closed at once, without a word: before its
    /// CONNECT nobody knows its version. [`Limit::Connections`](crate::Limit::Connections).
    pub connections: usize,
    /// Network connections at once whose CONNECT is not complete, of the whole broker; each worker has
    /// an equal share. Default: 10,000. With one more, the oldest of the same worker is closed without a word: who means to
    /// connect does so at once, so that those who wait longest are the least likely to. Were the
    /// new one refused instead, a few that never say anything would keep everybody out.
    /// [`Limit::HalfOpen`](crate::Limit::HalfOpen).
    pub half_open: usize,
    /// TLS handshakes at once, of the whole broker; each worker has an equal share. Default: 1,000. Further
    /// connections wait, not yet read from. While some wait, a handshake that has taken two seconds makes room for the
    /// next; else it has [`TlsSettings::handshake_timeout`](flux_tls::TlsSettings::handshake_timeout).
    /// [`Limit::Handshakes`](crate::Limit::Handshakes), once for each that had to go, and
    /// [`Limit::ConnectTime`](crate::Limit::ConnectTime) for each that took too long.
    pub handshakes: usize,
    /// Sessions of the whole broker, whether or not their clients are connected, consumers in the
    /// process included. Default: 1,000,000. A CONNECT that would make one more is refused with 0x97
    /// (Quota exceeded; MQTT 3.1 and 3.1.1: 0x03), and a subscriber in the process with
    /// [`ManagerError::LimitReached`](crate::ManagerError::LimitReached). Who has a session may come
    /// back to it, or put a new one in its place. [`Limit::Sessions`](crate::Limit::Sessions).
    pub sessions: usize,
    /// CONNECTs that wait for the authenticator or the authorizer, of the whole broker. Default:
    /// 20,000. One more is refused with 0x89 (Server busy; MQTT 3.1 and 3.1.1: 0x03).
    /// [`Limit::PendingConnects`](crate::Limit::PendingConnects).
    pub pending_connects: usize,
    /// New network connections in a second, of all listeners; after a quiet second so many may come
    /// at once. Default: 10,000; `None` for no limit. Further ones wait, in the backlog of the
    /// system: a client that is refused comes again at once, and costs more than one that waits.
    /// [`Limit::ConnectsPerSecond`](crate::Limit::ConnectsPerSecond), once for each pause.
    pub connects_per_second: Option<NonZeroU32>,
    /// Subscriptions of one session. Default: 10,000. One more is refused with 0x97 in SUBACK
    /// (MQTT 3.1.1: 0x80; MQTT 3.1, which has no code for it, is told that it was granted). To
    /// replace one is always allowed, and the process itself may subscribe a client to more.
    /// [`Limit::SubscriptionsPerClient`](crate::Limit::SubscriptionsPerClient).
    pub subscriptions_per_client: usize,
    /// Topic filters of one SUBSCRIBE or UNSUBSCRIBE. Default: 1,000. What comes behind is not looked at: it is answered
    /// with 0x97 in SUBACK (MQTT 3.1.1: 0x80; MQTT 3.1 as above), with 0x83 in UNSUBACK, which has no such code; before
    /// MQTT 5.0 UNSUBACK has none at all, and the connection ends. Each filter counts as a packet of its own for the turn that a connection
    /// has. [`Limit::SubscribeFilters`](crate::Limit::SubscribeFilters), once for each packet.
    pub subscribe_filters: usize,
    /// Levels of a topic name or a topic filter. Default: 128. Beyond that, PUBLISH is answered with
    /// 0x90 and a filter with 0x8F (MQTT 3.1.1: 0x80 for a filter, while a message is dropped with
    /// an event); a will refuses CONNECT. [`Limit::TopicLevels`](crate::Limit::TopicLevels).
    pub topic_levels: usize,
    /// Bytes of a packet that a client sends, header included. Default: 16 MiB. A larger one ends
    /// the connection with 0x95. [`Limit::PacketSize`](crate::Limit::PacketSize).
    pub packet_size: u32,
    /// Bytes of a CONNECT, header included, if that is less than [`packet_size`](Self::packet_size).
    /// Default: 128 KiB, which has room for a will and a password as long as they can be. A larger one
    /// is closed without a word: nobody knows yet who sends it. [`Limit::PacketSize`](crate::Limit::PacketSize).
    pub connect_packet_size: u32,
    /// How fast all clients together may publish. Default: as fast as they can. [`when_too_fast`](Self::when_too_fast) says
    /// what happens to who finds nothing left. [`Limit::PublishesPerSecond`](crate::Limit::PublishesPerSecond) and
    /// [`Limit::PublishBytesPerSecond`](crate::Limit::PublishBytesPerSecond), once for each pause and each message dropped.
    /// There are further rates for all who come in through a listener, [`Terms::publishes`](crate::Terms::publishes).
    pub publishes: PublishRates,
    /// How fast each client may publish. Default: as fast as it can. Who comes again under its client identifier has what
    /// it had left. [`Limit::ClientPublishesPerSecond`](crate::Limit::ClientPublishesPerSecond) and
    /// [`Limit::ClientPublishBytesPerSecond`](crate::Limit::ClientPublishBytesPerSecond), likewise.
    pub client_publishes: PublishRates,
    /// What happens to who publishes too fast. Default: its connection is not read for a while.
    pub when_too_fast: WhenTooFast,
    /// Bytes that the whole broker holds for its clients: see [`Holdings`](crate::Holdings). Default:
    /// 4 GiB, whatever the machine has.
    ///
    /// From seven eighths of it on, until less than three quarters are held, publishers are slowed,
    /// whatever version they speak: one PUBLISH of each is read in a tenth of a second, unless
    /// acknowledgements are expected of the client, which make room; and nothing is read from a client
    /// that does not take its answers. At the limit
    /// a message is dropped with [`DropReason::QuotaExceeded`](flux_eventbus::DropReason), and at
    /// QoS 1 and 2 refused with 0x97 where the client can be told. It is not retained; an older one is
    /// forgotten, unless the client learns that it is still there. Refused are also CONNECTs that would make
    /// a session (MQTT 3.1 and 3.1.1: 0x03), and new subscriptions (MQTT 3.1.1: 0x80). A connection that goes
    /// on with a packet of which 64 KiB are held ends with 0x97 then. What was accepted before is kept, so that
    /// a little more may be held: a worker looks
    /// at the sum whenever it has added 64 KiB, or a sixty-fourth of the limit if that is less.
    /// [`Limit::Bytes`](crate::Limit::Bytes), once for each time a worker begins to slow, and for each
    /// session and subscription that is refused, and each connection that ends.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            half_open: 10_000,
            handshakes: 1_000,
            sessions: 1_000_000,
            pending_connects: 20_000,
            connects_per_second: NonZeroU32::new(10_000),
            subscriptions_per_client: 10_000,
            subscribe_filters: 1_000,
            topic_levels: 128,
            packet_size: 16 * 1024 * 1024,
            connect_packet_size: 128 * 1024,
            publishes: PublishRates { messages: None, bytes: None },
            client_publishes: PublishRates { messages: None, bytes: None },
            when_too_fast: WhenTooFast::Wait,
            bytes: 4 * 1024 * 1024 * 1024,
        }
    }
}

/// What happens to a client that publishes faster than it may. At QoS 1 and 2 it always waits: nothing is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenTooFast {
    /// Its connection is not read for a while, nor are its acknowledgements.
    #[default]
    Wait,
    /// Messages at QoS 0 are dropped with [`DropReason::QuotaExceeded`](flux_eventbus::DropReason) meanwhile.
    DropQos0,
}
