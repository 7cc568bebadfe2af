//! A client that does not read: its messages wait in its session, its answers choke it.

use std::sync::Arc;

use flux_auth::AllowAll;

use super::client::{self, PINGREQ};
use super::cluster::Cluster;
use crate::settings::Settings;

fn cluster(workers: usize) -> Cluster {
    let settings =
        Settings { unsent_for_deliveries: 100, unsent_for_answers: 20, ..Settings::default() };
    Cluster::with(workers, settings, Arc::new(AllowAll))
}

#[test]
fn messages_stay_in_the_session_while_too_much_is_unsent() {
    let mut c = cluster(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "t", 1);
    c.socket(subscriber).stalled = Some(100);
    for number in 1..=3_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
        c.settle();
    }
    assert_eq!(c.heard(subscriber), [""; 0], "exactly at the limit nothing more is sent");
    assert_eq!(c.socket(subscriber).notify, 1, "asked once");
    assert!(c.nodes[1].mail.is_empty(), "no letter while it waits to be writable");
    let session = c.broker.clients.get("sub").unwrap();
    assert_eq!(session.lock().session.queued(), 3);

    c.socket(subscriber).stalled = None;
    c.settle();
    assert_eq!(c.heard(subscriber), ["t=1 q1 #1", "t=2 q1 #2", "t=3 q1 #3"]);
    c.publish(publisher, 1, 4, "t", "4");
    c.settle();
    assert_eq!(c.heard(subscriber), ["t=4 q1 #4"], "and it is woken again");
}

#[test]
fn a_drain_stops_at_the_limit_and_goes_on_when_writable() {
    let mut c = cluster(1);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(0, "sub"));
    c.subscribe(subscriber, "t", 0);
    c.socket(subscriber).stalled = Some(0);
    let payload = "x".repeat(40);
    let burst = [0; 5].map(|_| client::publish(publisher.version, 0, 0, "t", &payload)).concat();
    c.send(publisher, &burst);
    assert_eq!(c.heard(subscriber).len(), 3, "46 bytes each, until 100 are reached");
    assert_eq!(c.socket(subscriber).notify, 1);
    c.send(publisher, &burst);
    assert_eq!(c.heard(subscriber).len(), 0);
    assert_eq!(c.socket(subscriber).notify, 1, "it knows already");
    c.socket(subscriber).stalled = None;
    c.settle();
    assert_eq!(c.heard(subscriber).len(), 7);
}

#[test]
fn a_blocked_connection_that_is_taken_over_does_not_block_the_next() {
    let mut c = cluster(2);
    let (publisher, old) = (c.connect(0, "pub"), c.connect(0, "sub"));
    c.subscribe(old, "t", 1);
    c.socket(old).stalled = Some(1_000);
    c.publish(publisher, 1, 1, "t", "1");
    let new = c.dial(1, client::connect("sub"));
    assert_eq!(c.heard(new), ["CONNACK 00 present", "t=1 q1 #1"]);
    c.settle();
    c.publish(publisher, 1, 2, "t", "2");
    c.settle();
    assert_eq!(c.heard(new), ["t=2 q1 #2"]);
}

#[test]
fn who_does_not_read_its_answers_is_not_read_from() {
    let mut c = cluster(1);
    let peer = c.connect(0, "a");
    c.socket(peer).stalled = Some(0);
    for _ in 0..10 {
        c.send(peer, &PINGREQ);
    }
    assert!(!c.socket(peer).is_paused, "20 bytes are unsent, the limit is 20");
    c.send(peer, &PINGREQ);
    assert!(c.socket(peer).is_paused);
    assert_eq!(c.socket(peer).notify, 1);
    c.send(peer, &PINGREQ);
    assert_eq!(c.heard(peer).len(), 11, "the twelfth waits unread");
    c.socket(peer).stalled = None;
    c.settle();
    c.send(peer, &PINGREQ);
    assert!(!c.socket(peer).is_paused);
    assert_eq!(c.heard(peer).len(), 2);
}

#[test]
fn a_flood_ends_the_turn_after_so_many_frames() {
    let mut c = cluster(1);
    let peer = c.connect(0, "a");
    let flood = PINGREQ.repeat(200);
    let (now, node) = (c.now, &mut c.nodes[0]);
    let first = node.worker.receive(now, peer.id, &flood, &mut node.fx);
    assert_eq!((first.consumed, first.again), (256, true));
    let rest = &flood[first.consumed..];
    let second = node.worker.receive(now, peer.id, rest, &mut node.fx);
    assert_eq!((second.consumed, second.again), (rest.len(), false));
    assert_eq!(c.heard(peer).len(), 200);
}

/// Two connections of a worker in turn: the one that has few frames is heard after a bounded part of
/// the other's many.
#[test]
fn between_two_frames_of_another_a_flood_has_a_turn() {
    let mut c = cluster(1);
    let (flood, other, watcher) = (c.connect(0, "flood"), c.connect(0, "other"), c.connect(0, "w"));
    c.subscribe(watcher, "t", 0);
    let publish = |text: &str| client::publish(flood.version, 0, 0, "t", text);
    let (now, node) = (c.now, &mut c.nodes[0]);
    let mut bytes = publish("flood").repeat(1_000);
    for turn in 1..=7 {
        let received = node.worker.receive(now, flood.id, &bytes, &mut node.fx);
        assert!(received.again, "turn {turn}");
        bytes.drain(..received.consumed);
        node.worker.receive(now, other.id, &publish("other"), &mut node.fx);
    }
    c.settle();
    let heard = c.heard(watcher);
    let parts: Vec<_> = heard.split(|text| text == "t=other").map(<[_]>::len).collect();
    assert_eq!(parts, [128, 128, 128, 128, 128, 128, 128, 0]);
}
