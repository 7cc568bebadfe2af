//! What a client may do: answered at once, or asked for while its packets wait.

use std::sync::Arc;

use flux_auth::Decision::{Ask, Deny};
use flux_auth::Verdict;
use ntex_mqtt::v3;

use super::client::{self, Peer, ack, connect, connect_with_will, publish};
use super::cluster::Cluster;
use super::rights::{Rights, names};
use crate::input::Command;
use crate::settings::Settings;
use crate::wire::Version;

fn cluster(rights: &Arc<Rights>) -> Cluster {
    Cluster::with(2, Settings::default(), rights.clone())
}

/// The one question that waits, and whose it is.
#[track_caller]
fn question(c: &mut Cluster, peer: Peer) -> Vec<String> {
    let asked = std::mem::take(&mut c.nodes[peer.worker].fx.authorize);
    let [(connection, requests)] = &asked[..] else { panic!("{} questions", asked.len()) };
    assert_eq!(*connection, peer.id);
    names(requests)
}

#[test]
fn a_parked_publish_is_decided_once_and_in_order() {
    for (verdict, code) in [(Verdict::Allow, "00"), (Verdict::Deny, "87")] {
        for (qos, name) in [(1, "PUBACK"), (2, "PUBREC")] {
            let rights = Rights::new(&[("publish slow", Ask)]);
            let mut c = cluster(&rights);
            let (peer, watcher) = (c.connect(0, "a"), c.connect(0, "w"));
            c.subscribe(watcher, "#", 0);
            let packets = [
                publish(peer.version, qos << 1, 1, "slow", "1"),
                publish(peer.version, qos << 1, 2, "fast", "2"),
                publish(peer.version, qos << 1, 3, "slow", "3"),
            ];
            c.send(peer, &packets.concat());
            assert!(c.socket(peer).is_paused);
            assert_eq!(c.heard(peer), [""; 0], "nothing overtakes the parked one");
            assert_eq!(question(&mut c, peer), ["publish slow"]);

            c.answer(peer, vec![verdict]);
            assert_eq!(c.heard(peer), [format!("{name} 1 {code}"), format!("{name} 2 00")]);
            assert_eq!(question(&mut c, peer), ["publish slow"], "each is asked for itself");
            c.answer(peer, vec![Verdict::Allow]);
            c.answer(peer, vec![Verdict::Allow]);
            assert_eq!(c.heard(peer), [format!("{name} 3 00")], "a second answer is nothing");
            assert!(!c.socket(peer).is_paused);
            let expected: &[&str] = match verdict {
                Verdict::Allow => &["slow=1", "fast=2", "slow=3"],
                Verdict::Deny => &["fast=2", "slow=3"],
            };
            assert_eq!(c.heard(watcher), expected);
        }
    }
}

#[test]
fn what_was_answered_about_a_publish_that_is_too_deep_by_then_holds_for_no_other() {
    let rights = Rights::new(&[("publish a/b", Ask), ("publish c", Deny)]);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    c.publish(peer, 1, 1, "a/b", "1");
    assert_eq!(question(&mut c, peer), ["publish a/b"]);
    let mut settings = Settings::default();
    settings.limits.topic_levels = 1;
    c.command(0, Command::Settings(Arc::new(settings)));
    c.answer(peer, vec![Verdict::Allow]);
    c.publish(peer, 1, 2, "c", "2");
    assert_eq!(c.heard(peer), ["PUBACK 1 90", "PUBACK 2 87"]);
}

#[test]
fn what_cannot_be_had_is_not_decided_about_and_the_same_filter_once() {
    let rights = Rights::new(&[("subscribe no", Deny), ("subscribe slow", Ask)]);
    let mut settings = Settings::default();
    settings.limits.subscriptions_per_client = 2;
    settings.limits.topic_levels = 2;
    let mut c = Cluster::with(1, settings, rights.clone());
    let peer = c.connect(0, "a");
    let mut subscribe = |filters: &[&str]| {
        let filters: Vec<_> = filters.iter().map(|filter| (*filter, 0)).collect();
        c.send(peer, &client::subscribe(peer.version, 1, &filters));
        (c.heard(peer), rights.take_subscriptions())
    };
    let (heard, decided) = subscribe(&["a", "no", "a/b/c", "no", "a", "b"]);
    assert_eq!(heard, ["SUBACK 1 [00, 87, 8f, 87, 00, 00]"], "what is denied takes no room");
    assert_eq!(decided, 3);
    let (heard, decided) = subscribe(&["c", "no", "b", "slow"]);
    assert_eq!(heard, ["SUBACK 1 [97, 97, 00, 97]"]);
    assert_eq!(decided, 1);
}

