//! [`GroupLimits`]: how much waits in a group, and what goes when that is reached.

/// What bounds the messages that wait in a group because no member can take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// The most messages. Default 1,000,000.
    pub queued_messages: usize,
    /// The most bytes, counted as [`SessionLimits::queued_bytes`](crate::SessionLimits) counts
    /// them. Default 64 MiB.
    pub queued_bytes: usize,
    /// What goes when one of them is reached.
    pub when_full: GroupFull,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            queued_messages: 1_000_000,
            queued_bytes: 64 * 1024 * 1024,
            when_full: GroupFull::Newest,
        }
    }
}

/// Which message goes when a group's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupFull {
    /// The one that is to be queued, so that what was acknowledged before stays promised.
    #[default]
    Newest,
    /// Those that have waited longest, until there is room.
    Oldest,
}
