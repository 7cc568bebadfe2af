//! Finds the frames of a segment, and tells a torn tail from damage.

use crate::record::{Encoded, next_record};
use crate::segment::{FRAME_HEADER_LEN, FRAME_MAGIC, FrameHeader, SEGMENT_HEADER_LEN};

/// What a segment consists of.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The frames that are as they were written, without those that are empty.
    pub(crate) frames: Vec<FrameHeader>,
    /// Where the first frame stands that is not.
    pub(crate) end: u32,
    /// What comes before this was synced, as far as a frame tells.
    pub(crate) synced_to: u32,
    /// Where synced bytes begin that are not as they were written.
    pub(crate) damage: Option<u32>,
    /// How many bytes lie in no frame.
    pub(crate) lost: u64,
}

/// The bytes of a segment and what its frames must say.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) bytes: &'a [u8],
    /// `None`: whatever it says.
    pub(crate) log_id: Option<u64>,
    pub(crate) number: u32,
    /// Where it ends, if the next segment says so: all before that was synced.
    pub(crate) limit: Option<u32>,
}

impl<'a> Segment<'a> {
    /// Walks over the frames up to the first that is not right.
    ///
    /// What follows is a torn tail, unless a frame further on proves that it had been synced. With
    /// `skip`, goes on with the next frame instead.
    pub(crate) fn scan(self, skip: bool) -> Scan {
        let mut scan = Scan { end: SEGMENT_HEADER_LEN, ..Scan::default() };
        let limit = self.limit.unwrap_or_else(|| self.len());
        while scan.end < limit {
            if let Some(frame) = self.frame_at(scan.end) {
                scan.end = frame.end();
                scan.synced_to = scan.synced_to.max(frame.synced_to);
                if frame.payload_len > 0 {
                    scan.frames.push(frame);
                }
                continue;
            }
            if self.limit.is_some() || self.proves(scan.end) {
                scan.damage.get_or_insert(scan.end);
            }
            let next = self.headers(scan.end.saturating_add(1)).find(|frame| {
                skip && frame.offset < limit && self.frame_at(frame.offset).is_some()
            });
            let stop = next.map_or(limit, |frame| frame.offset);
            scan.lost += u64::from(stop.saturating_sub(scan.end));
            let Some(next) = next else { return scan };
            scan.end = next.offset;
        }
        scan
    }

    /// Returns whether some frame says that bytes at this offset had been synced.
    pub(crate) fn proves(self, offset: u32) -> bool {
        self.headers(0).any(|frame| frame.synced_to > offset)
    }

    /// Returns the records of a frame, each with its place in the segment.
    pub(crate) fn records(self, frame: FrameHeader) -> impl Iterator<Item = (u32, Encoded<'a>)> {
        let start = frame.offset.saturating_add(FRAME_HEADER_LEN);
        let payload = slice(self.bytes, start, frame.payload_len).unwrap_or_default();
        records(payload).map(move |(at, encoded)| (start.saturating_add(at), encoded))
    }

    /// Returns the records of a frame as bytes.
    pub(crate) fn payload(self, frame: FrameHeader) -> &'a [u8] {
        let start = frame.offset.saturating_add(FRAME_HEADER_LEN);
        slice(self.bytes, start, frame.payload_len).unwrap_or_default()
    }

    fn len(self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// Returns the frame at an offset, if all of it is as it was written.
    fn frame_at(self, offset: u32) -> Option<FrameHeader> {
        let frame = self.header_at(offset)?;
        if self.limit.is_some_and(|limit| frame.end() > limit) {
            return None;
        }
        let start = offset.checked_add(FRAME_HEADER_LEN)?;
        let payload = slice(self.bytes, start, frame.payload_len)?;
        (crc32c::crc32c(payload) == frame.payload_crc).then_some(frame)
    }

    fn header_at(self, offset: u32) -> Option<FrameHeader> {
        let frame = FrameHeader::decode(self.bytes.get(usize::try_from(offset).ok()?..)?)?;
        let is_here = self.log_id.is_none_or(|log_id| frame.log_id == log_id)
            && frame.segment == self.number
            && frame.offset == offset;
        is_here.then_some(frame)
    }

    /// Returns all frame headers from an offset on, wherever they stand.
    fn headers(self, from: u32) -> impl Iterator<Item = FrameHeader> {
        (from..self.len())
            .filter(move |offset| {
                let at = usize::try_from(*offset).unwrap_or(usize::MAX);
                self.bytes.get(at..).is_some_and(|bytes| bytes.starts_with(&FRAME_MAGIC))
            })
            .filter_map(move |offset| self.header_at(offset))
    }
}

impl FrameHeader {
    pub(crate) fn end(&self) -> u32 {
        self.offset.saturating_add(FRAME_HEADER_LEN).saturating_add(self.payload_len)
    }
}

/// Returns the records in the bytes of a batch or a frame, each with its offset.
pub(crate) fn records(bytes: &[u8]) -> impl Iterator<Item = (u32, Encoded<'_>)> {
    let mut at = 0_u32;
    std::iter::from_fn(move || {
        let encoded = next_record(bytes.get(usize::try_from(at).ok()?..)?)?;
        let start = at;
        at = at.checked_add(encoded.len)?;
        Some((start, encoded))
    })
}

fn slice(bytes: &[u8], start: u32, len: u32) -> Option<&[u8]> {
    let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
    bytes.get(start..start.checked_add(len)?)
}
