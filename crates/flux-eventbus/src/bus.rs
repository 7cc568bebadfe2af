//! Where events are published and subscribers registered.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::registry::{Listener, Registry};
use crate::{Event, EventKind, EventKinds, EventSubscriber, Source, Sourced};

/// Hands every event to all who want its kind.
///
/// Shared as an `Arc<EventBus>`; any thread may publish and subscribe at any time. Each subscriber
/// sees the events of one publishing thread in the order in which they were published.
///
/// Dropping the bus ends its subscribers: they receive what is still queued, then `None`.
#[derive(Debug, Default)]
pub struct EventBus {
    registry: Arc<Registry>,
}

impl EventBus {
    /// Returns a bus that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether anybody wants events of this kind.
    ///
    /// This is one relaxed atomic load: on a hot path, ask before building the event. A thread may
    /// see a subscription that another thread has just begun, or ended, a moment late.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.registry.wanted().contains(kind)
    }

    /// Hands the event to everybody who wants it.
    ///
    /// Never waits for a subscriber: where the queue is full, the event is dropped for that
    /// subscriber, uncloned, and counted. Nothing is allocated for a subscriber but the room in its
    /// queue, which grows block by block up to its capacity. No lock is held while subscribers are
    /// woken.
    pub fn publish(&self, event: Event) {
        self.publish_from(event, Source::default());
    }

    /// The same of an event about a connection that more is known of: whoever wants to know
    /// [receives it beside the event](EventSubscriber::recv_sourced).
    pub fn publish_from(&self, event: Event, source: Source) {
        let kind = event.kind();
        if !self.wants(kind) {
            return;
        }
        let listeners = self.registry.listeners();
        let mut interested = listeners.iter().filter(|listener| listener.wants(kind));
        let Some(mut listener) = interested.next() else { return };
        for next in interested {
            listener.offer(|| Sourced { event: event.clone(), source: source.clone() });
            listener = next;
        }
        listener.offer(|| Sourced { event, source });
    }

    /// Returns a subscriber to these kinds of event, from now on, with a queue for `capacity` of
    /// them.
    ///
    /// The memory of a queue is taken as it fills, not in advance. A capacity beyond what a channel
    /// can count (an eighth of the address space) is taken as that.
    #[must_use = "dropping the subscriber unsubscribes it"]
    pub fn subscribe(&self, kinds: EventKinds, capacity: NonZeroUsize) -> EventSubscriber {
        let (sender, receiver) = mpsc::channel(capacity.get().min(Semaphore::MAX_PERMITS));
        let listener = Listener::new(kinds, sender);
        let missed = listener.missed();
        self.registry.add(listener);
        EventSubscriber::new(receiver, missed, Arc::downgrade(&self.registry))
    }
}

#[cfg(test)]
mod tests;
