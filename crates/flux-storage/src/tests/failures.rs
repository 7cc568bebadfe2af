//! A disk that is full, a sync that fails, a directory that is taken.

use super::{SETTINGS, batch, done, message, open, queued, session};
use crate::{Directory, Fault, Log, OpenDirectoryError, Store as _};

#[test]
fn what_failed_is_written_again() {
    for fault in [Fault::Full, Fault::Sync] {
        let disk = crate::SimulatedDisk::default();
        let mut log = open(&disk);
        log.append(&batch(&[session(0), message(0, &[0], b"before")]));
        log.sync().unwrap();
        disk.set_fault(fault);
        for sequence in 1..4 {
            log.append(&batch(&[message(sequence, &[0], b"meanwhile")]));
            let error = log.sync().unwrap_err();
            assert_eq!(error.unsynced, log.unsynced());
            assert_eq!(queued(&mut log, 0), [0], "what is not durable is not there");
        }
        let lost = open(&{
            disk.set_fault(Fault::None);
            disk.cut_power(|| false)
        });
        assert_eq!(queued(&mut { lost }, 0), [0], "{fault:?}");
        log.append(&batch(&[done(0, 0)]));
        log.sync().unwrap();
        assert_eq!(log.unsynced(), 0);
        assert_eq!(queued(&mut log, 0), [1, 2, 3]);
        // Not a sector of the failed attempts is needed.
        assert_eq!(queued(&mut open(&disk.cut_power(|| false)), 0), [1, 2, 3], "{fault:?}");
        assert_eq!(queued(&mut open(&disk.cut_power(|| true)), 0), [1, 2, 3], "{fault:?}");
    }
}

#[test]
fn a_directory_keeps_what_was_synced_and_has_one_owner() {
    let path = std::env::temp_dir().join(format!("flux-storage-{}", std::process::id()));
    let (mut log, report) = Log::open(Directory::open(&path).unwrap(), SETTINGS).unwrap();
    assert_eq!(report.messages, 0);
    for sequence in 0..100 {
        log.append(&batch(&[session(0), message(sequence, &[0], &[1; 100])]));
        log.sync().unwrap();
    }
    let second = Directory::open(&path).unwrap_err();
    assert!(matches!(second, OpenDirectoryError::InUse { .. }), "{second}");
    drop(log);
    let (mut log, report) = Log::open(Directory::open(&path).unwrap(), SETTINGS).unwrap();
    assert_eq!((report.queued, report.cut, report.resynced), (100, None, 0));
    let queue = log.queue(crate::SessionKey(0), None, super::ALL).unwrap();
    assert!(queue.iter().all(|message| message.content.as_ref().unwrap().payload[..] == [1; 100]));
    drop(log);
    std::fs::remove_dir_all(path).unwrap();
}
