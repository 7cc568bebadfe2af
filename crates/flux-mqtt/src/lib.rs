//! An MQTT 3.1.1 and 5.0 broker as a library.

mod broker;
mod clients;
mod driver;
mod effects;
mod input;
mod manager;
mod message;
mod reason;
mod route_cache;
mod routes;
mod server;
mod session;
mod settings;
mod storage;
mod wire;
mod worker;

/// The retained messages of a broker.
pub type RetainedStore = flux_retained::RetainedStore<Message>;

pub use driver::BindError;
pub use effects::Effects;
pub use input::{Command, ConnectionId, Done, Input, Letter, WorkerId};
pub use manager::{ManagerError, MqttManager};
pub use message::Message;
pub use reason::ReasonCode;
pub use server::{BrokerHandle, StartBrokerError, start_broker, start_broker_with};
pub use session::SessionKey;
pub use settings::{Listen, Settings, SettingsError};
pub use storage::{Record, Sequence};
pub use wire::{FrameError, Version};
pub use worker::{Received, Worker};

// The names that users of the first version know, all in one place.
pub use flux_auth::{AllowAll, Authentication, Authenticator, Authorizer, SimpleAuthenticator};
pub use flux_eventbus::EventBus;
pub use flux_retained::RetainedMessage;
pub use flux_session::QoS;
pub use flux_topic::{TopicMatcher, matches};
