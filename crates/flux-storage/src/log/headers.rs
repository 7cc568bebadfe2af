//! The chain of segments: each says in its first bytes which one comes before.

use std::collections::BTreeMap;
use std::io;

use super::open::{Cut, OpenError, Reading, Report, read_all};
use crate::disk::Disk;
use crate::scan::Segment;
use crate::segment::{Beginning, SegmentHeader};

/// The segments of which something counts, and the others.
#[derive(Default)]
pub(super) struct Headers {
    pub(super) counting: BTreeMap<u32, SegmentHeader>,
    pub(super) others: Vec<u32>,
}

impl Headers {
    /// Reads the first bytes of every file, latest first.
    pub(super) fn read<D: Disk>(
        disk: &mut D,
        reading: Reading,
        report: &mut Report,
    ) -> Result<Self, OpenError> {
        let is_strict = reading != Reading::Salvage;
        let (mut headers, mut blank) = (Self::default(), None);
        for number in disk.list()?.into_iter().rev() {
            let after = headers.counting.first_key_value().map(|(_, header)| *header);
            let previous = after.map_or(number, |after| after.previous);
            if number > previous {
                headers.others.push(number);
                continue;
            }
            if number < previous && is_strict {
                return Err(OpenError::Missing { segment: previous });
            }
            match SegmentHeader::decode(&read_front(disk, number)?) {
                Beginning::Version(version) => {
                    return Err(OpenError::FutureVersion { segment: number, version });
                }
                Beginning::Header(header)
                    if header.segment == number
                        && after.is_none_or(|after| after.log_id == header.log_id) =>
                {
                    headers.counting.insert(number, header);
                }
                Beginning::Blank if after.is_none() => {
                    blank.get_or_insert(number);
                }
                Beginning::Header(_) | Beginning::Blank | Beginning::Damaged => {
                    if is_strict {
                        return Err(OpenError::Damaged { segment: number, offset: 0 });
                    }
                    report.lost += disk.len(number)?;
                }
            }
        }
        if let Some(number) = blank {
            headers.look_at_blank(disk, number, reading, report)?;
        }
        if is_strict {
            headers.check_note(disk)?;
        }
        Ok(headers)
    }

    /// A segment without header at the end was never synced, unless one of its frames or the note says
    /// that it was.
    fn look_at_blank<D: Disk>(
        &self,
        disk: &mut D,
        number: u32,
        reading: Reading,
        report: &mut Report,
    ) -> Result<(), OpenError> {
        let log_id = self.counting.values().next().map(|header| header.log_id);
        let bytes = read_all(disk, number)?;
        let segment = Segment { bytes: &bytes, log_id, number, limit: None };
        let is_noted = disk.noted()?.is_some_and(|noted| noted >= number);
        let len = disk.len(number)?;
        match reading {
            Reading::Salvage if is_noted || segment.proves(0) => report.lost += len,
            Reading::Strict | Reading::View if is_noted || segment.proves(0) => {
                return Err(OpenError::Damaged { segment: number, offset: 0 });
            }
            Reading::Strict | Reading::View | Reading::Salvage => {
                report.cut = Some(Cut { segment: number, offset: 0, bytes: len });
            }
        }
        Ok(())
    }

    /// Without the note nobody would miss the newest segments.
    fn check_note<D: Disk>(&self, disk: &mut D) -> Result<(), OpenError> {
        let newest = self.counting.last_key_value().map_or(0, |(newest, _)| *newest);
        match disk.noted()?.filter(|noted| *noted > newest) {
            Some(segment) => Err(OpenError::Missing { segment }),
            None => Ok(()),
        }
    }
}

fn read_front<D: Disk>(disk: &mut D, number: u32) -> io::Result<Vec<u8>> {
    let len = usize::try_from(disk.len(number)?.min(64)).map_err(io::Error::other)?;
    let mut bytes = vec![0; len];
    disk.read_at(number, 0, &mut bytes)?;
    Ok(bytes)
}
