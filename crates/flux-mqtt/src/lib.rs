//! An MQTT 3.1, 3.1.1 and 5.0 broker as a library.
//!
//! [`start_broker`] runs one on threads of its own, in any program: plain, on tokio, on ntex.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use flux_mqtt::{EventBus, SimpleAuthenticator, start_broker};
//!
//! # fn main() -> Result<(), flux_mqtt::StartBrokerError> {
//! let broker = start_broker(Arc::new(EventBus::new()), Arc::new(SimpleAuthenticator::new()))?;
//! println!("listening on {:?}", broker.local_addrs());
//! broker.wait();
//! # Ok(())
//! # }
//! ```
//!
//! The process itself publishes and receives through [`MqttManager`], from any thread and without
//! a socket: [`MqttManager::publish`] takes a [`Publication`] and says what became of it,
//! [`MqttManager::subscriber`] makes a [`Subscriber`], a client like any other. Both have an example.
//!
//! [`start_broker_with`] takes [`Settings`] and an [`Authorizer`] as well. Some things work
//! without a broker:
//!
//! ```
//! use bytes::Bytes;
//! use flux_mqtt::{RetainedStore, TopicMatcher, matches};
//!
//! assert!(matches("home/+/temperature", "home/kitchen/temperature"));
//! assert!(TopicMatcher::new("home/#")?.matches("home"));
//!
//! let store = RetainedStore::new();
//! store.set("home/kitchen/temperature".to_owned(), Bytes::from_static(b"21.5"), 1);
//! assert_eq!(store.get_matching("home/#").len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside there are three layers. `wire` turns bytes into packets and back, and decides what is
//! legal. [`Worker`] is one thread's share of the broker as a value: [`Input`]s go in,
//! [`Effects`] come out, time is an argument. `driver` is the shell of threads and sockets
//! around it, on ntex. The crate knows nothing of configuration files, command lines or where
//! passwords are kept.

mod blocking;
mod broker;
mod certificates;
mod client_counts;
mod clients;
mod consumer;
mod core;
mod counters;
mod denials;
mod departed;
mod driver;
mod due_sessions;
mod effects;
mod filter;
mod gauge;
mod inherited;
mod input;
mod inspect;
mod journal;
mod latency;
mod ledger;
mod limits;
mod listener;
mod losses;
mod manager;
mod message;
mod meters;
mod names;
mod outcome;
mod packets;
mod permission;
mod publication;
mod reason;
mod reload;
mod replay;
mod reserved;
mod restore;
mod route_cache;
mod routes;
mod server;
mod session;
mod settings;
mod share;
mod storage;
mod subscriber;
mod sync;
mod terms;
mod testator;
mod token_bucket;
mod trace;
mod traffic;
mod wire;
mod worker;

/// The retained messages of a broker, or of nobody: a facade that may be shared between threads.
pub type RetainedStore = flux_retained::RetainedStore<Message>;

pub use certificates::Certificates;
pub use core::Core;
pub use counters::{Count, Counters};
pub use driver::{BindError, Recess};
pub use effects::Effects;
pub use inherited::InheritedSockets;
pub use input::{Command, Done, Input, Letter};
pub use inspect::{Census, ClientView, EndedSessionView, SessionView, ShareView, WorkerView};
pub use latency::{Latency, Span, Stamp};
pub use ledger::Holdings;
pub use limits::{Limits, WhenTooFast};
pub use listener::{
    Listen, Listener, Listening, Place, Scheme, Transport, UnixSocket, WebSocketSettings,
};
pub use manager::{ManagerError, MqttManager};
pub use message::Message;
pub use meters::PublishRates;
pub use names::{ConnectionId, SessionKey, WorkerId};
pub use outcome::PublishOutcome;
pub use packets::{Packets, Part};
pub use permission::Permission;
pub use publication::Publication;
pub use reason::ReasonCode;
pub use reload::PreparedReload;
pub use restore::Restored;
pub use server::{
    BrokerHandle, StartBrokerError, start_broker, start_broker_with, start_broker_with_store,
};
pub use settings::{Settings, SettingsError, SharedSettings, SharedStrategy};
pub use subscriber::{Incoming, Subscriber, SubscriberBuilder};
pub use terms::{Terms, Versions};
pub use trace::{Arrival, PublishTrace, Tracer};
pub use wire::{FrameError, PacketType, Version};
pub use worker::{Received, Worker};

// What a store is and answers.
pub use flux_storage::{
    Batch, Failure as StoreFailure, Health as StoreHealth, Queued, ReadError, Sequence, Store,
    Ticket,
};

/// A range of addresses: `192.0.2.0/24`.
pub use ipnet::IpNet;

// The names that users of the first version know, all in one place.
pub use flux_auth::{AllowAll, Authentication, Authenticator, Authorizer, SimpleAuthenticator};
pub use flux_eventbus::{DisconnectReason, EventBus, Limit, SessionEnd};
pub use flux_retained::{RetainedLimits, RetainedMessage, WhenFull as RetainedFull};
pub use flux_session::{
    GroupFull, GroupLimits, QoS, RetainHandling, SessionExpiry, SessionLimits, SubscriptionOptions,
    Timestamp, WhenFull,
};
pub use flux_time::Histogram;
pub use flux_tls::{LoadTlsError, Reloaded, TlsConfig, TlsSettings, TlsWarning};
pub use flux_topic::{TopicMatcher, matches};

#[cfg(feature = "bench")]
#[doc(hidden)]
pub use route_cache::remembered::RememberedVerdict;

/// What the fuzz target `frames` does with its input: see `fuzz/`.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_frames(data: &[u8]) {
    wire::fuzz::check(data);
}

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
