//! The core of the broker in one thread: workers, their mailboxes and their connections as
//! values, in virtual time.

mod authenticate;
mod authorize;
mod away;
mod backpressure;
mod clean_start;
mod client;
mod cluster;
mod commands;
mod consumers;
mod decisions;
mod deliver;
mod denials;
mod effects;
mod events;
mod exchanges;
mod keep_alive;
mod limits;
mod memory;
mod overlaps;
mod owners;
mod pace;
mod panics;
mod races;
mod recheck;
mod redelivered;
mod retained;
mod rights;
mod routes;
#[cfg(feature = "shuttle")]
mod schedules;
mod shared;
mod stored;
mod stress;
mod takeover;
mod terms;
mod traced;
mod violations;
mod when_full;
mod will;
mod withheld;
