//! What the broker tells the platform.

use std::num::NonZeroUsize;

use flux_eventbus::{DisconnectReason, DropReason, Event, EventKind, EventKinds, EventSubscriber};

use super::{Broker, DEADLINE};

/// The events of a broker from now on, of some kinds.
pub(crate) struct Events(EventSubscriber);

impl Events {
    pub(crate) fn of(broker: &Broker, kind: EventKind) -> Self {
        let capacity = NonZeroUsize::new(1000).unwrap();
        Self(broker.events.subscribe(EventKinds::from(kind), capacity))
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn expect(&mut self) -> Event {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let next = runtime.block_on(async { tokio::time::timeout(DEADLINE, self.0.recv()).await });
        next.expect("no event comes").expect("the bus is there")
    }

    /// The next connection that ended must be this client's; returns why it ended.
    #[track_caller]
    pub(crate) fn expect_disconnected(&mut self, client_id: &str) -> DisconnectReason {
        match self.expect() {
            Event::Disconnected { client_id: other, reason, .. } if *other == *client_id => reason,
            other => panic!("{client_id} should be disconnected: {other:?}"),
        }
    }

    /// The next event must be this message dropped.
    #[track_caller]
    pub(crate) fn expect_dropped(&mut self, client_id: &str, topic: &str, reason: DropReason) {
        let (client_id, topic) = (Some(client_id.into()), topic.into());
        assert_eq!(self.expect(), Event::Dropped { client_id, topic, reason });
    }
}
