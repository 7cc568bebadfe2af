//! Letters of a worker to others, until the end of its turn: then they go out together, and wake whom they are for
//! once.

use std::cell::{Cell, RefCell};

use super::mailbox::{Mail, Mailboxes};
use crate::input::Letter;
use crate::names::WorkerId;

/// Letters that a worker has written and not posted.
pub(super) struct Outbox {
    /// For each worker.
    letters: RefCell<Vec<Vec<Mail>>>,
    has_letters: Cell<bool>,
}

impl Outbox {
    pub(super) fn new(workers: usize) -> Self {
        let letters = (0..workers).map(|_| Vec::new()).collect();
        Self { letters: RefCell::new(letters), has_letters: Cell::new(false) }
    }

    pub(super) fn put(&self, to: WorkerId, letter: Letter) {
        if let Some(letters) = self.letters.borrow_mut().get_mut(to.0) {
            letters.push(Mail::Letter(letter));
            self.has_letters.set(true);
        }
    }

    pub(super) fn has_letters(&self) -> bool {
        self.has_letters.get()
    }

    /// Posts all letters.
    pub(super) fn post(&self, mailboxes: &Mailboxes) {
        if !self.has_letters.replace(false) {
            return;
        }
        for (to, letters) in self.letters.borrow_mut().iter_mut().enumerate() {
            if !letters.is_empty() {
                mailboxes.post_all(WorkerId(to), letters.drain(..));
            }
        }
    }
}