#[test]
fn a_parked_publish_at_qos_0_is_delivered_or_gone() {
    let rights = Rights::new(&[("publish slow", Ask)]);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    c.subscribe(peer, "#", 0);
    for (verdict, heard) in [(Verdict::Deny, &[][..]), (Verdict::Allow, &["slow=x"][..])] {
        c.publish(peer, 0, 0, "slow", "x");
        assert_eq!(question(&mut c, peer), ["publish slow"]);
        c.answer(peer, vec![verdict]);
        assert_eq!(c.heard(peer), heard);
    }
}

/// [MQTT-4.3.3-9]: a refused identifier is free for a new message.
#[test]
fn a_refused_qos_2_publish_frees_its_identifier() {
    let rights = Rights::new(&[("publish slow", Ask), ("publish no", Deny)]);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    c.publish(peer, 2, 1, "no", "x");
    c.publish(peer, 2, 1, "yes", "x");
    assert_eq!(c.heard(peer), ["PUBREC 1 87", "PUBREC 1 10"]);
    c.send(peer, &ack(0x62, 1));
    c.publish(peer, 2, 1, "slow", "x");
    question(&mut c, peer);
    c.answer(peer, vec![]);
    assert_eq!(c.heard(peer), ["PUBCOMP 1 00", "PUBREC 1 87"], "no verdict is a denial");
    c.send(peer, &ack(0x62, 1));
    assert_eq!(c.heard(peer), ["PUBCOMP 1 92"]);
}

#[test]
fn a_v311_client_is_not_told_that_its_message_is_gone() {
    let rights = Rights::new(&[("publish no", Deny)]);
    let mut c = cluster(&rights);
    let peer = c.dial_v3(0, v3::codec::Connect::default().client_id("a"));
    c.publish(peer, 1, 1, "no", "x");
    assert_eq!(c.heard(peer), ["CONNACK 00", "PUBACK 1 00"]);
}

#[test]
fn a_subscribe_with_several_filters_gets_a_verdict_for_each() {
    for version in [Version::V311, Version::V5] {
        let rights = Rights::new(&[("subscribe slow", Ask)]);
        let mut c = cluster(&rights);
        let peer = match version {
            Version::V31 | Version::V311 => {
                c.dial_v3(0, v3::codec::Connect::default().client_id("a"))
            }
            Version::V5 => c.dial(0, connect("a")),
        };
        c.heard(peer);
        let filters = [("fast", 1), ("slow", 2), ("other", 0)];
        c.send(peer, &client::subscribe(version, 4, &filters));
        assert_eq!(question(&mut c, peer), ["subscribe slow"], "the others are decided");
        c.answer(peer, vec![Verdict::Deny]);
        let denied = if version == Version::V5 { "87" } else { "80" };
        assert_eq!(c.heard(peer), [format!("SUBACK 4 [01, {denied}, 00]")]);
        assert_eq!(c.broker.routes.len(), 2);
        for topic in ["fast", "slow", "other"] {
            c.publish(peer, 0, 0, topic, "x");
        }
        assert_eq!(c.heard(peer), ["fast=x", "other=x"]);
    }
}

#[test]
fn will_and_inherited_subscriptions_are_asked_for_together() {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    let first = c.connect(0, "a");
    for filter in ["keep", "drop", "x/#"] {
        c.subscribe(first, filter, 1);
    }
    c.lose(first);
    for access in ["will w", "resume drop", "resume keep", "resume x/#"] {
        rights.set(access, Ask);
    }
    let again = c.dial(1, connect_with_will("a", "w", "bye", None));
    assert_eq!(c.heard(again), [""; 0]);
    let expected = ["will w", "resume drop", "resume keep", "resume x/#"];
    assert_eq!(question(&mut c, again), expected);
    c.answer(again, vec![Verdict::Allow, Verdict::Deny, Verdict::Allow]);
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    assert_eq!(c.broker.routes.len(), 1, "denied, and the one without a verdict");
    let publisher = c.connect(0, "pub");
    for topic in ["keep", "drop", "x/y"] {
        c.publish(publisher, 0, 0, topic, "1");
    }
    c.settle();
    assert_eq!(c.heard(again), ["keep=1"]);
}

