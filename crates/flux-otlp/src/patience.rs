//! [`Patience`]: nobody waits for a collector once the end is wanted, except for a moment.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use tokio::time::{self, Instant};

/// How long it is waited, all together, when the end is wanted.
#[derive(Debug)]
pub(crate) struct Patience<'a> {
    /// The end is wanted when its sender is gone.
    over: &'a Receiver<()>,
    ends: Cell<Option<Instant>>,
}

impl<'a> Patience<'a> {
    pub(crate) const fn until_gone(over: &'a Receiver<()>) -> Self {
        Self { over, ends: Cell::new(None) }
    }

    /// Returns a while after the end is wanted.
    pub(crate) async fn ends(&self) {
        while self.ends.get().is_none() {
            if self.over.try_recv() == Err(TryRecvError::Disconnected) {
                self.ends.set(Some(Instant::now() + WHILE));
            } else {
                time::sleep(LOOK_EVERY).await;
            }
        }
        if let Some(end) = self.ends.get() {
            time::sleep_until(end).await;
        }
    }
}

/// How often it is looked whether the end is wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long what is under way may take then, and what is sent at the end.
const WHILE: Duration = Duration::from_secs(3);
