//! A disk that hangs fails at nothing. [`watch_disk`] logs that the store waits for it, and when it does so no more.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_mqtt::BrokerHandle;

use crate::health::PATIENCE;

/// Looks as often as `every` says, until the sender of `over` is gone or the broker has stopped. Blocks this thread.
pub fn watch_disk(broker: &BrokerHandle, every: Duration, over: &Receiver<()>) {
    let mut stall = Stall::default();
    while over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let Some(store) = broker.store_health() else { return };
        match stall.look(store.waiting_for.unwrap_or_default()) {
            Some(Change::Began) => tracing::warn!(
                waiting_for = ?store.waiting_for.unwrap_or_default(),
                unsynced_bytes = store.unsynced,
                help = "look at the disk of the data directory, and at what the kernel says of it: what is to be safe is not \
                        acknowledged until it answers",
                "the disk does not answer"
            ),
            Some(Change::Ended { longest }) => tracing::warn!(
                ?longest,
                help = "see by flux_store_commit_seconds how long it takes otherwise",
                "the disk answers again"
            ),
            None => {}
        }
    }
}

/// How often it is usually looked.
pub const WATCH_DISK_EVERY: Duration = Duration::from_secs(1);

/// What was seen of a disk that lets the store wait.
#[derive(Debug, Default)]
struct Stall {
    /// The longest that one thing took, from when that was told.
    longest: Option<Duration>,
    /// In how many looks since then all was well.
    calm: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Began,
    Ended { longest: Duration },
}

impl Stall {
    /// Takes for how long the store has been waiting by now.
    fn look(&mut self, waits: Duration) -> Option<Change> {
        if waits > PATIENCE {
            self.calm = 0;
            let is_known = self.longest.is_some();
            self.longest = self.longest.max(Some(waits));
            return (!is_known).then_some(Change::Began);
        }
        let longest = self.longest?;
        self.calm += 1;
        if self.calm < CALM {
            return None;
        }
        *self = Self::default();
        Some(Change::Ended { longest })
    }
}

/// A disk that answers so slowly now and then is told once, and not each time.
const CALM: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_when_it_begins_and_once_when_it_has_been_well_for_a_while() {
        let mut stall = Stall::default();
        let mut look = |seconds| stall.look(Duration::from_secs(seconds));
        assert_eq!([0, 1, 2].map(&mut look), [None, None, None], "it may take that long");
        assert_eq!([3, 4, 60].map(&mut look), [Some(Change::Began), None, None]);
        assert_eq!([0; 9].map(&mut look), [const { None }; 9]);
        assert_eq!(look(7), None, "again");
        assert_eq!([1; 9].map(&mut look), [const { None }; 9]);
        let longest = Duration::from_secs(60);
        assert_eq!(look(0), Some(Change::Ended { longest }));
        assert_eq!(look(0), None);
        assert_eq!(look(3), Some(Change::Began));
    }
}
