//! The broker without a socket: publish and subscribe from the process it runs in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use flux_eventbus::{Event, EventBus, Limit};
use flux_session::{QoS, Timestamp};
use flux_topic::{ParseFilterError, ParseTopicError, TopicFilter};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};

use crate::blocking::block_on;
use crate::broker::Broker;
use crate::counters::Tally;
use crate::driver::{Clock, Mail, Mailboxes};
use crate::input::{Command, Done, Letter};
use crate::inspect::{Census, ClientView, EndedSessionView, SessionView};
use crate::latency::Latencies;
use crate::ledger::Holdings;
use crate::names::WorkerId;
use crate::outcome::PublishOutcome;
use crate::publication::Publication;
use crate::session::SharedSession;
use crate::subscriber::SubscriberBuilder;
use crate::wire::Version;
use crate::worker::Away;

/// Publishes and subscribes in process, from any thread. A clone is a reference to the same.
///
/// Each call is carried out by a worker, like a packet from a client; at most
/// [`MqttManager::PENDING`] calls are under way at once, further ones wait for their turn.
#[derive(Clone)]
pub struct MqttManager {
    mailboxes: Mailboxes,
    broker: Arc<Broker>,
    permits: Arc<Semaphore>,
    clock: Clock,
    /// Weak: a listener learns from the end of the bus that nothing more comes.
    events: Weak<EventBus>,
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
    /// Something is not what the standard allows.
    #[error("the {name} is not {expected}")]
    Invalid {
        /// What it is.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// There would be one session too many.
    #[error("the broker makes no more sessions, a limit is reached: {limit:?}")]
    LimitReached {
        /// Which limit: of the sessions, or of the bytes of the whole broker.
        limit: Limit,
    },
    /// The broker has stopped.
    #[error("the broker has stopped")]
    Stopped,
}

impl MqttManager {
    /// Calls that may be under way at once.
    pub const PENDING: usize = 1024;

    pub(crate) fn new(
        mailboxes: Mailboxes,
        broker: Arc<Broker>,
        clock: Clock,
        events: Weak<EventBus>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(Self::PENDING));
        Self { mailboxes, broker, permits, clock, events }
    }

    /// Publishes a message and says what became of it. Returns when everybody it is for was
    /// offered it; so what one caller publishes, call after call, keeps its order. Over a store it returns when
    /// what has to outlive the process does: whoever publishes much has many calls under way.
    ///
    /// Nobody's rights are asked for, and topics that begin with `$` are allowed.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Topic`], [`ManagerError::Invalid`] for its properties and its size, and
    /// [`ManagerError::Stopped`].
    pub async fn publish(&self, publication: &Publication) -> Result<PublishOutcome, ManagerError> {
        self.publish_as(publication, None).await
    }

    pub(crate) async fn publish_as(
        &self,
        publication: &Publication,
        client: Option<&SharedSession>,
    ) -> Result<PublishOutcome, ManagerError> {
        let message = publication.message(self.now(), client.map(|client| client.publisher))?;
        let client_id = client.map(|client| client.client_id.clone());
        self.order(publication.topic(), |done| Command::Publish { message, client_id, done }).await
    }

