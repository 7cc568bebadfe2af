//! The first bytes of a segment, and the first bytes of a frame in it.

/// Stands at the front of every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Random, the same in all segments of a directory.
    pub(crate) log_id: u64,
    pub(crate) segment: u32,
    /// The segment before; those between them count for nothing. 0 for the first.
    pub(crate) previous: u32,
    /// Where that one ends. All before was synced when this header was written; what comes after
    /// counts for nothing.
    pub(crate) previous_end: u32,
    /// The first segment that was needed when this one began.
    pub(crate) floor: u32,
    /// Should no record remember them any more.
    pub(crate) next: NextNumbers,
}

/// The numbers to go on with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NextNumbers {
    pub(crate) sequence: u64,
    pub(crate) session: u64,
    /// Zero in a log of version 1, which knew no groups.
    pub(crate) group: u32,
}

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    Header(SegmentHeader),
    /// All zero, or half a header: a segment that was begun, and whose header was never synced.
    Blank,
    /// A log, of a version that this program does not know.
    Version(u32),
    Damaged,
}

/// Stands at the front of every frame: records that were written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) log_id: u64,
    pub(crate) segment: u32,
    /// Its own place in the segment: bytes elsewhere are not a frame, whoever wrote them.
    pub(crate) offset: u32,
    pub(crate) payload_len: u32,
    pub(crate) payload_crc: u32,
    /// All of the segment before this was synced when this header was written.
    pub(crate) synced_to: u32,
}

pub(crate) const SEGMENT_HEADER_LEN: u32 = 64;
pub(crate) const FRAME_HEADER_LEN: u32 = 36;
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"\xf1UXF";

const SEGMENT_MAGIC: [u8; 8] = *b"FLUXLOG\n";
/// Grows with every change that an older program would read wrongly. 2 brought groups, 3 the owners of
/// sessions and who left wills; an older log is one without them.
pub(crate) const VERSION: u32 = 3;

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        push_crc(&mut bytes);
        bytes.extend_from_slice(&self.log_id.to_le_bytes());
        for number in [self.segment, self.previous_end, self.floor, self.previous] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.next.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.next.session.to_le_bytes());
        bytes.extend_from_slice(&self.next.group.to_le_bytes());
        push_crc(&mut bytes);
        bytes
    }

    /// Reads the front of a file. Magic, version and their checksum stay where they are in
    /// every version.
    pub(crate) fn decode(bytes: &[u8]) -> Beginning {
        let front = bytes.get(..64).unwrap_or(bytes);
        let is_ours = front.starts_with(&SEGMENT_MAGIC);
        if is_ours
            && is_crc_right(front, 12)
            && let Some(version) =
                u32_at(front, 8).filter(|version| !(1..=VERSION).contains(version))
        {
            return Beginning::Version(version);
        }
        let is_begun = front.len() < 64 && (is_ours || SEGMENT_MAGIC.starts_with(front));
        if is_begun || front.iter().all(|byte| *byte == 0) {
            return Beginning::Blank;
        }
        if !is_ours || !is_crc_right(front, 12) || !is_crc_right(front, 60) {
            return Beginning::Damaged;
        }
        Self::fields(front).map_or(Beginning::Damaged, Beginning::Header)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            log_id: u64_at(bytes, 16)?,
            segment: u32_at(bytes, 24)?,
            previous_end: u32_at(bytes, 28)?,
            floor: u32_at(bytes, 32)?,
            previous: u32_at(bytes, 36)?,
            next: NextNumbers {
                sequence: u64_at(bytes, 40)?,
                session: u64_at(bytes, 48)?,
                group: u32_at(bytes, 56)?,
            },
        })
    }
}

impl FrameHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = FRAME_MAGIC.to_vec();
        let numbers =
            [self.segment, self.offset, self.payload_len, self.payload_crc, self.synced_to];
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.log_id.to_le_bytes());
        push_crc(&mut bytes);
        bytes
    }

    /// Reads a header that is as it was written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&FRAME_MAGIC) || !is_crc_right(bytes, 32) {
            return None;
        }
        Some(Self {
            segment: u32_at(bytes, 4)?,
            offset: u32_at(bytes, 8)?,
            payload_len: u32_at(bytes, 12)?,
            payload_crc: u32_at(bytes, 16)?,
            synced_to: u32_at(bytes, 20)?,
            log_id: u64_at(bytes, 24)?,
        })
    }
}

fn push_crc(bytes: &mut Vec<u8>) {
    let crc = crc32c::crc32c(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// Whether the checksum at `at` is that of all before it.
fn is_crc_right(bytes: &[u8], at: usize) -> bool {
    u32_at(bytes, at).is_some_and(|crc| bytes.get(..at).map(crc32c::crc32c) == Some(crc))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
