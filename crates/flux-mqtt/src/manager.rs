//! The broker without a socket: publish and subscribe from the process it runs in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use flux_session::QoS;
use flux_topic::{ParseFilterError, ParseTopicError, TopicFilter, TopicName};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::broker::Broker;
use crate::driver::{Mail, Mailboxes};
use crate::input::{Command, Done, Letter};
use crate::message::{Message, Parts};
use crate::names::WorkerId;

/// Publishes and subscribes in process, from any thread. A clone is a reference to the same.
///
/// Each call is carried out by a worker, like a packet from a client; at most
/// [`MqttManager::PENDING`] calls are under way at once, further ones wait for their turn.
#[derive(Clone)]
pub struct MqttManager {
    mailboxes: Mailboxes,
    broker: Arc<Broker>,
    permits: Arc<Semaphore>,
}

/// Why a call of [`MqttManager`] did nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The topic is no topic name.
    #[error(transparent)]
    Topic(#[from] ParseTopicError),
    /// The filter is no topic filter.
    #[error(transparent)]
    Filter(#[from] ParseFilterError),
    /// Shared subscriptions belong to connected clients.
    #[error("topic filter {filter:?} is shared, only a client can subscribe to it")]
    Shared {
        /// The filter.
        filter: String,
    },
    /// There is no such session.
    #[error("client {client_id:?} has no session; it must connect first")]
    UnknownClient {
        /// The client identifier.
        client_id: String,
    },
    /// The broker has stopped.
    #[error("the broker has stopped")]
    Stopped,
}

impl MqttManager {
    /// Calls that may be under way at once.
    pub const PENDING: usize = 1024;

    pub(crate) fn new(mailboxes: Mailboxes, broker: Arc<Broker>) -> Self {
        Self { mailboxes, broker, permits: Arc::new(Semaphore::new(Self::PENDING)) }
    }

    /// Publishes a message of QoS 1 to everyone who subscribed to `topic`, and stores it as
    /// the topic's retained message if `retain` is set. Returns when every session has it;
    /// messages to one topic keep their order.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Topic`] and [`ManagerError::Stopped`].
    pub async fn publish_to_subscribers(
        &self,
        topic: &str,
        payload: Bytes,
        retain: bool,
    ) -> Result<(), ManagerError> {
        let message = Message::new(Parts {
            topic: TopicName::parse(topic)?,
            properties: &[],
            payload: &payload,
            qos: QoS::AtLeastOnce,
            retain,
            publisher: None,
            expires_at: None,
        });
        self.order(topic, |done| Command::Publish { message, done }).await?;
        Ok(())
    }

    /// Subscribes a client that has a session, at the broker's maximum QoS, and sends it the
    /// retained messages that match.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Filter`], [`ManagerError::Shared`], [`ManagerError::UnknownClient`] and
    /// [`ManagerError::Stopped`].
    pub async fn subscribe(&self, client_id: &str, filter: &str) -> Result<(), ManagerError> {
        let filter = TopicFilter::parse(filter)?;
        if filter.share_name().is_some() {
            return Err(ManagerError::Shared { filter: filter.as_str().to_owned() });
        }
        let id: Arc<str> = client_id.into();
        let has_session = self
            .order(client_id, |done| Command::Subscribe { client_id: id, filter, done })
            .await?;
        if has_session { Ok(()) } else { Err(unknown(client_id)) }
    }

    /// Ends a client's subscription; once it returns, no further message is matched by it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Filter`], and [`ManagerError::UnknownClient`] when there is no session.
    /// That there was no such subscription is no error.
    pub fn unsubscribe(&self, client_id: &str, filter: &str) -> Result<(), ManagerError> {
        let filter = TopicFilter::parse(filter)?;
        let session = self.broker.clients.get(client_id).ok_or_else(|| unknown(client_id))?;
        session.lock().session.unsubscribe(&filter);
        self.broker.routes.follow(&session, &[filter]);
        Ok(())
    }

    /// Disconnects a client (MQTT 5.0: DISCONNECT 0x98). Its session goes on as it would after
    /// any loss of the connection.
    ///
    /// # Errors
    ///
    /// [`ManagerError::UnknownClient`] when it is not connected, and [`ManagerError::Stopped`].
    pub async fn kick(&self, client_id: &str) -> Result<(), ManagerError> {
        let id: Arc<str> = client_id.into();
        let was_connected =
            self.order(client_id, |done| Command::Kick { client_id: id, done }).await?;
        if was_connected { Ok(()) } else { Err(unknown(client_id)) }
    }

    /// Has a command carried out by the worker that `key` falls to, so that what concerns one
    /// topic or one client keeps its order.
    async fn order<T: Send + 'static>(
        &self,
        key: &str,
        command: impl FnOnce(Done<T>) -> Command,
    ) -> Result<T, ManagerError> {
        let permit =
            self.permits.clone().acquire_owned().await.map_err(|_| ManagerError::Stopped)?;
        let (answer, answered) = oneshot::channel();
        let done = Box::new(move |value| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(value);
            drop(permit);
        });
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let workers = u64::try_from(self.mailboxes.len()).unwrap_or(1).max(1);
        let index = usize::try_from(hasher.finish() % workers).unwrap_or_default();
        self.mailboxes.post(WorkerId(index), Mail::Letter(Letter::Command(command(done))));
        answered.await.map_err(|_| ManagerError::Stopped)
    }
}

fn unknown(client_id: &str) -> ManagerError {
    ManagerError::UnknownClient { client_id: client_id.to_owned() }
}
