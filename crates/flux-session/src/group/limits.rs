//! [`GroupLimits`]: how much waits in a group, and what goes when that is reached.

/// What bounds the messages that wait in a group because no member can take them.
///
/// Those that only some members may have find room in half of each, so that the other half is left for what the others may have.
/// A message that was accepted before anybody was known to be [barred](super::Group::barred) from it stays beyond that, until another
/// needs the room: then the newest or the oldest of them goes, by `when_full`.
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

impl GroupLimits {
    /// The most messages that some members may not have.
    pub(super) const fn aside_messages(&self) -> usize {
        self.queued_messages.div_ceil(2)
    }

    /// The most bytes of them.
    pub(super) const fn aside_bytes(&self) -> usize {
        self.queued_bytes.div_ceil(2)
    }
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
