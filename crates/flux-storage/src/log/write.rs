//! Group commit: frames, one sync, then the index.

use std::io;

use super::open::read_all;
use super::{Durability, Log};
use crate::clock::now;
use crate::disk::Disk;
use crate::index::Place;
use crate::record::front_records;
use crate::scan::{Segment, records};
use crate::segment::{FRAME_HEADER_LEN, FrameHeader, SEGMENT_HEADER_LEN, SegmentHeader};

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Current {
    segment: u32,
    /// Where the next frame goes.
    end: u32,
    /// All before this is synced.
    synced_to: u32,
    /// The header of a new segment. It is written once the first group is synced: what it supersedes of
    /// the segment before is not needed any more then.
    header: Option<SegmentHeader>,
    /// Whether a write failed: nothing more is written to it.
    is_over: bool,
}

/// Records that are not synced.
#[derive(derive_more::Debug, Default)]
pub(super) struct Pending {
    /// The payloads of frames to come, each with room for its header.
    #[debug("{} frames", frames.len())]
    frames: Vec<Vec<u8>>,
    /// So many of them stand in an older segment as well, which counts until all of them are synced.
    together: usize,
}

impl Pending {
    pub(super) fn push(&mut self, records: &[u8]) {
        let mut rest = records;
        while !rest.is_empty() {
            let (front, behind) = front_records(rest, FRAME_BYTES);
            self.push_together(front);
            rest = behind;
        }
    }

    /// Adds records to one frame: a crash leaves all of them, or none.
    pub(super) fn push_together(&mut self, records: &[u8]) {
        let room = FRAME_BYTES.saturating_sub(records.len());
        match self.frames.last_mut() {
            Some(frame) if frame.len() <= room => frame.extend_from_slice(records),
            Some(_) | None => {
                let mut frame = vec![0; HEADER_ROOM];
                frame.extend_from_slice(records);
                self.frames.push(frame);
            }
        }
    }

    /// Says that all that is pending stands in an older segment.
    pub(super) fn keep_together(&mut self) {
        self.together = self.frames.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.frames.iter().map(|frame| frame.len() - HEADER_ROOM).sum()
    }
}

impl<D: Disk> Log<D> {
    /// Writes all that is pending, syncs it, and changes the index. A part of it may have succeeded
    /// when the rest fails.
    pub(super) fn write_pending(&mut self) -> io::Result<()> {
        let mut frames = std::mem::take(&mut self.pending.frames);
        while !frames.is_empty() {
            // So many go into one segment that no offset outgrows 32 bits.
            let count = count_for_one_sync(&frames).max(self.pending.together);
            let rest = frames.split_off(count);
            match self.write_frames(&mut frames) {
                Ok((segment, places)) => self.apply_frames(segment, &places, &frames),
                Err(error) => {
                    // Behind what has to be written again before.
                    self.pending.frames.extend(frames);
                    self.pending.frames.extend(rest);
                    return Err(error);
                }
            }
            self.pending.together = 0;
            frames = rest;
        }
        Ok(())
    }

    fn apply_frames(&mut self, segment: u32, places: &[u32], frames: &[Vec<u8>]) {
        for (start, frame) in places.iter().zip(frames) {
            let payload = frame.get(HEADER_ROOM..).unwrap_or_default();
            for (at, encoded) in records(payload) {
                let offset = start.saturating_add(at);
                let place = Place { segment, offset, len: encoded.head_len };
                self.index.apply(&encoded.record, place);
            }
        }
    }

    /// Returns the segment, and where the records of each frame begin.
    fn write_frames(&mut self, frames: &mut [Vec<u8>]) -> io::Result<(u32, Vec<u32>)> {
        let mut current = self.writable()?;
        let segment = current.segment;
        let written = self.write_to(&mut current, frames);
        if current.header.is_some() || self.settings.durability == Durability::Disk {
            // A failure leaves no current segment: nobody knows what of it reached the disk.
            let places = written?;
            self.settle(&mut current)?;
            self.segments.insert(segment, current.end);
            self.current = self.mark(current);
            return Ok((segment, places));
        }
        if written.is_ok() {
            self.segments.insert(segment, current.end);
        } else {
            current.end = self.segments.get(&segment).copied().unwrap_or(current.synced_to);
            current.is_over = true;
        }
        self.current = Some(current);
        Ok((segment, written?))
    }

    fn write_to(&mut self, current: &mut Current, frames: &mut [Vec<u8>]) -> io::Result<Vec<u32>> {
        let mut places = Vec::with_capacity(frames.len());
        for frame in frames {
            let payload = frame.get(HEADER_ROOM..).unwrap_or_default();
            let payload_len = u32::try_from(payload.len()).map_err(io::Error::other)?;
            let header = current.frame(self.log_id, payload_len, crc32c::crc32c(payload));
            if let Some(room) = frame.get_mut(..HEADER_ROOM) {
                room.copy_from_slice(&header.encode());
            }
            self.disk.write_at(current.segment, current.end.into(), frame)?;
            places.push(current.end + FRAME_HEADER_LEN);
            current.end = header.end();
        }
        Ok(places)
    }

