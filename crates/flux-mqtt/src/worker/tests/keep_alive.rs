//! Time: keep alive, the patience for CONNECT, and timers that do not pile up.

use std::time::Duration;

use flux_session::Timestamp;

use super::client::{PINGREQ, connect};
use super::cluster::Cluster;
use crate::wire::Version;

#[test]
fn a_silent_client_is_cut_at_exactly_one_and_a_half_times_keep_alive() {
    let mut c = Cluster::new(1);
    let mut packet = connect("a");
    packet.keep_alive = 10;
    let peer = c.dial(0, packet);
    assert_eq!(c.heard(peer), ["CONNACK 00"]);
    c.sleep(14_999);
    c.send(peer, &PINGREQ);
    assert_eq!(c.heard(peer), ["PINGRESP"]);
    c.sleep(14_999);
    assert_eq!(c.heard(peer), [""; 0]);
    assert!(!c.is_closed(peer));
    assert_eq!(c.nodes[0].worker.next_deadline(), Some(c.now + Duration::from_millis(1)));
    c.sleep(1);
    assert_eq!(c.heard(peer), ["DISCONNECT 8d"]);
    assert!(c.is_closed(peer));
}

#[test]
fn half_a_packet_is_no_sign_of_life() {
    let mut c = Cluster::new(1);
    let mut packet = connect("a");
    packet.keep_alive = 1;
    let peer = c.dial(0, packet);
    c.sleep(1_499);
    c.send(peer, &[0xC0]);
    c.sleep(1);
    assert_eq!(c.heard(peer), ["CONNACK 00", "DISCONNECT 8d"]);
}

#[test]
fn keep_alive_0_is_off() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.sleep(1_000 * 3600 * 24 * 365);
    assert!(!c.is_closed(peer));
    assert_eq!(c.nodes[0].worker.next_deadline(), None);
}

#[test]
fn what_sends_no_connect_in_time_is_closed_without_a_word() {
    let mut c = Cluster::new(1);
    let peer = c.open(0, Version::V5);
    c.send(peer, &[0x10, 20, 0, 4]);
    c.sleep(9_999);
    assert!(!c.is_closed(peer));
    c.sleep(1);
    assert!(c.is_closed(peer));
    assert_eq!(c.heard(peer), [""; 0]);
    assert_eq!(c.nodes[0].worker.connections(), 0);
}

#[test]
fn an_authenticator_that_never_answers_does_not_hold_a_connection_for_ever() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    let peer = c.dial(0, connect("a"));
    c.sleep(10_000);
    assert!(c.is_closed(peer));
}

/// Clients come and go: what they leave behind in the list of timers must not grow.
#[test]
fn a_client_that_comes_and_goes_leaves_one_timer_at_most() {
    let mut c = Cluster::new(2);
    for round in 0..50 {
        let mut packet = connect("a");
        packet.keep_alive = u16::MAX;
        packet.session_expiry_interval_secs = u32::MAX - 1;
        packet.clean_start = round % 2 == 0;
        let peer = c.dial(round % 2, packet);
        c.sleep(1_000);
        c.lose(peer);
    }
    let mut looks = 0;
    while let Some(due) = c.nodes.iter().filter_map(|node| node.worker.next_deadline()).min() {
        looks += 1;
        assert!(looks < 5, "timers of connections that are gone");
        c.sleep(due.saturating_since(c.now).as_millis().try_into().unwrap());
    }
    assert!(c.broker.clients.get("a").is_none(), "it expired in the end");
    assert!(c.now > Timestamp::from_millis(4_000_000_000_000));
}
