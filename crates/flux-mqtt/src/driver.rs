//! The shell around the workers: threads, sockets and timers on ntex.
//!
//! Nothing here decides anything. Each worker runs on a thread of its own; its connections
//! are tasks there, each of which hands what it read to the [`Worker`](crate::Worker). What
//! the worker wants done comes out through [`fx::NtexEffects`]. One more task, the turn, runs
//! behind them: it empties the mailbox, fires timers, and drains what has become dirty, so
//! that everything that came in together goes out together.

mod accept;
mod answers;
mod busy;
mod clock;
mod connection;
mod control;
mod doors;
mod entrance;
mod entry;
mod eras;
mod fx;
mod keeper;
mod mailbox;
mod outbox;
mod proxy;
mod runtime;
mod shell;
mod stream;
mod tls;
mod turn;
mod unix;
mod websocket;

pub use accept::BindError;
pub(crate) use accept::bind_all;
pub(crate) use busy::Busy;
pub(crate) use clock::Clock;
pub(crate) use control::{Control, Loads, run};
pub(crate) use doors::{Change, Doors};
pub(crate) use entrance::HeadCounts;
pub use eras::Recess;
pub(crate) use keeper::Keeper;
pub(crate) use mailbox::{Mail, Mailboxes};
