//! The statements of the standards, against our broker: every chapter of the suite that judges
//! any broker, with one worker and with four.

mod liar;

use std::net::SocketAddr;
use std::num::NonZeroU16;

use flux_conformance::{CHAPTERS, DEADLINE, Judge, Layer, Outcome};
use flux_mqtt::{QoS, Settings};

use crate::support::Broker;

/// Makes two tests of each chapter.
macro_rules! chapters {
    ($($name:ident $(with $settings:path)?),+ $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($name)),+];

        scenarios! { $($name $(with $settings)?),+ }

        $(
            fn $name(broker: &Broker) {
                check(broker, stringify!($name));
            }
        )+
    };
}

chapters! {
    strings,
    headers,
    malformed_connect,
    malformed,
    connect with talkative,
    session,
    will,
    packet_size with narrow,
    alias,
    quota with narrow,
    message,
    retained,
    expiry,
    delivery,
    redelivery,
    subscription,
    topic,
    shared,
    closing,
    capabilities with few,
}

/// Limits that a client can reach, so that they are tested.
pub(crate) fn narrow(settings: &mut Settings) {
    settings.session.inbound_receive_maximum = 20;
    settings.limits.packet_size = 100_000;
}

pub(crate) fn few(settings: &mut Settings) {
    settings.max_qos = QoS::AtLeastOnce;
    settings.max_keep_alive = NonZeroU16::new(1);
    settings.topic_alias_maximum = 0;
}

pub(crate) fn talkative(settings: &mut Settings) {
    settings.response_information = Some("answers".to_owned());
}

#[track_caller]
fn check(broker: &Broker, name: &str) {
    check_over(broker.address(), Layer::default(), name);
}

/// Checks a chapter against whoever listens there, by clients that lay this over their sockets.
#[track_caller]
pub(crate) fn check_over(address: SocketAddr, layer: Layer, name: &str) {
    let chapter = CHAPTERS.iter().find(|chapter| chapter.name == name).unwrap();
    let wrong: Vec<_> = Judge::new(address, DEADLINE)
        .over(layer)
        .run(chapter.cases)
        .into_iter()
        .filter_map(|verdict| {
            let (Outcome::Failed(why) | Outcome::NotTestable(why)) = &verdict.outcome else {
                return None;
            };
            Some(format!("{} {:?}: {why}", verdict.case.name, verdict.version))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_chapter_is_tested() {
    let chapters: Vec<_> = CHAPTERS.iter().map(|chapter| chapter.name).collect();
    assert_eq!(chapters, TESTED);
}