#[test]
fn denied_at_once_an_inherited_subscription_is_dropped_too() {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    let first = c.connect(0, "a");
    c.subscribe(first, "drop", 1);
    rights.set("resume drop", Deny);
    let again = c.dial(0, connect("a"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    assert_eq!(c.broker.routes.len(), 0);
}

#[test]
fn a_connect_or_a_will_that_is_denied_is_refused() {
    for access in ["connect", "will w"] {
        for decision in [Ask, Deny] {
            let rights = Rights::new(&[(access, decision)]);
            let mut c = cluster(&rights);
            let peer = c.dial(0, connect_with_will("a", "w", "bye", None));
            if decision == Ask {
                assert_eq!(question(&mut c, peer), [access]);
                c.answer(peer, vec![Verdict::Deny]);
            }
            assert_eq!(c.heard(peer), ["CONNACK 87"]);
            assert!(c.is_closed(peer));
            assert!(c.broker.clients.get("a").is_none());
        }
    }
}

/// `Authorizer::ask` works out what `decide` answered with `Ask`, and nothing else: what was denied
/// stays denied whatever it answers to other questions, and what was allowed stays allowed.
#[test]
fn what_is_decided_is_not_asked() {
    let rules = [("subscribe no", Deny), ("subscribe slow", Ask), ("will slow", Ask)];
    let rights = Rights::new(&rules);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    let filters = [("no", 1), ("slow", 1), ("yes", 1)];
    for (verdict, heard) in
        [(Verdict::Allow, "SUBACK 4 [87, 01, 01]"), (Verdict::Deny, "SUBACK 4 [87, 87, 01]")]
    {
        c.send(peer, &client::subscribe(peer.version, 4, &filters));
        assert_eq!(question(&mut c, peer), ["subscribe slow"]);
        c.answer(peer, vec![verdict, verdict, verdict]);
        assert_eq!(c.heard(peer), [heard]);
    }
    rights.set("connect", Deny);
    let other = c.dial(0, connect_with_will("b", "slow", "bye", None));
    question(&mut c, other);
    c.answer(other, vec![Verdict::Allow, Verdict::Allow]);
    assert_eq!(c.heard(other), ["CONNACK 87"]);
}

#[test]
fn taken_over_while_it_waits_a_parked_packet_is_forgotten() {
    let rights = Rights::new(&[("publish slow", Ask), ("subscribe slow", Ask)]);
    let mut c = cluster(&rights);
    let old = c.connect(0, "a");
    c.send(old, &client::subscribe(old.version, 1, &[("slow", 1)]));
    question(&mut c, old);
    let new = c.dial(1, connect("a"));
    c.answer(old, vec![Verdict::Allow]);
    c.settle();
    assert_eq!(c.heard(old), ["DISCONNECT 8e"]);
    assert_eq!(c.heard(new), ["CONNACK 00 present"]);
    assert_eq!(c.broker.routes.len(), 0);
}

/// The two reasons not to read are independent of each other.
#[test]
fn being_writable_again_does_not_resume_a_connection_that_waits_for_a_verdict() {
    let settings = Settings { unsent_for_answers: 1, ..Settings::default() };
    let rights = Rights::new(&[("publish slow", Ask)]);
    let mut c = Cluster::with(1, settings, rights);
    let peer = c.connect(0, "a");
    c.socket(peer).stalled = Some(0);
    c.send(peer, &[&client::PINGREQ[..], &publish(peer.version, 2, 1, "slow", "x")].concat());
    question(&mut c, peer);
    assert!(c.socket(peer).is_paused);
    c.socket(peer).stalled = None;
    c.settle();
    assert!(c.socket(peer).is_paused, "the authorizer has not answered");
    c.answer(peer, vec![Verdict::Allow]);
    assert!(!c.socket(peer).is_paused);
    assert_eq!(c.heard(peer), ["PINGRESP", "PUBACK 1 10"]);
}

#[test]
fn a_verdict_does_not_resume_a_connection_that_is_choked() {
    let settings = Settings { unsent_for_answers: 1, ..Settings::default() };
    let rights = Rights::new(&[("publish slow", Ask)]);
    let mut c = Cluster::with(1, settings, rights);
    let peer = c.connect(0, "a");
    c.socket(peer).stalled = Some(0);
    c.send(peer, &[&client::PINGREQ[..], &publish(peer.version, 2, 1, "slow", "x")].concat());
    c.answer(peer, vec![Verdict::Allow]);
    assert!(c.socket(peer).is_paused, "it has not read its answers");
    c.socket(peer).stalled = None;
    c.settle();
    assert!(!c.socket(peer).is_paused);
}
