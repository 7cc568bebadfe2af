//! What clients may not do, or not any more: what becomes of it, and who is told.

use std::sync::Arc;

use flux_auth::Decision::{self, Allow, Ask, Deny};
use flux_auth::Identity;
use flux_eventbus::{Denial, DropReason, Event};

use super::client::{ack, connect, connect_with_will, disconnect, packet, subscribe};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::counters::Count;
use crate::input::Command;
use crate::settings::Settings;

const NOTHING: [&str; 0] = [];

fn cluster(rights: &Arc<Rights>) -> Cluster {
    Cluster::with(2, Settings::default(), rights.clone())
}

/// What was denied so far, and to whom.
fn denied(c: &mut Cluster) -> Vec<(String, Denial, String)> {
    let events = c.events();
    let denials = events.into_iter().filter_map(|event| match event {
        Event::Denied { client_id, denial, topic, .. } => {
            Some((client_id.to_string(), denial, topic.to_string()))
        }
        _ => None,
    });
    denials.collect()
}

fn denial(client_id: &str, denial: Denial, topic: &str) -> (String, Denial, String) {
    (client_id.to_owned(), denial, topic.to_owned())
}

#[test]
fn each_denial_is_counted_and_an_event() {
    let rights = Rights::new(&[
        ("connect", Allow),
        ("publish no", Deny),
        ("subscribe no", Deny),
        ("will no", Deny),
    ]);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    c.publish(peer, 0, 0, "no", "x");
    c.publish(peer, 1, 1, "no", "x");
    c.send(peer, &subscribe(peer.version, 7, &[("no", 1), ("yes", 1)]));
    c.dial(0, connect_with_will("b", "no", "x", None));
    rights.set("resume yes", Deny);
    c.command(0, Command::RecheckRights(Arc::default()));
    rights.set("connect", Deny);
    c.dial(0, connect("c"));
    let expected = [
        denial("a", Denial::Publish, "no"),
        denial("a", Denial::Publish, "no"),
        denial("a", Denial::Subscribe, "no"),
        denial("b", Denial::Will, "no"),
        denial("a", Denial::Resume, "yes"),
        denial("c", Denial::Connect, ""),
    ];
    assert_eq!(denied(&mut c), expected);
    let counts = &c.nodes[0].fx.counts;
    let counted = counts.iter().filter(|count| matches!(count, Count::Denied(_))).count();
    assert_eq!(counted, expected.len());
}

/// What a will is that was allowed at CONNECT and is judged again when it is due.
#[track_caller]
fn check_will(decision: Decision, delay: Option<u32>, ends: impl Fn(&mut Cluster), heard: &[&str]) {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    let watcher = c.connect(0, "watcher");
    c.subscribe(watcher, "w", 0);
    c.dial(0, connect_with_will("a", "w", "gone", delay));
    rights.set("will w", decision);
    ends(&mut c);
    c.settle();
    assert_eq!(c.heard(watcher), heard);
    let drops = c.events().into_iter().filter(|event| {
        matches!(event, Event::Dropped { reason: DropReason::NotAuthorized, client_id: Some(id), .. }
            if &**id == "a")
    });
    assert_eq!(drops.count(), usize::from(heard.is_empty()));
}

#[test]
fn a_will_is_judged_again_when_it_is_due() {
    let lost = |c: &mut Cluster| {
        let session = c.broker.clients.get("a").unwrap();
        let attached = session.lock().attached.clone();
        let Some(crate::session::Attachment::Connection { worker, connection }) = attached else {
            panic!("it is connected");
        };
        let now = c.now;
        c.nodes[worker.0].close(now, connection);
        c.sleep(60_000);
    };
    let begins_anew = |c: &mut Cluster| {
        let mut packet = connect("a");
        packet.clean_start = true;
        c.dial(1, packet);
    };
    let taken_over = |c: &mut Cluster| {
        c.dial(1, connect("a"));
    };
    for delay in [None, Some(10)] {
        check_will(Allow, delay, lost, &["w=gone"]);
        // It was asked about at CONNECT, and nobody can wait now.
        check_will(Ask, delay, lost, &["w=gone"]);
        check_will(Deny, delay, lost, &NOTHING);
    }
    for ends in [&begins_anew as &dyn Fn(&mut Cluster), &taken_over] {
        check_will(Allow, None, ends, &["w=gone"]);
        check_will(Deny, None, ends, &NOTHING);
    }
}

