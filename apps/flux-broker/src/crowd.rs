//! When a crowd of clients has left, or a long queue was taken, the memory of it goes back to the system.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_mqtt::BrokerHandle;

/// Looks five times a second at what the broker holds, until the sender of `over` is gone.
pub(crate) fn watch(broker: &BrokerHandle, over: &Receiver<()>) {
    let (mut sessions, mut bytes) = (Peak::default(), Peak::default());
    while over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let holds = broker.ledger().total();
        let a_crowd_has_left = sessions.has_fallen(broker.sessions(), CROWD);
        let a_queue_was_taken =
            bytes.has_fallen(usize::try_from(holds).unwrap_or(usize::MAX), QUEUE);
        if a_crowd_has_left || a_queue_was_taken {
            let some_went = flux_heap::give_back();
            tracing::debug!(some_went, "unused memory is given back");
        }
    }
}

/// The most there was of something since memory was given back for it.
#[derive(Default)]
struct Peak(usize);

impl Peak {
    /// Says whether so much has gone that it is worth the time: half of it, and this much at least.
    fn has_fallen(&mut self, now: usize, least: usize) -> bool {
        self.0 = self.0.max(now);
        if self.0 - now < least || now > self.0 / 2 {
            return false;
        }
        self.0 = now;
        true
    }
}

const INTERVAL: Duration = Duration::from_millis(200);
/// Sessions that make a crowd.
const CROWD: usize = 1000;
/// Bytes that make a long queue.
const QUEUE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_left_once_and_a_few_never_have() {
        let mut peak = Peak::default();
        let seen = [900, 0, 3000, 1501, 1500, 1400, 0, 0, 2000, 10];
        let fell: Vec<_> = seen.into_iter().filter(|now| peak.has_fallen(*now, 1000)).collect();
        assert_eq!(fell, [1500, 0, 10]);
    }
}
