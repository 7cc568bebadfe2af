//! What workers, connections and sessions are called.

use std::num::NonZeroU64;

use flux_session::Timestamp;

/// Names a worker: 0, 1, 2 and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub usize);

/// Names a connection of a worker for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The place, used again after the connection is gone.
    pub index: u32,
    /// Tells the connections apart that used the place.
    pub stamp: u32,
}

/// Names a session for as long as it lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub(crate) NonZeroU64);

impl SessionKey {
    /// Returns the number, which is the session's name in a store.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// Names a client identifier, over all its sessions: whose message it is, for No Local
/// [MQTT-3.8.3-3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publisher(pub(crate) NonZeroU64);

/// Names a place in the list of due sessions. The generation tells the places apart that a
/// session takes one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DueId {
    pub(crate) moment: Timestamp,
    pub(crate) key: SessionKey,
    pub(crate) generation: u64,
}
