//! Who publishes too fast waits, or loses what is at QoS 0.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use flux_auth::AllowAll;
use flux_eventbus::{DropReason, Event, Limit};

use super::client::{PINGREQ, Peer, connect, publish};
use super::cluster::Cluster;
use crate::limits::{Limits, WhenTooFast};
use crate::settings::Settings;

fn cluster(limits: Limits) -> Cluster {
    Cluster::with(1, Settings { limits, ..Settings::default() }, Arc::new(AllowAll))
}

fn ten_a_second(when_too_fast: WhenTooFast) -> Cluster {
    let publishes_per_second = NonZeroU32::new(10);
    cluster(Limits { publishes_per_second, when_too_fast, ..Limits::default() })
}

fn burst(peer: Peer, qos: u8, count: u16) -> Vec<u8> {
    (1..=count).flat_map(|id| publish(peer.version, qos << 1, id, "t", "x")).collect()
}

fn reached(c: &mut Cluster, limit: Limit) -> usize {
    let is_it =
        |event: &&Event| matches!(event, Event::LimitReached { limit: it, .. } if *it == limit);
    c.events().iter().filter(is_it).count()
}

#[test]
fn messages_beyond_the_rate_wait_and_none_is_lost() {
    for qos in 0..3 {
        let mut c = ten_a_second(WhenTooFast::Wait);
        let (subscriber, peer) = (c.connect(0, "s"), c.connect(0, "p"));
        c.subscribe(subscriber, "t", 0);
        c.send(peer, &burst(peer, qos, 15));
        assert_eq!(c.heard(subscriber).len(), 10, "as many as a quiet second allows");
        for waited in 1..=5 {
            c.sleep(99);
            assert_eq!(c.heard(subscriber).len(), 0, "QoS {qos}, {waited}");
            c.sleep(1);
            assert_eq!(c.heard(subscriber).len(), 1, "QoS {qos}, {waited}");
        }
        assert_eq!(reached(&mut c, Limit::PublishesPerSecond), 6);
        // It is read from again, and others never waited.
        c.sleep(100);
        c.send(peer, &PINGREQ);
        assert_eq!(c.heard(peer).last().map(String::as_str), Some("PINGRESP"));
    }
}

#[test]
fn bytes_beyond_the_rate_wait_however_large_a_packet_is() {
    let publish_bytes_per_second = NonZeroU64::new(1000);
    let mut c = cluster(Limits { publish_bytes_per_second, ..Limits::default() });
    let (subscriber, peer) = (c.connect(0, "s"), c.connect(0, "p"));
    c.subscribe(subscriber, "t", 0);
    // 3 bytes of header, 3 of topic name, 1 without properties.
    let large = publish(peer.version, 0, 0, "t", &"x".repeat(2993));
    assert_eq!(large.len(), 3000);
    c.send(peer, &[large, burst(peer, 0, 1)].concat());
    assert_eq!(c.heard(subscriber).len(), 1);
    c.sleep(2000);
    assert_eq!(c.heard(subscriber).len(), 0);
    c.sleep(1);
    assert_eq!(c.heard(subscriber).len(), 1);
    assert_eq!(reached(&mut c, Limit::PublishBytesPerSecond), 2);
}

#[test]
fn at_qos_0_messages_beyond_the_rate_may_be_dropped_instead() {
    let mut c = ten_a_second(WhenTooFast::DropQos0);
    let (subscriber, peer) = (c.connect(0, "s"), c.connect(0, "p"));
    c.subscribe(subscriber, "t", 0);
    c.send(peer, &[burst(peer, 0, 15), PINGREQ.to_vec()].concat());
    assert_eq!(c.heard(subscriber).len(), 10);
    assert_eq!(c.heard(peer), ["PINGRESP"], "it does not wait");
    let events = c.events();
    let is_drop =
        |event: &&Event| matches!(event, Event::Dropped { reason: DropReason::QuotaExceeded, .. });
    assert_eq!(events.iter().filter(is_drop).count(), 5);
    // What is acknowledged waits all the same.
    c.send(peer, &burst(peer, 1, 2));
    assert_eq!(c.heard(subscriber).len(), 1);
    c.sleep(200);
    assert_eq!(c.heard(subscriber).len(), 1);
}

#[test]
fn who_waits_is_not_taken_for_silent_and_who_left_is_forgotten() {
    let publish_bytes_per_second = NonZeroU64::new(100);
    let mut c = cluster(Limits { publish_bytes_per_second, ..Limits::default() });
    let mut asked = connect("p");
    asked.keep_alive = 1;
    let peer = c.dial(0, asked);
    c.send(peer, &publish(peer.version, 0, 0, "t", &"x".repeat(1000)));
    let left = c.connect(0, "left");
    c.send(left, &publish(left.version, 0, 0, "t", &"x".repeat(1000)));
    c.lose(left);
    for _ in 0..9 {
        c.sleep(1000);
        assert!(!c.is_closed(peer), "we do not read");
    }
    c.sleep(2000);
    c.sleep(1000);
    assert!(!c.is_closed(peer), "it has as long as everybody from here on");
    c.sleep(1000);
    assert!(c.is_closed(peer));
}
