//! Who listens to a bus, and to what.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{EventKind, EventKinds, Sourced};

/// The listeners of a bus. Owned by the bus; its subscribers hold it weakly, to leave.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Invariant: the union of what the listeners want. Changed under the lock of `listeners` only.
    wanted: AtomicU32,
    /// Publishers take a copy of the `Arc`, so the lock is never held while calling out.
    listeners: RwLock<Arc<Vec<Listener>>>,
}

impl Registry {
    /// Returns the kinds of event that anybody wants.
    ///
    /// Relaxed, as nothing is read on the strength of it: the list is read under its lock.
    pub(crate) fn wanted(&self) -> EventKinds {
        EventKinds::from_bits(self.wanted.load(Ordering::Relaxed))
    }

    /// Returns the listeners of this moment.
    pub(crate) fn listeners(&self) -> Arc<Vec<Listener>> {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a listener.
    pub(crate) fn add(&self, listener: Listener) {
        self.change(|listeners| listeners.push(listener));
    }

    /// Removes the listeners whose subscriber has closed its queue.
    pub(crate) fn remove_closed(&self) {
        let closed = |listener: &mut Listener| listener.sender.is_closed();
        let removed: Vec<_> = self.change(|listeners| listeners.extract_if(.., closed).collect());
        // Not before the lock is free: the last sender of a queue wakes whoever waited there.
        drop(removed);
    }

    /// Changes the list, or a copy of it while publishers look at the old one, and what is wanted.
    fn change<R>(&self, change: impl FnOnce(&mut Vec<Listener>) -> R) -> R {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(Arc::make_mut(&mut listeners));
        let wanted = listeners.iter().fold(EventKinds::none(), |all, l| all.union(l.kinds));
        self.wanted.store(wanted.bits(), Ordering::Relaxed);
        result
    }
}

/// The bus's end of a subscriber.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    kinds: EventKinds,
    sender: mpsc::Sender<Sourced>,
    /// Shared with the subscriber, and by all copies of the list.
    missed: Arc<AtomicU64>,
}

impl Listener {
    /// Returns a listener to these kinds that has missed nothing yet.
    pub(crate) fn new(kinds: EventKinds, sender: mpsc::Sender<Sourced>) -> Self {
        Self { kinds, sender, missed: Arc::default() }
    }

    /// Returns the counter of the events it missed, to share.
    pub(crate) fn missed(&self) -> Arc<AtomicU64> {
        self.missed.clone()
    }

    /// Returns whether it wants events of this kind.
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.kinds.contains(kind)
    }

    /// Queues the event, or counts it as missed without having made it.
    pub(crate) fn offer(&self, event: impl FnOnce() -> Sourced) {
        match self.sender.try_reserve() {
            Ok(slot) => slot.send(event()),
            Err(TrySendError::Full(())) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
            // It has left, after this list was taken.
            Err(TrySendError::Closed(())) => {}
        }
    }
}