    /// Does what [`publish`](Self::publish) does, and blocks this thread meanwhile: for threads
    /// that run no asynchronous tasks. Never call it in an
    /// [`Authenticator`](crate::Authenticator) or [`Authorizer`](crate::Authorizer): these run on
    /// the threads that it waits for.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub fn publish_blocking(
        &self,
        publication: &Publication,
    ) -> Result<PublishOutcome, ManagerError> {
        block_on(self.publish(publication))
    }

    /// Publishes a message of QoS 1 to everyone who subscribed to `topic`, and stores it as
    /// the topic's retained message if `retain` is set. Returns when every session has it, as
    /// [`publish`](Self::publish) does; messages to one topic keep their order.
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
        let publication = Publication::new(topic, payload).qos(QoS::AtLeastOnce);
        let publication = if retain { publication.retain() } else { publication };
        self.publish(&publication).await.map(|_| ())
    }

    /// Begins a client in this process, which receives what it subscribes to.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use flux_mqtt::{
    ///     AllowAll, EventBus, Listen, Listener, Publication, QoS, Settings, SimpleAuthenticator,
    ///     start_broker_with,
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut settings = Settings::default();
    /// settings.listeners = vec![Listener::tcp(Listen::Loopback(0))];
    /// let (events, anybody) = (Arc::new(EventBus::new()), Arc::new(SimpleAuthenticator::new()));
    /// let broker = start_broker_with(settings, events, anybody, Arc::new(AllowAll))?;
    /// let manager = broker.manager();
    ///
    /// let mut subscriber =
    ///     manager.subscriber().subscribe("home/#", QoS::AtLeastOnce).open_blocking()?;
    /// let publication = Publication::new("home/door", "open").qos(QoS::AtLeastOnce);
    /// assert_eq!(manager.publish_blocking(&publication)?.taken, 1);
    ///
    /// // In async code: `open().await`, `publish(&publication).await`, `recv().await`.
    /// let Some(message) = subscriber.blocking_recv() else { panic!("it has ended") };
    /// assert_eq!((message.topic(), message.payload()), ("home/door", &b"open"[..]));
    /// # broker.stop();
    /// # broker.wait();
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscriber(&self) -> SubscriberBuilder {
        SubscriberBuilder::new(self.clone())
    }

    /// Subscribes a client that has a session, at the broker's maximum QoS, and sends it the
    /// retained messages that match. Returns when that would outlive the process, if the session does.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Filter`], [`ManagerError::Shared`], [`ManagerError::UnknownClient`] and
    /// [`ManagerError::Stopped`].
    pub async fn subscribe(&self, client_id: &str, filter: &str) -> Result<(), ManagerError> {
        let filter = not_shared(filter)?;
        let id: Arc<str> = client_id.into();
        let has_session = self
            .order(client_id, |done| Command::Subscribe { client_id: id, filter, done })
            .await?;
        if has_session { Ok(()) } else { Err(unknown(client_id)) }
    }

    /// Ends a client's subscription; once it returns, no further message is matched by it. Over a store it is
    /// written down then, and safe with what comes next.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Filter`], [`ManagerError::Shared`], and [`ManagerError::UnknownClient`] when
    /// there is no session. That there was no such subscription is no error.
    pub fn unsubscribe(&self, client_id: &str, filter: &str) -> Result<(), ManagerError> {
        let filter = not_shared(filter)?;
        let session = self.broker.clients.get(client_id).ok_or_else(|| unknown(client_id))?;
        let filters = [filter];
        let (existed, replays) = {
            let mut state = session.lock();
            let existed = filters.iter().any(|f| state.session.unsubscribe(f).is_some());
            filters.iter().for_each(|filter| session.write_unsubscribed(filter));
            (existed, state.take_replays(&filters))
        };
        drop(replays);
        self.broker.routes.follow(&session, &filters);
        if existed && let ([filter], Some(events)) = (&filters, self.events()) {
            let (client_id, filter) = (session.client_id.clone(), filter.as_str().into());
            events.publish(Event::Unsubscribed { client_id, filter });
        }
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

    /// Ends the session of a client, connected or not: what waits for it is dropped, its will is published, and its
    /// client identifier is free for another user. Over a store it returns when that is safe.
    ///
    /// # Errors
    ///
    /// [`ManagerError::UnknownClient`] when it has no session, and [`ManagerError::Stopped`].
    pub async fn end_session(&self, client_id: &str) -> Result<(), ManagerError> {
        let id: Arc<str> = client_id.into();
        let had_one =
            self.order(client_id, |done| Command::EndSession { client_id: id, done }).await?;
        if had_one { Ok(()) } else { Err(unknown(client_id)) }
    }

    /// Returns who a client is that is connected; nothing when it is not, or is a client in this process.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Stopped`].
    pub async fn describe(&self, client_id: &str) -> Result<Option<ClientView>, ManagerError> {
        let id: Arc<str> = client_id.into();
        self.order(client_id, |done| Command::Describe { client_id: id, done }).await
    }

    /// Returns what the session of a client holds, and what it lost; nothing when it has none.
    #[must_use]
    pub fn session(&self, client_id: &str) -> Option<SessionView> {
        self.broker.clients.get(client_id).map(|session| SessionView::of(&session))
    }

    /// Returns the sessions that follow a client identifier in their order, at most so many. It looks at the names of
    /// all sessions, in the caller's time.
    #[must_use]
    pub fn sessions_after(&self, client_id: &str, most: usize) -> Vec<SessionView> {
        self.broker.clients.views_after(client_id, most)
    }

    /// Returns so many sessions that are over and had lost messages, or of those of one client, the last first. The last 1,000
    /// of all are kept in mind, if their names are no longer than a mebibyte together, and no longer than the broker runs.
    #[must_use]
    pub fn ended_sessions(&self, client_id: Option<&str>, most: usize) -> Vec<EndedSessionView> {
        self.broker.departed.last(client_id, most)
    }

    pub(crate) const fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.broker.tally
    }

    /// Returns the sessions without connection, of which clients are known.
    pub(crate) fn away(&self) -> Away {
        Away::of(&self.broker.clients)
    }

    pub(crate) fn sessions(&self) -> usize {
        self.broker.clients.count()
    }

    pub(crate) fn latencies(&self) -> &Latencies {
        &self.broker.latencies
    }

    pub(crate) fn census(&self, most: usize) -> Census {
        self.broker.census(self.now(), most)
    }

    pub(crate) fn client_counts(&self) -> Vec<(Arc<str>, Version, usize)> {
        self.broker.client_counts.read()
    }

    pub(crate) fn holdings(&self) -> Holdings {
        self.broker.holdings()
    }

    /// Returns what time it is by the broker's clock, by which [`SessionView::waits_since`] is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn events(&self) -> Option<Arc<EventBus>> {
        self.events.upgrade()
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.broker.routes.len()
    }

    /// Returns once every worker has answered.
    pub(crate) async fn workers_answer(&self) -> Result<(), ManagerError> {
        for index in 0..self.mailboxes.len() {
            let (answer, answered) = oneshot::channel();
            // Whoever asked may have stopped waiting.
            let done = Box::new(move |()| {
                let _ = answer.send(());
            });
            let letter = Letter::Command(Command::Answer { done });
            self.mailboxes.post(WorkerId(index), Mail::Letter(letter));
            answered.await.map_err(|_| ManagerError::Stopped)?;
        }
        Ok(())
    }

    /// Tells every worker.
    pub(crate) fn tell_workers(&self, command: impl Fn() -> Command) {
        for index in 0..self.mailboxes.len() {
            self.mailboxes.post(WorkerId(index), Mail::Letter(Letter::Command(command())));
        }
    }

    /// Has a command carried out by the worker that `key` falls to, so that what concerns one
    /// topic or one client keeps its order.
    pub(crate) async fn order<T: Send + 'static>(
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

/// A shared subscription is its client's own affair: what it leaves is handed to other members.
fn not_shared(filter: &str) -> Result<TopicFilter, ManagerError> {
    let filter = TopicFilter::parse(filter)?;
    match filter.share_name() {
        None => Ok(filter),
        Some(_) => Err(ManagerError::Shared { filter: filter.as_str().to_owned() }),
    }
}

fn unknown(client_id: &str) -> ManagerError {
    ManagerError::UnknownClient { client_id: client_id.to_owned() }
}
