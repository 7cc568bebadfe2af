//! Damage is found, wherever it is; a torn tail is not damage; a salvage reads the rest.

use std::collections::BTreeMap;

use super::random::Random;
use super::world::World;
use super::{SETTINGS, batch, message, open, queued, session};
use crate::log::salvage;
use crate::{Log, OpenError, ReadError, SimulatedDisk, Store as _};

/// A log of several segments whose last group is synced, and said to be.
fn small_log() -> (SimulatedDisk, World) {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), session(1)]));
    log.sync().unwrap();
    for sequence in 0..30 {
        log.append(&batch(&[message(sequence, &[0, 1], &[7; 90])]));
        log.sync().unwrap();
    }
    assert!(log.segments() >= 3, "{}", log.segments());
    let world = World::read(&mut log);
    (disk, world)
}

#[test]
fn every_flipped_byte_is_refused_or_costs_nothing() {
    let (disk, world) = small_log();
    let files = disk.contents();
    let (mut refused, mut harmless) = (0, 0);
    for (file, bytes) in &files {
        for at in 0..bytes.len() {
            let mut files = files.clone();
            files.get_mut(file).unwrap()[at] ^= 1 << (at % 8);
            match Log::open(SimulatedDisk::with_contents(files), SETTINGS) {
                Err(OpenError::Damaged { segment, .. }) => {
                    assert_eq!(segment, *file, "{at}");
                    refused += 1;
                }
                Err(other) => panic!("{file}, {at}: {other:?}"),
                Ok((mut log, _)) => {
                    assert_eq!(World::read(&mut log), world, "{file}, {at}");
                    harmless += 1;
                }
            }
        }
    }
    // Harmless: a mark that nothing follows in its segment.
    assert!(harmless <= 36 * files.len() && refused > 3_000, "{harmless}, {refused}");
}

#[test]
fn a_group_that_no_mark_follows_is_cut() {
    let (disk, world) = small_log();
    let mut torn = disk.contents();
    let last = *torn.keys().last().unwrap();
    let disk = SimulatedDisk::with_contents(torn.clone());
    let mut log = open(&disk);
    log.append(&batch(&[message(30, &[0], &[7; 300])]));
    log.sync().unwrap();
    let (segment, bytes) = disk.contents().into_iter().next_back().unwrap();
    assert_eq!(segment, last + 1, "what was opened is not written to any more");
    for len in 64..bytes.len() - 36 {
        torn.insert(segment, bytes[..len].to_vec());
        let left = SimulatedDisk::with_contents(torn.clone());
        let (mut log, report) =
            Log::open(left, SETTINGS).unwrap_or_else(|e| panic!("{len}: {e:?}"));
        assert_eq!(World::read(&mut log), world, "{len}");
        assert_eq!(report.cut.map(|cut| cut.bytes), (len > 64).then_some(len as u64 - 64));
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let (disk, _) = small_log();
    let files = disk.contents();
    // Nobody misses the last one.
    for file in files.keys().rev().skip(1) {
        let mut files = files.clone();
        files.remove(file);
        let opened = Log::open(SimulatedDisk::with_contents(files), SETTINGS);
        assert!(
            matches!(opened, Err(OpenError::Missing { segment }) if segment == *file),
            "{file}: {opened:?}"
        );
    }
}

#[test]
fn a_future_version_and_a_foreign_file_are_refused() {
    let (disk, _) = small_log();
    let mut files = disk.contents();
    let first = files.get_mut(&1).unwrap();
    first[8] = 4;
    let crc = crc32c::crc32c(&first[..12]).to_le_bytes();
    first[12..16].copy_from_slice(&crc);
    let opened = Log::open(SimulatedDisk::with_contents(files), SETTINGS);
    let Err(error @ OpenError::FutureVersion { segment: 1, version: 4 }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(error.to_string(), "segment 1 has format version 4, this program knows version 3");
    let foreign = BTreeMap::from([(1, vec![b'x'; 200])]);
    let opened = Log::open(SimulatedDisk::with_contents(foreign), SETTINGS);
    assert!(matches!(opened, Err(OpenError::Damaged { segment: 1, offset: 0 })), "{opened:?}");
}

#[test]
fn a_salvage_loses_only_what_is_damaged() {
    let (disk, _) = small_log();
    let files = disk.contents();
    let mut random = Random(1);
    for _ in 0..200 {
        let mut files = files.clone();
        // Not where the sessions are.
        let file = 2 + u32::try_from(random.below(files.len() as u64 - 1)).unwrap();
        let bytes = files.get_mut(&file).unwrap();
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        bytes[at] ^= 0x40;
        let into = SimulatedDisk::default();
        let damaged = SimulatedDisk::with_contents(files);
        let (mut log, _) = salvage(damaged, into.clone(), SETTINGS).unwrap();
        let left = queued(&mut log, 0);
        // A header takes its segment along, anything else one group.
        assert!(left.len() >= if at < 64 { 10 } else { 29 }, "{file}, {at}: {left:?}");
        assert_eq!(queued(&mut log, 1), left);
        drop(log);
        assert_eq!(queued(&mut open(&into.cut_power(|| false)), 1), left);
    }
}

#[test]
fn a_body_that_changed_since_is_not_delivered() {
    let (disk, _) = small_log();
    let mut log = open(&disk);
    let mut files = disk.contents();
    let bytes = files.get_mut(&2).unwrap();
    bytes[200] ^= 1;
    crate::Disk::write_at(&mut { disk }, 2, 0, bytes).unwrap();
    let read = log.queue(crate::SessionKey(0), None, super::ALL);
    assert!(matches!(read, Err(ReadError::Damaged { segment: 2, .. })), "{read:?}");
}
