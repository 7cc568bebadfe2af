//! The broker from outside: real sockets, raw bytes, a client library that we did not write,
//! and the program itself.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod support;

mod admin;
mod alias;
mod compat;
mod conformance;
mod connect;
mod disk;
mod echo;
mod events;
mod exactly_once;
mod expiry;
mod facade;
mod flow;
mod framing;
mod handshake;
mod hang_up;
mod hostile;
mod keep_alive;
mod laggards;
mod levels;
mod limits;
mod limits_connections;
mod limits_counters;
mod limits_memory;
mod limits_page;
mod limits_sessions;
mod limits_subscriptions;
mod max_qos;
mod metrics;
mod moves;
mod order;
mod panics;
mod program;
mod properties;
mod proxy;
mod reason;
mod reserved;
mod resume;
mod retained;
mod routing;
mod rumqtt;
mod session;
mod shared;
mod slow;
mod stored;
mod strangers;
mod subscribe;
mod subscription_id;
mod sums;
mod takeover;
mod terms;
mod tls;
mod unix;
mod v31;
mod violation;
mod websocket;
mod will;
