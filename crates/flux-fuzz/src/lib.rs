//! Whole connections fed arbitrary bytes in arbitrary cuts: what the fuzz target `connections` does.
//!
//! An input is a plan (`plan`): settings, then steps. Steps open connections to one or two workers,
//! send packets made of fields of the input, or raw bytes, or half of them; hand letters over, let time pass,
//! stall, break off, answer what the workers ask. They drive the public [`flux_mqtt::Core`] in one
//! thread, as the ntex driver would.
//!
//! [`connections`] panics where one of these does not hold:
//!
//! - nothing in a worker panics, not even where it is caught;
//! - what a worker sends are whole packets that a server may send to this client now (`conversation`);
//!   nothing follows what ends a conversation;
//! - every request is answered, once nothing keeps it waiting;
//! - a client that behaves is served, whatever the others do (`bystander`);
//! - when all sessions are over, nothing is held.
//!
//! The plan is bytes and not a structure, so that each change to an input is a small change to what
//! happens. The crate knows nothing of fuzzers: `fuzz/` has one, and a test replays its corpus.
#![expect(clippy::panic, reason = "a fuzz target fails by a panic")]

mod bystander;
mod conversation;
mod effects;
mod ending;
mod node;
mod packets;
mod plan;
mod requests;
mod rights;
mod scene;
mod server_packet;
mod socket;
mod steps;

pub use steps::connections;
