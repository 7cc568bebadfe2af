//! A disk that is full, a sync that fails.

use super::{batch, done, message, open, queued, session};
use crate::{Fault, Store as _};

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
