//! What becomes of a message that finds a full queue, and who is told.

use std::sync::Arc;

use flux_auth::AllowAll;
use flux_eventbus::{DisconnectReason, DropReason, Event, SessionEnd};
use flux_session::{SessionLimits, WhenFull};

use ntex_mqtt::v3;

use super::client::{self, Peer, connect, connect_with_will};
use super::cluster::Cluster;
use crate::settings::Settings;
use crate::wire::Version;

/// A publisher on worker 0, and a subscriber on worker 1 with one message in flight that takes no
/// more, and one queued that may be the last.
fn full(when_full: WhenFull) -> (Cluster, Peer, Peer) {
    let session = SessionLimits { queued_messages: 1, when_full, ..SessionLimits::default() };
    let settings = Settings { session, ..Settings::default() };
    let mut c = Cluster::with(2, settings, Arc::new(AllowAll));
    let publisher = c.connect(0, "pub");
    let will = connect_with_will("sub", "w", "gone", Some(100)).receive_max(1);
    let subscriber = c.dial(1, will);
    c.subscribe_after_connack(subscriber, "t", 1);
    for number in 1..=2_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
        c.settle();
    }
    assert_eq!(c.heard(publisher), ["PUBACK 1 00", "PUBACK 2 00"]);
    assert_eq!(c.heard(subscriber), ["t=1 q1 #1"]);
    c.events();
    (c, publisher, subscriber)
}

fn drops(c: &mut Cluster) -> Vec<DropReason> {
    let reason = |event| match event {
        Event::Dropped { reason, .. } => Some(reason),
        _ => None,
    };
    c.events().into_iter().filter_map(reason).collect()
}

#[test]
fn the_publisher_hears_quota_exceeded_unless_older_messages_make_room() {
    for (when_full, answer, kept) in [
        (WhenFull::DropNewest, "PUBACK 3 97", "t=2 q1 #2"),
        (WhenFull::Refuse, "PUBACK 3 97", "t=2 q1 #2"),
        (WhenFull::DropOldest, "PUBACK 3 00", "t=3 q1 #2"),
    ] {
        let (mut c, publisher, subscriber) = full(when_full);
        c.publish(publisher, 1, 3, "t", "3");
        c.settle();
        assert_eq!(c.heard(publisher), [answer]);
        assert_eq!(drops(&mut c), [DropReason::QueueFull], "{when_full:?}");
        c.send(subscriber, &client::ack(0x40, 1));
        assert_eq!(c.heard(subscriber), [kept]);
    }
}

/// MQTT 3.1.1 cannot say that a message is refused: its PUBREC is positive, so what comes again is a
/// duplicate, for those who took it too [MQTT-4.3.3-2].
#[test]
fn a_refused_message_of_qos_2_that_comes_again_is_a_duplicate_where_nobody_could_be_told() {
    for (version, seen) in
        [(Version::V311, &["t=3 q2 #1"][..]), (Version::V5, &["t=3 q2 #1", "t=3 q2 #2"][..])]
    {
        let (mut c, _, _) = full(WhenFull::Refuse);
        let other = c.connect(0, "other");
        c.subscribe(other, "t", 2);
        let publisher = match version {
            Version::V31 | Version::V311 => {
                c.dial_v3(0, v3::codec::Connect::default().client_id("old"))
            }
            Version::V5 => c.connect(0, "new"),
        };
        c.publish(publisher, 2, 7, "t", "3");
        c.send(publisher, &client::publish(version, 0b1100, 7, "t", "3"));
        assert_eq!(c.heard(other), seen, "{version:?}");
    }
}

/// Dropped for one subscriber of several it is nobody's business; refused it is.
#[test]
fn a_refusal_is_told_even_if_others_took_the_message() {
    for (when_full, answer) in
        [(WhenFull::DropNewest, "PUBACK 3 00"), (WhenFull::Refuse, "PUBACK 3 97")]
    {
        let (mut c, publisher, _) = full(when_full);
        let other = c.connect(0, "other");
        c.subscribe(other, "t", 1);
        c.publish(publisher, 1, 3, "t", "3");
        assert_eq!(c.heard(publisher), [answer]);
        assert_eq!(c.heard(other), ["t=3 q1 #1"]);
    }
}

#[test]
fn a_session_that_overflows_ends_with_its_connection_and_its_will_is_sent() {
    let (mut c, publisher, subscriber) = full(WhenFull::EndSession);
    let watcher = c.connect(0, "watcher");
    c.subscribe(watcher, "w", 0);
    c.events();
    c.publish(publisher, 1, 3, "t", "3");
    c.settle();
    assert_eq!(c.heard(publisher), ["PUBACK 3 97"]);
    assert_eq!(c.heard(subscriber), ["DISCONNECT 97"]);
    assert!(c.is_closed(subscriber));
    assert_eq!(c.heard(watcher), ["w=gone"], "the session is over, so the delay is, too");
    let events = c.events();
    let client_id: Arc<str> = "sub".into();
    let reason = SessionEnd::QueueFull;
    assert!(events.contains(&Event::SessionEnded { client_id: client_id.clone(), reason }));
    let reason = DisconnectReason::QuotaExceeded;
    assert!(events.contains(&Event::Disconnected {
        client_id,
        username: None,
        peer: None,
        listener: None,
        reason
    }));
    assert!(c.broker.clients.get("sub").is_none());
    c.publish(publisher, 1, 4, "t", "4");
    assert_eq!(c.heard(publisher), ["PUBACK 4 10"], "its subscriptions are gone");
    let again = c.dial(0, connect("sub"));
    assert_eq!(c.heard(again), ["CONNACK 00"]);
}

/// The session that overflows is the publisher's own, and its packet is being handled.
#[test]
fn a_client_that_overflows_its_own_session_is_cut_off() {
    let session = SessionLimits {
        queued_messages: 1,
        when_full: WhenFull::EndSession,
        ..SessionLimits::default()
    };
    let settings = Settings { session, ..Settings::default() };
    let mut c = Cluster::with(1, settings, Arc::new(AllowAll));
    let peer = c.connect(0, "a");
    c.subscribe(peer, "t", 1);
    let publish = |number| client::publish(peer.version, 2, number, "t", "x");
    c.send(peer, &[publish(1), publish(2), publish(3)].concat());
    assert_eq!(c.heard(peer), ["PUBACK 1 00", "PUBACK 2 97", "DISCONNECT 97"]);
    assert!(c.is_closed(peer));
    assert!(c.broker.clients.get("a").is_none());
}

#[test]
fn what_is_lost_while_the_client_is_away_is_an_event_too() {
    let (mut c, publisher, subscriber) = full(WhenFull::DropOldest);
    c.publish(publisher, 0, 0, "t", "too much");
    assert_eq!(drops(&mut c), [DropReason::QueueFull]);
    c.lose(subscriber);
    c.publish(publisher, 0, 0, "t", "away");
    assert_eq!(drops(&mut c), [DropReason::Offline]);
    c.publish(publisher, 1, 3, "t", "3");
    assert_eq!(drops(&mut c), [DropReason::QueueFull], "2 made room");
}

#[test]
fn qos_0_that_waits_when_the_connection_ends_is_an_event() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "t", 0);
    c.publish(publisher, 0, 0, "t", "x");
    c.lose(subscriber);
    assert_eq!(drops(&mut c), [DropReason::Offline]);
}
