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
            .on_thread_park(|| {
                with_seat(|seat| seat.mailboxes.fall_asleep(seat.worker));
            })
            .on_thread_unpark(|| {
                with_seat(|seat| seat.mailboxes.wake_up(seat.worker));
            })
            .build();
        let runtime = runtime.map_err(|error: io::Error| Box::new(error) as Box<dyn Any + Send>)?;
        LocalSet::new().block_on(&runtime, future);
        Ok(())
    }
}

/// Says that this thread is a worker's.
pub(super) fn belong_to(worker: WorkerId, mailboxes: Mailboxes) {
    SEAT.with(|seat| {
        let is_first = seat.set(Seat { worker, mailboxes }).is_ok();
        debug_assert!(is_first, "a thread has one worker");
    });
}

/// What a worker's thread looks at around its sleep.
struct Seat {
    worker: WorkerId,
    mailboxes: Mailboxes,
}

fn with_seat(act: impl FnOnce(&Seat)) {
    SEAT.with(|seat| {
        if let Some(seat) = seat.get() {
            act(seat);
        }
    });
}

thread_local! {
    static SEAT: OnceCell<Seat> = const { OnceCell::new() };
}
