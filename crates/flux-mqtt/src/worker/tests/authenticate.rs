//! Who may come in, and what the others are told.

use flux_auth::{Authentication, Identity, Refusal};
use flux_eventbus::Event;
use ntex_mqtt::v3;

use super::client::{connect, encode_v5, packet, publish};
use super::cluster::Cluster;
use crate::input::Input;
use crate::wire::Version;

#[test]
fn each_refusal_has_its_code_in_both_versions() {
    #[track_caller]
    fn check(refusal: Refusal, v311: &str, v5: &str) {
        let mut c = Cluster::new(1);
        c.asks_who = true;
        let old = c.dial_v3(0, v3::codec::Connect::default().client_id("old"));
        let new = c.dial(0, connect("new"));
        for (peer, expected) in [(old, v311), (new, v5)] {
            let authentication = Authentication::Refused(refusal);
            c.input(
                0,
                Input::Authenticated { connection: peer.id, authentication, valid_for: None },
            );
            assert_eq!(c.heard(peer), [format!("CONNACK {expected}")]);
            assert!(c.is_closed(peer));
        }
        assert!(c.broker.clients.get("old").is_none() && c.broker.clients.get("new").is_none());
        let refused = |event: &Event| {
            matches!(event, Event::ConnectRefused { code, .. }
            if format!("{code:02x}") == v5)
        };
        assert_eq!(c.events().iter().filter(|event| refused(event)).count(), 2);
    }
    check(Refusal::BadUserNameOrPassword, "04", "86");
    check(Refusal::NotAuthorized, "05", "87");
    check(Refusal::ServerUnavailable, "03", "88");
    check(Refusal::Banned, "05", "8a");
    check(Refusal::BadAuthenticationMethod, "05", "8c");
}

#[test]
fn the_authenticator_sees_what_the_client_shows() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    let mut shown = connect("meter");
    shown.username = Some("alice".into());
    shown.password = Some(b"secret".to_vec().into());
    c.dial(0, shown);
    let (_, credentials) = c.nodes[0].fx.authenticate.pop().unwrap();
    assert_eq!(&*credentials.client_id, "meter");
    assert_eq!(credentials.username.as_deref(), Some("alice"));
    assert_eq!(credentials.password.as_deref(), Some(&b"secret"[..]));
    assert_eq!(credentials.protocol_level, 5);
}

#[test]
fn what_follows_connect_waits_for_the_answer() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    let peer = c.open(0, Version::V5);
    let hello = encode_v5(connect("a").into());
    c.send(peer, &[hello, publish(Version::V5, 2, 3, "t", "x")].concat());
    assert!(c.socket(peer).is_paused);
    assert_eq!(c.heard(peer), [""; 0]);
    let authentication = Authentication::Accepted(Identity::anonymous());
    c.input(0, Input::Authenticated { connection: peer.id, authentication, valid_for: None });
    assert_eq!(c.heard(peer), ["CONNACK 00", "PUBACK 3 10"]);
}

#[test]
fn an_answer_for_a_connection_that_is_gone_is_nobodys() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    let gone = c.dial(0, connect("a"));
    c.lose(gone);
    let authentication = Authentication::Accepted(Identity::anonymous());
    c.input(0, Input::Authenticated { connection: gone.id, authentication, valid_for: None });
    assert!(c.broker.clients.get("a").is_none());
}

#[test]
fn a_client_without_a_name_is_given_one() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    let new = c.dial(0, connect(""));
    let old = c.dial_v3(0, v3::codec::Connect { clean_session: true, ..Default::default() });
    let names: Vec<_> =
        c.nodes[0].fx.authenticate.iter().map(|(_, shown)| shown.client_id.clone()).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
    for (peer, name) in [(new, &names[0]), (old, &names[1])] {
        let authentication = Authentication::Accepted(Identity::anonymous());
        c.input(0, Input::Authenticated { connection: peer.id, authentication, valid_for: None });
        assert!(c.broker.clients.get(name).is_some());
        let told = String::from_utf8_lossy(&c.socket(peer).sent).contains(&**name);
        assert_eq!(told, peer.version == Version::V5, "Assigned Client Identifier");
    }
}

/// [MQTT-3.1.3-8], [MQTT-3.1.3-9] of 3.1.1.
#[test]
fn a_v311_client_without_a_name_may_not_want_its_session_back() {
    let mut c = Cluster::new(1);
    let peer = c.open(0, Version::V311);
    c.send(peer, &packet(0x10, &[b"\0\x04MQTT\x04\0\0\0\0\0"]));
    assert_eq!(c.heard(peer), ["CONNACK 02"]);
    assert!(c.is_closed(peer));
}

#[test]
fn connects_that_are_refused_before_anybody_is_asked() {
    #[track_caller]
    fn check(version: Version, body: &[u8], expected: &[&str]) {
        let mut c = Cluster::new(1);
        let peer = c.open(0, version);
        c.send(peer, &packet(0x10, &[body]));
        assert_eq!(c.heard(peer), expected);
        assert!(c.is_closed(peer));
        assert_eq!(c.nodes[0].worker.connections(), 0);
    }
    check(Version::V5, b"\0\x04MQTT\x07\x02\0\0\0\0\x01a", &["CONNACK 84"]);
    check(Version::V311, b"\0\x04MQTT\x03\x02\0\0\0\x01a", &["CONNACK 01"]);
    check(Version::V311, b"\0\x06MQIsdp\x04\x02\0\0\0\x01a", &["CONNACK 01"]);
    check(Version::V311, b"\0\x04mqtt\x04\x02\0\0\0\x01a", &[]);
    check(Version::V311, b"\0\x04MQTT\x04\x03\0\0\0\x01a", &[]);
    check(Version::V5, b"\0\x04MQTT\x05\x03\0\0\0\0\x01a", &["CONNACK 81"]);
    check(Version::V5, b"\0\x04MQTT\x05\x02\0\0\x06\x15\0\x03SHA\0\x01a", &["CONNACK 8c"]);
}

#[test]
fn the_first_packet_must_be_a_connect_and_the_second_may_not() {
    let mut c = Cluster::new(1);
    let peer = c.open(0, Version::V5);
    c.send(peer, &super::client::PINGREQ);
    assert!(c.is_closed(peer));
    assert_eq!(c.heard(peer), [""; 0]);
    let peer = c.connect(0, "a");
    c.send(peer, &encode_v5(connect("a").into()));
    assert_eq!(c.heard(peer), ["DISCONNECT 82"]);
}
