//! Who reaches a limit is counted and told, and the others go on.

use std::sync::Arc;

use flux_auth::{AllowAll, Authentication, Identity};
use flux_eventbus::{Event, Limit};
use ntex_mqtt::{v3, v5};

use super::client::{self, PINGREQ};
use super::cluster::Cluster;
use crate::counters::Count;
use crate::input::Input;
use crate::limits::Limits;
use crate::reason::ReasonCode;
use crate::settings::Settings;
use crate::wire::Version;
use crate::worker::Received;

pub(super) fn cluster(limits: Limits) -> Cluster {
    Cluster::with(1, Settings { limits, ..Settings::default() }, Arc::new(AllowAll))
}

/// So often was the limit reached, and told with this client identifier, since last asked.
#[track_caller]
pub(super) fn expect_reached(c: &mut Cluster, limit: Limit, client_id: Option<&str>, times: usize) {
    let counts = std::mem::take(&mut c.nodes[0].fx.counts);
    let counted = counts.iter().filter(|count| **count == Count::Reached(limit)).count();
    let expected = Event::LimitReached { limit, client_id: client_id.map(Into::into), peer: None };
    let told = c.events().iter().filter(|event| **event == expected).count();
    assert_eq!((counted, told), (times, times));
}

fn accepted(c: &mut Cluster, peer: client::Peer) {
    let authentication = Authentication::Accepted(Identity::anonymous());
    c.input(0, Input::Authenticated { connection: peer.id, authentication, valid_for: None });
}

#[test]
fn one_connect_too_many_finds_the_server_busy() {
    let mut c = cluster(Limits { pending_connects: 1, ..Limits::default() });
    c.asks_who = true;
    let first = c.dial(0, client::connect("a"));
    let second = c.dial(0, client::connect("b"));
    assert_eq!(c.heard(second), ["CONNACK 89"]);
    assert!(c.is_closed(second));
    expect_reached(&mut c, Limit::PendingConnects, Some("b"), 1);
    let old = v3::codec::Connect { client_id: "c".into(), ..v3::codec::Connect::default() };
    let third = c.dial_v3(0, old);
    assert_eq!(c.heard(third), ["CONNACK 03"]);
    expect_reached(&mut c, Limit::PendingConnects, Some("c"), 1);
    // Once it is answered there is a place again; so there is when the client does not wait.
    accepted(&mut c, first);
    assert_eq!(c.heard(first), ["CONNACK 00"]);
    for name in ["d", "e"] {
        let peer = c.dial(0, client::connect(name));
        assert_eq!(c.heard(peer), Vec::<String>::new(), "it is being decided");
        c.lose(peer);
    }
    expect_reached(&mut c, Limit::PendingConnects, Some("d"), 0);
}

