//! The thread: one sync for many batches, failures that are told once and made good.

use std::sync::mpsc::{Receiver, sync_channel};

use super::{ALL, batch, message, open, session};
use crate::{Committer, Completion, Fault, NotTaken, SessionKey, SimulatedDisk, Ticket};

fn start(disk: &SimulatedDisk, max_unsynced: usize) -> (Committer, Receiver<Completion>) {
    let (complete, completions) = sync_channel(10_000);
    let log = open(disk);
    let committer = Committer::start(log, 10_000, max_unsynced, move |completion| {
        complete.try_send(completion).expect("there is room for every completion");
    });
    (committer.unwrap(), completions)
}

#[test]
fn many_batches_share_a_sync() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(&disk, usize::MAX);
    let before = disk.syncs();
    committer.append(Ticket(0), &mut batch(&[session(0)])).unwrap();
    for number in 1..5_000 {
        committer.append(Ticket(number), &mut batch(&[message(number, &[0], b"1")])).unwrap();
    }
    let (mut persisted, mut groups) = (Vec::new(), 0);
    while persisted.len() < 5_000 {
        let Completion::Persisted(tickets) = completions.recv().unwrap() else { panic!() };
        persisted.extend(tickets);
        groups += 1;
    }
    assert_eq!(persisted, (0..5_000).map(Ticket).collect::<Vec<_>>());
    assert_eq!(disk.syncs() - before, groups);
    committer.read_queue(Ticket(7), SessionKey(0), None, ALL).unwrap();
    let Completion::Queue { ticket: Ticket(7), messages } = completions.recv().unwrap() else {
        panic!()
    };
    assert_eq!(messages.unwrap().len(), 4_999);
}

#[test]
fn a_failure_is_told_and_made_good() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(&disk, 300);
    disk.set_fault(Fault::Full);
    committer.append(Ticket(1), &mut batch(&[session(0)])).unwrap();
    let Completion::Failed { tickets, error: _ } = completions.recv().unwrap() else { panic!() };
    assert_eq!(tickets, [Ticket(1)]);
    // Memory stays bounded while nothing can be written.
    let taken = (2..100).take_while(|number| {
        let appended = committer.append(Ticket(*number), &mut batch(&[session(0)]));
        appended != Err(NotTaken)
    });
    assert!(taken.count() < 12);
    let mut not_taken = batch(&[session(0)]);
    assert_eq!(committer.append(Ticket(100), &mut not_taken), Err(NotTaken));
    assert_eq!(not_taken, batch(&[session(0)]), "its records are not lost");
    disk.set_fault(Fault::None);
    let made_good = completions.iter().find_map(|completion| match completion {
        Completion::Persisted(tickets) => Some(tickets),
        Completion::Failed { .. } | Completion::Queue { .. } => None,
    });
    assert_eq!(made_good.unwrap().first(), Some(&Ticket(1)));
}
