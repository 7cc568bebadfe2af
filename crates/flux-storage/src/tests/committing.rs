//! The thread: one sync for many batches, failures that are told once and made good.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use flux_time::Timings;

use super::{ALL, SETTINGS, batch, message, open, session};
use crate::{
    Batch, Committer, Completion, Disk as _, Durability, Fault, Log, LogSettings, NotTaken, Queued,
    ReadError, ReadLimit, Sequence, SessionKey, SimulatedDisk, Store, StoredGroup, StoredMessage,
    StoredSession, SyncError, Ticket,
};

fn start(store: impl Store + 'static, max_unsynced: usize) -> (Committer, Receiver<Completion>) {
    let (complete, completions) = sync_channel(10_000);
    let committer = Committer::start(store, 10_000, max_unsynced, move |completion| {
        complete.try_send(completion).expect("there is room for every completion");
    });
    (committer.unwrap(), completions)
}

/// Ends when the thread has made its next step, whatever it is.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        std::thread::yield_now();
    }
}

#[test]
fn many_batches_share_a_sync() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), usize::MAX);
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
    // A segment takes one more when it begins, and these are small.
    let syncs = disk.syncs() - before;
    assert!((groups..=groups * 2).contains(&syncs), "{syncs} syncs, {groups} groups");
    // The second shows that the round of the first is over.
    for ticket in [Ticket(6), Ticket(7)] {
        committer.read_queue(ticket, SessionKey(0), None, ALL).unwrap();
        let Completion::Queue { ticket: read, messages } = completions.recv().unwrap() else {
            panic!()
        };
        assert_eq!((read, messages.unwrap().len()), (ticket, 4_999));
    }
    assert_eq!(committer.health().commits.count(), groups, "who only reads commits nothing");
    let health = committer.health();
    assert_eq!((health.failure, health.unsynced), (None, 0));
    assert!(health.is_running && !health.is_stuck);
}

#[test]
fn what_the_disk_takes_is_timed_apart_from_commits() {
    // To disk each commit is a sync. What the system is handed is not synced before the next segment begins.
    for (durability, expected) in [(Durability::Disk, 3), (Durability::Os, 0)] {
        let disk = SimulatedDisk::default();
        let settings = LogSettings { segment_bytes: 1 << 20, durability, ..SETTINGS };
        let (log, _) = Log::open(disk.clone(), settings).unwrap();
        let (committer, completions) = start(log, usize::MAX);
        let (before, begun) = (disk.syncs(), committer.health().syncs.count());
        assert_eq!(begun, 4, "the files of a new log, and that they are there");
        for number in 0..3 {
            committer.append(Ticket(number), &mut batch(&[session(number)])).unwrap();
            completions.recv().unwrap();
        }
        let health = committer.health();
        assert_eq!((health.commits.count(), disk.syncs() - before), (3, expected));
        assert_eq!(health.syncs.count() - begun, expected, "{durability:?}");
    }
    // One that fails is waited for, too.
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), usize::MAX);
    let begun = committer.health().syncs.count();
    disk.set_fault(Fault::Sync);
    committer.append(Ticket(0), &mut batch(&[session(0)])).unwrap();
    completions.recv().unwrap();
    assert_eq!(committer.health().syncs.count() - begun, 1);
}

#[test]
fn a_failure_is_told_and_made_good() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), 300);
    disk.set_fault(Fault::Full);
    committer.append(Ticket(1), &mut batch(&[session(0)])).unwrap();
    let Completion::Failed { tickets, error: _ } = completions.recv().unwrap() else { panic!() };
    assert_eq!(tickets, [Ticket(1)]);
    let health = committer.health();
    assert!(health.failure.unwrap().error.contains("no storage space"), "{:?}", committer.health());
    assert!(health.unsynced > 0);
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
    let healed = until(|| Some(committer.health()).filter(|health| health.unsynced == 0));
    assert_eq!(healed.failure, None);
}

#[test]
fn batches_without_records_are_bounded_too() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), 1000);
    disk.set_fault(Fault::Full);
    committer.append(Ticket(0), &mut batch(&[session(0)])).unwrap();
    let mut told = 0;
    for number in 1..10_000 {
        if committer.append(Ticket(number), &mut Batch::new()) == Err(NotTaken) {
            break;
        }
        // The thread takes it before the next one comes.
        while told < number {
            let Completion::Failed { tickets, .. } = completions.recv().unwrap() else { panic!() };
            told = tickets.last().map_or(told, |ticket| ticket.0);
        }
    }
    assert!(told < 1000, "{told} tickets are kept");
}

/// All that is pending is written again, so that each batch that comes must not bring an attempt.
#[test]
fn attempts_keep_their_pace_while_the_disk_fails() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), usize::MAX);
    disk.set_fault(Fault::Sync);
    let before = disk.syncs();
    #[expect(
        clippy::disallowed_methods,
        reason = "the number of attempts is judged by the time it took"
    )]
    let watch = std::time::Instant::now();
    for number in 0..300 {
        committer.append(Ticket(number), &mut batch(&[session(0)])).unwrap();
        let told = completions.iter().find_map(|completion| match completion {
            Completion::Failed { tickets, .. } => tickets.contains(&Ticket(number)).then_some(()),
            Completion::Persisted(_) | Completion::Queue { .. } => panic!(),
        });
        told.unwrap();
    }
    let allowed = 1 + watch.elapsed().as_millis() / 500;
    let attempts = u128::from(disk.syncs() - before);
    assert!(attempts <= allowed, "{attempts} attempts");
}

