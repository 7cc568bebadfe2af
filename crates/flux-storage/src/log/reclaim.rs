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
    /// A segment that cannot be read any more: it stays, and all behind it, until somebody looks.
    stuck: bool,
}

impl Reclaim {
    pub(super) const fn is_stuck(&self) -> bool {
        self.stuck
    }
}

#[derive(Debug)]
struct Moving {
    number: u32,
    bytes: Vec<u8>,
    scan: Scan,
    next_frame: usize,
}

impl<D: Disk> Log<D> {
    /// Goes a step on, after a sync of so many bytes. What fails here is tried again.
    pub(super) fn reclaim(&mut self, synced: usize) {
        if let Some(doomed) = self.reclaim.doomed {
            if self.disk.remove(doomed).and_then(|()| self.disk.sync_list()).is_err() {
                return;
            }
            self.segments.remove(&doomed);
            self.reclaim.doomed = None;
        }
        let Some((oldest, _)) = self.segments.first_key_value().map(|(n, end)| (*n, *end)) else {
            return;
        };
        let Some((floor, _)) = self.counting().find(|(segment, _)| *segment > oldest) else {
            return;
        };
        if self.reclaim.stuck {
            return;
        }
        let is_moved = if self.index.held_in(oldest) == 0 {
            true
        } else if self.reclaim.moving.is_some() || self.is_wasteful() {
            self.move_on(oldest, STEP_BYTES.saturating_add(synced.saturating_mul(4)))
                .unwrap_or_else(|_| {
                    self.reclaim.stuck = true;
                    false
                })
        } else {
            return;
        };
        if is_moved {
            self.reclaim.moving = None;
            self.reclaim.doomed = Some(oldest);
            let mut batch = Batch::new();
            if batch.push(&Record::Floor { segment: floor }).is_ok() {
                self.append(&batch);
            }
        }
    }

    fn is_wasteful(&self) -> bool {
        let allowed = self.live_bytes().saturating_mul(2);
        let slack = u64::from(self.settings.segment_bytes).saturating_mul(4);
        self.disk_bytes() > allowed.saturating_add(slack)
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
            self.append(&batch);
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
