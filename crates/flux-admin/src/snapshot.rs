//! What is known of a broker at one moment.

use std::collections::HashMap;
use std::sync::Arc;

use flux_mqtt::{
    BrokerHandle, Census, Count, Counters, Histogram, Holdings, Latency, Limits, PacketType,
    RetainedLimits, StoreHealth, Version, WorkerView,
};
use flux_tls::CertificateInUse;

use crate::Exported;

/// The numbers of a broker that metrics are made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What was counted since the broker began.
    pub counters: Counters,
    /// The bytes that it holds for its clients.
    pub holdings: Holdings,
    /// What sessions hold, and who is behind.
    pub census: Census,
    /// How long things took, as far as they were timed.
    pub latencies: HashMap<Latency, Histogram>,
    /// Network connections that workers have.
    pub connections: usize,
    /// Those that came through the listeners of each name.
    pub listeners: Vec<(Arc<str>, usize)>,
    /// Clients that are connected, by the listener that they came through and the version that they speak.
    pub clients: Vec<(Arc<str>, Version, usize)>,
    /// What each worker has to do.
    pub workers: Vec<WorkerView>,
    /// The limits that hold.
    pub limits: Limits,
    /// Those of retained messages.
    pub retained_limits: RetainedLimits,
    /// Sessions, with or without connection.
    pub sessions: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// Each certificate in use; more than once where several settings name its file.
    pub certificates: Vec<CertificateInUse>,
    /// How the store is, if there is one.
    pub store: Option<StoreHealth>,
    /// What a collector did not get, if there is an exporter. Whoever takes the snapshot knows it, and not the broker.
    pub exported: Option<Arc<Exported>>,
}

impl Snapshot {
    /// Reads them.
    #[must_use]
    pub fn of(broker: &BrokerHandle) -> Self {
        let certificates = broker.certificates().days_left().into_iter();
        Self {
            counters: broker.counters(),
            holdings: broker.ledger(),
            latencies: Latency::ALL.into_iter().map(|it| (it, broker.latency(it))).collect(),
            census: broker.census(MOST_BEHIND),
            connections: broker.connections(),
            listeners: broker.connections_by_listener(),
            clients: broker.clients_by_listener(),
            workers: broker.workers(),
            limits: broker.limits(),
            retained_limits: broker.retained().limits(),
            sessions: broker.sessions(),
            subscriptions: broker.subscriptions(),
            retained: broker.retained().len(),
            certificates: certificates.map(|(it, _)| it).collect(),
            store: broker.store_health(),
            exported: None,
        }
    }
}

/// Returns how many packets came.
pub(crate) fn all_received(counters: &Counters) -> u64 {
    PacketType::ALL.into_iter().map(|packet| counters.of(Count::Received(packet))).sum()
}

/// Returns how many packets were sent.
pub(crate) fn all_sent(counters: &Counters) -> u64 {
    PacketType::ALL.into_iter().map(|packet| counters.of(Count::Sent(packet))).sum()
}

/// How many sessions are named that are furthest behind.
const MOST_BEHIND: usize = 10;
