//! Clients that are away when rights change: what they may not have any more ends, and nothing of it waits for them.

use std::sync::Arc;

use flux_auth::Decision::{Allow, Deny};
use flux_eventbus::{Denial, Event};

use super::client::{connect, connect_with_will, disconnect};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::input::{Command, Input, Letter};
use crate::settings::Settings;
use crate::worker::Away;

#[test]
fn a_subscription_that_lost_its_right_while_its_client_is_away_ends() {
    for has_stamp in [true, false] {
        let rights = Rights::new(&[]);
        if has_stamp {
            rights.be_remembered();
        }
        let mut c = Cluster::with(2, Settings::default(), rights.clone());
        let publisher = c.connect(0, "publisher");
        let mut packet = connect("a");
        packet.username = Some("alice".to_owned().into());
        let peer = c.dial(1, packet.clone());
        c.subscribe_after_connack(peer, "keep", 1);
        c.subscribe(peer, "drop", 1);
        c.lose(peer);
        c.publish(publisher, 1, 1, "drop", "1");
        rights.set("resume drop", Deny);
        c.recheck();
        assert_eq!(c.broker.routes.len(), 1, "nobody has come back");
        let told = |event: &Event| {
            matches!(event, Event::Denied { client_id, username, denial: Denial::Resume, topic }
                if &**client_id == "a" && username.as_deref() == Some("alice") && &**topic == "drop")
        };
        assert_eq!(c.events().iter().filter(|event| told(event)).count(), 1);
        for topic in ["drop", "keep"] {
            c.publish(publisher, 1, 2, topic, "2");
        }
        let session = c.broker.clients.get("a").unwrap();
        assert_eq!(session.lock().session.queued(), 2, "what waited, and what it may have");
        // What waited is not sent, also if the subscription could be had again.
        packet.clean_start = false;
        let again = c.dial(0, packet);
        c.settle();
        let heard = c.heard(again);
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[0] == "CONNACK 00 present" && heard[1].starts_with("keep=2 "), "{heard:?}");
        rights.set("resume drop", Allow);
        c.publish(publisher, 1, 3, "drop", "3");
        c.settle();
        assert_eq!(c.heard(again), [""; 0]);
    }
}

/// It has looked at no subscription of it yet.
#[test]
fn whoever_leaves_before_its_worker_has_looked_is_looked_at_all_the_same() {
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let peer = c.connect(0, "a");
    c.subscribe(peer, "drop", 1);
    rights.set("resume drop", Deny);
    let node = &mut c.nodes[0];
    let command = Command::RecheckRights(Arc::default());
    node.handle(c.now, Input::Letter(Letter::Command(command)));
    c.send(peer, &disconnect(0, None));
    c.turn(0);
    assert_eq!(c.broker.routes.len(), 0);
}

#[test]
fn others_of_a_shared_subscription_have_what_one_that_is_away_loses() {
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(2, Settings::default(), rights.clone());
    let (publisher, a) = (c.connect(0, "publisher"), c.connect(0, "a"));
    c.subscribe(a, "$share/g/t", 1);
    c.publish(publisher, 1, 1, "t", "1");
    c.settle();
    assert_eq!(c.heard(a), ["t=1 q1 #1"]);
    c.lose(a);
    let b = c.connect(1, "b");
    c.subscribe(b, "$share/g/t", 1);
    rights.set("resume $share/g/t", Deny);
    // Of `b` nobody asks: it may have it by another rule, say.
    let away = Arc::new(Away::of(&c.broker.clients));
    c.command(0, Command::RecheckRights(away));
    c.settle();
    assert_eq!(c.heard(b), ["t=1 q1 #1"]);
}

/// Who left what is known as long as there is something of it, and the ledger counts it.
#[test]
fn who_is_away_is_known_while_it_has_left_something() {
    let mut c = Cluster::with(1, Settings::default(), Rights::new(&[]));
    let known = |c: &Cluster| {
        let session = c.broker.clients.get("a").unwrap();
        let state = session.lock();
        (state.client.is_some(), state.client_bytes)
    };
    let mut packet = connect_with_will("a", "w", "x", Some(10));
    packet.username = Some("alice".to_owned().into());
    let will = c.dial(0, packet);
    assert_eq!(known(&c), (true, 0));
    c.lose(will);
    assert_eq!(known(&c), (true, 5));
    c.sleep(10_000);
    assert_eq!(known(&c), (false, 0));
    let mut packet = connect("a");
    packet.username = Some("alice".to_owned().into());
    let peer = c.dial(0, packet.clone());
    assert_eq!(c.heard(peer), ["CONNACK 00 present"]);
    c.subscribe(peer, "t", 1);
    c.lose(peer);
    assert_eq!(known(&c), (true, 5));
    c.dial(0, packet);
    assert_eq!(known(&c), (true, 0));
}
