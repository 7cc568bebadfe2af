//! Rights that change, and proofs that end, while clients are connected; what is held back from them.

use std::sync::Arc;
use std::time::Duration;

use flux_auth::{Authentication, Decision, Identity};
use flux_eventbus::{DisconnectReason, DropReason, Event};

use super::client::{self, PINGREQ, Peer, connect};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::input::{Command, Input};
use crate::settings::Settings;

#[test]
fn a_subscription_that_lost_its_right_ends_and_its_client_is_told() {
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(2, Settings::default(), rights.clone());
    let [loses, keeps] = ["loses", "keeps"].map(|name| c.connect(0, name));
    c.subscribe(loses, "a/#", 0);
    c.subscribe(loses, "b", 0);
    c.subscribe(keeps, "b", 0);
    rights.set("resume a/#", Decision::Deny);
    for worker in [0, 1] {
        c.command(worker, Command::RecheckRights(Arc::default()));
    }
    c.settle();
    assert_eq!(c.heard(loses), ["DISCONNECT 87"]);
    assert!(c.is_closed(loses));
    c.command(0, Command::RecheckRights(Arc::default()));
    let publisher = c.connect(1, "publisher");
    c.publish(publisher, 0, 0, "a/x", "1");
    c.publish(publisher, 0, 0, "b", "2");
    c.settle();
    assert_eq!(c.heard(keeps), ["b=2"]);
}

#[test]
fn a_stored_session_keeps_the_subscriptions_that_it_may_have() {
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let mut packet = connect("away");
    packet.session_expiry_interval_secs = 3600;
    packet.clean_start = false;
    let peer = c.dial(0, packet);
    c.subscribe_after_connack(peer, "a", 1);
    c.subscribe(peer, "b", 1);
    rights.set("resume a", Decision::Deny);
    c.command(0, Command::RecheckRights(Arc::default()));
    assert!(c.is_closed(peer));
    let session = c.broker.clients.get("away").unwrap();
    let filters: Vec<String> = super::super::admit::subscriptions(&session)
        .into_iter()
        .map(|(filter, _)| filter.as_str().to_owned())
        .collect();
    assert_eq!(filters, ["b"]);
}

#[test]
fn who_may_not_be_here_any_more_is_disconnected() {
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let peer = c.connect(0, "a");
    c.command(0, Command::RecheckRights(Arc::default()));
    assert_eq!(c.heard(peer), [""; 0]);
    rights.set("connect", Decision::Deny);
    c.command(0, Command::RecheckRights(Arc::default()));
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
}

/// A client that has proven something that holds for so many seconds, with this Keep Alive.
fn proven(c: &mut Cluster, seconds: u64, keep_alive: u16) -> Peer {
    c.asks_who = true;
    let mut packet = connect("token");
    packet.keep_alive = keep_alive;
    let peer = c.dial(0, packet);
    let authentication = Authentication::Accepted(Identity::anonymous());
    let valid_for = Some(Duration::from_secs(seconds));
    c.input(0, Input::Authenticated { connection: peer.id, authentication, valid_for });
    assert_eq!(c.heard(peer), ["CONNACK 00"]);
    peer
}

#[test]
fn a_connection_ends_when_what_its_client_has_proven_holds_no_longer() {
    for keep_alive in [0, 600] {
        let mut c = Cluster::new(1);
        let peer = proven(&mut c, 60, keep_alive);
        c.sleep(59_999);
        c.send(peer, &PINGREQ);
        assert_eq!(c.heard(peer), ["PINGRESP"]);
        c.sleep(1);
        assert_eq!(c.heard(peer), ["DISCONNECT a0"], "keep alive {keep_alive}");
        assert!(c.is_closed(peer));
        let ended = |event: &Event| {
            matches!(
                event,
                Event::Disconnected { reason: DisconnectReason::CredentialsExpired, .. }
            )
        };
        assert_eq!(c.nodes[0].fx.events.iter().filter(|it| ended(it)).count(), 1);
    }
}

/// It was let in, and its connection ended when the timer was looked at.
#[test]
fn a_proof_that_is_over_when_it_comes_lets_nobody_in() {
    let mut c = Cluster::new(1);
    c.asks_who = true;
    for (millis, code) in [(0, "87"), (1, "00")] {
        let peer = c.dial(0, connect("token"));
        let authentication = Authentication::Accepted(Identity::anonymous());
        let valid_for = Some(Duration::from_millis(millis));
        c.input(0, Input::Authenticated { connection: peer.id, authentication, valid_for });
        assert_eq!(c.heard(peer), [format!("CONNACK {code}")]);
        assert_eq!(c.is_closed(peer), code != "00");
    }
}

#[test]
fn a_lasting_proof_does_not_stand_in_the_way_of_keep_alive() {
    let mut c = Cluster::new(1);
    let peer = proven(&mut c, 16, 10);
    c.sleep(14_000);
    c.send(peer, &PINGREQ);
    assert_eq!(c.heard(peer), ["PINGRESP"]);
    // The timer of Keep Alive is looked at in between, and set anew.
    c.sleep(1_500);
    c.sleep(500);
    assert_eq!(c.heard(peer), ["DISCONNECT a0"]);

    let mut c = Cluster::new(1);
    let peer = proven(&mut c, 60, 10);
    c.sleep(15_000);
    assert_eq!(c.heard(peer), ["DISCONNECT 8d"]);
}

#[test]
fn what_a_client_may_not_have_is_held_back_at_every_qos() {
    let rights = Rights::new(&[("receive secret/x", Decision::Deny)]);
    let mut c = Cluster::with(1, Settings::default(), rights);
    let [all, publisher] = ["all", "publisher"].map(|name| c.connect(0, name));
    c.subscribe(all, "+/x", 2);
    for qos in 0..3 {
        c.publish(publisher, qos, 10, "secret/x", "no");
        c.publish(publisher, qos, 11, "open/x", "yes");
    }
    c.settle();
    let heard = c.heard(all);
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.iter().all(|seen| seen.starts_with("open/x=yes")), "{heard:?}");
    let withheld = |event: &Event| {
        matches!(event, Event::Dropped { client_id: Some(id), reason: DropReason::Withheld, .. }
            if &**id == "all")
    };
    assert_eq!(c.events().iter().filter(|event| withheld(event)).count(), 3);
    let session = c.broker.clients.get("all").unwrap();
    assert_eq!(session.lock().session.in_flight(), 2, "no window is taken by what is held back");
}

#[test]
fn messages_of_one_topic_that_come_together_are_judged_once() {
    let rights = Rights::new(&[("receive b", Decision::Deny)]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let [all, publisher] = ["all", "publisher"].map(|name| c.connect(0, name));
    c.subscribe(all, "+", 0);
    rights.take_judged();
    let topics = ["a", "a", "a", "b", "b", "a", "c"];
    let packets = topics.map(|topic| client::publish(publisher.version, 0, 0, topic, topic));
    c.send(publisher, &packets.concat());
    c.settle();
    assert_eq!(c.heard(all).len(), 5);
    assert_eq!(rights.take_judged(), 4);
}
