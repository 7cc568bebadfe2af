//! `mosquitto_pub` and `mosquitto_sub` against a broker.

pub(super) mod beside;
mod checks;
mod programs;
mod sys;

use self::programs::{Clients, Version};
use super::tally::Tally;
use crate::doors::certificates::Certificates;
use crate::doors::door::Door;

pub(super) use self::programs::is_installed;

/// Runs every check in every protocol version; over TLS with the certificates of this folder.
pub(super) fn run(door: &Door, certificates: &Certificates, tally: &mut Tally) {
    for version in Version::ALL {
        let clients = Clients { door, version, certificates, shown: Some("client") };
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

/// Checks what a client may do whose certificate says `client`, and that there is no way around it.
pub(super) fn run_by_name(door: &Door, certificates: &Certificates, tally: &mut Tally) {
    for version in Version::ALL {
        let client = Clients { door, version, certificates, shown: Some("client") };
        let stranger = Clients { shown: Some("stranger-client"), ..client };
        let nobody = Clients { shown: None, ..client };
        report(version, "a certificate is a user name", checks::own_topic(&client), tally);
        // SUBACK of MQTT 3.1 cannot say no.
        if version != Version::V31 {
            let outcome = checks::topic_of_another(&client);
            report(version, "others' topics stay closed", outcome, tally);
        }
        report(version, "without a certificate nobody comes in", nobody.is_refused(), tally);
        report(version, "nor with one of another authority", stranger.is_refused(), tally);
    }
}

fn report(version: Version, check: &str, outcome: anyhow::Result<()>, tally: &mut Tally) {
    let check = format!("{} {check}", version.name());
    match outcome {
        Ok(()) => tally.pass(&check),
        Err(error) => tally.fail(&check, &format!("{error:#}")),
    }
}
