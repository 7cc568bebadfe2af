//! Space comes back, and a queue is read a part at a time.

use super::{SETTINGS, batch, done, message, open, queued, session};
use crate::segment::FrameHeader;
use crate::{Log, LogSettings, ReadLimit, Sequence, SessionKey, SimulatedDisk, Store as _};

#[test]
fn short_lives_take_no_space() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), session(1)]));
    for sequence in 0..2_000 {
        log.append(&batch(&[message(sequence, &[0], &[1; 100])]));
        log.sync().unwrap();
        log.append(&batch(&[done(0, sequence)]));
        log.sync().unwrap();
        let limit = u64::from(SETTINGS.segment_bytes) * 8;
        assert!(log.disk_bytes() < limit, "{sequence}: {}", log.disk_bytes());
    }
    let left: usize = disk.contents().values().map(Vec::len).sum();
    assert!(left < SETTINGS.segment_bytes as usize * 9, "{left}");
}

#[test]
fn stragglers_are_moved_and_keep_their_order() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), session(1)]));
    for sequence in 0..4_000 {
        // Every hundredth is for somebody who is away.
        let target = u64::from(sequence % 100 == 0);
        log.append(&batch(&[message(sequence, &[target], &[1; 100])]));
        if target == 0 {
            log.append(&batch(&[done(0, sequence)]));
        }
        log.sync().unwrap();
    }
    let expected: Vec<u64> = (0..4_000).step_by(100).collect();
    assert_eq!(queued(&mut log, 1), expected);
    let limit = log.live_bytes() * 2 + u64::from(SETTINGS.segment_bytes) * 6;
    assert!(log.disk_bytes() < limit, "{} of {limit}", log.disk_bytes());
    assert_eq!(queued(&mut open(&disk.cut_power(|| false)), 1), expected);
}

#[test]
fn a_segment_that_became_unreadable_stays_and_commits_go_on() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), session(1), message(0, &[1], &[1; 100])]));
    log.sync().unwrap();
    crate::Disk::write_at(&mut disk.clone(), 1, 250, b"rot").unwrap();
    for sequence in 1..200 {
        log.append(&batch(&[message(sequence, &[0], &[1; 100]), done(0, sequence)]));
        log.sync().unwrap();
    }
    assert!(log.is_stuck());
    assert!(disk.contents().contains_key(&1));
}

#[test]
fn a_queue_is_read_by_cursor() {
    let mut log = open(&SimulatedDisk::default());
    log.append(&batch(&[session(0)]));
    (0..50).for_each(|sequence| log.append(&batch(&[message(sequence, &[0], &[1; 100])])));
    log.sync().unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let limit = ReadLimit { messages: 7, bytes: 500 };
        let part = log.queue(SessionKey(0), after, limit).unwrap();
        assert!(part.len() <= 4, "{}", part.len());
        let Some(last) = part.last() else { break };
        after = Some(last.sequence);
        seen.extend(part.iter().map(|message| message.sequence));
    }
    assert_eq!(seen, (0..50).map(Sequence).collect::<Vec<_>>());
}

#[test]
fn a_large_batch_is_spread_over_frames() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    let records: Vec<_> = (0..2_000).map(|number| message(number, &[0], &[1; 1000])).collect();
    log.append(&batch(&[session(0)]));
    log.append(&batch(&records));
    log.append(&batch(&[message(2_000, &[0], &[1; 600_000]), message(2_001, &[0], &[1; 9])]));
    log.sync().unwrap();
    let (file, mut at, mut longest) = (disk.contents().remove(&1).unwrap(), 64, Vec::new());
    while let Some(frame) = FrameHeader::decode(&file[at..]) {
        longest.push(frame.payload_len);
        at = frame.end() as usize;
    }
    longest.sort_unstable();
    let one_record = longest.pop().unwrap();
    assert!((600_000..601_000).contains(&one_record), "{one_record}");
    assert!(longest.pop().unwrap() <= 256 << 10);
    assert_eq!(queued(&mut open(&disk), 0), (0..2_002).collect::<Vec<_>>());
}

#[test]
fn what_is_joined_is_there_as_a_whole_or_not() {
    let payload = [1; 200_000];
    let mut seen = Vec::new();
    for changes in 0..8 {
        let disk = SimulatedDisk::default();
        let mut log = open(&disk);
        log.append(&batch(&[session(0), message(0, &[0], &payload)]));
        let mut joined = batch(&[message(1, &[0], &payload)]);
        let from = joined.len();
        (2..4).for_each(|number| joined.push(&message(number, &[0], &payload)).unwrap());
        joined.join(from);
        joined.push(&message(4, &[0], &payload)).unwrap();
        log.append(&joined);
        disk.stop_after(changes);
        let _is_stopped = log.sync();
        disk.go_on();
        seen.push(queued(&mut open(&disk.cut_power(|| true)), 0).len());
    }
    seen.dedup();
    assert_eq!(seen, [0, 1, 2, 4, 5], "the process ended after each change of the disk");
}

/// What is written again is no news: it must not bring more of its kind.
#[test]
fn space_comes_back_in_small_steps() {
    let settings = LogSettings { segment_bytes: 4 << 20, ..SETTINGS };
    let (mut log, _) = Log::open(SimulatedDisk::default(), settings).unwrap();
    let payload = [1; 10_000];
    log.append(&batch(&[session(0), session(1)]));
    for sequence in 0..3_000 {
        // What stays comes first, and fills the first segments.
        let target = u64::from(sequence < 800);
        log.append(&batch(&[message(sequence, &[target], &payload)]));
        if target == 0 {
            log.append(&batch(&[done(0, sequence)]));
        }
        if sequence % 10 == 0 {
            log.sync().unwrap();
            assert!(log.unsynced() < 600_000, "{sequence}: {}", log.unsynced());
        }
    }
    let limit = log.live_bytes() * 2 + (5 << 22);
    assert!(log.disk_bytes() < limit, "{} of {limit}", log.disk_bytes());
}
