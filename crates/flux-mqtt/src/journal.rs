//! What is to outlive the process, on its way to the store: one list of records for all workers.
//!
//! Records are in the log in the order in which they were written here. So whoever writes down a change of a
//! session while its lock is held has it in the log as it was in memory; and a message that is written
//! down before it is offered stands before every step that is made with it. The lock of the journal is taken
//! inside all others, and nothing is called under it but the store's mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_session::Sequence;
use flux_storage::{Batch, MessageRecord, Record, Target, Ticket};

use crate::message::Message;
use crate::names::SessionKey;
use crate::storage::{content, key, sequence};
use crate::sync::{AtomicU64, Mutex};

/// The records that are not with the store yet, and how far it has come.
#[derive(Debug)]
pub(crate) struct Journal {
    open: Mutex<Open>,
    /// The ticket of the last record that was written; zero before the first.
    last: AtomicU64,
    /// The ticket of the last batch that the store was given.
    handed: AtomicU64,
    /// What has this ticket or an earlier one is safe.
    persisted: AtomicU64,
    /// What has this ticket could not be made safe. The store fails as long as it is not.
    failed: AtomicU64,
    /// The store takes no more for now.
    is_blocked: AtomicBool,
    /// There is a [`Together`]: whoever has it hands over later.
    is_joining: AtomicBool,
    /// How many bytes wait here.
    waiting: AtomicU64,
    /// Held while a topic's retained message is replaced and that is written down: both in one order.
    pub(crate) retaining: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    batch: Batch,
    /// The batch's, from 1.
    ticket: u64,
    next_sequence: Sequence,
    /// How many [`Together`] there are, and how long the batch was before the first of them.
    together: usize,
    joined_from: usize,
}

/// What is written while one of these is there goes to the store as one, and only afterwards: a crash leaves all
/// of it, or nothing. Whoever lets go of it gives the store what was written, at the end of its turn.
#[derive(Debug)]
pub(crate) struct Together(Arc<Journal>);

impl Drop for Together {
    fn drop(&mut self) {
        let mut open = self.0.open.lock();
        open.together -= 1;
        if open.together == 0 {
            let from = open.joined_from;
            open.batch.join(from);
            self.0.is_joining.store(false, Ordering::Release);
        }
    }
}

impl Journal {
    /// Returns a journal whose first message has this number.
    pub(crate) fn new(next_sequence: Sequence) -> Self {
        Self {
            open: Mutex::new(Open {
                batch: Batch::new(),
                ticket: 1,
                next_sequence,
                together: 0,
                joined_from: 0,
            }),
            last: AtomicU64::new(0),
            handed: AtomicU64::new(0),
            persisted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            is_blocked: AtomicBool::new(false),
            is_joining: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            retaining: Mutex::new(()),
        }
    }

    /// Writes something down.
    pub(crate) fn write(&self, record: &Record<'_>) {
        self.push(&mut self.open.lock(), record);
    }

