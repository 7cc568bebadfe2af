//! What a process finds when it starts: half a segment, records it does not know, many short lives before it.

use std::collections::BTreeMap;

use super::random::Random;
use super::world::World;
use super::{SETTINGS, batch, done, message, open, queued, session};
use crate::segment::{FrameHeader, NextNumbers, SEGMENT_HEADER_LEN, SegmentHeader};
use crate::{Fault, Log, OpenError, ReadLimit, SimulatedDisk, Store as _, View};

#[test]
fn half_a_header_at_the_end_is_a_torn_tail() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), message(0, &[0], b"kept")]));
    log.sync().unwrap();
    let world = World::read(&mut log);
    let header = disk.contents()[&1][..64].to_vec();
    for len in 0..64 {
        let mut files = disk.contents();
        files.insert(2, header[..len].to_vec());
        let opened = Log::open(SimulatedDisk::with_contents(files), SETTINGS);
        let (mut log, report) = opened.unwrap_or_else(|error| panic!("{len}: {error:?}"));
        assert_eq!(World::read(&mut log), world);
        assert_eq!(report.cut.map(|cut| (cut.segment, cut.bytes)), Some((2, len as u64)));
    }
}

#[test]
fn a_process_may_end_while_the_disk_is_full() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), message(0, &[0], b"kept")]));
    log.sync().unwrap();
    disk.set_fault(Fault::Full);
    for sequence in 1..3 {
        log.append(&batch(&[message(sequence, &[0], b"lost")]));
        log.sync().unwrap_err();
        disk.set_fault(Fault::None);
        assert_eq!(queued(&mut open(&disk.cut_power(|| true)), 0)[0], 0);
        disk.set_fault(Fault::Full);
    }
}

#[test]
fn a_record_that_is_not_known_is_refused() {
    let header = SegmentHeader {
        log_id: 7,
        segment: 1,
        previous: 0,
        previous_end: 0,
        floor: 1,
        next: NextNumbers::default(),
    };
    // Length of the record, length of its head, checksum, and a kind that may come one day.
    let mut payload = batch(&[session(0)]).as_bytes().to_vec();
    payload.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    payload.extend(crc32c::crc32c(&[99]).to_le_bytes());
    payload.push(99);
    payload.extend(batch(&[message(0, &[0], b"behind it")]).as_bytes());
    let frame = FrameHeader {
        log_id: 7,
        segment: 1,
        offset: SEGMENT_HEADER_LEN,
        payload_len: u32::try_from(payload.len()).unwrap(),
        payload_crc: crc32c::crc32c(&payload),
        synced_to: 0,
    };
    let end = frame.end();
    let mark = FrameHeader { offset: end, payload_len: 0, payload_crc: 0, synced_to: end, ..frame };
    for is_proven in [false, true] {
        let mut bytes = [header.encode(), frame.encode(), payload.clone()].concat();
        if is_proven {
            bytes.extend(mark.encode());
        }
        let disk = SimulatedDisk::with_contents(BTreeMap::from([(1, bytes)]));
        let opened = Log::open(disk, SETTINGS);
        let Err(OpenError::UnknownRecord { segment: 1, offset }) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(offset, 64 + 36 + u32::try_from(batch(&[session(0)]).len()).unwrap());
    }
}

#[test]
fn processes_with_short_lives_do_not_fill_the_directory() {
    let mut disk = SimulatedDisk::default();
    let mut log = open(&disk);
    // What stays keeps the first segment, unless it is moved.
    log.append(&batch(&[session(0), message(1_000, &[0], b"stays")]));
    log.sync().unwrap();
    drop(log);
    for sequence in 0..300 {
        let mut log = open(&disk);
        log.append(&batch(&[message(sequence, &[0], b"1"), done(0, sequence)]));
        // As the committer does: once more when there was nothing to do, and at the end.
        log.sync().unwrap();
        log.sync().unwrap();
        drop(log);
        disk = disk.cut_power(|| true);
    }
    let files = disk.contents().len();
    assert!(files < 40, "{files} files");
    assert_eq!(queued(&mut open(&disk), 0), [1_000]);
}

/// A killed process leaves what it wrote to the system, which may still lose it.
#[test]
fn a_power_cut_may_follow_upon_a_killed_process() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let disk = SimulatedDisk::default();
        let mut next = 0;
        for _ in 0..12 {
            let mut log = open(&disk);
            log.append(&batch(&[session(0)]));
            for _ in 0..random.below(30) {
                log.append(&batch(&[message(next, &[0], &[1; 100])]));
                next += 1;
                if next > 3 {
                    log.append(&batch(&[done(0, next - 4)]));
                }
                log.sync().unwrap();
            }
            drop(log);
            let synced = queued(&mut open(&disk), 0);
            let kept = random.below(101);
            let left = disk.cut_power(|| random.percent(kept));
            let opened = Log::open(left, SETTINGS);
            let (mut log, _) = opened.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
            assert_eq!(queued(&mut log, 0), synced, "seed {seed}");
        }
    }
}

#[test]
fn a_view_shows_what_a_broker_would_find_and_changes_nothing() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0)]));
    (0..60).for_each(|sequence| log.append(&batch(&[message(sequence, &[0], &[1; 90])])));
    log.sync().unwrap();
    drop(log);
    let mut files = disk.contents();
    // The mark is gone, so nothing says that the last group was synced; and half a frame follows.
    let last = files.values_mut().next_back().unwrap();
    last.truncate(last.len() - 36);
    last.extend(*b"\xf1UXF half a frame");
    let disk = SimulatedDisk::with_contents(files.clone());
    disk.stop_after(0);
    let (mut view, report) = View::open(disk.clone()).unwrap();
    assert_eq!((report.sessions, report.queued), (1, 60));
    assert_eq!(report.cut.map(|cut| cut.bytes), Some(17));
    let all = ReadLimit { messages: 100, bytes: usize::MAX };
    assert_eq!(view.queue(crate::SessionKey(0), None, all).unwrap().len(), 60);
    assert_eq!(disk.contents(), files);
    disk.go_on();
    assert_eq!(queued(&mut open(&disk), 0).len(), 60);
}
