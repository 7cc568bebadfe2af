//! The ledger says what is held, whichever threads wrote it down, and never more than there ever was.

use std::sync::Arc;

use shuttle::thread;

use super::sample;
use crate::ledger::{Account, Ledger};
use crate::names::WorkerId;
use crate::sync::Mutex;

/// What a session counts in each step of a thread.
const STEPS: [usize; 2] = [100, 30];

/// Some workers change what is held in one place, while somebody adds up.
fn race(workers: usize) {
    let ledger = Ledger::new(workers);
    let counted = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..workers)
        .map(|worker| {
            let (ledger, counted) = (ledger.clone(), counted.clone());
            thread::spawn(move || {
                Ledger::use_shard_of(WorkerId(worker));
                for held in STEPS {
                    ledger.change(Account::Sessions, &mut counted.lock(), held + worker);
                }
            })
        })
        .collect();
    let seen = ledger.sum(Account::Sessions);
    // What goes from one shard to another may be seen twice on its way, and no more often.
    assert!(seen <= 2 * 101 * workers as u64, "{seen}");
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ledger.sum(Account::Sessions), *counted.lock() as u64);
}

#[test]
fn the_ledger_is_what_two_workers_wrote_down() {
    sample(400, || race(2));
}
