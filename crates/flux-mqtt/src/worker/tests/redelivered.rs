//! What a member of a shared subscription was sent, has not acknowledged, and may not have any more: it is for others.

use std::sync::Arc;

use flux_auth::Decision::{Allow, Deny};
use flux_eventbus::{DropReason, Event};

use super::client::{Peer, ack, connect};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::input::Command;
use crate::settings::Settings;

const FILTER: &str = "$share/g/#";
const NOTHING: [&str; 0] = [];

/// Members `a`, who was sent "secret", and `b`, who may not have it yet; each on a worker of its own.
fn scene(qos: u8) -> (Cluster, Arc<Rights>, [Peer; 2]) {
    let rights = Rights::new(&[("receive secret by b", Deny)]);
    let mut c = Cluster::with(2, Settings::default(), rights.clone());
    let publisher = c.connect(0, "publisher");
    let members = [c.connect(0, "a"), c.connect(1, "b")];
    for member in members {
        c.subscribe(member, FILTER, qos);
    }
    for number in [1, 2] {
        c.publish(publisher, qos, number, "secret", &number.to_string());
    }
    c.settle();
    assert_eq!((c.heard(members[0]).len(), c.heard(members[1]).len()), (2, 0));
    c.events();
    (c, rights, members)
}

fn withheld(c: &mut Cluster) -> usize {
    let is_withheld =
        |event: &Event| matches!(event, Event::Dropped { reason: DropReason::Withheld, .. });
    c.events().iter().filter(|event| is_withheld(event)).count()
}

/// `a` may not have any more what `b` may, and comes back.
fn come_back(c: &mut Cluster, rights: &Rights, a: Peer) -> Peer {
    c.lose(a);
    rights.set("receive secret by a", Deny);
    rights.set("receive secret by b", Allow);
    let again = c.dial(0, connect("a"));
    c.settle();
    again
}

#[test]
fn what_would_be_sent_again_goes_to_another_that_may_have_it() {
    let (mut c, rights, [a, b]) = scene(1);
    let again = come_back(&mut c, &rights, a);
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    assert_eq!(c.heard(b), ["secret=1 q1 #1", "secret=2 q1 #2"]);
    assert_eq!(withheld(&mut c), 0);
    // It is in flight no more; an acknowledgement that is late says nothing.
    let session = c.broker.clients.get("a").unwrap();
    assert_eq!(session.lock().session.in_flight(), 0);
    c.send(again, &ack(0x40, 1));
    assert!(!c.is_closed(again));
}

#[test]
fn it_waits_for_another_that_is_away() {
    let (mut c, rights, [a, b]) = scene(1);
    c.lose(b);
    let again = come_back(&mut c, &rights, a);
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    let b = c.dial(1, connect("b"));
    c.settle();
    assert_eq!(c.heard(b), ["CONNACK 00 present", "secret=1 q1 #1", "secret=2 q1 #2"]);
    assert_eq!(withheld(&mut c), 0);
}

#[test]
fn only_what_nobody_may_have_is_dropped() {
    let (mut c, rights, [a, b]) = scene(1);
    c.lose(a);
    rights.set("receive secret by a", Deny);
    let again = c.dial(0, connect("a"));
    c.settle();
    assert_eq!((c.heard(again), c.heard(b)), (vec!["CONNACK 00 present".to_owned()], vec![]));
    assert_eq!(withheld(&mut c), 2);
}

/// The client may have it: nobody else may get it [MQTT-4.8.2-5], and it learns that the identifier is free.
#[test]
fn what_was_sent_at_qos_2_goes_to_nobody_else() {
    let (mut c, rights, [a, b]) = scene(2);
    let again = come_back(&mut c, &rights, a);
    assert_eq!(c.heard(again), ["CONNACK 00 present", "PUBREL 1 00", "PUBREL 2 00"]);
    assert_eq!(c.heard(b), NOTHING);
    assert_eq!(withheld(&mut c), 2);
}

/// At once: it may never come back.
#[test]
fn who_loses_the_subscription_leaves_to_others_what_it_was_sent() {
    for is_there in [true, false] {
        let (mut c, rights, [a, b]) = scene(1);
        rights.set("receive secret by b", Allow);
        rights.set(&format!("resume {FILTER}"), Deny);
        if is_there {
            // Of `b` nobody has asked anything yet.
            c.command(0, Command::RecheckRights(Arc::default()));
            assert_eq!(c.heard(a), ["DISCONNECT 87"]);
        } else {
            c.lose(a);
            let again = c.dial(0, connect("a"));
            assert_eq!(c.heard(again), ["CONNACK 00 present"]);
        }
        c.settle();
        assert_eq!(c.heard(b), ["secret=1 q1 #1", "secret=2 q1 #2"]);
        assert_eq!(withheld(&mut c), 0);
    }
}
