//! The runtime of the broker's threads: tokio's, with an eye on the mailbox of the worker that has the thread.

use std::any::Any;
use std::cell::OnceCell;
use std::io;

use ntex::rt::{BlockFuture, Runner};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::mailbox::Mailboxes;
use crate::names::WorkerId;

/// Runs a thread; a worker's looks into its mailbox before it sleeps.
pub(super) struct Runtime;

impl Runner for Runtime {
    fn block_on(&self, future: BlockFuture) -> Result<(), Box<dyn Any + Send>> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(|| with_mailbox(Mailboxes::fall_asleep))
            .on_thread_unpark(|| with_mailbox(Mailboxes::wake_up))
            .build();
        let runtime = runtime.map_err(|error: io::Error| Box::new(error) as Box<dyn Any + Send>)?;
        LocalSet::new().block_on(&runtime, future);
        Ok(())
    }
}

/// Says that this thread is a worker's.
pub(super) fn belong_to(worker: WorkerId, mailboxes: Mailboxes) {
    MAILBOX.with(|mailbox| {
        let is_first = mailbox.set((mailboxes, worker)).is_ok();
        debug_assert!(is_first, "a thread has one worker");
    });
}

fn with_mailbox(act: impl FnOnce(&Mailboxes, WorkerId)) {
    MAILBOX.with(|mailbox| {
        if let Some((mailboxes, worker)) = mailbox.get() {
            act(mailboxes, *worker);
        }
    });
}

thread_local! {
    static MAILBOX: OnceCell<(Mailboxes, WorkerId)> = const { OnceCell::new() };
}
