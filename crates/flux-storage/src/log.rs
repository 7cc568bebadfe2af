//! The log: segments that are written front to back, and an index of what lives in them.

mod headers;
mod open;
mod read;
mod reclaim;
mod view;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use flux_time::Timings;

use crate::batch::Batch;
use crate::disk::Disk;
use crate::index::Index;
use crate::record::{Sequence, SessionKey};
use crate::store::{
    Queued, ReadError, ReadLimit, Store, StoredGroup, StoredMessage, StoredSession, SyncError,
};

use self::reclaim::Reclaim;
use self::write::{Current, Pending};

pub use self::open::{Cut, OpenError, Report, salvage};
pub use self::view::View;

/// A [`Store`] of segments on a [`Disk`].
///
/// - A group is written to the end of the newest segment and synced; the index changes only then.
/// - After a failure the segment is written no more: what was not synced goes to a new one, whose
///   header says where the old one ends. The header comes after the group, so that there is always one
///   of them that counts.
/// - Segments go oldest first, once what lives in them was written again further on. So a
///   record that ends something never goes before what it ends.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
    settings: LogSettings,
    log_id: u64,
    index: Index,
    /// Where each segment ends, as far as it is synced; 0 if nothing of it counts.
    segments: BTreeMap<u32, u32>,
    current: Option<Current>,
    pending: Pending,
    reclaim: Reclaim,
    /// See [`Store::sync_times`].
    sync_times: Arc<Timings>,
}

/// How a log uses its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// From this size on a new segment begins. More than 1 GiB is taken for 1 GiB.
    pub segment_bytes: u32,
    /// Names the log if it is new; a random number.
    pub new_log_id: u64,
    /// What a sync is.
    pub durability: Durability,
}

/// What outlives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was synced is on the disk: it outlives a killed process, a crash of the system and a power
    /// cut.
    #[default]
    Disk,
    /// What was synced was handed to the system: it outlives a killed process, nothing more. A power
    /// cut, or a crash of the system, takes what came after some moment: nothing that stands in
    /// a segment before the newest. The log opens with all before that moment.
    Os,
}

impl LogSettings {
    /// The usual size of a segment.
    pub const SEGMENT_BYTES: u32 = 16 << 20;
}

impl<D: Disk> Log<D> {
    /// Returns how many bytes the segments take.
    pub fn disk_bytes(&self) -> u64 {
        self.segments.values().map(|end| u64::from(*end)).sum()
    }

    /// Returns how many bytes of them are alive, about.
    pub fn live_bytes(&self) -> u64 {
        self.index.live_bytes()
    }

    /// Returns how many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    #[cfg(test)]
    pub(crate) const fn disk(&self) -> &D {
        &self.disk
    }

    /// Returns the segments of which something counts, and where each ends.
    fn counting(&self) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        self.segments.iter().map(|(segment, end)| (*segment, *end)).filter(|(_, end)| *end > 0)
    }
}

impl<D: Disk> Store for Log<D> {
    fn append(&mut self, batch: &Batch) {
        for (records, is_joined) in batch.parts() {
            if is_joined {
                self.pending.push_together(records);
            } else {
                self.pending.push(records);
            }
        }
    }

    fn unsynced(&self) -> usize {
        self.pending.len()
    }

    fn sync_times(&self) -> Arc<Timings> {
        self.sync_times.clone()
    }

    fn bytes_on_disk(&self) -> u64 {
        self.disk_bytes()
    }

    fn sync(&mut self) -> Result<(), SyncError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let new = self.pending.len().saturating_sub(self.reclaim.take_restated());
        self.write_pending()
            .map_err(|source| SyncError { unsynced: self.pending.len(), source })?;
        self.reclaim(new);
        Ok(())
    }

    fn is_stuck(&self) -> bool {
        self.reclaim.is_stuck()
    }

    fn sessions(
        &mut self,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Vec<StoredSession>, ReadError> {
        self.read_sessions(after, limit)
    }

    fn groups(&mut self) -> Result<Vec<StoredGroup>, ReadError> {
        self.read_groups()
    }

    fn queue(
        &mut self,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
    ) -> Result<Vec<Queued>, ReadError> {
        self.read_queue(session, after, limit)
    }

    fn in_flight(&mut self, session: SessionKey) -> Result<Vec<Queued>, ReadError> {
        self.read_in_flight(session)
    }

    fn retained(
        &mut self,
        after: Option<&str>,
        limit: ReadLimit,
    ) -> Result<Vec<StoredMessage>, ReadError> {
        self.read_retained(after, limit)
    }

    fn next_sequence(&self) -> Sequence {
        Sequence(self.index.next_sequence)
    }

    fn next_session(&self) -> SessionKey {
        SessionKey(self.index.next_session)
    }

    fn next_group(&self) -> u32 {
        self.index.next_group
    }
}
