//! The ledger says what is held, whichever threads wrote it down, and never more than there ever was.

use std::sync::Arc;

use shuttle::thread;

use super::sample;
use crate::ledger::{Account, Ledger};
use crate::names::WorkerId;
use crate::sync::Mutex;

/// What a session counts in each step of a thread.
const STEPS: [usize; 2] = [100, 30];

/// Some threads change what is held, each in one place of its own and in one that they share, while
/// somebody adds up. Without a shard of their own they share one.
fn race(threads: usize, has_shards: bool) {
    let ledger = Ledger::new(threads);
    let shared = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..threads)
        .map(|number| {
            let (ledger, shared) = (ledger.clone(), shared.clone());
            thread::spawn(move || {
                if has_shards {
                    Ledger::use_shard_of(WorkerId(number));
                }
                let mut own = 0;
                for held in STEPS {
                    ledger.change(Account::Sessions, &mut own, held);
                    ledger.change(Account::Sessions, &mut shared.lock(), held + number);
                }
                own
            })
        })
        .collect();
    // What goes from one shard to another may be seen twice on its way, and no more often.
    let most = 4 * 101 * threads.len() as u64;
    assert!(ledger.sum(Account::Sessions) <= most);
    let own: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let held = own + *shared.lock();
    assert_eq!(ledger.sum(Account::Sessions), held as u64);
}

#[test]
fn the_ledger_is_what_workers_wrote_down() {
    sample(400, || race(2, true));
}

#[test]
fn the_ledger_is_what_threads_wrote_down_that_are_no_workers() {
    sample(400, || race(2, false));
}
