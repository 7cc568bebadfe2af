//! What a subscriber asks for.

use std::sync::Arc;

use flux_session::{QoS, SessionExpiry, SessionLimits, SubscriptionOptions};
use flux_topic::TopicFilter;

use super::Subscriber;
use crate::blocking::block_on;
use crate::consumer::Attach;
use crate::input::Command;
use crate::manager::{ManagerError, MqttManager};
use crate::wire::is_string;

/// What a [`Subscriber`] asks for: what a client says in CONNECT and SUBSCRIBE.
#[derive(Clone)]
#[must_use = "there is no subscriber until it is opened"]
pub struct SubscriberBuilder {
    manager: MqttManager,
    client_id: String,
    owner: Option<Arc<str>>,
    clean_start: bool,
    expiry: SessionExpiry,
    receive_maximum: u16,
    limits: Option<SessionLimits>,
    acknowledges: bool,
    subscriptions: Vec<(String, SubscriptionOptions)>,
}

impl SubscriberBuilder {
    pub(crate) const fn new(manager: MqttManager) -> Self {
        Self {
            manager,
            client_id: String::new(),
            owner: None,
            clean_start: false,
            expiry: SessionExpiry::WITH_CONNECTION,
            receive_maximum: u16::MAX,
            limits: None,
            acknowledges: true,
            subscriptions: Vec::new(),
        }
    }

    /// Client Identifier, at most 65,535 bytes; whoever has it is taken over, and whosever it is. Default: a new one
    /// is assigned.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// The user that the session is to belong to: no client of another user, or of none, gets the client identifier
    /// while the session lives. Default: nobody, or whose it was; then any client that knows it takes it over.
    pub fn owner(mut self, username: impl Into<Arc<str>>) -> Self {
        self.owner = Some(username.into());
        self
    }

    /// Subscribes to a topic filter, shared (`$share/{name}/{filter}`) or not, at most at this QoS.
    pub fn subscribe(self, filter: impl Into<String>, qos: QoS) -> Self {
        self.subscribe_with(filter, SubscriptionOptions::new(qos))
    }

    /// Subscribes to a topic filter with all options: No Local, Retain As Published, Retain
    /// Handling, Subscription Identifier (section 3.8.3.1).
    pub fn subscribe_with(
        mut self,
        filter: impl Into<String>,
        options: SubscriptionOptions,
    ) -> Self {
        self.subscriptions.push((filter.into(), options));
        self
    }

    /// Receive Maximum (section 3.1.2.11.3): how many messages at QoS 1 and 2 may be under way to
    /// the subscriber, that is taken and not acknowledged, and for a shared subscription waiting for
    /// it as well: what is more goes to another member. At most the
    /// [`receive_maximum_cap`](SessionLimits::receive_maximum_cap) of the limits. Default: that; 0
    /// counts as 1.
    pub const fn receive_maximum(mut self, receive_maximum: u16) -> Self {
        self.receive_maximum = receive_maximum;
        self
    }

    /// The limits of its session, if that is a new one: how much may wait, and what becomes of one
    /// more message. Default: [`Settings::session`](crate::Settings::session).
    pub const fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Session Expiry Interval (section 3.1.2.11.2): how long the session goes on after the
    /// subscriber was dropped or has ended. Default: not at all.
    pub const fn session_expiry(mut self, expiry: SessionExpiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Clean Start (section 3.1.2.4): ends an earlier session of the client identifier. Default: it
    /// goes on if it was to outlive its connection.
    pub const fn clean_start(mut self) -> Self {
        self.clean_start = true;
        self
    }

    /// Leaves it to [`Incoming::acknowledge`](crate::Incoming::acknowledge) to acknowledge messages
    /// at QoS 1 and 2. Default: they are acknowledged when they are taken.
    ///
    /// A message that is dropped without that stays under way, and takes one of the places of the
    /// [Receive Maximum](Self::receive_maximum). It comes again to whoever goes on with the
    /// session. If the session ends, it goes to another member if it came by a shared subscription
    /// at QoS 1, and else with the session (at QoS 2 somebody may have it already [MQTT-4.8.2-5]).
    pub const fn acknowledge_explicitly(mut self) -> Self {
        self.acknowledges = false;
        self
    }

    /// Makes the subscriber. When this returns, it misses nothing that is published, and the
    /// retained messages that match wait for it.
    ///
    /// # Errors
    ///
    /// [`ManagerError::Filter`], [`ManagerError::Invalid`] for a client identifier or Subscription
    /// Identifier, [`ManagerError::LimitReached`] when there may be no more sessions, and
    /// [`ManagerError::Stopped`].
    pub async fn open(self) -> Result<Subscriber, ManagerError> {
        let attach = Box::new(self.attach()?);
        let (manager, acknowledges) = (self.manager.clone(), self.acknowledges);
        let opened = self
            .manager
            .order(&self.client_id, |done| Command::Attach {
                attach,
                // If nobody waits any more, it is dropped, and so takes its leave.
                done: Box::new(move |held| {
                    done(held.map(|held| Subscriber::new(held, manager, acknowledges)));
                }),
            })
            .await?;
        opened.map_err(|limit| ManagerError::LimitReached { limit })
    }

    /// Does what [`open`](Self::open) does, and blocks this thread meanwhile: for threads that run
    /// no asynchronous tasks.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_blocking(self) -> Result<Subscriber, ManagerError> {
        block_on(self.open())
    }

    fn attach(&self) -> Result<Attach, ManagerError> {
        if !is_string(&self.client_id) {
            let expected = "at most 65,535 bytes without the null character";
            return Err(ManagerError::Invalid { name: "client identifier", expected });
        }
        let mut subscriptions = Vec::with_capacity(self.subscriptions.len());
        for (filter, options) in &self.subscriptions {
            if options.subscription_id.is_some_and(|id| !(1..=268_435_455).contains(&id)) {
                let (name, expected) = ("subscription identifier", "1 to 268,435,455");
                return Err(ManagerError::Invalid { name, expected });
            }
            let filter = TopicFilter::parse(filter)?;
            if filter.share_name().is_some() && options.no_local {
                // [MQTT-3.8.3-4]
                let (name, expected) = ("no local of a shared subscription", "false");
                return Err(ManagerError::Invalid { name, expected });
            }
            subscriptions.push((filter, *options));
        }
        Ok(Attach {
            client_id: (!self.client_id.is_empty()).then(|| Arc::from(self.client_id.as_str())),
            owner: self.owner.clone(),
            clean_start: self.clean_start,
            expiry: self.expiry,
            receive_maximum: self.receive_maximum,
            limits: self.limits,
            subscriptions,
        })
    }
}