    /// Writes several things down that belong together.
    pub(crate) fn write_all<'a>(&self, records: impl IntoIterator<Item = Record<'a>>) {
        let mut open = self.open.lock();
        for record in records {
            self.push(&mut open, &record);
        }
    }

    /// Has all that is written from now on, by whomever, go to the store as one.
    pub(crate) fn together(self: &Arc<Self>) -> Together {
        let mut open = self.open.lock();
        if open.together == 0 {
            open.joined_from = open.batch.len();
            self.is_joining.store(true, Ordering::Release);
        }
        open.together += 1;
        Together(self.clone())
    }

    /// Writes a message down, before it is offered to anybody, and returns its number. `receipt` is its publisher's
    /// session and packet identifier, at QoS 2.
    pub(crate) fn message(
        &self,
        message: &Message,
        is_retained: bool,
        receipt: Option<(SessionKey, flux_session::PacketId)>,
        targets: Vec<Target>,
    ) -> Sequence {
        let mut open = self.open.lock();
        let number = open.next();
        let further = targets.iter().map(|target| target.offset).max();
        open.skip(further.unwrap_or(0));
        self.push(
            &mut open,
            &Record::Message(MessageRecord {
                sequence: sequence(number),
                content: content(message),
                retained: is_retained,
                receipt: receipt.map(|(session, packet_id)| (key(session), packet_id)),
                targets,
            }),
        );
        number
    }

    /// Writes down that a QoS 2 message came which nobody keeps, and returns a number for it all the same.
    pub(crate) fn receipt(
        &self,
        session: SessionKey,
        packet_id: flux_session::PacketId,
    ) -> Sequence {
        let mut open = self.open.lock();
        let number = open.next();
        self.push(&mut open, &Record::ReceiptOpened { session: key(session), packet_id });
        number
    }

    /// Writes down that messages for a shared subscription are stored from now on, and says from which number on.
    pub(crate) fn group(
        &self,
        group: flux_storage::SessionKey,
        filter: &str,
        begin: impl FnOnce(Sequence),
    ) {
        let mut open = self.open.lock();
        self.push(&mut open, &Record::Group { group, filter });
        begin(open.next_sequence);
    }

    /// Writes down that a topic has no retained message any more.
    pub(crate) fn clear_retained(&self, topic: &str) {
        let mut open = self.open.lock();
        let number = sequence(open.next());
        self.push(&mut open, &Record::RetainedCleared { topic, sequence: number });
    }

    fn push(&self, open: &mut Open, record: &Record<'_>) {
        if open.batch.push(record).is_err() {
            // A packet is smaller than that.
            tracing::error!(
                help = "lower limits.packet_size",
                "a record is too long for the store, and is not written"
            );
        }
        self.last.store(open.ticket, Ordering::Release);
        self.note_waiting(open);
    }

    fn note_waiting(&self, open: &Open) {
        let waiting = u64::try_from(open.batch.len()).unwrap_or(u64::MAX);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Gives what was written to the store, which takes it out of the batch and says so, or cannot.
    pub(crate) fn hand_over(&self, take: impl FnOnce(Ticket, &mut Batch) -> bool) {
        if !self.wants_hand_over() {
            return;
        }
        let mut open = self.open.lock();
        if open.batch.is_empty() || open.together > 0 {
            return;
        }
        let ticket = open.ticket;
        // Before it is asked: its last answer may come right after.
        self.is_blocked.store(true, Ordering::Release);
        if take(Ticket(ticket), &mut open.batch) {
            self.is_blocked.store(false, Ordering::Release);
            self.handed.store(ticket, Ordering::Release);
            open.ticket += 1;
            self.note_waiting(&open);
        }
    }

    /// The same at the end: whether or not the store had taken no more.
    pub(crate) fn hand_over_all(&self, take: impl FnOnce(Ticket, &mut Batch) -> bool) {
        self.is_blocked.store(false, Ordering::Release);
        self.hand_over(take);
        if self.last() > self.handed.load(Ordering::Acquire) {
            tracing::error!(
                help = "make room on the disk before the next start",
                "the store did not take what was written last"
            );
        }
    }

    /// Whether something waits that the store may take.
    pub(crate) fn wants_hand_over(&self) -> bool {
        self.last() > self.handed.load(Ordering::Acquire)
            && !self.is_blocked.load(Ordering::Acquire)
            && !self.is_joining.load(Ordering::Acquire)
    }

    /// The store answered: what has this ticket or an earlier one is safe, or is not yet.
    pub(crate) fn answered(&self, ticket: Ticket, is_safe: bool) {
        // Workers hear of it in any order: an answer that comes late changes nothing.
        let highest = if is_safe { &self.persisted } else { &self.failed };
        highest.fetch_max(ticket.0, Ordering::AcqRel);
        self.is_blocked.store(false, Ordering::Release);
    }

    /// Returns the ticket of all that was written so far.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Returns up to which ticket all is safe.
    pub(crate) fn persisted(&self) -> u64 {
        self.persisted.load(Ordering::Acquire)
    }

    /// Whether publishers must be refused, for what they send could not be made safe or would not end here.
    pub(crate) fn refuses(&self) -> bool {
        self.failed.load(Ordering::Acquire) > self.persisted()
            || self.waiting.load(Ordering::Relaxed) >= REFUSED_FROM
    }

    /// Whether publishers are slowed: the store does not keep up.
    pub(crate) fn is_slow(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= SLOWED_FROM
    }
}

