//! What is due once a connection is gone, and what a session leaves behind.

use std::collections::BTreeMap;
use std::collections::btree_map;

use flux_topic::TopicFilter;

use crate::in_flight::InFlight;
use crate::queue::Queue;
use crate::{Delivery, Dropped, Message, SubscriptionOptions, Will};

/// What the time has come for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due<M> {
    /// Publish the will message: the session does not have it any more `[MQTT-3.1.2-10]`.
    Will(Will<M>),
    /// End the session `[MQTT-4.1.0-2]`: [`Session::end`](crate::Session::end).
    End,
}

/// What an ended session leaves: some to be told or handed on, the rest to be dropped.
///
/// It takes no work to make, however long the queue is, and all of it to look at or drop: a caller
/// that keeps sessions behind locks does both when it has let go of the lock.
#[derive(Debug)]
#[must_use = "a will, shared deliveries and lost messages may be left to deal with"]
pub struct Remains<M> {
    /// The will message, to be published now whatever its delay `[MQTT-3.1.2-8]`.
    pub will: Option<Will<M>>,
    /// What the session lost before its end and the caller has not
    /// [asked for](crate::Session::take_dropped).
    pub dropped: Vec<Dropped<M>>,
    pub(crate) subscriptions: BTreeMap<TopicFilter, SubscriptionOptions>,
    pub(crate) queue: Queue<M>,
    pub(crate) in_flight: InFlight<M>,
}

impl<M: Message> Remains<M> {
    /// Returns what the session was subscribed to, in order.
    pub fn filters(&self) -> btree_map::Keys<'_, TopicFilter, SubscriptionOptions> {
        self.subscriptions.keys()
    }

    /// Takes the deliveries by shared subscriptions that other members may have now: those at QoS 1
    /// that were sent and not acknowledged, in the order in which they were first sent, then those
    /// that were not sent, in the order in which they came.
    ///
    /// What was sent at QoS 2 is not among them: the client may have it, and nobody else may get it
    /// `[MQTT-4.8.2-5]`.
    #[must_use = "the messages are for other members of the group"]
    pub fn take_shared(&mut self) -> Vec<Delivery<M>> {
        let mut shared = self.in_flight.take_shared();
        shared.append(&mut self.queue.take_shared(None));
        shared
    }

    /// Returns how many messages go with the session: those that wait, and those that were sent and are
    /// not acknowledged, less what was [taken](Self::take_shared).
    ///
    /// It takes no longer for a long queue.
    pub fn len(&self) -> usize {
        self.queue.len() + self.in_flight.kept().count()
    }

    /// Returns whether no message goes with the session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the messages that go with the session: those that were sent first, then those that wait.
    pub fn messages(&self) -> impl Iterator<Item = &M> {
        self.in_flight.kept().chain(self.queue.messages())
    }
}
