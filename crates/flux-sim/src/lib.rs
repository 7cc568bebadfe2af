//! A whole broker in one thread and in virtual time: many clients, faults, and one seed.
//!
//! The broker's real workers ([`flux_mqtt::Worker`], made from a [`flux_mqtt::Core`]) are pumped here in
//! place of the driver: in any seeded interleaving, over a network that delays, cuts bytes into pieces and
//! loses them with their connection, with clients that keep to the rules, that are late, or that break
//! the rules. A model, which shares no code with the broker, judges everything that a worker does, at the
//! moment at which it does it.
//!
//! It knows nothing of real time, threads and sockets. The same seed gives the same world, to the byte:
//!
//! ```
//! use flux_sim::{Plan, run};
//!
//! let plan = Plan::draw(7);
//! let (first, second) = (run(&plan, true), run(&plan, true));
//! assert_eq!(first.failure, None);
//! assert_eq!(first.trace, second.trace);
//! ```
//!
//! `cargo xtask sim --seeds 10000` runs many, `--seed 7 --trace` shows one.
#![expect(
    clippy::indexing_slicing,
    reason = "nothing here serves a peer: a simulator that is wrong stops"
)]

mod client;
mod durable;
mod hands;
mod model;
mod packet;
mod plan;
mod random;
mod rules;
mod shrink;
#[cfg(test)]
mod tests;
mod world;

pub use self::durable::{DurableOutcome, Hazard, run_durable};
pub use self::model::Judged;
pub use self::plan::{Act, Plan, Step};
pub use self::shrink::shrink;
pub use self::world::{Outcome, run};
