//! A log that is only looked at.

use super::open::{OpenError, Reading, Report, recover};
use super::{Durability, Log, LogSettings};
use crate::disk::Disk;
use crate::record::{Sequence, SessionKey};
use crate::store::{
    Queued, ReadError, ReadLimit, Store as _, StoredGroup, StoredMessage, StoredSession,
};

/// What a log holds, as a broker would find it. Nothing on the disk is changed.
#[derive(Debug)]
pub struct View<D>(Log<D>);

impl<D: Disk> View<D> {
    /// Reads a log. What was written and perhaps not synced counts; a torn tail is reported.
    ///
    /// # Errors
    ///
    /// When [`Log::open`] would refuse it.
    pub fn open(disk: D) -> Result<(Self, Report), OpenError> {
        let settings =
            LogSettings { segment_bytes: 0, new_log_id: 0, durability: Durability::default() };
        let (mut log, mut report, _) = recover(disk, settings, Reading::View)?;
        log.index.finish();
        log.count(&mut report);
        Ok((Self(log), report))
    }

    /// See [`Store::sessions`](crate::Store::sessions).
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn sessions(
        &mut self,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Vec<StoredSession>, ReadError> {
        self.0.sessions(after, limit)
    }

    /// See [`Store::groups`](crate::Store::groups).
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn groups(&mut self) -> Result<Vec<StoredGroup>, ReadError> {
        self.0.groups()
    }

    /// See [`Store::queue`](crate::Store::queue).
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn queue(
        &mut self,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
    ) -> Result<Vec<Queued>, ReadError> {
        self.0.queue(session, after, limit)
    }

    /// See [`Store::retained`](crate::Store::retained).
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn retained(
        &mut self,
        after: Option<&str>,
        limit: ReadLimit,
    ) -> Result<Vec<StoredMessage>, ReadError> {
        self.0.retained(after, limit)
    }

    /// Returns how many bytes the segments take.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.0.disk_bytes()
    }

    /// Returns how many segments there are.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.0.segments()
    }
}
