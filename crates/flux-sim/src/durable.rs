//! The broker over a store, with power cuts: what its clients were promised is what is judged.
//!
//! The worlds of [`run`](crate::run) judge each thing that a worker does. Here a disk loses any part of what was
//! not synced, fails, and is full; the broker is gone at any moment and starts again over what is left. What must hold
//! then is said by the clients alone, who keep what the standard has them keep:
//!
//! - a session whose client had its CONNACK is there again, with the subscriptions that it had a SUBACK for;
//! - what was acknowledged to a publisher comes to each subscriber of that time; at QoS 2 once;
//! - and to one of those that share a subscription, if one did at that time; at QoS 2 to one of them once;
//! - the messages of a publisher come in their order;
//! - a topic's retained message is the last that was acknowledged, or a later one.
//!
//! What reaches the broker while it knows that its store fails may be refused, even if the publisher never hears of that:
//! sent again, it may come late.

mod book;
mod customer;
mod world;

use std::fmt;

pub use self::world::run_durable;

/// What came of a world with power cuts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DurableOutcome {
    /// What was wrong, if something was.
    pub failure: Option<String>,
    /// How often the broker was gone.
    pub crashes: u64,
    /// How often the disk made something safe.
    pub syncs: u64,
    /// Messages that were acknowledged to their publishers.
    pub acknowledged: u64,
    /// Messages that came to subscribers.
    pub delivered: u64,
    /// Messages that were refused because the disk failed.
    pub refused: u64,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

impl DurableOutcome {
    /// Adds what came of another world.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.syncs += other.syncs;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.refused += other.refused;
    }
}

impl fmt::Display for DurableOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crashes, syncs, acknowledged, delivered, refused, .. } = self;
        write!(
            f,
            "{crashes} crashes, {syncs} syncs, {acknowledged} messages acknowledged, {delivered} delivered, \
             {refused} refused"
        )
    }
}

/// What is different from the usual world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hazard {
    /// The disk says that it synced, and does not.
    pub silent_sync: bool,
}