    /// Returns the segment to write to; a new one if the last is full or failed.
    fn writable(&mut self) -> io::Result<Current> {
        let segment_bytes = self.settings.segment_bytes;
        let has_room = |current: &mut Current| !current.is_over && current.end < segment_bytes;
        if let Some(current) = self.current.take_if(has_room) {
            return Ok(current);
        }
        self.settle_current()?;
        self.current = None;
        self.begin()
    }

    /// Syncs what was only handed to the system. A segment is whole before the next one says so, and before
    /// an older one goes.
    pub(super) fn settle_current(&mut self) -> io::Result<()> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let written = self.segments.get(&current.segment).copied().unwrap_or(0);
        if current.synced_to < written
            && let Err(error) = self.settle(&mut current)
        {
            self.write_again(current)?;
            return Err(error);
        }
        self.current = Some(current);
        Ok(())
    }

    fn settle(&mut self, current: &mut Current) -> io::Result<()> {
        self.timed(|disk| disk.sync(current.segment))?;
        if let Some(header) = current.header {
            self.disk.write_at(current.segment, 0, &header.encode())?;
            self.timed(|disk| disk.sync(current.segment))?;
            self.timed(Disk::sync_list)?;
            current.header = None;
            // An older note, or none, is a witness less and no harm.
            drop(self.timed(|disk| disk.note(current.segment)));
        }
        current.synced_to = current.end;
        Ok(())
    }

    /// Counts how long the disk takes for what it syncs.
    fn timed(&mut self, sync: impl FnOnce(&mut D) -> io::Result<()>) -> io::Result<()> {
        let since = now();
        let synced = sync(&mut self.disk);
        self.sync_times.record(since.elapsed());
        synced
    }

    /// Has all be written once more of which a sync failed. The index takes it once more, in its order, and
    /// is in the end what it was.
    fn write_again(&mut self, mut current: Current) -> io::Result<()> {
        let (number, log_id) = (current.segment, Some(self.log_id));
        let bytes = read_all(&mut self.disk, number);
        let limit = self.segments.get(&number).copied();
        let segment =
            Segment { bytes: bytes.as_deref().unwrap_or_default(), log_id, number, limit };
        let scan = segment.scan(false);
        if scan.damage.is_some() {
            current.is_over = true;
            self.current = Some(current);
            return Err(bytes.err().unwrap_or_else(|| io::ErrorKind::InvalidData.into()));
        }
        for frame in scan.frames.iter().filter(|frame| frame.offset >= current.synced_to) {
            self.pending.push(segment.payload(*frame));
        }
        self.pending.keep_together();
        self.segments.insert(number, current.synced_to);
        Ok(())
    }

    /// Says after the fact that all before was synced, in a frame without records.
    ///
    /// It is synced with the next group. Until then a killed process leaves it, and a power cut
    /// may. `None`: it could not be written, and the segment ends before it.
    fn mark(&mut self, mut current: Current) -> Option<Current> {
        let mark = current.frame(self.log_id, 0, crc32c::crc32c(&[]));
        self.disk.write_at(current.segment, current.end.into(), &mark.encode()).ok()?;
        current.end = mark.end();
        Some(current)
    }

    /// Begins a segment. It exists once its first group and its header are synced.
    fn begin(&mut self) -> io::Result<Current> {
        let (previous, previous_end) = self.counting().next_back().unwrap_or_default();
        let newest = self.segments.last_key_value().map_or(0, |(newest, _)| *newest);
        let segment = newest.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let header = SegmentHeader {
            log_id: self.log_id,
            segment,
            previous,
            previous_end,
            floor: self.counting().next().map_or(segment, |(first, _)| first),
            next: self.index.next_numbers(),
        };
        self.disk.create(segment)?;
        let (header, end) = (Some(header), SEGMENT_HEADER_LEN);
        Ok(Current { segment, end, synced_to: 0, header, is_over: false })
    }

    /// Begins a log with an empty segment.
    pub(super) fn begin_log(&mut self) -> io::Result<()> {
        self.write_frames(&mut []).map(|_| ())
    }
}

/// Returns how many of these frames are written before the next sync, at least one.
fn count_for_one_sync(frames: &[Vec<u8>]) -> usize {
    let mut bytes = 0_usize;
    let fits = |frame: &&Vec<u8>| {
        let has_room = bytes < SYNC_BYTES;
        bytes = bytes.saturating_add(frame.len());
        has_room
    };
    frames.iter().take_while(fits).count()
}

impl Current {
    fn frame(&self, log_id: u64, payload_len: u32, payload_crc: u32) -> FrameHeader {
        let (segment, offset, synced_to) = (self.segment, self.end, self.synced_to);
        FrameHeader { log_id, segment, offset, payload_len, payload_crc, synced_to }
    }
}

/// Frames are filled up to this size; a longer record has one of its own.
const FRAME_BYTES: usize = 256 << 10;
/// A sync takes no further frame once it has so many bytes.
const SYNC_BYTES: usize = 64 << 20;
const HEADER_ROOM: usize = 36;
