//! Will messages: when they are sent, and when not (MQTT 5.0 section 3.1.2.5).

use flux_eventbus::{Event, SessionEnd};

use super::client::{connect, connect_with_will, disconnect};
use super::cluster::Cluster;

/// A cluster with a watcher of everything below `w` on worker 0.
fn watched() -> (Cluster, super::client::Peer) {
    let mut c = Cluster::new(2);
    let watcher = c.connect(0, "watcher");
    c.subscribe(watcher, "w/#", 1);
    (c, watcher)
}

const DUE: [&str; 1] = ["w/a=gone q1 #1"];
const NOTHING: [&str; 0] = [];

#[test]
fn a_lost_connection_has_its_will_sent_at_once() {
    let (mut c, watcher) = watched();
    let peer = c.dial(1, connect_with_will("a", "w/a", "gone", None));
    c.lose(peer);
    c.settle();
    assert_eq!(c.heard(watcher), DUE);
    c.sleep(3600 * 1000);
    assert_eq!(c.heard(watcher), NOTHING, "only once");
}

#[test]
fn only_a_normal_disconnect_deletes_the_will() {
    for (reason, expected) in [(0x00, &[][..]), (0x04, &DUE[..]), (0x80, &DUE[..])] {
        let (mut c, watcher) = watched();
        let peer = c.dial(1, connect_with_will("a", "w/a", "gone", None));
        c.send(peer, &disconnect(reason, None));
        c.settle();
        assert_eq!(c.heard(watcher), expected, "reason {reason:02x}");
        assert!(c.is_closed(peer));
        assert_eq!(c.heard(peer), ["CONNACK 00"]);
    }
}

#[test]
fn a_protocol_error_has_the_will_sent() {
    let (mut c, watcher) = watched();
    let peer = c.dial(1, connect_with_will("a", "w/a", "gone", None));
    c.send(peer, &[0xF0, 0]);
    c.settle();
    assert_eq!(c.heard(peer), ["CONNACK 00", "DISCONNECT 82"]);
    assert_eq!(c.heard(watcher), DUE);
}

#[test]
fn a_delayed_will_is_sent_when_the_delay_is_over() {
    let (mut c, watcher) = watched();
    let peer = c.dial(1, connect_with_will("a", "w/a", "gone", Some(10)));
    c.lose(peer);
    c.sleep(9_999);
    assert_eq!(c.heard(watcher), NOTHING);
    c.sleep(1);
    assert_eq!(c.heard(watcher), DUE);
    let again = c.dial(0, connect("a"));
    assert_eq!(c.heard(again), ["CONNACK 00 present"], "the session goes on");
}

#[test]
fn a_delayed_will_is_cancelled_when_the_client_returns_in_time() {
    let (mut c, watcher) = watched();
    let peer = c.dial(1, connect_with_will("a", "w/a", "gone", Some(10)));
    c.lose(peer);
    c.sleep(9_999);
    let again = c.dial(0, connect("a"));
    c.sleep(60_000);
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
    c.lose(again);
    c.sleep(60_000);
    assert_eq!(c.heard(watcher), NOTHING, "the new connection left no will");
}

#[test]
fn the_session_takes_its_delayed_will_along_when_it_ends_first() {
    for clean_start in [false, true] {
        let (mut c, watcher) = watched();
        let mut packet = connect_with_will("a", "w/a", "gone", Some(100));
        packet.session_expiry_interval_secs = 10;
        let peer = c.dial(1, packet);
        c.lose(peer);
        if clean_start {
            let mut clean = connect("a");
            clean.clean_start = true;
            c.dial(0, clean);
            c.settle();
        } else {
            c.sleep(9_999);
            assert_eq!(c.heard(watcher), NOTHING);
            c.sleep(1);
        }
        assert_eq!(c.heard(watcher), DUE);
        let reason = if clean_start { SessionEnd::CleanStart } else { SessionEnd::Expired };
        let ended = Event::SessionEnded { client_id: "a".into(), reason };
        assert!(c.events().contains(&ended));
    }
}