#[test]
fn a_store_that_cannot_give_space_back_says_so() {
    let disk = SimulatedDisk::default();
    let mut log = open(&disk);
    log.append(&batch(&[session(0), session(1), message(0, &[1], &[1; 100])]));
    log.sync().unwrap();
    { disk }.write_at(1, 250, b"rot").unwrap();
    let (committer, completions) = start(log, usize::MAX);
    for number in 1..200 {
        let records = [message(number, &[0], &[1; 100]), super::done(0, number)];
        committer.append(Ticket(number), &mut batch(&records)).unwrap();
        completions.recv().unwrap();
    }
    until(|| committer.health().is_stuck.then_some(()));
}

/// Notes what was asked of it; each read, or each sync, waits until it may go on.
struct Watched {
    log: Log<SimulatedDisk>,
    hangs: bool,
    seen: Arc<Mutex<Vec<&'static str>>>,
    go_on: Receiver<()>,
}

impl Store for Watched {
    fn append(&mut self, batch: &Batch) {
        self.log.append(batch);
    }

    fn unsynced(&self) -> usize {
        self.log.unsynced()
    }

    fn sync_times(&self) -> Arc<Timings> {
        self.log.sync_times()
    }

    fn bytes_on_disk(&self) -> u64 {
        self.log.bytes_on_disk()
    }

    fn sync(&mut self) -> Result<(), SyncError> {
        if self.hangs {
            self.go_on.recv().unwrap();
        }
        if self.log.unsynced() > 0 {
            self.seen.lock().unwrap().push("sync");
        }
        self.log.sync()
    }

    fn is_stuck(&self) -> bool {
        false
    }

    fn sessions(
        &mut self,
        _: Option<SessionKey>,
        _: usize,
    ) -> Result<Vec<StoredSession>, ReadError> {
        Ok(Vec::new())
    }

    fn groups(&mut self) -> Result<Vec<StoredGroup>, ReadError> {
        Ok(Vec::new())
    }

    fn queue(
        &mut self,
        _: SessionKey,
        _: Option<Sequence>,
        _: ReadLimit,
    ) -> Result<Vec<Queued>, ReadError> {
        self.go_on.recv().unwrap();
        self.seen.lock().unwrap().push("read");
        Ok(Vec::new())
    }

    fn in_flight(&mut self, _: SessionKey) -> Result<Vec<Queued>, ReadError> {
        Ok(Vec::new())
    }

    fn retained(&mut self, _: Option<&str>, _: ReadLimit) -> Result<Vec<StoredMessage>, ReadError> {
        Ok(Vec::new())
    }

    fn next_sequence(&self) -> Sequence {
        Sequence(0)
    }

    fn next_session(&self) -> SessionKey {
        SessionKey(0)
    }

    fn next_group(&self) -> u32 {
        0
    }
}

#[test]
fn a_crowd_that_reads_does_not_keep_a_writer_waiting() {
    let (seen, (go, go_on)) = (Arc::new(Mutex::new(Vec::new())), sync_channel(1_000));
    let log = open(&SimulatedDisk::default());
    let store = Watched { log, hangs: false, seen: seen.clone(), go_on };
    let (committer, completions) = start(store, usize::MAX);
    for number in 0..500 {
        committer.read_queue(Ticket(number), SessionKey(0), None, ALL).unwrap();
        if number == 10 {
            committer.append(Ticket(1_000), &mut batch(&[session(0)])).unwrap();
        }
    }
    (0..500).for_each(|_| go.send(()).unwrap());
    let persisted = completions.iter().find(|c| matches!(c, Completion::Persisted(_)));
    persisted.unwrap();
    let reads = seen.lock().unwrap().iter().take_while(|what| **what == "read").count();
    assert!(reads <= 100, "{reads} reads went before");
}

#[test]
fn a_disk_that_hangs_is_seen_when_it_writes_and_when_it_reads() {
    let disk = SimulatedDisk::default();
    let (committer, completions) = start(open(&disk), usize::MAX);
    disk.set_fault(Fault::Hang);
    let mut records = batch(&[session(0), message(1, &[0], b"1")]);
    committer.append(Ticket(0), &mut records).unwrap();
    until(|| committer.health().waiting_for);
    disk.set_fault(Fault::None);
    assert!(matches!(completions.recv(), Ok(Completion::Persisted(_))));
    let commits = || committer.health().commits.count();
    assert_eq!((committer.health().waiting_for, commits()), (None, 1));
    disk.set_fault(Fault::Hang);
    committer.read_queue(Ticket(1), SessionKey(0), None, ALL).unwrap();
    until(|| committer.health().waiting_for);
    disk.set_fault(Fault::None);
    assert!(matches!(completions.recv(), Ok(Completion::Queue { .. })));
    until(|| committer.health().waiting_for.is_none().then_some(()));
    assert_eq!(commits(), 1, "who reads commits nothing");
}

#[test]
fn a_thread_that_is_gone_is_seen() {
    let log = Log::open(SimulatedDisk::default(), SETTINGS).unwrap().0;
    let committer = Committer::start(log, 10, 1000, |_| panic!("on purpose")).unwrap();
    committer.append(Ticket(0), &mut batch(&[session(0)])).unwrap();
    until(|| (!committer.health().is_running).then_some(()));
    assert_eq!(committer.append(Ticket(1), &mut batch(&[session(0)])), Err(NotTaken));
}
