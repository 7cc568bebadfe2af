//! The histograms that there are: name, meaning, and where the numbers come from.

use flux_mqtt::{Histogram, Latency};

use crate::Snapshot;

/// A histogram of seconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Without the `flux_` before it.
    pub name: &'static str,
    /// What it means, for people.
    pub help: &'static str,
    /// Returns what was counted; nothing where there is nothing to count.
    pub read: fn(&Snapshot) -> Option<&Histogram>,
}

impl Times {
    /// All of them, in the order in which they are scraped.
    pub const ALL: &[Self] = &[
        Self {
            name: "delivery_seconds",
            help: "From PUBLISH to the message being sent to a subscriber; of one message in 10 ms and worker",
            read: |it| it.latencies.get(&Latency::Delivery),
        },
        Self {
            name: "acknowledgement_seconds",
            help: "From PUBLISH to PUBACK or PUBREC; of one message in 10 ms and worker",
            read: |it| it.latencies.get(&Latency::Acknowledgement),
        },
        Self {
            name: "connect_seconds",
            help: "From CONNECT to the CONNACK that admits a client",
            read: |it| it.latencies.get(&Latency::Connect),
        },
        Self {
            name: "store_commit_seconds",
            help: "Commits of the store: one makes all durable that has come until it begins",
            read: |it| it.store.as_ref().map(|store| &store.commits),
        },
        Self {
            name: "store_fsync_seconds",
            help: "The disk syncing for the store: its part of a commit. With durability `os` hardly ever",
            read: |it| it.store.as_ref().map(|store| &store.syncs),
        },
    ];
}
