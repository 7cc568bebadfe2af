//! What bounds a broker.

/// A limit of a broker that somebody can reach. What it is set to, and what happens then, is the
/// broker's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Network connections at once.
    Connections,
    /// Network connections at once whose CONNECT has not come.
    HalfOpen,
    /// TLS handshakes at once.
    Handshakes,
    /// Time for a TLS handshake, until a CONNECT is complete, and until somebody has decided about it.
    ConnectTime,
    /// Sessions at once, whether or not their clients are connected.
    Sessions,
    /// CONNECTs that wait for an authenticator or authorizer.
    PendingConnects,
    /// New network connections in a second.
    ConnectsPerSecond,
    /// Network connections at once through one listener.
    ListenerConnections,
    /// New network connections in a second through one listener.
    ListenerConnectsPerSecond,
    /// Subscriptions of one session.
    SubscriptionsPerClient,
    /// Topic filters of one SUBSCRIBE or UNSUBSCRIBE.
    SubscribeFilters,
    /// Levels of a topic name or a topic filter.
    TopicLevels,
    /// Bytes of one packet.
    PacketSize,
    /// PUBLISH packets of all clients in a second.
    PublishesPerSecond,
    /// Bytes of them.
    PublishBytesPerSecond,
    /// PUBLISH packets in a second of all who came in through one listener.
    ListenerPublishesPerSecond,
    /// Bytes of them.
    ListenerPublishBytesPerSecond,
    /// PUBLISH packets of one client in a second.
    ClientPublishesPerSecond,
    /// Bytes of them.
    ClientPublishBytesPerSecond,
    /// Keep Alive that a client may choose; it got another.
    KeepAlive,
    /// How long a session outlives its connection; it was shortened.
    SessionExpiry,
    /// Answers that a client does not read, in bytes.
    UnsentAnswers,
    /// Bytes that the whole broker holds for its clients.
    Bytes,
}

impl Limit {
    /// Every limit there is, in the order of declaration.
    pub const ALL: [Self; 23] = [
        Self::Connections,
        Self::HalfOpen,
        Self::Handshakes,
        Self::ConnectTime,
        Self::Sessions,
        Self::PendingConnects,
        Self::ConnectsPerSecond,
        Self::ListenerConnections,
        Self::ListenerConnectsPerSecond,
        Self::SubscriptionsPerClient,
        Self::SubscribeFilters,
        Self::TopicLevels,
        Self::PacketSize,
        Self::PublishesPerSecond,
        Self::PublishBytesPerSecond,
        Self::ListenerPublishesPerSecond,
        Self::ListenerPublishBytesPerSecond,
        Self::ClientPublishesPerSecond,
        Self::ClientPublishBytesPerSecond,
        Self::KeepAlive,
        Self::SessionExpiry,
        Self::UnsentAnswers,
        Self::Bytes,
    ];

    /// Returns its name in lower case with underscores, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::HalfOpen => "half_open",
            Self::Handshakes => "handshakes",
            Self::ConnectTime => "connect_time",
            Self::Sessions => "sessions",
            Self::PendingConnects => "pending_connects",
            Self::ConnectsPerSecond => "connects_per_second",
            Self::ListenerConnections => "listener_connections",
            Self::ListenerConnectsPerSecond => "listener_connects_per_second",
            Self::SubscriptionsPerClient => "subscriptions_per_client",
            Self::SubscribeFilters => "subscribe_filters",
            Self::TopicLevels => "topic_levels",
            Self::PacketSize => "packet_size",
            Self::PublishesPerSecond => "publishes_per_second",
            Self::PublishBytesPerSecond => "publish_bytes_per_second",
            Self::ListenerPublishesPerSecond => "listener_publishes_per_second",
            Self::ListenerPublishBytesPerSecond => "listener_publish_bytes_per_second",
            Self::ClientPublishesPerSecond => "client_publishes_per_second",
            Self::ClientPublishBytesPerSecond => "client_publish_bytes_per_second",
            Self::KeepAlive => "keep_alive",
            Self::SessionExpiry => "session_expiry",
            Self::UnsentAnswers => "unsent_answers",
            Self::Bytes => "bytes",
        }
    }

    /// Returns its place in [`Limit::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_stands_at_its_index() {
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit.index(), index);
        }
        assert_eq!(Limit::Bytes.index() + 1, Limit::ALL.len(), "the last one is in the list");
    }
}
