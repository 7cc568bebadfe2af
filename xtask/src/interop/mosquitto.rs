//! `mosquitto_pub` and `mosquitto_sub` against a broker.

mod checks;
mod programs;
mod sys;

use std::net::SocketAddr;
use std::path::Path;

use self::programs::{Clients, Version};
use super::tally::Tally;

pub(super) use self::programs::is_installed;

/// Runs every check in every protocol version; over TLS, if there are certificates for it.
pub(super) fn run(address: SocketAddr, certificates: Option<&Path>, tally: &mut Tally) {
    for version in Version::ALL {
        let clients = Clients { address, version, certificates };
        for published in 0..=2 {
            for subscribed in 0..=2 {
                let name = format!("QoS {published} published, QoS {subscribed} subscribed");
                report(version, &name, checks::qos(&clients, published, subscribed), tally);
            }
        }
        for (name, check) in checks::ALL {
            report(version, name, check(&clients), tally);
        }
    }
}

fn report(version: Version, check: &str, outcome: anyhow::Result<()>, tally: &mut Tally) {
    let check = format!("{} {check}", version.name());
    match outcome {
        Ok(()) => tally.pass(&check),
        Err(error) => tally.fail(&check, &format!("{error:#}")),
    }
}
