//! What is known of a broker at one moment.

use flux_mqtt::{BrokerHandle, Counters, Holdings, StoreHealth};

/// The numbers of a broker that metrics are made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What was counted since the broker began.
    pub counters: Counters,
    /// The bytes that it holds for its clients.
    pub holdings: Holdings,
    /// Network connections that workers have.
    pub connections: usize,
    /// Sessions, with or without connection.
    pub sessions: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Retained messages.
    pub retained: usize,
    /// Subject of each certificate in use, and how many days are left.
    pub certificates: Vec<(String, i64)>,
    /// How the store is, if there is one.
    pub store: Option<StoreHealth>,
}

impl Snapshot {
    /// Reads them.
    #[must_use]
    pub fn of(broker: &BrokerHandle) -> Self {
        let certificates = broker.certificates().days_left().into_iter();
        Self {
            counters: broker.counters(),
            holdings: broker.ledger(),
            connections: broker.connections(),
            sessions: broker.sessions(),
            subscriptions: broker.subscriptions(),
            retained: broker.retained().len(),
            certificates: certificates.map(|(it, days)| (it.subject, days)).collect(),
            store: broker.store_health(),
        }
    }
}
