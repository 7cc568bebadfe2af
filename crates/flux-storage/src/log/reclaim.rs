//! Space comes back: the oldest segment goes once nothing lives in it.

use std::io;

use super::Log;
use super::open::{OpenError, read_all};
use crate::batch::Batch;
use crate::disk::Disk;
use crate::record::Record;
use crate::scan::{Scan, Segment};
use crate::store::Store as _;

/// How far the oldest segment is emptied.
#[derive(Debug, Default)]
pub(super) struct Reclaim {
    /// The oldest segment while what lives in it is written again.
    moving: Option<Moving>,
    /// A segment that goes now that what follows is synced without it.
    doomed: Option<u32>,
    /// How many bytes were appended here since the last sync.
    restated: usize,
    /// Whether a segment could not be read when it was last tried: it stays, and all behind it.
    is_stuck: bool,
    /// Syncs to go until it is tried again.
    pause: u32,
}

impl Reclaim {
    pub(super) const fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Returns how many of the pending bytes are no news.
    pub(super) fn take_restated(&mut self) -> usize {
        std::mem::take(&mut self.restated)
    }
}

#[derive(derive_more::Debug)]
struct Moving {
    number: u32,
    #[debug("{} bytes", bytes.len())]
    bytes: Vec<u8>,
    scan: Scan,
    next_frame: usize,
}

impl<D: Disk> Log<D> {
    /// Goes a step on, after a sync of so many bytes of news. What fails here is tried again.
    pub(super) fn reclaim(&mut self, news: usize) {
        if let Some(doomed) = self.reclaim.doomed
            && !self.remove(doomed)
        {
            return;
        }
        let Some((oldest, _)) = self.segments.first_key_value().map(|(n, end)| (*n, *end)) else {
            return;
        };
        let Some((floor, _)) = self.counting().find(|(segment, _)| *segment > oldest) else {
            return;
        };
        if self.reclaim.pause > 0 {
            self.reclaim.pause -= 1;
            return;
        }
        if self.index.held_in(oldest) > 0 {
            if self.reclaim.moving.is_none() && !self.is_wasteful() {
                return;
            }
            let moved = self.move_on(oldest, STEP_BYTES.saturating_add(news.saturating_mul(2)));
            self.reclaim.is_stuck = moved.is_err();
            match moved {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    self.reclaim.pause = PAUSE;
                    return;
                }
            }
        }
        self.reclaim.moving = None;
        self.reclaim.doomed = Some(oldest);
        let mut batch = Batch::new();
        if batch.push(&Record::Floor { segment: floor }).is_ok() {
            self.restate(&batch);
        }
    }

    /// Removes a segment that is not needed. Returns whether it is gone.
    fn remove(&mut self, doomed: u32) -> bool {
        if self.index.held_in(doomed) > 0 {
            // Then we are wrong about it, and it is worth more than its space.
            debug_assert!(false, "something still lives in segment {doomed}");
            self.reclaim.is_stuck = true;
            return false;
        }
        let gone = self
            .settle_current()
            .and_then(|()| self.disk.remove(doomed))
            .and_then(|()| self.disk.sync_list());
        if gone.is_ok() {
            self.segments.remove(&doomed);
            self.reclaim.doomed = None;
        }
        gone.is_ok()
    }

    /// Returns whether there is twice of what lives, or many files because of many starts.
    fn is_wasteful(&self) -> bool {
        let segment_bytes = u64::from(self.settings.segment_bytes);
        let allowed = self.live_bytes().saturating_mul(2);
        let slack = segment_bytes.saturating_mul(4);
        let files = allowed.checked_div(segment_bytes).unwrap_or(0).saturating_add(FILES);
        self.disk_bytes() > allowed.saturating_add(slack) || self.segments.len() as u64 > files
    }

    fn restate(&mut self, batch: &Batch) {
        self.reclaim.restated = self.reclaim.restated.saturating_add(batch.len());
        self.append(batch);
    }

    /// Appends what lives in the next frames. Only while nothing is pending: what is appended later
    /// comes later in the log.
    fn move_on(&mut self, number: u32, step: usize) -> io::Result<bool> {
        let mut moving = match self.reclaim.moving.take() {
            Some(moving) if moving.number == number => moving,
            Some(_) | None => {
                let bytes = read_all(&mut self.disk, number)?;
                let scan = self.segment(number, &bytes).scan(false);
                if scan.damage.is_some() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                Moving { number, bytes, scan, next_frame: 0 }
            }
        };
        let mut seen = 0;
        while let Some(frame) = moving.scan.frames.get(moving.next_frame).filter(|_| seen < step) {
            let mut batch = Batch::new();
            let segment = self.segment(number, &moving.bytes);
            for (offset, encoded) in segment.records(*frame) {
                if let Some(record) = self.index.restate(encoded.record, number, offset) {
                    batch.push(&record).map_err(io::Error::other)?;
                }
            }
            self.restate(&batch);
            seen += usize::try_from(frame.payload_len).unwrap_or(usize::MAX);
            moving.next_frame += 1;
        }
        let is_moved = moving.next_frame >= moving.scan.frames.len();
        self.reclaim.moving = Some(moving);
        Ok(is_moved)
    }

    /// Writes what lives in a segment to another log.
    pub(super) fn copy_living<E: Disk>(
        &mut self,
        number: u32,
        into: &mut Log<E>,
    ) -> Result<(), OpenError> {
        let bytes = read_all(&mut self.disk, number)?;
        let segment = self.segment(number, &bytes);
        for frame in segment.scan(true).frames {
            let mut batch = Batch::new();
            for (offset, encoded) in segment.records(frame) {
                if let Some(record) = self.index.restate(encoded.record, number, offset) {
                    batch.push(&record).map_err(io::Error::other)?;
                }
            }
            into.append(&batch);
            if into.unsynced() >= STEP_BYTES {
                into.sync()?;
            }
        }
        Ok(())
    }

    fn segment<'a>(&self, number: u32, bytes: &'a [u8]) -> Segment<'a> {
        let limit = self.segments.get(&number).copied();
        Segment { bytes, log_id: Some(self.log_id), number, limit }
    }
}

/// How much of a segment is looked at after a small group.
const STEP_BYTES: usize = 256 << 10;
/// So many small files are not worth the work.
const FILES: u64 = 16;
/// Syncs between two attempts to read what cannot be read.
const PAUSE: u32 = 1000;
