//! From files to a log: what is there, what was cut, and what is refused.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::headers::Headers;
use super::write::Pending;
use super::{Log, LogSettings, Reclaim};
use crate::disk::Disk;
use crate::index::{Index, Place};
use crate::record::{Record, SessionKey};
use crate::scan::{Scan, Segment};
use crate::segment::{NextNumbers, VERSION};
use crate::store::{Store as _, SyncError};

/// What was found when a log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sessions.
    pub sessions: usize,
    /// Shared subscriptions that messages are stored for.
    pub groups: usize,
    /// Messages that somebody is still to get, or that are retained.
    pub messages: usize,
    /// Entries of all queues.
    pub queued: u64,
    /// Retained messages.
    pub retained: usize,
    /// What was left of a group that was never synced, and is not there any more.
    pub cut: Option<Cut>,
    /// Bytes that were written, perhaps not synced, and are now.
    pub resynced: usize,
    /// Damaged bytes that a salvage left out.
    pub lost: u64,
}

/// A torn tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// In which segment.
    pub segment: u32,
    /// From where on.
    pub offset: u32,
    /// How many bytes.
    pub bytes: u64,
}

/// Why a log is not opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The disk refuses.
    #[error("cannot read the log")]
    Io(#[from] io::Error),
    /// What the last process had written could not be made durable.
    #[error("cannot secure the end of the log")]
    Sync(#[from] SyncError),
    /// A newer program wrote it.
    #[error("segment {segment} has format version {version}, this program knows version {VERSION}")]
    FutureVersion {
        /// The segment.
        segment: u32,
        /// Its version.
        version: u32,
    },
    /// Bytes that had been synced are not as they were written.
    #[error("segment {segment} is damaged at {offset}, before the end of what was synced")]
    Damaged {
        /// The segment.
        segment: u32,
        /// Where.
        offset: u32,
    },
    /// A record is as it was written, and says nothing to this program.
    #[error("segment {segment} has a record at {offset} that this program does not know")]
    UnknownRecord {
        /// The segment.
        segment: u32,
        /// Where.
        offset: u32,
    },
    /// A file is gone.
    #[error("segment {segment} is missing")]
    Missing {
        /// The segment.
        segment: u32,
    },
}

impl<D: Disk> Log<D> {
    /// Opens the log on a disk, or begins one if there is no file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is damaged, or comes from a newer program. It never begins anew
    /// over something that it does not understand.
    pub fn open(disk: D, settings: LogSettings) -> Result<(Self, Report), OpenError> {
        let (mut log, mut report, tail) = recover(disk, settings, Reading::Strict)?;
        if log.segments.is_empty() {
            log.begin_log()?;
        }
        log.pending = tail;
        log.pending.keep_together();
        report.resynced = log.unsynced();
        log.sync()?;
        log.index.finish();
        log.count(&mut report);
        Ok((log, report))
    }

    pub(super) fn count(&self, report: &mut Report) {
        report.groups = self.index.sessions.range(SessionKey::of_group(0)..).count();
        report.sessions = self.index.sessions.len() - report.groups;
        report.messages = self.index.messages.len();
        report.queued = self.index.queued();
        report.retained = self.index.retained.len();
    }
}

/// Writes all that can be read of a damaged log to an empty disk.
///
/// What ended in a damaged part may be there again, and what began there is not.
///
/// # Errors
///
/// When a disk refuses, the log comes from a newer program, or `into` is not empty.
pub fn salvage<D: Disk, E: Disk>(
    damaged: D,
    into: E,
    settings: LogSettings,
) -> Result<(Log<E>, Report), OpenError> {
    if !into.list()?.is_empty() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
    }
    let (mut old, report, _) = recover(damaged, settings, Reading::Salvage)?;
    old.index.finish();
    let (mut new, _) = Log::open(into, settings)?;
    new.index.begin();
    let mut numbers: Vec<u32> = old.segments.keys().copied().collect();
    numbers.sort_unstable();
    for number in numbers {
        old.copy_living(number, &mut new)?;
    }
    new.index.go_on_from(old.index.next_numbers(), 0);
    new.sync()?;
    new.index.finish();
    let mut report = report;
    new.count(&mut report);
    Ok((new, report))
}

