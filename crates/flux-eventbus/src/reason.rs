//! Why connections and sessions end, and messages are dropped.

/// Why the connection of a client that had been admitted is over.
///
/// Each reason names the reason code of DISCONNECT (MQTT 5.0 section 3.14.2.1) that goes with it; a
/// client of MQTT 3.1.1 that is disconnected is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client said goodbye (0x00). Its will message is discarded.
    ByClient,
    /// The client said goodbye and wants its will message published (0x04).
    ByClientWithWill,
    /// The client left because of an error it reported. Its will message is published.
    ByClientWithError {
        /// The reason code it sent, 0x80 or above.
        code: u8,
    },
    /// The connection broke, or was closed without DISCONNECT.
    ConnectionLost,
    /// Nothing came for one and a half times the keep alive (0x8D, MQTT 5.0 section 3.1.2.10).
    KeepAliveTimeout,
    /// The client connected again, over another connection (0x8E, MQTT 5.0 section 3.1.4).
    TakenOver,
    /// The client broke the rules of the protocol (MQTT 5.0 section 4.13).
    ProtocolError {
        /// The reason code of MQTT 5.0 for how, 0x80 or above, whichever version the client speaks.
        code: u8,
    },
    /// The client sent a packet larger than this broker accepts (0x95).
    PacketTooLarge,
    /// The client may not do what it did, or may no longer be connected (0x87).
    NotAuthorized,
    /// What the client had proven about itself holds no longer, as when its token ends (0xA0, MQTT 5.0 section 3.14.2.1).
    CredentialsExpired,
    /// The client used more than it is granted (0x97).
    QuotaExceeded,
    /// An administrator disconnected the client (0x98).
    Kicked,
    /// The broker is shutting down (0x8B).
    ServerShutdown,
    /// The broker could not go on serving this client, as when a disk fails (0x80).
    ServerError,
}

impl DisconnectReason {
    /// How many reasons there are, whatever they carry.
    pub const KINDS: usize = 14;

    /// Every reason, in the order of declaration; those that carry a code with 0x80.
    pub const ALL: [Self; Self::KINDS] = [
        Self::ByClient,
        Self::ByClientWithWill,
        Self::ByClientWithError { code: 0x80 },
        Self::ConnectionLost,
        Self::KeepAliveTimeout,
        Self::TakenOver,
        Self::ProtocolError { code: 0x80 },
        Self::PacketTooLarge,
        Self::NotAuthorized,
        Self::CredentialsExpired,
        Self::QuotaExceeded,
        Self::Kicked,
        Self::ServerShutdown,
        Self::ServerError,
    ];

    /// Returns its name in lower case with underscores, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ByClient => "by_client",
            Self::ByClientWithWill => "by_client_with_will",
            Self::ByClientWithError { .. } => "by_client_with_error",
            Self::ConnectionLost => "connection_lost",
            Self::KeepAliveTimeout => "keep_alive_timeout",
            Self::TakenOver => "taken_over",
            Self::ProtocolError { .. } => "protocol_error",
            Self::PacketTooLarge => "packet_too_large",
            Self::NotAuthorized => "not_authorized",
            Self::CredentialsExpired => "credentials_expired",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Kicked => "kicked",
            Self::ServerShutdown => "server_shutdown",
            Self::ServerError => "server_error",
        }
    }

    /// Returns the reason code of DISCONNECT that goes with it (MQTT 5.0 section 3.14.2.1), or `None` where nobody said
    /// goodbye.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::ByClient => Some(0x00),
            Self::ByClientWithWill => Some(0x04),
            Self::ByClientWithError { code } | Self::ProtocolError { code } => Some(code),
            Self::ConnectionLost => None,
            Self::KeepAliveTimeout => Some(0x8D),
            Self::TakenOver => Some(0x8E),
            Self::PacketTooLarge => Some(0x95),
            Self::NotAuthorized => Some(0x87),
            Self::CredentialsExpired => Some(0xA0),
            Self::QuotaExceeded => Some(0x97),
            Self::Kicked => Some(0x98),
            Self::ServerShutdown => Some(0x8B),
            Self::ServerError => Some(0x80),
        }
    }

    /// Returns its place among the reasons, whatever it carries: from 0, below
    /// [`DisconnectReason::KINDS`], in the order of declaration.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::ByClient => 0,
            Self::ByClientWithWill => 1,
            Self::ByClientWithError { .. } => 2,
            Self::ConnectionLost => 3,
            Self::KeepAliveTimeout => 4,
            Self::TakenOver => 5,
            Self::ProtocolError { .. } => 6,
            Self::PacketTooLarge => 7,
            Self::NotAuthorized => 8,
            Self::CredentialsExpired => 9,
            Self::QuotaExceeded => 10,
            Self::Kicked => 11,
            Self::ServerShutdown => 12,
            Self::ServerError => 13,
        }
    }
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue of the session is full.
    QueueFull,
    /// The message waited longer than its expiry interval (MQTT 5.0 section 3.3.2.3.3).
    Expired,
    /// The client is not connected, and a message of QoS 0 is not kept for it.
    Offline,
    /// The message does not fit into a packet the client accepts (MQTT 5.0 section 3.1.2.11.4).
    PacketTooLarge,
    /// The client refused it, by PUBACK or PUBREC (MQTT 5.0 sections 3.4.2.1 and 3.5.2.1).
    Refused {
        /// The reason code it sent, 0x80 or above.
        code: u8,
    },
    /// The client may not publish to this topic; nobody received the message.
    NotAuthorized,
    /// The broker holds as many bytes as it may.
    QuotaExceeded,
    /// The message is not retained, or is no longer: the limits of the retained messages are reached
    /// (MQTT 5.0 section 3.3.1.3). The event names no client.
    NotRetained,
    /// It waited in a session that is over, or was sent and not acknowledged when that ended: the
    /// client may have it in that case.
    SessionEnded,
    /// It waited in a shared subscription that has no members any more, or was handed back by the last
    /// one. The event names no client.
    NoMember,
    /// The client may subscribe to a filter that matches, and not to this topic.
    Withheld,
    /// The message is no longer retained: it is older than its expiry interval. The event names no client.
    RetainedExpired,
}

