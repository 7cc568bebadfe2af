//! The receiving end of a subscription.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use crate::registry::Registry;
use crate::{Event, Sourced};

/// Receives the events of one [subscription](crate::EventBus::subscribe), in order.
///
/// Dropping it unsubscribes.
#[derive(Debug)]
#[must_use = "dropping the subscriber unsubscribes it"]
pub struct EventSubscriber {
    queue: mpsc::Receiver<Sourced>,
    missed: Arc<AtomicU64>,
    /// Weak, so that a subscriber does not keep the bus, and thereby its own queue, open.
    registry: Weak<Registry>,
}

impl EventSubscriber {
    /// Returns the bus's newest subscriber, already registered.
    pub(crate) fn new(
        queue: mpsc::Receiver<Sourced>,
        missed: Arc<AtomicU64>,
        registry: Weak<Registry>,
    ) -> Self {
        Self { queue, missed, registry }
    }

    /// Waits for the next event and returns it, or `None` once the bus has been dropped and its
    /// events have been received.
    ///
    /// Giving up the wait loses no event. It works on any executor.
    pub async fn recv(&mut self) -> Option<Event> {
        Some(self.recv_sourced().await?.event)
    }

    /// The same with what is known of the connection that the event is about.
    pub async fn recv_sourced(&mut self) -> Option<Sourced> {
        self.queue.recv().await
    }

    /// Returns the next event if it is here already.
    ///
    /// `None` does not tell whether there can be another: [`recv`](Self::recv) does.
    pub fn try_recv(&mut self) -> Option<Event> {
        Some(self.try_recv_sourced()?.event)
    }

    /// The same with what is known of the connection that the event is about.
    pub fn try_recv_sourced(&mut self) -> Option<Sourced> {
        self.queue.try_recv().ok()
    }

    /// Blocks this thread until the next event and returns it, or `None` once the bus has been
    /// dropped and its events have been received.
    ///
    /// # Panics
    ///
    /// On a thread that is running asynchronous tasks of tokio, which must not be blocked.
    pub fn blocking_recv(&mut self) -> Option<Event> {
        Some(self.queue.blocking_recv()?.event)
    }

    /// Returns how many events were dropped for this subscriber since it subscribed, because its
    /// queue was full.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Drop for EventSubscriber {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(registry) = self.registry.upgrade() {
            registry.remove_closed();
        }
    }
}