impl Open {
    fn next(&mut self) -> Sequence {
        let number = self.next_sequence;
        self.skip(1);
        number
    }

    fn skip(&mut self, count: u32) {
        self.next_sequence = Sequence(self.next_sequence.0.saturating_add(count.into()));
    }
}

/// So many bytes may wait for the store before publishers are slowed.
const SLOWED_FROM: u64 = 4 << 20;
/// And so many before they are refused.
const REFUSED_FROM: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn key() -> SessionKey {
        SessionKey(NonZeroU64::MIN)
    }

    #[test]
    fn a_store_fails_until_what_it_failed_with_is_safe_however_late_workers_hear_of_it() {
        let journal = Journal::new(Sequence(NonZeroU64::MIN));
        journal.answered(Ticket(2), true);
        assert!(!journal.refuses());
        journal.answered(Ticket(3), false);
        assert!(journal.refuses());
        journal.answered(Ticket(2), true);
        assert!(journal.refuses(), "another worker hears late of what was safe before");
        journal.answered(Ticket(4), true);
        assert!(!journal.refuses());
        journal.answered(Ticket(3), false);
        assert!(!journal.refuses(), "another worker hears late of what has passed");
    }

    #[test]
    fn what_belongs_together_goes_to_the_store_together() {
        let journal = Arc::new(Journal::new(Sequence(NonZeroU64::MIN)));
        let end = Record::SessionEnded { session: crate::storage::key(key()) };
        journal.write(&end);
        let first = journal.together();
        journal.write(&end);
        journal.hand_over(|_, _| panic!("something may be missing yet"));
        let second = journal.together();
        drop(first);
        journal.write(&end);
        journal.hand_over(|_, _| panic!("something may be missing yet"));
        drop(second);
        let mut expected = Batch::new();
        expected.push(&end).unwrap();
        let before = expected.len();
        expected.push(&end).unwrap();
        expected.push(&end).unwrap();
        expected.join(before);
        journal.hand_over(|_, batch| {
            assert_eq!(*batch, expected);
            true
        });
    }

    #[test]
    fn what_the_store_does_not_take_keeps_its_ticket() {
        let journal = Journal::new(Sequence(NonZeroU64::MIN));
        journal.hand_over(|_, _| panic!("there is nothing"));
        journal.write(&Record::SessionEnded { session: crate::storage::key(key()) });
        assert_eq!(journal.last(), 1);
        journal.hand_over(|_, _| false);
        assert!(!journal.wants_hand_over(), "not before the store has answered");
        journal.answered(Ticket(1), false);
        assert!(journal.refuses());
        journal.write(&Record::SessionEnded { session: crate::storage::key(key()) });
        let mut taken = 0;
        journal.hand_over(|ticket, batch| {
            assert_eq!(ticket, Ticket(1));
            taken = std::mem::take(batch).len();
            true
        });
        assert!(taken > 0);
        assert_eq!(journal.last(), 1, "nothing was written since");
        journal.answered(Ticket(1), true);
        assert_eq!(journal.persisted(), 1);
        assert!(!journal.refuses());
    }

    #[test]
    fn a_store_that_answers_while_it_is_asked_is_asked_again() {
        let journal = Journal::new(Sequence(NonZeroU64::MIN));
        journal.write(&Record::SessionEnded { session: crate::storage::key(key()) });
        journal.hand_over(|_, _| {
            journal.answered(Ticket(0), true);
            false
        });
        assert!(journal.wants_hand_over());
    }

    #[test]
    fn numbers_are_in_the_order_of_the_records() {
        let journal = Journal::new(Sequence(NonZeroU64::new(7).unwrap()));
        assert_eq!(journal.receipt(key(), flux_session::PacketId::MIN).0.get(), 7);
        journal.clear_retained("a");
        assert_eq!(journal.receipt(key(), flux_session::PacketId::MIN).0.get(), 9);
    }
}