/// Section 3.1.4: taken over, a will without delay is sent; one with a delay is not, unless the
/// new connection begins a new session.
#[test]
fn a_takeover_sends_the_will_unless_it_is_delayed_and_the_session_goes_on() {
    for worker in [0, 1] {
        for (delay, clean_start, expected) in [
            (None, false, &DUE[..]),
            (Some(10), false, &[][..]),
            (None, true, &DUE[..]),
            (Some(10), true, &DUE[..]),
        ] {
            let (mut c, watcher) = watched();
            c.dial(1, connect_with_will("a", "w/a", "gone", delay));
            let mut packet = connect("a");
            packet.clean_start = clean_start;
            c.dial(worker, packet);
            c.sleep(60_000);
            assert_eq!(c.heard(watcher), expected, "delay {delay:?}, clean {clean_start}");
        }
    }
}

#[test]
fn a_session_ends_when_its_expiry_is_over_and_not_before() {
    let mut c = Cluster::new(2);
    let mut packet = connect("a");
    packet.session_expiry_interval_secs = 10;
    let peer = c.dial(1, packet);
    c.subscribe_after_connack(peer, "t", 1);
    c.lose(peer);
    c.sleep(9_999);
    assert!(c.broker.clients.get("a").is_some());
    c.sleep(1);
    assert!(c.broker.clients.get("a").is_none());
    assert_eq!(c.broker.routes.len(), 0);
    let ended = Event::SessionEnded { client_id: "a".into(), reason: SessionEnd::Expired };
    assert!(c.events().contains(&ended));
}

/// Nobody was told the time yet, and the client is back too late all the same.
#[test]
fn an_expired_session_is_not_resumed_even_before_the_timer() {
    let mut c = Cluster::new(2);
    let mut packet = connect("a");
    packet.session_expiry_interval_secs = 10;
    let peer = c.dial(1, packet.clone());
    c.lose(peer);
    c.now = c.now + std::time::Duration::from_secs(10);
    let again = c.dial(0, packet);
    assert_eq!(c.heard(again), ["CONNACK 00"]);
    c.sleep(0);
    assert!(c.broker.clients.get("a").is_some(), "the timer of the old one leaves the new alone");
}

/// The same for a will: it was due before the client came back.
#[test]
fn a_will_that_was_due_is_sent_even_if_the_client_returns_before_the_timer() {
    let (mut c, watcher) = watched();
    let peer = c.dial(1, connect_with_will("a", "w/a", "gone", Some(10)));
    c.lose(peer);
    c.now = c.now + std::time::Duration::from_secs(11);
    c.dial(1, connect("a"));
    c.sleep(0);
    assert_eq!(c.heard(watcher), DUE);
}

#[test]
fn the_largest_expiry_never_ends() {
    let mut c = Cluster::new(1);
    let mut packet = connect("a");
    packet.session_expiry_interval_secs = u32::MAX;
    let peer = c.dial(0, packet.clone());
    c.lose(peer);
    assert_eq!(c.nodes[0].worker.next_deadline(), None);
    c.sleep(1_000 * (u64::from(u32::MAX) + 1));
    let again = c.dial(0, packet);
    assert_eq!(c.heard(again), ["CONNACK 00 present"]);
}

#[test]
fn disconnect_may_change_the_expiry_but_not_raise_it_from_0() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.send(peer, &disconnect(0, Some(5)));
    c.sleep(5_000);
    assert!(c.broker.clients.get("a").is_none());

    let mut short = connect("a");
    short.session_expiry_interval_secs = 0;
    let peer = c.dial(0, short.clone());
    c.send(peer, &disconnect(0, Some(5)));
    assert_eq!(c.heard(peer), ["CONNACK 00", "DISCONNECT 82"]);
    assert!(c.broker.clients.get("a").is_none());

    let peer = c.dial(0, short);
    c.send(peer, &disconnect(0, Some(0)));
    assert_eq!(c.heard(peer), ["CONNACK 00"], "0 is what it was");
}