/// What to do about damage, and about what nobody proves to be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Damage is refused, the rest written again.
    Strict,
    /// Damage is refused, the rest counts as it is.
    View,
    /// Damage is left out, the rest counts as it is.
    Salvage,
}

/// Reads every segment. The last value is what was written after the last sync that is certain.
pub(super) fn recover<D: Disk>(
    mut disk: D,
    settings: LogSettings,
    reading: Reading,
) -> Result<(Log<D>, Report, Pending), OpenError> {
    let mut report = Report::default();
    let Headers { counting: headers, others } = Headers::read(&mut disk, reading, &mut report)?;
    let log_id = headers.values().next().map_or(settings.new_log_id, |header| header.log_id);
    let mut index = Index::default();
    index.begin();
    let mut segments: BTreeMap<u32, u32> = others.into_iter().map(|number| (number, 0)).collect();
    let mut tail = Pending::default();
    for (number, header) in &headers {
        let next = headers.range(number + 1..).next().map(|(_, next)| next);
        let limit = next.filter(|next| next.previous == *number).map(|next| next.previous_end);
        let bytes = read_all(&mut disk, *number)?;
        let segment = Segment { bytes: &bytes, log_id: Some(log_id), number: *number, limit };
        let scan = segment.scan(reading == Reading::Salvage);
        match scan.damage {
            Some(offset) if reading != Reading::Salvage => {
                return Err(OpenError::Damaged { segment: *number, offset });
            }
            Some(_) => report.lost += scan.lost,
            None if scan.lost > 0 => {
                report.cut = Some(Cut { segment: *number, offset: scan.end, bytes: scan.lost });
            }
            None => {}
        }
        index.go_on_from(header.next, header.floor);
        let end = match reading {
            Reading::Strict => limit.unwrap_or(scan.synced_to),
            Reading::View | Reading::Salvage => scan.end,
        };
        let unknown = read_frames(segment, &scan, end, &mut index, &mut tail);
        match unknown.first() {
            Some((offset, _)) if reading != Reading::Salvage => {
                return Err(OpenError::UnknownRecord { segment: *number, offset: *offset });
            }
            Some(_) | None => {
                report.lost += unknown.iter().map(|(_, len)| u64::from(*len)).sum::<u64>();
            }
        }
        // Nothing is certain of it, not even how it begins.
        segments.insert(*number, end);
    }
    let first = segments.keys().next().copied().unwrap_or_default();
    if first > index.floor.max(1) && reading != Reading::Salvage {
        return Err(OpenError::Missing { segment: index.floor.max(1) });
    }
    let reclaim = Reclaim::default();
    let segment_bytes = settings.segment_bytes.min(1 << 30);
    let settings = LogSettings { segment_bytes, ..settings };
    let pending = Pending::default();
    let sync_times = Arc::default();
    let log = Log {
        disk,
        settings,
        log_id,
        index,
        segments,
        current: None,
        pending,
        reclaim,
        sync_times,
    };
    Ok((log, report, tail))
}

/// Applies what is certain, and keeps the rest. Returns where records stand that are as they were written and
/// cannot be read, and how many bytes are left of their frames.
fn read_frames(
    segment: Segment<'_>,
    scan: &Scan,
    end: u32,
    index: &mut Index,
    tail: &mut Pending,
) -> Vec<(u32, u32)> {
    let mut unknown = Vec::new();
    for frame in &scan.frames {
        let is_certain = frame.offset < end;
        let mut known_to = frame.end() - frame.payload_len;
        for (offset, encoded) in segment.records(*frame) {
            known_to = offset.saturating_add(encoded.len);
            let place = Place { segment: segment.number, offset, len: encoded.head_len };
            match encoded.record {
                // The sync may have succeeded, and segments may be gone because of it.
                Record::Floor { segment } if !is_certain => {
                    index.go_on_from(NextNumbers::default(), segment);
                }
                record if is_certain => index.apply(&record, place),
                _ => {}
            }
        }
        if known_to < frame.end() {
            unknown.push((known_to, frame.end() - known_to));
        }
        if !is_certain {
            tail.push(segment.payload(*frame));
        }
    }
    unknown
}

pub(super) fn read_all<D: Disk>(disk: &mut D, number: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(disk.len(number)?).map_err(io::Error::other)?];
    disk.read_at(number, 0, &mut bytes)?;
    Ok(bytes)
}
