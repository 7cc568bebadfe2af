//! Enhanced authentication: how long a client has for its steps, and what they cost.

use std::sync::Arc;

use bytes::Bytes;
use flux_auth::{Decision, Identity, Verdict};
use flux_eventbus::Limit;
use ntex_mqtt::v5;

use super::client::{DISCONNECT, PINGREQ, Peer, connect, packet, publish};
use super::cluster::Cluster;
use super::limits::expect_reached;
use super::rights::Rights;
use crate::counters::Count;
use crate::settings::Settings;

/// A broker whose exchanges ask for so many steps after the first.
fn cluster(further_steps: u8) -> Cluster {
    let mut c = Cluster::new(1);
    c.nodes[0].fx.exchange = Some(Identity::user("alice"));
    c.nodes[0].fx.further_steps = further_steps;
    c
}

fn begin(c: &mut Cluster) -> Peer {
    c.dial(0, with_method())
}

fn with_method() -> v5::codec::Connect {
    v5::codec::Connect { auth_method: Some("m".to_owned().into()), ..connect("a") }
}

/// AUTH with this code, and with as much data.
fn auth(code: u8, data: usize) -> Vec<u8> {
    let len = u16::try_from(data).unwrap().to_be_bytes();
    let properties = [&[0x15, 0, 1, b'm', 0x16][..], &len, &vec![b'x'; data]].concat();
    // One byte is enough for how long they are.
    packet(0xF0, &[&[code, u8::try_from(properties.len()).unwrap()], &properties])
}

/// Whether the broker asked for the next step.
fn is_asked(c: &mut Cluster, peer: Peer) -> bool {
    let sent = std::mem::take(&mut c.socket(peer).sent);
    sent.starts_with(&[0xF0]) && sent[2] == 0x18
}

fn not_authenticated(c: &Cluster) -> usize {
    c.nodes[0].fx.counts.iter().filter(|count| **count == Count::NotAuthenticated).count()
}

#[test]
fn who_does_not_go_on_has_a_third_of_the_time_for_connect() {
    let mut c = cluster(1);
    let peer = begin(&mut c);
    assert!(is_asked(&mut c, peer));
    c.sleep(3_332);
    assert!(!c.is_closed(peer));
    assert_eq!((c.broker.pending_connects.taken(), not_authenticated(&c)), (1, 0));
    c.sleep(1);
    assert_eq!(c.heard(peer), ["CONNACK 87"]);
    assert!(c.is_closed(peer));
    assert_eq!((c.broker.pending_connects.taken(), not_authenticated(&c)), (0, 1));
    expect_reached(&mut c, Limit::ConnectTime, Some("a"), 1);
    assert_eq!(c.broker.holdings().unread, 0);
}

#[test]
fn however_many_steps_there_are_they_have_the_time_for_connect_together() {
    let mut c = cluster(200);
    let peer = begin(&mut c);
    for _ in 0..3 {
        assert!(is_asked(&mut c, peer));
        c.sleep(3_000);
        c.send(peer, &auth(0x18, 1));
    }
    assert!(is_asked(&mut c, peer));
    c.sleep(999);
    assert!(!c.is_closed(peer));
    c.sleep(1);
    assert_eq!(c.heard(peer), ["CONNACK 87"]);
}

#[test]
fn who_goes_on_in_time_comes_in_and_is_not_in_a_hurry_any_more() {
    let mut c = cluster(1);
    let peer = begin(&mut c);
    c.sleep(3_000);
    assert!(is_asked(&mut c, peer));
    c.send(peer, &auth(0x18, 1));
    assert_eq!(c.socket(peer).sent[0], 0x20);
    c.sleep(60_000);
    assert!(!c.is_closed(peer));
}

#[test]
fn who_hangs_up_in_the_middle_is_counted() {
    let mut c = cluster(1);
    let peer = begin(&mut c);
    c.lose(peer);
    assert_eq!(not_authenticated(&c), 1);
    let peer = begin(&mut c);
    c.send(peer, &DISCONNECT);
    assert_eq!((not_authenticated(&c), c.is_closed(peer)), (2, true));
    let peer = c.open(0, crate::wire::Version::V5);
    c.lose(peer);
    assert_eq!(not_authenticated(&c), 2, "it had not said anything");
    assert_eq!(c.broker.pending_connects.taken(), 0);
}