#[test]
fn one_session_too_many_is_refused_and_who_has_one_comes_back() {
    let mut c = cluster(Limits { sessions: 2, ..Limits::default() });
    let (a, _) = (c.connect(0, "a"), c.connect(0, "b"));
    let third = c.dial(0, client::connect("c"));
    assert_eq!(c.heard(third), ["CONNACK 97"]);
    assert!(c.is_closed(third));
    expect_reached(&mut c, Limit::Sessions, Some("c"), 1);
    for protocol in ["d", "e"] {
        let old =
            v3::codec::Connect { client_id: protocol.into(), ..v3::codec::Connect::default() };
        let peer = c.dial_v3(0, old);
        assert_eq!(c.heard(peer), ["CONNACK 03"]);
        assert!(c.is_closed(peer));
        expect_reached(&mut c, Limit::Sessions, Some(protocol), 1);
    }
    // One that nobody holds takes a place as well; its client comes back, or begins anew.
    c.lose(a);
    let again = c.dial(0, client::connect("a"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    let anew = v5::codec::Connect { clean_start: true, ..client::connect("a") };
    let anew = c.dial(0, v5::codec::Connect { session_expiry_interval_secs: 0, ..anew });
    assert_eq!(c.heard(anew), ["CONNACK 00"]);
    expect_reached(&mut c, Limit::Sessions, None, 0);
    // With its end the place is free.
    c.lose(anew);
    c.connect(0, "c");
    assert_eq!(c.broker.clients.count(), 2);
}

#[test]
fn the_oldest_half_open_connection_makes_room() {
    let mut c = cluster(Limits { half_open: 2, ..Limits::default() });
    let first = c.open(0, Version::V5);
    c.connect(0, "a");
    let second = c.open(0, Version::V5);
    assert!(!c.is_closed(first), "who has said CONNECT does not count");
    c.lose(first);
    let third = c.open(0, Version::V5);
    assert!(!c.is_closed(second), "nor who is gone");
    expect_reached(&mut c, Limit::HalfOpen, None, 0);
    let fourth = c.open(0, Version::V5);
    assert!(c.is_closed(second), "the oldest");
    assert!(!c.is_closed(third) && !c.is_closed(fourth));
    expect_reached(&mut c, Limit::HalfOpen, None, 1);
}

#[test]
fn a_packet_that_is_too_large_is_counted() {
    let mut c = cluster(Limits { packet_size: 50, ..Limits::default() });
    let peer = c.connect(0, "a");
    c.publish(peer, 0, 0, "t", &"x".repeat(50));
    assert_eq!(c.heard(peer), ["DISCONNECT 95"]);
    expect_reached(&mut c, Limit::PacketSize, Some("a"), 1);
    let peer = c.open(0, Version::V5);
    c.send(peer, &[0x10, 0xFF, 0x7F]);
    assert!(c.is_closed(peer));
    expect_reached(&mut c, Limit::PacketSize, None, 1);
}

#[test]
fn topics_and_filters_with_too_many_levels_are_counted() {
    let mut c = cluster(Limits { topic_levels: 2, ..Limits::default() });
    let peer = c.connect(0, "a");
    c.publish(peer, 1, 1, "a/b/c", "x");
    assert_eq!(c.heard(peer), ["PUBACK 1 90"]);
    expect_reached(&mut c, Limit::TopicLevels, Some("a"), 1);
    c.send(peer, &client::subscribe(peer.version, 2, &[("a/b", 0), ("a/b/#", 0)]));
    assert_eq!(c.heard(peer), ["SUBACK 2 [00, 8f]"]);
    expect_reached(&mut c, Limit::TopicLevels, Some("a"), 1);
    let will = c.dial(0, client::connect_with_will("b", "a/b/c", "x", None));
    assert_eq!(c.heard(will), ["CONNACK 90"]);
    expect_reached(&mut c, Limit::TopicLevels, Some("b"), 1);
    // Another reason to refuse a topic is no limit.
    c.publish(peer, 1, 1, "$SYS/x", "x");
    expect_reached(&mut c, Limit::TopicLevels, Some("a"), 0);
}

#[test]
fn filters_beyond_as_many_as_a_packet_may_have_are_refused_unseen() {
    let mut c = cluster(Limits { subscribe_filters: 2, ..Limits::default() });
    let old = v3::codec::Connect { client_id: "old".into(), ..v3::codec::Connect::default() };
    let (new, old) = (c.connect(0, "new"), c.dial_v3(0, old));
    assert_eq!(c.heard(old), ["CONNACK 00"]);
    for (peer, name, refused) in [(new, "new", "97"), (old, "old", "80")] {
        let filters = [("a", 0), ("b", 1), ("c", 1), ("#/no/filter", 2)];
        c.send(peer, &client::subscribe(peer.version, 1, &filters));
        assert_eq!(c.heard(peer), [format!("SUBACK 1 [00, 01, {refused}, {refused}]")]);
        expect_reached(&mut c, Limit::SubscribeFilters, Some(name), 1);
        c.publish(new, 0, 0, "c", "x");
        assert_eq!(c.heard(peer), [""; 0]);
    }
    let three = |peer: client::Peer| {
        let none: &[u8] = if peer.version == Version::V5 { &[0] } else { &[] };
        client::packet(0xA2, &[&[0, 3], none, b"\0\x01x\0\x01a\0\x01b"])
    };
    c.send(new, &three(new));
    assert_eq!(c.heard(new), ["UNSUBACK 3 [11, 00, 83]"]);
    expect_reached(&mut c, Limit::SubscribeFilters, Some("new"), 1);
    c.send(old, &three(old));
    assert!(c.is_closed(old), "it would take all three for gone");
    expect_reached(&mut c, Limit::SubscribeFilters, Some("old"), 1);
    c.publish(new, 0, 0, "b", "x");
    assert_eq!(c.heard(new), ["b=x"]);
}

#[test]
fn a_packet_with_many_filters_is_the_turn_of_its_connection() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    let filters: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    let filters: Vec<_> = filters.iter().map(|filter| (&**filter, 0)).collect();
    let subscribe = client::subscribe(peer.version, 1, &filters);
    let flood = [&subscribe[..], &subscribe, &PINGREQ].concat();
    let node = &mut c.nodes[0];
    let received = node.worker.receive(c.now, peer.id, &flood, &mut node.fx);
    assert_eq!(received, Received { consumed: subscribe.len(), again: true });
    let rest = &flood[received.consumed..];
    let received = node.worker.receive(c.now, peer.id, rest, &mut node.fx);
    assert_eq!(received, Received { consumed: subscribe.len(), again: true });
}

#[test]
fn a_client_that_does_not_read_its_answers_is_counted_once() {
    let settings = Settings { unsent_for_answers: 3, ..Settings::default() };
    let mut c = Cluster::with(1, settings, Arc::new(AllowAll));
    let peer = c.connect(0, "a");
    c.socket(peer).stalled = Some(0);
    c.send(peer, &PINGREQ.repeat(2));
    c.send(peer, &PINGREQ.repeat(2));
    expect_reached(&mut c, Limit::UnsentAnswers, Some("a"), 1);
    assert!(c.socket(peer).is_paused);
}

#[test]
fn a_connect_has_a_limit_of_its_own() {
    let mut c = cluster(Limits { connect_packet_size: 100, ..Limits::default() });
    let long = client::connect(&"c".repeat(100));
    let peer = c.dial(0, long);
    assert!(c.is_closed(peer));
    assert_eq!(c.heard(peer), Vec::<String>::new());
    expect_reached(&mut c, Limit::PacketSize, None, 1);
    let peer = c.connect(0, "short");
    c.publish(peer, 1, 1, "t", &"x".repeat(200));
    assert_eq!(c.heard(peer), ["PUBACK 1 10"]);
}

/// Were the newest closed, a few that never say anything would keep everybody out of this worker.
#[test]
fn silent_connections_of_one_worker_keep_nobody_out_of_another() {
    let limits = Limits { half_open: 4, ..Limits::default() };
    let mut c = Cluster::with(2, Settings { limits, ..Settings::default() }, Arc::new(AllowAll));
    let silent = [(); 4].map(|()| c.open(0, Version::V5));
    let honest = c.open(1, Version::V5);
    let are_closed = silent.map(|peer| c.is_closed(peer));
    assert_eq!((are_closed, c.is_closed(honest)), ([true, true, false, false], false));
}

#[test]
fn whoever_is_closed_before_it_is_in_is_counted_and_told() {
    let mut c = cluster(Limits::default());
    let refused = |c: &mut Cluster, code: ReasonCode| {
        let counts = std::mem::take(&mut c.nodes[0].fx.counts);
        assert_eq!(counts, [Count::ConnectRefused(code)]);
        let told = Event::ConnectRefused {
            client_id: None,
            peer: None,
            listener: None,
            code: code.as_u8(),
        };
        assert_eq!(c.events(), [told]);
    };
    for (bytes, code) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], ReasonCode::ProtocolError),
        (&[0x10, 0xFF, 0xFF, 0xFF, 0xFF], ReasonCode::MalformedPacket),
    ] {
        let peer = c.open(0, Version::V5);
        c.send(peer, bytes);
        assert!(c.is_closed(peer));
        refused(&mut c, code);
    }
    let slow = c.open(0, Version::V5);
    c.sleep(10_000);
    assert!(c.is_closed(slow));
    expect_reached(&mut c, Limit::ConnectTime, None, 1);
}

/// Whoever looks for it in the log knows it by its identifier.
#[test]
fn whose_connect_is_refused_before_anybody_is_asked_is_told() {
    let mut c = cluster(Limits::default());
    let peer = c.dial(0, client::connect_with_will("a", "$SYS/x", "bye", None));
    assert!(c.is_closed(peer));
    let told = Event::ConnectRefused {
        client_id: Some("a".into()),
        peer: None,
        listener: None,
        code: ReasonCode::TopicNameInvalid.as_u8(),
    };
    let events = c.events();
    assert!(events.contains(&told), "{events:?}");
}

#[test]
fn a_client_that_nobody_decides_about_is_told_that_the_server_is_unavailable() {
    let mut c = cluster(Limits::default());
    c.asks_who = true;
    let peer = c.dial(0, client::connect("a"));
    c.sleep(10_000);
    assert_eq!(c.heard(peer), ["CONNACK 88"]);
    assert!(c.is_closed(peer));
    expect_reached(&mut c, Limit::ConnectTime, Some("a"), 1);
    assert_eq!(c.broker.pending_connects.taken(), 0);
}
