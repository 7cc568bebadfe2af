//! What breaks the rules ends the connection, with the code that says which rule.

use std::sync::Arc;

use flux_auth::AllowAll;
use flux_eventbus::{DisconnectReason, Event};
use flux_session::SessionLimits;

use super::client::{self, PINGREQ, ack, packet, publish};
use super::cluster::Cluster;
use crate::limits::Limits;
use crate::settings::Settings;
use crate::wire::Version;

#[track_caller]
fn check(bytes: &[u8], code: u8) {
    let settings = Settings {
        limits: Limits { packet_size: 200, ..Limits::default() },
        session: SessionLimits { inbound_receive_maximum: 1, ..SessionLimits::default() },
        ..Settings::default()
    };
    let mut c = Cluster::with(1, settings, Arc::new(AllowAll));
    let peer = c.connect(0, "a");
    // What came before is answered, what comes after is not read.
    c.send(peer, &[&PINGREQ[..], bytes, &PINGREQ[..]].concat());
    let heard = c.heard(peer);
    assert_eq!(heard.first().map(String::as_str), Some("PINGRESP"), "{heard:?}");
    assert_eq!(heard.last(), Some(&format!("DISCONNECT {code:02x}")), "{heard:?}");
    assert_eq!(heard.iter().filter(|seen| *seen == "PINGRESP").count(), 1, "{heard:?}");
    assert!(c.is_closed(peer));
    let reason = match code {
        0x95 => DisconnectReason::PacketTooLarge,
        code => DisconnectReason::ProtocolError { code },
    };
    assert!(c.events().contains(&Event::Disconnected {
        client_id: "a".into(),
        username: None,
        peer: None,
        listener: None,
        reason
    }));
}

#[test]
fn each_violation_has_its_reason_code() {
    let v5 = Version::V5;
    check(&[0x00, 0], 0x81);
    check(&[0x80, 0], 0x81);
    check(&[0xC0, 1, 0], 0x81);
    check(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], 0x81);
    check(&[0xF0, 0], 0x82);
    check(&[0x20, 2, 0, 0], 0x82);
    check(&[0x40, 2, 0, 0], 0x82);
    check(&packet(0x82, &[&[0, 1, 0]]), 0x82);
    check(&client::subscribe(v5, 1, &[("a/#/b", 0)]), 0x8F);
    check(&client::subscribe(v5, 1, &[("$share/g/a", 4)]), 0x82);
    check(&publish(v5, 0, 0, "a/#", "x"), 0x90);
    check(&packet(0x30, &[&[0, 1, b't', 3, 0x23, 0, 17]]), 0x94);
    check(&packet(0x30, &[&[0, 0, 3, 0x23, 0, 1]]), 0x82);
    check(&publish(v5, 0, 0, "t", &"x".repeat(200)), 0x95);
    check(&[publish(v5, 4, 1, "t", "x"), publish(v5, 4, 2, "t", "x")].concat(), 0x93);
}

#[test]
fn an_acknowledgement_of_the_wrong_kind_is_an_error_and_one_of_nothing_is_not() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.subscribe(peer, "t", 2);
    c.publish(peer, 1, 1, "t", "x");
    c.send(peer, &[ack(0x40, 77), ack(0x70, 77)].concat());
    assert_eq!(c.heard(peer), ["PUBACK 1 00", "t=x q1 #1"]);
    c.send(peer, &ack(0x50, 1));
    assert_eq!(c.heard(peer), ["DISCONNECT 82"]);
}

/// [MQTT-3.14.4-1], and nothing may be lost that stood before it.
#[test]
fn what_was_answered_before_a_disconnect_is_sent_before_the_connection_closes() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.send(peer, &[publish(peer.version, 2, 1, "t", "x"), client::DISCONNECT.to_vec()].concat());
    assert_eq!(c.heard(peer), ["PUBACK 1 10"]);
    assert_eq!(c.socket(peer).after_close, b"", "sent after close() it may be lost");
}
