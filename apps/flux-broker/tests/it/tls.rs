//! MQTT over TLS: real sockets, and clients that we wrote and did not write.

mod certificates;
mod conformance;
mod hostile;
mod init;
mod reload;
mod traffic;

use crate::support::{Broker, Certificates, only_tls};

/// Starts a broker that speaks TLS alone, and whose clients trust it.
fn broker_over_tls(workers: usize) -> (Broker, Certificates) {
    let certificates = Certificates::new();
    let mut broker = Broker::start(workers, |settings| only_tls(settings, certificates.settings()));
    broker.over_tls = Some(certificates.client());
    (broker, certificates)
}
