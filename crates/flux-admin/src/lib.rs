//! Metrics, health and version of a broker, over HTTP on a listener of its own, and as `$SYS` topics.
//!
//! | path | what it is |
//! |---|---|
//! | `/metrics` | all [`Family`]s and [`Times`], as OpenMetrics for who accepts that, else in Prometheus' text format |
//! | `/healthz` | 200 while the broker runs |
//! | `/readyz` | 200 while it can serve: its workers answer, its listeners accept, and its store takes what it should; else 503 and why |
//! | `/version` | name and version |
//! | `/api/v1/log` | what the program logs, by a [`LogControl`]; PUT with `filter` changes it |
//! | `/api/v1/clients` | a page of the clients, as [`ClientEntry`]s in JSON, by `after` and `limit`; with `behind` so many of those who are furthest behind; one with `id`, which DELETE disconnects; DELETE with `owner` or `owned` and `session` ends the sessions of a page that belong to a user |
//! | `/api/v1/losses` | sessions that are over and had lost messages, as [`LossEntry`]s in JSON, the last first, by `limit`; those of one client with `id` |
//! | `/api/v1/bans` | the addresses that are banned, as [`BanEntry`]s in JSON; DELETE with `address` lifts a ban |
//!
//! Numbers are read when somebody asks for them: without a scrape nothing is done, and a scrape stops no worker.
//! A listener beyond loopback needs a token, which all but `/healthz` and `/readyz` then ask for, or TLS that requires a
//! certificate of every client.
//!
//! The same numbers go out as messages under `$SYS/broker`, if somebody calls [`publish_sys_topics`].
//!
//! Who takes messages too slowly is logged, if somebody calls [`watch_laggards`], and a disk that does not answer, if somebody
//! calls [`watch_disk`].
//!
//! The crate knows the broker by its [`BrokerHandle`](flux_mqtt::BrokerHandle), and whoever bans addresses as a
//! [`Bouncer`](flux_auth::Bouncer).

mod bans;
mod clients;
mod compat;
#[cfg(test)]
mod deploy;
mod disk;
mod export;
mod families;
mod guard;
mod health;
mod laggards;
mod log;
mod losses;
mod metrics;
#[cfg(test)]
mod page;
mod places;
mod server;
mod snapshot;
mod sys;
mod times;
mod tls;

pub use bans::BanEntry;
pub use clients::{ClientEntry, EndedSessions};
pub use compat::{Alias, Compat, EMQX};
pub use disk::{WATCH_DISK_EVERY, watch_disk};
pub use export::{ExportSignal, Exported};
pub use families::{Family, Kind, Sample};
pub use laggards::{LagChange, Laggards, Waiting, watch_laggards};
pub use log::LogControl;
pub use losses::LossEntry;
pub use metrics::Metrics;
pub use server::{AdminServer, AdminSettings, StartAdminError, start_admin};
pub use snapshot::Snapshot;
pub use sys::{SysTopic, SysTopics, publish_sys_topics};
pub use times::Times;
