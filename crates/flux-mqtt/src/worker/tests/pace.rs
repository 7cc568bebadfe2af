//! Who publishes too fast waits, or loses what is at QoS 0.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use flux_auth::AllowAll;
use flux_eventbus::{DropReason, Event, Limit};

use super::client::{PINGREQ, Peer, connect, publish};
use super::cluster::Cluster;
use crate::input::{Command, Input, Letter};
use crate::limits::{Limits, WhenTooFast};
use crate::meters::PublishRates;
use crate::settings::Settings;
use crate::terms::Terms;

fn cluster(limits: Limits) -> Cluster {
    Cluster::with(1, Settings { limits, ..Settings::default() }, Arc::new(AllowAll))
}

fn ten_a_second(when_too_fast: WhenTooFast) -> Cluster {
    cluster(Limits { client_publishes: messages(10), when_too_fast, ..Limits::default() })
}

fn messages(per_second: u32) -> PublishRates {
    PublishRates { messages: NonZeroU32::new(per_second), bytes: None }
}

fn bytes(per_second: u64) -> PublishRates {
    PublishRates { messages: None, bytes: NonZeroU64::new(per_second) }
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
        assert_eq!(reached(&mut c, Limit::ClientPublishesPerSecond), 6);
        // It is read from again, and others never waited.
        c.sleep(100);
        c.send(peer, &PINGREQ);
        assert_eq!(c.heard(peer).last().map(String::as_str), Some("PINGRESP"));
    }
}

#[test]
fn bytes_beyond_the_rate_wait_however_large_a_packet_is() {
    let mut c = cluster(Limits { client_publishes: bytes(1000), ..Limits::default() });
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
    assert_eq!(reached(&mut c, Limit::ClientPublishBytesPerSecond), 2);
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
    let mut c = cluster(Limits { client_publishes: bytes(100), ..Limits::default() });
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

/// One at a time, each a tenth of a second later, and never more.
#[track_caller]
fn expect_one_in_100_ms(c: &mut Cluster, subscriber: Peer, times: usize) {
    for time in 0..times {
        c.sleep(99);
        assert_eq!(c.heard(subscriber).len(), 0, "{time}");
        c.sleep(1);
        assert_eq!(c.heard(subscriber).len(), 1, "{time}");
    }
    c.sleep(1000);
    assert_eq!(c.heard(subscriber).len(), 0);
}

#[test]
fn who_comes_again_has_no_more_than_it_had_left() {
    let limits = Limits { client_publishes: messages(10), ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let mut c = Cluster::with(2, settings, Arc::new(AllowAll));
    let (subscriber, peer) = (c.connect(0, "s"), c.connect(0, "p"));
    c.subscribe(subscriber, "t", 0);
    c.send(peer, &burst(peer, 0, 12));
    c.settle();
    assert_eq!(c.heard(subscriber).len(), 10);
    // Over a new connection on another worker, which takes the session over; the other with what it had not read.
    let again = c.connect(1, "p");
    c.send(again, &burst(again, 0, 3));
    c.settle();
    assert_eq!(c.heard(subscriber).len(), 0);
    c.lose(again);
    let again = c.connect(0, "p");
    c.send(again, &burst(again, 0, 3));
    expect_one_in_100_ms(&mut c, subscriber, 3);
    let told = reached(&mut c, Limit::ClientPublishesPerSecond);
    assert!(told >= 3, "both connections had to wait from the beginning: {told}");
    // Somebody else has its own.
    let other = c.connect(1, "other");
    c.send(other, &burst(other, 0, 10));
    c.settle();
    assert_eq!(c.heard(subscriber).len(), 10);
}

#[test]
fn all_who_come_through_a_listener_share_its_rate() {
    for (publishes, limit) in [
        (messages(10), Limit::ListenerPublishesPerSecond),
        // Each has 9 bytes.
        (bytes(90), Limit::ListenerPublishBytesPerSecond),
    ] {
        let settings = Settings::default();
        let terms = Arc::new(Terms { publishes, ..settings.terms() });
        let mut c = Cluster::with(2, settings, Arc::new(AllowAll));
        let subscriber = c.connect(0, "s");
        c.subscribe(subscriber, "t", 0);
        let [a, b] =
            [(0, "a"), (1, "b")].map(|(worker, name)| c.enter(worker, name, ("x", &terms)));
        let elsewhere = c.enter(0, "c", ("y", &terms));
        c.send(a, &burst(a, 1, 8));
        c.send(b, &burst(b, 1, 4));
        c.settle();
        assert_eq!(c.heard(subscriber).len(), 10, "{limit:?}");
        c.sleep(1000);
        assert_eq!(c.heard(subscriber).len(), 2);
        assert!(reached(&mut c, limit) > 0);
        c.send(elsewhere, &burst(elsewhere, 1, 10));
        assert_eq!(c.heard(subscriber).len(), 10, "another listener has its own");
    }
}

#[test]
fn all_clients_share_the_rate_of_the_broker_as_it_is_now() {
    for (rates, limit) in [
        (messages(10), Limit::PublishesPerSecond),
        // Each has 9 bytes; the next passes once there is one.
        (bytes(90), Limit::PublishBytesPerSecond),
    ] {
        let mut c = Cluster::with(2, Settings::default(), Arc::new(AllowAll));
        let (subscriber, a, b) = (c.connect(0, "s"), c.connect(0, "a"), c.connect(1, "b"));
        c.subscribe(subscriber, "t", 0);
        c.send(a, &burst(a, 1, 100));
        assert_eq!(c.heard(subscriber).len(), 100);
        let settings = |limits| Arc::new(Settings { limits, ..Settings::default() });
        let limited = settings(Limits { publishes: rates, ..Limits::default() });
        for worker in 0..2 {
            c.input(worker, Input::Letter(Letter::Command(Command::Settings(limited.clone()))));
        }
        c.send(a, &burst(a, 1, 5));
        c.send(b, &burst(b, 1, 7));
        c.settle();
        assert_eq!(c.heard(subscriber).len(), 10, "{limit:?}");
        for time in 0..5 {
            c.sleep(100);
            assert_eq!(c.heard(subscriber).len(), usize::from(time < 2), "{limit:?}, {time}");
        }
        c.sleep(1000);
        assert!(reached(&mut c, limit) > 0);
        for worker in 0..2 {
            let free = settings(Limits::default());
            c.input(worker, Input::Letter(Letter::Command(Command::Settings(free))));
        }
        c.send(b, &burst(b, 1, 100));
        c.settle();
        assert_eq!(c.heard(subscriber).len(), 100);
    }
}