#[test]
fn what_waits_of_a_subscription_that_may_not_be_had_any_more_is_not_sent() {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    let (publisher, first) = (c.connect(0, "publisher"), c.connect(0, "a"));
    for filter in ["keep", "drop"] {
        c.subscribe(first, filter, 1);
    }
    c.lose(first);
    for topic in ["drop", "keep"] {
        c.publish(publisher, 1, 1, topic, "1");
    }
    rights.set("resume drop", Deny);
    let again = c.dial(1, connect("a"));
    c.settle();
    assert_eq!(c.heard(again), ["CONNACK 00 present", "keep=1 q1 #2"]);
    let withheld = |event: &Event| {
        matches!(event, Event::Dropped { topic, reason: DropReason::Withheld, .. }
            if &**topic == "drop")
    };
    assert_eq!(c.events().iter().filter(|event| withheld(event)).count(), 1);
    // Once nothing of before is there any more, nothing is looked at.
    let session = c.broker.clients.get("a").unwrap();
    assert!(session.lock().is_suspect);
    c.send(again, &ack(0x40, 2));
    c.publish(publisher, 0, 0, "keep", "2");
    c.settle();
    assert!(!session.lock().is_suspect);
}

/// Nobody can wait for the answer where a message is sent, and another subscription may have brought it.
#[test]
fn what_waits_and_would_have_to_be_asked_about_is_sent_though_a_right_was_lost() {
    let rights = Rights::new(&[("resume t/asked", Ask), ("resume t/denied", Deny)]);
    let mut c = cluster(&rights);
    let (publisher, first) = (c.connect(0, "publisher"), c.connect(0, "a"));
    c.subscribe(first, "t/#", 1);
    c.lose(first);
    for topic in ["t/asked", "t/denied"] {
        c.publish(publisher, 1, 1, topic, "1");
    }
    rights.set("resume t/#", Deny);
    let again = c.dial(1, connect("a"));
    c.settle();
    assert_eq!(c.heard(again), ["CONNACK 00 present", "t/asked=1 q1 #1"]);
}

