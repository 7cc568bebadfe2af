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
    /// When reached, the newest message is dropped: [`DropReason::QueueFull`](crate::DropReason).
    pub queued_messages: usize,
    /// The most bytes that wait to be sent; each message counts its
    /// [`size`](crate::Message::size) and [`QUEUED_OVERHEAD`]. Default 64 MiB.
    ///
    /// When reached, the newest message is dropped: [`DropReason::QueueFull`](crate::DropReason).
    pub queued_bytes: usize,
    /// The packet identifiers in use are `1..=packet_ids`. Default 65,535, all there are; zero
    /// counts as one. Smaller in tests, so that the cycle comes round.
    ///
    /// When all are in use, messages wait in the queue.
    pub packet_ids: u16,
    /// The most QoS 2 messages the client may have begun and not released: the Receive Maximum of
    /// the server (MQTT 5.0 section 3.2.2.3.3). Default 65,535.
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
            packet_ids: u16::MAX,
            inbound_receive_maximum: u16::MAX,
        }
    }
}

/// The bytes every queued message counts beside its [`size`](crate::Message::size): its place in
/// the queue, rounded up for the spare room of a growing queue.
pub const QUEUED_OVERHEAD: usize = 64;
