//! Shared subscriptions over several workers (section 4.8.2): who gets a message, and when.

use flux_auth::{Authentication, Identity};
use flux_topic::TopicFilter;

use super::client::{self, Peer, ack};
use super::cluster::Cluster;
use crate::input::Input;

const FILTER: &str = "$share/g/t";
const NOTHING: [&str; 0] = [];

/// A publisher on worker 0 and a member on each of two workers.
fn group() -> (Cluster, Peer, [Peer; 2]) {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let members = [c.connect(0, "a"), c.connect(1, "b")];
    for member in members {
        c.subscribe(member, FILTER, 1);
    }
    (c, publisher, members)
}

#[test]
fn what_was_not_sent_goes_to_another_worker_at_once() {
    let (mut c, publisher, [a, b]) = group();
    c.send(b, &client::unsubscribe(b.version, 1, FILTER));
    c.heard(b);
    c.socket(a).stalled = Some(0);
    let payload = "x".repeat(40_000);
    for number in 1..=5_u16 {
        c.publish(publisher, 1, number, "t", &payload);
    }
    assert_eq!(c.heard(a).len(), 2, "then 64 KiB are unsent");
    c.subscribe(b, FILTER, 1);
    c.socket(a).is_dead = true;
    c.input(a.worker, Input::Writable(a.id));
    assert_eq!(c.heard(a), NOTHING, "nothing is sent to nobody");
    c.lose(a);
    c.settle();
    assert_eq!(c.heard(b).len(), 3);
    let again = c.dial(0, client::connect("a"));
    assert_eq!(c.heard(again).len(), 1 + 2, "what was sent waited for its member");
}

#[test]
fn room_that_an_acknowledgement_makes_is_given_to_what_waits() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let member = c.dial(1, client::connect("a").receive_max(1));
    c.subscribe_after_connack(member, FILTER, 1);
    for number in 1..=3_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    c.settle();
    assert_eq!(c.heard(member), ["t=1 q1 #1"]);
    c.send(member, &ack(0x40, 1));
    assert_eq!(c.heard(member), ["t=2 q1 #2"], "in the same turn");
    c.send(member, &ack(0x40, 2));
    assert_eq!(c.heard(member), ["t=3 q1 #3"]);
    c.send(member, &ack(0x40, 3));
    assert_eq!(c.heard(member), NOTHING);
}

/// What was sent and not acknowledged came before what was not sent.
#[test]
fn what_a_session_leaves_goes_on_in_its_order() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let mut connect = client::connect("a").receive_max(100);
    connect.session_expiry_interval_secs = 0;
    let a = c.dial(0, connect);
    c.subscribe_after_connack(a, FILTER, 1);
    c.socket(a).stalled = Some(0);
    for number in 1..=5_u16 {
        let payload = number.to_string().repeat(30_000);
        c.publish(publisher, 1, number, "t", &payload);
    }
    assert_eq!(c.heard(a).len(), 3, "then 64 KiB are unsent");
    let b = c.dial(1, client::connect("b").receive_max(1));
    c.subscribe_after_connack(b, FILTER, 1);
    c.lose(a);
    c.settle();
    for number in 1..=5_u16 {
        let heard = c.heard(b);
        assert_eq!(heard.len(), 1);
        assert!(heard[0].starts_with(&format!("t={number}")), "not {number}");
        c.send(b, &ack(0x40, number));
        c.settle();
    }
}

/// A group with one member on worker 0, which has one message unacknowledged while `waiting` others
/// wait.
fn waiting(waiting: u16) -> (Cluster, Peer) {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let member = c.dial(0, client::connect("a").receive_max(1));
    c.subscribe_after_connack(member, FILTER, 1);
    for number in 0..=waiting {
        c.publish(publisher, 1, 1, "t", &number.to_string());
    }
    assert_eq!(c.heard(member).len(), 1);
    (c, member)
}

#[test]
fn what_waits_goes_with_the_last_member_whoever_still_knows_the_group() {
    for is_kept in [true, false] {
        let (mut c, member) = waiting(3);
        let filter = TopicFilter::parse(FILTER).unwrap();
        // As workers that remember their routes do.
        let share = c.broker.routes.shares(std::slice::from_ref(&filter)).remove(0);
        assert_eq!(share.lock().queued(), 3);
        if is_kept {
            c.send(member, &client::unsubscribe(member.version, 1, FILTER));
        } else {
            c.send(member, &client::disconnect(0, Some(0)));
        }
        assert_eq!(share.lock().queued(), 0);
        assert_eq!(share.lock().queued_bytes(), 0);
    }
}

#[test]
fn a_session_forgets_the_group_that_it_declined_and_left() {
    let (mut c, member) = waiting(1);
    let session = c.broker.clients.get("a").unwrap();
    assert_eq!(session.lock().declined.len(), 1);
    c.send(member, &client::unsubscribe(member.version, 1, FILTER));
    assert_eq!(session.lock().declined.len(), 0);
}

/// QoS 0 needs no place in the window: a member takes all that waits, but not all at once.
#[test]
fn what_waits_is_served_a_bounded_part_a_turn() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let member = c.connect(0, "a");
    c.subscribe(member, FILTER, 0);
    c.lose(member);
    for _ in 0..5_000 {
        c.publish(publisher, 0, 0, "t", "x");
    }
    let member = c.dial(0, client::connect("a"));
    assert_eq!(c.heard(member).len(), 1 + 5_000, "all of it comes");

    c.lose(member);
    for _ in 0..5_000 {
        c.publish(publisher, 0, 0, "t", "x");
    }
    let peer = c.open(0, member.version);
    let node = &mut c.nodes[0];
    let connect = client::encode_v5(client::connect("a").into());
    node.worker.receive(c.now, peer.id, &connect, &mut node.fx);
    let (id, _) = node.fx.authenticate.remove(0);
    let authentication = Authentication::Accepted(Identity::anonymous());
    node.handle(c.now, Input::Authenticated { connection: id, authentication, valid_for: None });
    let mut turns = 0;
    while node.worker.has_dirty() {
        node.worker.finish_turn(c.now, &mut node.fx);
        turns += 1;
    }
    assert!((5..=10).contains(&turns), "{turns} turns");
    assert_eq!(c.heard(peer).len(), 1 + 5_000);
}
