//! [`Eras`]: which connections were accepted before it changed who may come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The times between changes of who may come in. A clone is a reference to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Eras(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Those that have begun, and the recesses between them.
    begun: AtomicU32,
    /// How many recesses last.
    recesses: AtomicU32,
}

/// When a connection was accepted. It begins nothing in a recess, nor in another era.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u32);

/// While it is there nobody comes in; nor will those who had connected before it is gone, and were not in yet: they are
/// refused with 0x88 (Server unavailable), and may connect again. See [`BrokerHandle::recess`](crate::BrokerHandle::recess).
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Recess(Eras);

impl Eras {
    /// Ends the era. The next begins when what is returned is dropped.
    pub(crate) fn recess(&self) -> Recess {
        self.0.recesses.fetch_add(1, Ordering::SeqCst);
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        Recess(self.clone())
    }

    /// Returns the era of a connection that is accepted now.
    pub(super) fn now(&self) -> Era {
        Era(self.0.begun.load(Ordering::SeqCst))
    }

    /// Returns whether a connection of this era may come in.
    pub(super) fn is_now(&self, era: Era) -> bool {
        self.0.recesses.load(Ordering::SeqCst) == 0 && self.now() == era
    }
}

impl Drop for Recess {
    fn drop(&mut self) {
        let Inside { begun, recesses } = &*self.0.0;
        begun.fetch_add(1, Ordering::SeqCst);
        recesses.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_in_who_was_accepted_before_the_end_of_a_recess() {
        let eras = Eras::default();
        let before = eras.now();
        assert!(eras.is_now(before));
        let recess = eras.recess();
        let meanwhile = eras.now();
        assert!(!eras.is_now(before) && !eras.is_now(meanwhile));
        drop(recess);
        assert!(!eras.is_now(before) && !eras.is_now(meanwhile));
        assert!(eras.is_now(eras.now()));
    }

    #[test]
    fn of_two_recesses_each_has_to_be_over() {
        let eras = Eras::default();
        let (first, second) = (eras.recess(), eras.recess());
        drop(first);
        assert!(!eras.is_now(eras.now()));
        let before_the_end = eras.now();
        drop(second);
        assert!(!eras.is_now(before_the_end));
        assert!(eras.is_now(eras.now()));
    }
}