#[test]
fn what_was_not_acknowledged_before_a_right_was_lost_is_not_sent_again() {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    let (publisher, first) = (c.connect(0, "publisher"), c.connect(0, "a"));
    c.subscribe(first, "drop", 1);
    c.publish(publisher, 1, 1, "drop", "1");
    assert_eq!(c.heard(first), ["drop=1 q1 #1"]);
    rights.set("resume drop", Deny);
    c.command(0, Command::RecheckRights(Arc::default()));
    assert_eq!(c.heard(first), ["DISCONNECT 87"]);
    let again = c.dial(0, connect("a"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
}

#[test]
fn who_proves_anew_who_it_is_and_has_fewer_rights_is_disconnected() {
    let rights = Rights::new(&[]);
    let mut c = cluster(&rights);
    c.nodes[0].fx.exchange = Some(Identity::anonymous());
    let mut packet_with_method = connect("a");
    packet_with_method.auth_method = Some("m".to_owned().into());
    let peer = c.dial(0, packet_with_method);
    c.subscribe_after_connack(peer, "keep", 1);
    c.subscribe(peer, "drop", 1);
    let again = packet(0xF0, &[&[0x19, 4, 0x15, 0, 1, b'm']]);
    c.send(peer, &again);
    assert_eq!(c.socket(peer).sent[..3], [0xF0, 6, 0]);
    c.socket(peer).sent.clear();
    rights.set("resume drop", Deny);
    c.send(peer, &again);
    assert_eq!(c.heard(peer), ["DISCONNECT 87"]);
    assert_eq!(c.broker.routes.len(), 1);
}

#[test]
fn what_was_decided_about_a_topic_is_not_decided_again_until_the_rules_change() {
    let rights = Rights::new(&[]);
    rights.be_remembered();
    let mut c = cluster(&rights);
    let (watcher, peer) = (c.connect(0, "watcher"), c.connect(0, "a"));
    c.subscribe(watcher, "t", 0);
    // A topic is remembered when it comes a second time.
    for _ in 0..3 {
        c.publish(peer, 0, 0, "t", "x");
    }
    rights.take_decided();
    for _ in 0..5 {
        c.publish(peer, 0, 0, "t", "x");
    }
    assert_eq!((rights.take_decided(), c.heard(watcher).len()), (0, 8));
    // Another QoS is another question.
    c.publish(peer, 1, 1, "t", "x");
    assert_eq!((rights.take_decided(), c.heard(watcher).len()), (1, 1));
    rights.set("publish t", Deny);
    for _ in 0..5 {
        c.publish(peer, 0, 0, "t", "x");
    }
    assert_eq!((rights.take_decided(), c.heard(watcher).len()), (1, 0));
    // Nor of a topic that never was found for anybody.
    rights.set("publish no", Deny);
    for _ in 0..5 {
        c.publish(peer, 0, 0, "no", "x");
    }
    assert_eq!(rights.take_decided(), 1);
    c.publish(peer, 0, 0, "yes", "x");
    c.publish(peer, 1, 1, "no", "x");
    assert_eq!(rights.take_decided(), 2);
    rights.set("publish t", Allow);
    c.publish(peer, 0, 0, "t", "x");
    assert_eq!((rights.take_decided(), c.heard(watcher).len()), (1, 1));
}

/// Whoever tries them in turn costs no more than one who stays with one.
#[test]
fn of_many_topics_that_are_denied_each_is_decided_about_once() {
    let topics: Vec<String> = (0..50).map(|number| format!("no/{number}")).collect();
    let rights = Rights::new(&[]);
    rights.be_remembered();
    let rule = |topic: &String| rights.set(&format!("publish {topic}"), Deny);
    topics.iter().for_each(rule);
    let mut c = cluster(&rights);
    let peer = c.connect(0, "a");
    rights.take_decided();
    let try_all = |c: &mut Cluster| {
        topics.iter().for_each(|topic| c.publish(peer, 0, 0, topic, "x"));
        (rights.take_decided(), denied(c).len())
    };
    assert_eq!(try_all(&mut c), (50, 50));
    // Two may have one place.
    let (decided, told) = try_all(&mut c);
    assert!(decided < 10 && told == 50, "{decided}, {told}");
    rights.set("publish elsewhere", Deny);
    assert_eq!(try_all(&mut c), (50, 50), "the rules are others");
}

#[test]
fn what_one_member_may_not_have_goes_to_another_and_not_to_that_one_again() {
    let rights = Rights::new(&[("receive t by a", Deny), ("receive t by b", Deny)]);
    let mut c = cluster(&rights);
    let publisher = c.connect(0, "publisher");
    let members = [c.connect(0, "a"), c.connect(1, "b"), c.connect(1, "c")];
    for member in members {
        c.subscribe(member, "$share/g/t", 1);
    }
    let [a, b, allowed] = members;
    for number in 1..=4_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    c.settle();
    assert_eq!((c.heard(a), c.heard(b)), (vec![], vec![]));
    let mut heard = c.heard(allowed);
    heard.sort();
    let payloads: Vec<_> = heard.iter().filter_map(|it| it.split(' ').next()).collect();
    assert_eq!(payloads, ["t=1", "t=2", "t=3", "t=4"]);

    // Without connection it has no room: what nobody else may have waits for it.
    c.lose(allowed);
    c.publish(publisher, 1, 5, "t", "5");
    c.publish(publisher, 1, 6, "t", "6");
    c.settle();
    assert_eq!((c.heard(a), c.heard(b)), (vec![], vec![]));
    let again = c.dial(0, connect("c"));
    c.settle();
    let heard = c.heard(again);
    let new = heard.iter().filter(|it| it.starts_with("t=5") || it.starts_with("t=6"));
    assert_eq!(new.count(), 2, "{heard:?}");
    let is_withheld =
        |event: &Event| matches!(event, Event::Dropped { reason: DropReason::Withheld, .. });
    assert!(!c.events().iter().any(is_withheld));

    // Nobody is left who may have it, or the six that were not acknowledged.
    c.send(again, &disconnect(0, Some(0)));
    c.publish(publisher, 1, 7, "t", "7");
    c.settle();
    assert_eq!(c.events().iter().filter(|event| is_withheld(event)).count(), 6 + 1);
    assert_eq!((c.heard(a), c.heard(b)), (vec![], vec![]));
}
