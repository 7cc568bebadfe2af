//! Orders from outside: publish, subscribe, kick, settings, shutdown.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use flux_eventbus::{DisconnectReason, Event};
use flux_session::QoS;
use flux_topic::{TopicFilter, TopicName};

use super::client::{self, connect_with_will, encode_v5};
use super::cluster::Cluster;
use crate::input::{Command, Done, Letter};
use crate::limits::Limits;
use crate::message::{Message, Parts};
use crate::outcome::PublishOutcome;
use crate::settings::Settings;
use crate::wire::Version;

pub(super) fn done<T: Send + 'static>() -> (Done<T>, Receiver<T>) {
    let (sender, receiver) = sync_channel(1);
    (Box::new(move |value| sender.send(value).unwrap()), receiver)
}

pub(super) fn publish(
    topic: &str,
    payload: &str,
    retain: bool,
) -> (Command, Receiver<PublishOutcome>) {
    let message = Message::new(Parts {
        topic: TopicName::parse(topic).unwrap(),
        properties: &[],
        payload: payload.as_bytes(),
        qos: QoS::AtLeastOnce,
        retain,
        publisher: None,
        expires_at: None,
    });
    let (done, answer) = done();
    (Command::Publish { message, client_id: None, done }, answer)
}

#[test]
fn publish_reaches_subscribers_of_all_workers_and_counts_them() {
    let mut c = Cluster::new(2);
    let (a, b) = (c.connect(0, "a"), c.connect(1, "b"));
    c.subscribe(a, "t", 1);
    c.subscribe(b, "t", 0);
    let (command, answer) = publish("t", "x", false);
    c.command(0, command);
    c.settle();
    let expected = PublishOutcome { matched: 2, taken: 2, ..PublishOutcome::default() };
    assert_eq!(answer.try_recv(), Ok(expected));
    assert_eq!(c.heard(a), ["t=x q1 #1"]);
    assert_eq!(c.heard(b), ["t=x"]);
}

#[test]
fn subscribe_works_from_any_worker_and_brings_retained_messages() {
    let mut c = Cluster::new(2);
    let peer = c.connect(1, "a");
    c.command(0, publish("t", "kept", true).0);
    let subscribe = |client_id: &str| {
        let (done, answer) = done();
        let filter = TopicFilter::parse("t").unwrap();
        (Command::Subscribe { client_id: client_id.into(), filter, done }, answer)
    };
    let (command, answer) = subscribe("a");
    c.command(0, command);
    assert_eq!(answer.try_recv(), Ok(true));
    let (command, answer) = subscribe("nobody");
    c.command(0, command);
    assert_eq!(answer.try_recv(), Ok(false));
    c.settle();
    assert_eq!(c.heard(peer), ["t=kept q1 #1 retain"]);
    c.command(0, publish("t", "live", false).0);
    c.settle();
    assert_eq!(c.heard(peer), ["t=live q1 #2"]);
    assert_eq!(c.broker.routes.len(), 1);
}

#[test]
fn kick_ends_the_connection_wherever_it_is_and_keeps_the_session() {
    for from in [0, 1] {
        let mut c = Cluster::new(2);
        let watcher = c.connect(0, "watcher");
        c.subscribe(watcher, "w", 0);
        let peer = c.dial(1, connect_with_will("a", "w", "kicked", None));
        let kick = || {
            let (done, answer) = done();
            (Command::Kick { client_id: "a".into(), done }, answer)
        };
        let (command, answer) = kick();
        c.command(from, command);
        c.settle();
        assert_eq!(answer.try_recv(), Ok(true));
        assert_eq!(c.heard(peer), ["CONNACK 00", "DISCONNECT 98"]);
        assert!(c.is_closed(peer));
        assert_eq!(c.heard(watcher), ["w=kicked"]);
        let gone = Event::Disconnected {
            client_id: "a".into(),
            username: None,
            peer: None,
            listener: None,
            reason: DisconnectReason::Kicked,
        };
        assert!(c.events().contains(&gone));
        let (command, answer) = kick();
        c.command(from, command);
        assert_eq!(answer.try_recv(), Ok(false));
        let again = c.dial(0, client::connect("a"));
        assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    }
}

#[test]
fn a_kick_that_arrives_after_a_takeover_does_not_hit_the_new_connection() {
    let mut c = Cluster::new(2);
    let _old = c.connect(1, "a");
    let (done, _answer) = done();
    c.command(0, Command::Kick { client_id: "a".into(), done });
    assert!(matches!(c.nodes[1].mail.make_contiguous(), [Letter::Kicked(_)]));
    let new = c.dial(1, client::connect("a"));
    c.settle();
    assert!(!c.is_closed(new));
}

#[test]
fn new_settings_hold_from_now_on() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    let settings = Settings {
        limits: Limits { packet_size: 50, ..Limits::default() },
        max_qos: QoS::AtMostOnce,
        connect_timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    c.command(0, Command::Settings(Arc::new(settings)));
    c.send(peer, &client::subscribe(peer.version, 1, &[("t", 2)]));
    c.publish(peer, 1, 1, "t", &"x".repeat(50));
    let heard = c.heard(peer);
    assert_eq!(heard[0], "SUBACK 1 [02]", "its CONNACK had said so");
    assert!(heard[1].starts_with("PUBACK 1 00"), "{heard:?}");
    let late = c.open(0, Version::V5);
    c.sleep(1_000);
    assert!(c.is_closed(late));
    let peer = c.connect(0, "b");
    c.send(peer, &client::subscribe(peer.version, 1, &[("t", 2)]));
    assert_eq!(c.heard(peer), ["SUBACK 1 [00]"], "granted at most that");
    c.publish(peer, 0, 0, "t", &"x".repeat(50));
    assert_eq!(c.heard(peer), ["DISCONNECT 95"]);
    let peer = c.connect(0, "c");
    c.publish(peer, 1, 1, "t", "x");
    assert_eq!(c.heard(peer), ["DISCONNECT 9b"]);
}

#[test]
fn shutdown_says_goodbye_to_all_and_lets_nobody_in() {
    let mut c = Cluster::new(1);
    let (new, fresh) = (c.connect(0, "new"), c.open(0, Version::V5));
    let old = c.dial_v3(0, ntex_mqtt::v3::codec::Connect::default().client_id("old"));
    c.heard(old);
    c.command(0, Command::Shutdown);
    assert_eq!(c.heard(new), ["DISCONNECT 8b"]);
    assert_eq!(c.heard(old), [""; 0], "3.1.1 has no goodbye");
    assert!(c.is_closed(new) && c.is_closed(old) && c.is_closed(fresh));
    let late = c.open(0, Version::V5);
    assert!(c.is_closed(late));
    c.send(late, &encode_v5(client::connect("late").into()));
    assert_eq!(c.heard(late), [""; 0]);
    assert_eq!(c.nodes[0].worker.connections(), 0);
    assert!(c.broker.clients.get("late").is_none());
}
