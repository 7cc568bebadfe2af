//! A panic loses one connection, and the others never notice.

use std::sync::Arc;

use flux_auth::{Access, Authorizer, Client, Decision};
use flux_eventbus::{DisconnectReason, Event};

use super::client::{self, PINGREQ};
use super::cluster::Cluster;
use super::rights::name;
use crate::counters::Count;
use crate::input::{Command, Input};
use crate::settings::Settings;

/// Panics when somebody wants to do this.
struct Trap(&'static str);

impl Authorizer for Trap {
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
        let panics = name(access) == self.0 && &*client.client_id == "a";
        assert!(!panics, "the trap of a test");
        Decision::Allow
    }
}

/// The client "a" does something that panics, "b" goes on, and "a" comes again.
#[track_caller]
fn check(trap: &'static str, act: impl Fn(&mut Cluster, client::Peer)) {
    let mut c = Cluster::with(1, Settings::default(), Arc::new(Trap(trap)));
    let b = c.connect(0, "b");
    c.subscribe(b, "#", 1);
    let a = c.dial(0, client::connect_with_will("a", "will", "x", None));
    c.subscribe_after_connack(a, "t", 1);
    c.events();
    act(&mut c, a);
    assert!(c.is_closed(a));
    let panicked = c.nodes[0].fx.counts.iter().filter(|count| **count == Count::Panicked);
    assert_eq!(panicked.count(), 1, "{trap}");
    let (client_id, reason) = ("a".into(), DisconnectReason::ServerError);
    let events = c.events();
    let expected =
        Event::Disconnected { client_id, username: None, peer: None, listener: None, reason };
    assert_eq!(events.iter().filter(|event| **event == expected).count(), 1, "{events:?}");
    assert_eq!(c.nodes[0].worker.connections(), 1, "its place is free");
    assert!(c.heard(b).contains(&"will=x q1 #1".to_owned()), "its will is sent");
    c.send(b, &PINGREQ);
    assert_eq!(c.heard(b), ["PINGRESP"]);
    let again = c.dial(0, client::connect("a"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
}

#[test]
fn in_a_frame() {
    check("publish bad", |c, a| {
        let bad = client::publish(a.version, 0, 0, "bad", "x");
        c.send(a, &[&bad[..], &PINGREQ, &PINGREQ].concat());
        assert_eq!(c.heard(a), Vec::<String>::new());
    });
    check("subscribe bad", |c, a| c.send(a, &client::subscribe(a.version, 1, &[("bad", 0)])));
}

#[test]
fn while_it_is_drained() {
    check("nothing", |c, a| {
        let late = c.connect(0, "late");
        c.subscribe(late, "t", 0);
        c.socket(a).is_trapped = true;
        c.publish(a, 0, 0, "t", "x");
        assert_eq!(c.heard(a), ["DISCONNECT 80"]);
        assert_eq!(c.heard(late), ["t=x"], "it is drained in the same turn, behind the other");
        c.lose(late);
    });
}

#[test]
fn in_the_answer_of_whoever_was_asked() {
    check("nothing", |c, a| {
        c.input(0, Input::Panicked(a.id));
        assert_eq!(c.heard(a), ["DISCONNECT 80"]);
    });
}

#[test]
fn before_a_client_is_in() {
    let mut c = Cluster::with(1, Settings::default(), Arc::new(Trap("connect")));
    let a = c.dial(0, client::connect("a"));
    assert!(c.is_closed(a));
    assert!(c.nodes[0].fx.counts.contains(&Count::Panicked));
    c.asks_who = true;
    let d = c.dial(0, client::connect("d"));
    c.input(0, Input::Panicked(d.id));
    assert_eq!(c.heard(d), ["CONNACK 88"]);
    assert!(c.is_closed(d));
    assert_eq!(c.broker.pending_connects.taken(), 0);
}

#[test]
fn over_the_connection_that_is_taken_over() {
    let mut c = Cluster::new(1);
    let old = c.connect(0, "a");
    c.socket(old).is_trapped = true;
    let new = c.dial(0, client::connect("a"));
    assert_eq!(c.heard(new), ["CONNACK 00 present"]);
    assert!(c.is_closed(old));
    c.send(new, &PINGREQ);
    assert_eq!(c.heard(new), ["PINGRESP"]);
}

#[test]
fn while_everybody_is_told_goodbye() {
    let mut c = Cluster::new(1);
    let peers = ["a", "b", "c"].map(|name| c.connect(0, name));
    c.socket(peers[0]).is_trapped = true;
    c.command(0, Command::Shutdown);
    assert!(peers.iter().all(|peer| c.is_closed(*peer)));
    assert_eq!(c.heard(peers[2]), ["DISCONNECT 8b"]);
}
