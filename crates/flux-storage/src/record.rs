//! Records: what the log is made of.

mod codec;
mod reader;

use flux_session::{PacketId, QoS, SessionExpiry, SubscriptionIds, SubscriptionOptions, Timestamp};

pub(crate) use self::codec::{Encoded, front_records, next_record, verify};

/// Names a session of this data directory. Never given twice: a session that begins anew has
/// another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

impl SessionKey {
    /// No session has a key so high: from here on are the groups of shared subscriptions.
    const GROUPS: u64 = 1 << 63;

    /// Returns the key of a shared subscription's group, whose queue is like that of a session.
    #[must_use]
    pub fn of_group(number: u32) -> Self {
        Self(Self::GROUPS | u64::from(number))
    }

    /// Returns which group this is; `None` if it is a session.
    #[must_use]
    pub fn group(self) -> Option<u32> {
        u32::try_from(self.0.checked_sub(Self::GROUPS)?).ok()
    }
}

/// Numbers the messages of this data directory. The queue of a session is in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// One thing that happened and is to outlive the process.
///
/// Moments are milliseconds since the Unix epoch. A record about a session or a message that is
/// unknown, or gone, means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A message was taken for sessions that outlive their connection, or is retained.
    Message(MessageRecord<'a>),
    /// A message got a packet identifier and may have been sent with it.
    Sent {
        /// To whom.
        session: SessionKey,
        /// Which message.
        sequence: Sequence,
        /// The identifier.
        packet_id: PacketId,
    },
    /// PUBREC came: the message is not needed any more, its packet identifier is.
    Released {
        /// From whom.
        session: SessionKey,
        /// Which message.
        sequence: Sequence,
        /// The identifier.
        packet_id: PacketId,
    },
    /// A session is through with a message: acknowledged, expired or dropped.
    Done {
        /// Which session.
        session: SessionKey,
        /// Which message.
        sequence: Sequence,
    },
    /// A message that waited in a group is a session's from now on, under the same number.
    Moved {
        /// From which group.
        group: SessionKey,
        /// Which message, by its number there.
        sequence: Sequence,
        /// To whom; its offset means nothing.
        to: Target,
    },
    /// Messages for a shared subscription are stored from now on, until it is over as a session is.
    Group {
        /// Its key.
        group: SessionKey,
        /// The whole topic filter, with its share name.
        filter: &'a str,
    },
    /// A session begins, or what is known of it changes.
    Session(SessionRecord<'a>),
    /// A session, or a group, is over, with all that belongs to it.
    SessionEnded {
        /// Which.
        session: SessionKey,
    },
    /// A session subscribes; replaces a subscription with the same filter.
    Subscribed {
        /// Which session.
        session: SessionKey,
        /// The topic filter as the client wrote it.
        filter: &'a str,
        /// How.
        options: SubscriptionOptions,
    },
    /// A session unsubscribes.
    Unsubscribed {
        /// Which session.
        session: SessionKey,
        /// The topic filter.
        filter: &'a str,
    },
    /// A QoS 2 message came that nobody keeps; its identifier is remembered until PUBREL.
    ReceiptOpened {
        /// From whom.
        session: SessionKey,
        /// The identifier.
        packet_id: PacketId,
    },
    /// PUBREL came.
    ReceiptClosed {
        /// From whom.
        session: SessionKey,
        /// The identifier.
        packet_id: PacketId,
    },
    /// The will of a session's present connection; replaces an earlier one.
    Will(WillRecord<'a>),
    /// The will is published, or will never be.
    WillCleared {
        /// Whose.
        session: SessionKey,
    },
    /// A topic has no retained message any more, unless a later one was stored.
    RetainedCleared {
        /// The topic name.
        topic: &'a str,
        /// When, in the order of messages.
        sequence: Sequence,
    },
    /// The log's own: segments before this one are not needed.
    #[doc(hidden)]
    Floor {
        /// The number of the first segment that is needed.
        segment: u32,
    },
}

/// A message, stored once, and who is to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord<'a> {
    /// Its number; a record with a known number restates the message.
    pub sequence: Sequence,
    /// What was published.
    pub content: Content<'a>,
    /// Whether it is the retained message of its topic from here on.
    pub retained: bool,
    /// The publisher's session and packet identifier, at QoS 2.
    pub receipt: Option<(SessionKey, PacketId)>,
    /// Who is to get it.
    pub targets: Vec<Target>,
}

/// What was published.
#[derive(Clone, Copy, derive_more::Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// The properties as encoded by MQTT 5.0, without the Message Expiry Interval.
    #[debug("{} bytes", properties.len())]
    pub properties: &'a [u8],
    /// The payload.
    #[debug("{} bytes", payload.len())]
    pub payload: &'a [u8],
    /// The published QoS.
    pub qos: QoS,
    /// The RETAIN flag as published.
    pub retain: bool,
    /// When it is no longer worth sending.
    pub expires_at: Option<Timestamp>,
}

/// One session, or group, that is to get a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which.
    pub session: SessionKey,
    /// How much higher its number is in that queue than the message's own: a session may get what a group
    /// has, and have it from elsewhere too. Numbers in between belong to no other message.
    pub offset: u32,
    /// The QoS of this delivery.
    pub qos: QoS,
    /// The RETAIN flag to send.
    pub retain: bool,
    /// The identifiers of the subscriptions that matched.
    pub subscription_ids: SubscriptionIds,
    /// The identifier it was sent with already, if it was.
    pub sent: Option<PacketId>,
}

impl Target {
    /// Returns the number in the queue there of a message.
    pub(crate) fn number(&self, message: Sequence) -> Sequence {
        Sequence(message.0.saturating_add(self.offset.into()))
    }
}

/// What is known of a session beside what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRecord<'a> {
    /// Its key.
    pub session: SessionKey,
    /// Whose it is.
    pub client_id: &'a str,
    /// The user that it belongs to.
    pub owner: Owner<&'a str>,
    /// How long it outlives its connection.
    pub expiry: SessionExpiry,
    /// When its connection ended; `None` while there is one.
    pub detached_since: Option<Timestamp>,
}

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<T> {
    /// Nobody knows: a log of version 1 or 2 does not say it, and a broker without users could not ask.
    Unknown,
    /// No user's: nobody vouched for who made it.
    Nobody,
    /// This user's.
    User(T),
}

impl<T> Owner<T> {
    /// Returns the user, if it is known and there is one.
    pub fn user(&self) -> Option<&T> {
        match self {
            Self::Unknown | Self::Nobody => None,
            Self::User(user) => Some(user),
        }
    }

    /// Returns the same with another type of name.
    pub fn map<'a, U>(&'a self, name: impl FnOnce(&'a T) -> U) -> Owner<U> {
        match self {
            Self::Unknown => Owner::Unknown,
            Self::Nobody => Owner::Nobody,
            Self::User(user) => Owner::User(name(user)),
        }
    }
}

impl<T> From<Option<T>> for Owner<T> {
    fn from(user: Option<T>) -> Self {
        user.map_or(Self::Nobody, Self::User)
    }
}

/// A will. It is due `delay` seconds after the session was detached.
#[derive(Clone, Copy, derive_more::Debug, PartialEq, Eq)]
pub struct WillRecord<'a> {
    /// Whose.
    pub session: SessionKey,
    /// The Will Delay Interval in seconds.
    pub delay: u32,
    /// The Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
    /// The message.
    pub content: Content<'a>,
    /// Who left it, as whoever asks later wrote it down; empty if that is not known.
    #[debug("{} bytes", testator.len())]
    pub testator: &'a [u8],
}
