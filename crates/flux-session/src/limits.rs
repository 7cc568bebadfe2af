//! Everything a peer could make a session hold, and how much of it is allowed.

/// What bounds one session. Every field has a policy for when it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// The largest window this side uses, whatever Receive Maximum the client announces
    /// (MQTT 5.0 section 4.9). Default 1,024; zero counts as one.
    ///
    /// When the window is full, messages wait in the queue.
    pub receive_maximum_cap: u16,
    /// The most messages that wait to be sent. Default 1,000,000.
    ///
    /// When reached, [`when_full`](Self::when_full) decides.
    pub queued_messages: usize,
    /// The most bytes that wait to be sent; each message counts its
    /// [`size`](crate::Message::size) and [`QUEUED_OVERHEAD`]. Default 64 MiB.
    ///
    /// When reached, [`when_full`](Self::when_full) decides.
    pub queued_bytes: usize,
    /// How many stored messages wait in memory before further ones are left to the caller's store, from
    /// where they [come back](crate::Session::take_read) as the client takes them. Default 4,096. They count for
    /// [`queued_messages`](Self::queued_messages) wherever they are, and for
    /// [`queued_bytes`](Self::queued_bytes) while they are here.
    pub queued_here: usize,
    /// What happens to a message that finds the queue full. Default: it is dropped.
    pub when_full: WhenFull,
    /// The packet identifiers in use are `1..=packet_ids`. Default 65,535, all there are; zero
    /// counts as one. Smaller in tests, so that the cycle comes round.
    ///
    /// When all are in use, messages wait in the queue.
    pub packet_ids: u16,
    /// The most QoS 2 messages the client may have begun and not released: the Receive Maximum of
    /// the server (MQTT 5.0 section 3.2.2.3.3). Default 65,535; zero counts as one, for the standard
    /// knows no zero.
    ///
    /// When exceeded, [`ReceiveMaximumExceeded`](crate::ReceiveMaximumExceeded).
    pub inbound_receive_maximum: u16,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            receive_maximum_cap: 1_024,
            queued_messages: 1_000_000,
            queued_bytes: 64 * 1024 * 1024,
            queued_here: 4_096,
            when_full: WhenFull::DropNewest,
            packet_ids: u16::MAX,
            inbound_receive_maximum: u16::MAX,
        }
    }
}

/// What a session does with a message for which its queue has no room, after what expired at the
/// front of the queue has gone.
///
/// Nothing is promised at QoS 0: such a message displaces at most others like it, under
/// [`DropOldest`](Self::DropOldest), and is dropped under every other policy. What was sent waits
/// in no queue and is never displaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It is dropped: [`DropReason::QueueFull`](crate::DropReason::QueueFull). What was
    /// acknowledged to a publisher before stays promised.
    #[default]
    DropNewest,
    /// It takes the place of the oldest ones, first those at QoS 0, then the others:
    /// [`DropReason::Displaced`](crate::DropReason::Displaced). One that is larger than the whole
    /// queue displaces nothing and is dropped.
    DropOldest,
    /// It is not taken, and its publisher is told: [`Offer::Refused`](crate::Offer::Refused).
    Refuse,
    /// The session is to end: [`Offer::Overflow`](crate::Offer::Overflow). One that is larger than
    /// the whole queue is only dropped, or any publisher could end any session.
    EndSession,
}

/// The bytes every queued message counts beside its [`size`](crate::Message::size): its place in
/// the queue, rounded up for the spare room of a growing queue.
pub const QUEUED_OVERHEAD: usize = 64;

/// The bytes every session counts beside what it holds: itself, and its places in a directory.
pub const SESSION_OVERHEAD: usize = 1_024;

/// The bytes every subscription counts beside its topic filter: its places in the session and in a
/// tree of subscriptions.
pub const SUBSCRIPTION_OVERHEAD: usize = 256;

/// The bytes every level of a subscription's topic filter counts: a node of a tree of subscriptions,
/// though filters that begin alike share it.
pub const FILTER_LEVEL_OVERHEAD: usize = 160;
