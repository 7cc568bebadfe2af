//! What runs beside the broker, each on a thread of its own, until the program ends.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

/// Threads that look at something now and then.
#[derive(Default)]
pub(crate) struct Beside(Vec<Task>);

struct Task {
    /// What it does, in words for the log.
    does: &'static str,
    /// Its end is the end of the thread.
    over: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Beside {
    /// Runs `work` until the sender of what it is given is gone.
    pub(crate) fn run(
        &mut self,
        does: &'static str,
        work: impl FnOnce(&Receiver<()>) + Send + 'static,
    ) {
        let (over, is_over) = mpsc::sync_channel(0);
        let thread = thread::spawn(move || work(&is_over));
        self.0.push(Task { does, over, thread });
    }

    /// Ends all of them, and waits for that.
    pub(crate) fn end(self) {
        let end = |Task { does, over, thread }| {
            drop(over);
            (does, thread)
        };
        let ending: Vec<_> = self.0.into_iter().map(end).collect();
        for (does, thread) in ending {
            if thread.join().is_err() {
                tracing::error!(
                    help = "report this bug, with the panic that is told before",
                    "the thread that {does} had panicked"
                );
            }
        }
    }
}
