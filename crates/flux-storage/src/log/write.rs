//! Group commit: frames, one sync, then the index.

use std::io;

use super::Log;
use crate::disk::Disk;
use crate::index::Place;
use crate::scan::records;
use crate::segment::{FRAME_HEADER_LEN, FrameHeader, SEGMENT_HEADER_LEN, SegmentHeader};

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Current {
    segment: u32,
    /// Where the next frame goes.
    end: u32,
    /// All before this is synced.
    synced_to: u32,
}

/// Records that are not synced: the payloads of frames to come, each with room for its header.
#[derive(Debug, Default)]
pub(super) struct Pending(Vec<Vec<u8>>);

impl Pending {
    pub(super) fn push(&mut self, records: &[u8]) {
        if records.is_empty() {
            return;
        }
        let room = FRAME_BYTES.saturating_sub(records.len());
        match self.0.last_mut() {
            Some(frame) if frame.len() <= room => frame.extend_from_slice(records),
            Some(_) | None => {
                let mut frame = vec![0; HEADER_ROOM];
                frame.extend_from_slice(records);
                self.0.push(frame);
            }
        }
    }

    pub(super) fn take(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|frame| frame.len() - HEADER_ROOM).sum()
    }
}

impl<D: Disk> Log<D> {
    /// Writes all that is pending, syncs it, and changes the index. A part of it may have succeeded
    /// when the rest fails.
    pub(super) fn write_pending(&mut self) -> io::Result<()> {
        let mut frames = std::mem::take(&mut self.pending.0);
        while !frames.is_empty() {
            let segment_bytes = self.settings.segment_bytes;
            self.current.take_if(|current| current.end >= segment_bytes);
            // So many go into one segment that no offset outgrows 32 bits.
            let rest = frames.split_off(count_for_one_sync(&frames));
            match self.write_frames(&mut frames) {
                Ok((segment, places)) => self.apply_frames(segment, &places, &frames),
                Err(error) => {
                    frames.extend(rest);
                    self.pending.0 = frames;
                    return Err(error);
                }
            }
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
    ///
    /// A failure leaves no current segment: nobody knows what of it reached the disk.
    fn write_frames(&mut self, frames: &mut [Vec<u8>]) -> io::Result<(u32, Vec<u32>)> {
        let is_new = self.current.is_none();
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
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
        self.disk.sync(current.segment)?;
        if is_new {
            self.disk.sync_list()?;
        }
        current.synced_to = current.end;
        let segment = current.segment;
        self.segments.insert(segment, current.end);
        self.current = self.mark(current);
        Ok((segment, places))
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

    /// Begins a segment. It exists once its first group is synced.
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
            next_sequence: self.index.next_sequence,
            next_session: self.index.next_session,
        };
        self.disk.create(segment)?;
        self.disk.write_at(segment, 0, &header.encode())?;
        Ok(Current { segment, end: SEGMENT_HEADER_LEN, synced_to: 0 })
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

/// Frames are filled up to this size; a larger batch has one of its own.
const FRAME_BYTES: usize = 256 << 10;
/// A sync takes no further frame once it has so many bytes.
const SYNC_BYTES: usize = 64 << 20;
const HEADER_ROOM: usize = 36;