#[test]
fn what_a_connect_holds_that_is_being_decided_about_is_counted() {
    let mut c = cluster(2);
    let held = |c: &Cluster| c.broker.holdings().unread;
    let peer = begin(&mut c);
    let first = held(&c);
    assert!(first > 10, "{first}");
    c.send(peer, &auth(0x18, 100));
    assert_eq!(held(&c), first + 100);
    c.send(peer, &auth(0x18, 100));
    assert_eq!(held(&c), 0, "it is in");
    let peer = begin(&mut c);
    assert_eq!(held(&c), first);
    c.lose(peer);
    assert_eq!(held(&c), 0);
    // Whoever decides, and however large it is.
    c.asks_who = true;
    let peer = c.dial(0, super::client::connect_with_will("a", "w", &"x".repeat(5_000), None));
    assert!((5_000..5_100).contains(&held(&c)), "{}", held(&c));
    c.lose(peer);
    assert_eq!(held(&c), 0);
}

/// A client that is in, and began to authenticate once more.
fn begin_again(further_steps: u8, rights: Arc<Rights>) -> (Cluster, Peer) {
    let mut c = Cluster::with(1, Settings::default(), rights);
    c.nodes[0].fx.exchange = Some(Identity::user("alice"));
    let peer = c.dial(0, with_method());
    assert_eq!(c.socket(peer).sent[0], 0x20);
    c.socket(peer).sent.clear();
    c.nodes[0].fx.further_steps = further_steps;
    c.send(peer, &auth(0x19, 100));
    assert!(is_asked(&mut c, peer));
    (c, peer)
}

#[test]
fn who_does_not_go_on_with_authenticating_once_more_is_disconnected() {
    let (mut c, peer) = begin_again(1, Rights::new(&[]));
    assert_eq!(c.broker.holdings().unread, 100, "what the exchange was sent");
    c.sleep(3_332);
    c.send(peer, &PINGREQ);
    assert_eq!(c.heard(peer), ["PINGRESP"], "which is no step");
    c.sleep(1);
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
    assert!(c.is_closed(peer));
    assert_eq!(c.broker.holdings().unread, 0);

    // However many steps there are.
    let (mut c, peer) = begin_again(200, Rights::new(&[]));
    for _ in 0..3 {
        c.sleep(3_000);
        c.send(peer, &auth(0x18, 1));
        assert!(is_asked(&mut c, peer));
        assert_eq!(c.broker.holdings().unread, 1);
    }
    c.sleep(999);
    assert!(!c.is_closed(peer));
    c.sleep(1);
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
}

#[test]
fn who_has_authenticated_once_more_is_not_in_a_hurry_any_more() {
    let (mut c, peer) = begin_again(1, Rights::new(&[]));
    c.sleep(3_000);
    c.send(peer, &auth(0x18, 1));
    let sent = std::mem::take(&mut c.socket(peer).sent);
    assert_eq!((sent[0], sent[2]), (0xF0, 0), "success");
    assert_eq!(c.broker.holdings().unread, 0);
    c.sleep(60_000);
    assert!(!c.is_closed(peer));
}

/// It has gone on, perhaps, and we do not look.
#[test]
fn who_is_not_read_from_may_go_on_later() {
    let (mut c, peer) = begin_again(1, Rights::new(&[("publish slow", Decision::Ask)]));
    c.send(peer, &[publish(peer.version, 2, 1, "slow", "x"), auth(0x18, 1)].concat());
    assert!(c.socket(peer).is_paused);
    c.sleep(5_000);
    assert!(!c.is_closed(peer));
    c.answer(peer, vec![Verdict::Allow]);
    assert!(!c.is_closed(peer));
    assert_eq!(c.broker.holdings().unread, 0, "it has authenticated");
}

#[test]
fn an_auth_that_the_client_does_not_take_is_not_sent() {
    let small = |max| v5::codec::Connect {
        max_packet_size: std::num::NonZeroU32::new(max),
        ..with_method()
    };
    let mut c = cluster(0);
    // When it authenticates once more: what says that all is well may be left out...
    let peer = c.dial(0, small(60));
    assert_eq!(c.socket(peer).sent[0], 0x20);
    c.socket(peer).sent.clear();
    c.nodes[0].fx.step_data = Bytes::from(vec![b'y'; 60]);
    c.send(peer, &auth(0x19, 1));
    assert_eq!((c.socket(peer).sent.len(), c.is_closed(peer)), (0, false));
    // ... but not what asks it to prove something.
    c.nodes[0].fx.further_steps = 1;
    c.send(peer, &auth(0x19, 1));
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
    // And before it is in.
    let peer = c.dial(0, small(60));
    assert_eq!(c.heard(peer), ["CONNACK 95"]);
}