impl DropReason {
    /// How many reasons there are, whatever they carry.
    pub const KINDS: usize = 12;

    /// Every reason, in the order of declaration; those that carry a code with 0x80.
    pub const ALL: [Self; Self::KINDS] = [
        Self::QueueFull,
        Self::Expired,
        Self::Offline,
        Self::PacketTooLarge,
        Self::Refused { code: 0x80 },
        Self::NotAuthorized,
        Self::QuotaExceeded,
        Self::NotRetained,
        Self::SessionEnded,
        Self::NoMember,
        Self::Withheld,
        Self::RetainedExpired,
    ];

    /// Returns whether the message is lost to those alone who subscribe later: whoever was subscribed when it was published got it,
    /// or lost it for a reason of its own.
    #[must_use]
    pub const fn is_of_retained(self) -> bool {
        matches!(self, Self::NotRetained | Self::RetainedExpired)
    }

    /// Returns its name in lower case with underscores, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Offline => "offline",
            Self::PacketTooLarge => "packet_too_large",
            Self::Refused { .. } => "refused",
            Self::NotAuthorized => "not_authorized",
            Self::QuotaExceeded => "quota_exceeded",
            Self::NotRetained => "not_retained",
            Self::SessionEnded => "session_ended",
            Self::NoMember => "no_member",
            Self::Withheld => "withheld",
            Self::RetainedExpired => "retained_expired",
        }
    }

    /// Returns its place among the reasons, whatever it carries: from 0, below
    /// [`DropReason::KINDS`], in the order of declaration.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::QueueFull => 0,
            Self::Expired => 1,
            Self::Offline => 2,
            Self::PacketTooLarge => 3,
            Self::Refused { .. } => 4,
            Self::NotAuthorized => 5,
            Self::QuotaExceeded => 6,
            Self::NotRetained => 7,
            Self::SessionEnded => 8,
            Self::NoMember => 9,
            Self::Withheld => 10,
            Self::RetainedExpired => 11,
        }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Its client connected with Clean Start, or with Clean Session in MQTT 3.1.1 (MQTT 5.0 section
    /// 3.1.2.4), or its client is a user now and was nobody before: a new one takes its place.
    CleanStart,
    /// Its client stayed away for longer than the session expiry interval (MQTT 5.0 section
    /// 3.1.2.11.2).
    Expired,
    /// Its connection ended, and it was not to outlive that.
    Disconnected,
    /// Its queue was full, and such sessions are to end.
    QueueFull,
    /// Somebody who administers the broker ended it.
    Removed,
}

impl SessionEnd {
    /// How many reasons there are.
    pub const KINDS: usize = 5;

    /// Every reason, in the order of declaration.
    pub const ALL: [Self; Self::KINDS] =
        [Self::CleanStart, Self::Expired, Self::Disconnected, Self::QueueFull, Self::Removed];

    /// Returns its name in lower case with underscores, as a label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CleanStart => "clean_start",
            Self::Expired => "expired",
            Self::Disconnected => "disconnected",
            Self::QueueFull => "queue_full",
            Self::Removed => "removed",
        }
    }

    /// Returns its place among the reasons: from 0, below [`SessionEnd::KINDS`], in the order of declaration.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::CleanStart => 0,
            Self::Expired => 1,
            Self::Disconnected => 2,
            Self::QueueFull => 3,
            Self::Removed => 4,
        }
    }
}
