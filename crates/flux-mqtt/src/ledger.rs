//! How many bytes the broker holds for its clients, all together.
//!
//! Whoever locks a session or a shared subscription writes down, when it lets go, by how much what
//! is held there has changed. Each worker has a shard of its own for that, so that no line of the
//! cache is shared for it; who wants the sum adds the shards up.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::names::WorkerId;
use crate::sync::{AtomicU64, thread_local};

/// The bytes that a broker holds for its clients, at one moment, by where they are.
///
/// A message counts its topic, properties and payload, and what its place costs, in each place that it
/// stands in, though the places may share one copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdings {
    /// Sessions, whether or not their clients are connected: what waits in them, what was sent and is
    /// not acknowledged, their wills, client identifiers and subscriptions, and what they cost besides
    /// ([`SESSION_OVERHEAD`](flux_session::SESSION_OVERHEAD)).
    pub sessions: u64,
    /// What waits in shared subscriptions for a member with room.
    pub shared: u64,
    /// Retained messages, with the levels of their topics.
    pub retained: u64,
    /// What connections do not take as fast as it comes, deliveries and answers: of those that had more
    /// unsent than [`Settings::unsent_for_deliveries`](crate::Settings::unsent_for_deliveries) when it
    /// was last looked at, all of it.
    pub unsent: u64,
    /// What came of packets that are not complete, or not handled yet: of connections that hold back
    /// 16 KiB or more, all of it; and each CONNECT that is being decided about, with what its client sent since to prove who
    /// it is.
    pub unread: u64,
}

impl Holdings {
    /// Returns the sum.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { sessions, shared, retained, unsent, unread } = *self;
        let waiting = sessions.saturating_add(shared).saturating_add(retained);
        waiting.saturating_add(unsent).saturating_add(unread)
    }
}

/// Where bytes are held that somebody writes down. (Retained messages are counted by their store.)
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    Sessions,
    Shared,
    Unsent,
    Unread,
}

/// What is held, and has a shard for each worker. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<[Shard]>);

/// What one thread has written down, mostly. Each number may be below zero, in two's complement:
/// what one thread puts somewhere, another takes out. The sum is not.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([AtomicU64; 4]);

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(0) };
}

impl Ledger {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..=workers).map(|_| Shard::default()).collect())
    }

    /// Has this thread use the shard of a worker from now on. Threads that are no worker's share one.
    pub(crate) fn use_shard_of(worker: WorkerId) {
        SHARD.with(|shard| shard.set(worker.0 + 1));
    }

    /// Writes down that what is held somewhere has become this.
    pub(crate) fn change(&self, account: Account, counted: &mut usize, held: usize) {
        if *counted == held {
            return;
        }
        // Where another broker has more workers than this one, any shard is right.
        if let Some(shard) = self.0.get(SHARD.with(Cell::get)).or(self.0.first())
            && let Some(sum) = shard.0.get(account as usize)
        {
            let change = bytes(held).wrapping_sub(bytes(*counted));
            sum.fetch_add(change, Ordering::Relaxed);
        }
        *counted = held;
    }

    /// Returns the sum of one account; exact while nobody changes it.
    pub(crate) fn sum(&self, account: Account) -> u64 {
        let shards = self.0.iter().filter_map(|shard| shard.0.get(account as usize));
        let sum = shards.fold(0_u64, |sum, shard| sum.wrapping_add(shard.load(Ordering::Relaxed)));
        // What was taken out in one shard may have been put into another after that was read.
        u64::try_from(sum.cast_signed()).unwrap_or(0)
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    ledger: Ledger,
    account: Account,
    bytes: usize,
}

impl Counted {
    pub(crate) fn new(ledger: &Ledger, account: Account) -> Self {
        Self { ledger: ledger.clone(), account, bytes: 0 }
    }

    /// So many more are held.
    pub(crate) fn add(&mut self, more: usize) {
        let held = self.bytes.saturating_add(more);
        self.ledger.change(self.account, &mut self.bytes, held);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ledger.change(self.account, &mut self.bytes, 0);
    }
}

fn bytes(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_one_thread_puts_in_another_takes_out() {
        let ledger = Ledger::new(2);
        let mut counted = 0;
        ledger.change(Account::Sessions, &mut counted, 100);
        ledger.change(Account::Sessions, &mut counted, 70);
        assert_eq!((counted, ledger.sum(Account::Sessions)), (70, 70));
        assert_eq!(ledger.sum(Account::Shared), 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                Ledger::use_shard_of(WorkerId(1));
                ledger.change(Account::Sessions, &mut counted, 0);
            });
        });
        assert_eq!(ledger.sum(Account::Sessions), 0);
    }
}
