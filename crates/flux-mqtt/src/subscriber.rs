//! Receiving in the process that the broker runs in.

mod builder;
mod incoming;

use std::fmt;
use std::sync::Arc;

use flux_eventbus::{DisconnectReason, Event, EventKind};
use flux_session::{PacketId, QoS};

pub use self::builder::SubscriberBuilder;
pub use self::incoming::Incoming;
use crate::blocking::block_on;
use crate::consumer::{Held, Taken};
use crate::counters::Count;
use crate::driver::Mail;
use crate::input::{Command, Letter};
use crate::manager::{ManagerError, MqttManager};
use crate::message::Message;
use crate::outcome::PublishOutcome;
use crate::publication::Publication;
use crate::reason::lost;

/// A client of the broker in its own process, without a connection: it has a session, subscriptions
/// and a client identifier like any other. [`MqttManager::subscriber`] makes one.
///
/// What is published to it waits in its session until it is taken, at most as much as the
/// session's limits allow. So a subscriber that takes nothing costs that much memory and slows
/// nobody down; what happens to one more message is [`SessionLimits::when_full`]'s to decide, and a
/// publisher at QoS 1 or 2 that reached nobody for it hears 0x97.
///
/// It ends when another client comes with its client identifier, in the process or over the
/// network, when it is [kicked](MqttManager::kick) and when the broker stops: then nothing more
/// is received, and [`end`](Self::end) says why. Dropping it is its DISCONNECT.
///
/// [`SessionLimits::when_full`]: crate::SessionLimits::when_full
#[must_use = "dropping the subscriber ends it"]
pub struct Subscriber {
    exchange: Arc<Exchange>,
    /// Messages are acknowledged when they are taken.
    acknowledges: bool,
}

impl Subscriber {
    fn new(held: Held, manager: MqttManager, acknowledges: bool) -> Self {
        Self { exchange: Arc::new(Exchange { held, manager }), acknowledges }
    }

    /// Waits for the next message and returns it, or `None` once the subscriber has
    /// [ended](Self::end).
    ///
    /// Giving up the wait loses no message. It works on any executor.
    pub async fn recv(&mut self) -> Option<Incoming> {
        loop {
            if let Some(incoming) = self.try_recv() {
                return Some(incoming);
            }
            if self.end().is_some() {
                return None;
            }
            self.exchange.held.rung().await;
        }
    }

    /// Does what [`recv`](Self::recv) does, and blocks this thread meanwhile: for threads that run
    /// no asynchronous tasks.
    pub fn blocking_recv(&mut self) -> Option<Incoming> {
        block_on(self.recv())
    }

    /// Returns the next message if it is here already.
    ///
    /// `None` does not tell whether there can be another: [`end`](Self::end) does.
    pub fn try_recv(&mut self) -> Option<Incoming> {
        let Exchange { held, manager } = &*self.exchange;
        let now = manager.now();
        let look = held.take(now, self.acknowledges);
        for dropped in look.dropped {
            let (message, reason) = lost(dropped);
            manager.tally().count_outside(Count::Dropped(reason));
            self.exchange.tell(EventKind::Dropped, || {
                let (client_id, topic) = (Some(held.session.client_id.clone()), message.topic());
                Event::Dropped { client_id, topic: topic.into(), reason }
            });
        }
        if look.has_room {
            self.exchange.room();
        }
        let Taken { delivery, dup, packet_id } = look.taken?;
        let receipt = match packet_id {
            Some(packet_id) => Some(Receipt { exchange: self.exchange.clone(), packet_id }),
            None => {
                self.exchange.delivered(&delivery.message, delivery.qos);
                None
            }
        };
        Some(Incoming::new(delivery, dup, now, receipt))
    }

    /// Publishes a message as this client: a subscription with No Local does not bring it back
    /// [MQTT-3.8.3-3]. Otherwise as [`MqttManager::publish`].
    ///
    /// # Errors
    ///
    /// Those of [`MqttManager::publish`], and [`ManagerError::UnknownClient`] once it has
    /// [ended](Self::end).
    pub async fn publish(&self, publication: &Publication) -> Result<PublishOutcome, ManagerError> {
        let Exchange { held, manager } = &*self.exchange;
        if held.end().is_some() {
            return Err(ManagerError::UnknownClient { client_id: self.client_id().to_owned() });
        }
        manager.publish_as(publication, Some(&held.session)).await
    }

    /// Returns the client identifier, also where it was assigned.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.exchange.held.session.client_id
    }

    /// Returns whether an earlier session of the client goes on, with its subscriptions and what
    /// waited in it.
    #[must_use]
    pub fn session_present(&self) -> bool {
        self.exchange.held.session_present
    }

    /// Returns why the subscriber has ended; `None` while it has not.
    #[must_use]
    pub fn end(&self) -> Option<DisconnectReason> {
        self.exchange.held.end()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.exchange.command(Command::Detach(self.exchange.held.clone()));
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("client_id", &self.client_id())
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// A session and the broker that it is of.
struct Exchange {
    held: Held,
    manager: MqttManager,
}

impl Exchange {
    /// Has the worker that gave the session out do something.
    fn command(&self, command: Command) {
        self.manager.mailboxes().post(self.held.worker, Mail::Letter(Letter::Command(command)));
    }

    fn room(&self) {
        self.command(Command::Room(self.held.clone()));
    }

    fn delivered(&self, message: &Message, qos: QoS) {
        self.tell(EventKind::Delivered, || self.held.session.delivered(message, qos));
    }

    /// Tells the platform, if it wants to know.
    fn tell(&self, kind: EventKind, event: impl FnOnce() -> Event) {
        if let Some(events) = self.manager.events()
            && events.wants(kind)
        {
            events.publish(event());
        }
    }
}

/// A message that waits to be acknowledged.
struct Receipt {
    exchange: Arc<Exchange>,
    packet_id: PacketId,
}

impl Receipt {
    fn acknowledge(&self, message: &Message, qos: QoS) -> bool {
        let done = self.exchange.held.acknowledge(self.packet_id, qos);
        if done.is_settled {
            self.exchange.delivered(message, qos);
        }
        if done.has_room {
            self.exchange.room();
        }
        done.is_settled
    }
}
