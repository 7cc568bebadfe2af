//! Who reaches a limit is counted and told, and the others go on.

use std::sync::Arc;

use flux_auth::{AllowAll, Authentication, Identity};
use flux_eventbus::{DropReason, Event, Limit};
use flux_session::{QUEUED_OVERHEAD, QoS};
use ntex_mqtt::{v3, v5};
use parking_lot::Mutex;

use super::client::{self, PINGREQ, ack};
use super::cluster::Cluster;
use crate::counters::Count;
use crate::input::{Command, Input};
use crate::limits::Limits;
use crate::outcome::PublishOutcome;
use crate::publication::Publication;
use crate::reason::ReasonCode;
use crate::settings::Settings;
use crate::wire::Version;

fn cluster(limits: Limits) -> Cluster {
    Cluster::with(1, Settings { limits, ..Settings::default() }, Arc::new(AllowAll))
}

/// So often was the limit reached, and told with this client identifier, since last asked.
#[track_caller]
fn expect_reached(c: &mut Cluster, limit: Limit, client_id: Option<&str>, times: usize) {
    let counts = std::mem::take(&mut c.nodes[0].fx.counts);
    let counted = counts.iter().filter(|count| **count == Count::Reached(limit)).count();
    let expected = Event::LimitReached { limit, client_id: client_id.map(Into::into), peer: None };
    let told = c.events().iter().filter(|event| **event == expected).count();
    assert_eq!((counted, told), (times, times));
}

fn accepted(c: &mut Cluster, peer: client::Peer) {
    let authentication = Authentication::Accepted(Identity::anonymous());
    c.input(0, Input::Authenticated { connection: peer.id, authentication });
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
    assert_eq!(c.broker.half_open.taken(), 2);
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

/// 16 KiB for the whole broker: a worker looks after every 256 bytes.
fn small_memory() -> Cluster {
    cluster(Limits { bytes: 16 * 1024, ..Limits::default() })
}

/// The payload of a message at QoS 1 to `t` that counts 1 KiB, with identifier and lengths.
const KIB: usize = 1024 - QUEUED_OVERHEAD - 4;

#[test]
fn publishers_are_slowed_then_refused_and_served_again_when_there_is_room() {
    let mut c = small_memory();
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let peer = c.connect(0, "a");
    let payload = "x".repeat(KIB);
    for number in 1..=14 {
        c.publish(peer, 1, number, "t", &payload);
        assert_eq!(c.heard(peer), [format!("PUBACK {number} 00")]);
        expect_reached(&mut c, Limit::Bytes, None, usize::from(number == 14));
    }
    assert!(c.socket(peer).is_paused, "seven eighths are held");
    assert_eq!(c.broker.holdings().total(), 14 * 1024);
    // One in each tenth of a second, and a ping is as good as before.
    c.publish(peer, 1, 15, "t", &payload);
    c.publish(peer, 1, 16, "t", &payload);
    c.publish(peer, 1, 17, "t", &payload);
    c.send(peer, &PINGREQ);
    for expected in ["PUBACK 15 00", "PUBACK 16 00", "PUBACK 17 97", "PINGRESP"] {
        assert_eq!(c.heard(peer), Vec::<String>::new());
        c.sleep(100);
        assert_eq!(c.heard(peer), [expected]);
    }
    // At QoS 0 it is dropped, with an event.
    c.events();
    c.publish(peer, 0, 0, "t", "y");
    let (client_id, topic) = (Some("a".into()), "t".into());
    let dropped = Event::Dropped { client_id, topic, reason: DropReason::QuotaExceeded };
    assert_eq!(c.events(), [dropped]);
    assert_eq!(c.broker.holdings().total(), 16 * 1024, "exactly the limit");
    // The reader takes all of it.
    let reader = c.dial(0, client::connect("reader"));
    assert_eq!(c.heard(reader).len(), 17);
    assert_eq!(c.broker.holdings().total(), 16 * 1024, "it is not acknowledged");
    for number in 1..=16 {
        c.send(reader, &ack(0x40, number));
    }
    assert_eq!(c.broker.holdings().total(), 0);
    c.sleep(100);
    c.publish(peer, 1, 18, "t", &payload);
    c.publish(peer, 1, 19, "t", &payload);
    assert_eq!(c.heard(peer), ["PUBACK 18 00", "PUBACK 19 00"]);
    assert!(!c.socket(peer).is_paused);
}

#[test]
fn a_slowed_client_does_not_outstay_its_keep_alive() {
    let mut c = small_memory();
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let peer = c.dial(0, v5::codec::Connect { keep_alive: 1, ..client::connect("a") });
    for number in 1..=30 {
        c.publish(peer, 1, number, "t", &"x".repeat(KIB));
    }
    for _ in 0..5 {
        c.sleep(1_500);
        assert!(!c.is_closed(peer), "there is more to read");
    }
    for _ in 0..30 {
        c.sleep(100);
    }
    c.sleep(1_500);
    assert!(c.is_closed(peer), "it says nothing any more");
}

#[test]
fn the_process_is_refused_too_and_not_for_ever() {
    let mut c = small_memory();
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let publish = |c: &mut Cluster| {
        let outcome = Arc::new(Mutex::new(None));
        let slot = outcome.clone();
        let message = Publication::new("t", "x".repeat(KIB + 3)).qos(QoS::AtLeastOnce);
        let message = message.message(c.now, None).unwrap();
        let done = Box::new(move |value: PublishOutcome| *slot.lock() = Some(value));
        c.command(0, Command::Publish { message, client_id: None, done });
        outcome.lock().expect("it is done at once").reason_code()
    };
    for _ in 0..16 {
        assert_eq!(publish(&mut c), ReasonCode::Success);
    }
    assert_eq!(publish(&mut c), ReasonCode::QuotaExceeded);
    let new = v5::codec::Connect { clean_start: true, ..client::connect("reader") };
    c.dial(0, new);
    assert_eq!(c.broker.holdings().total(), 0, "the session is over");
    c.sleep(100);
    assert_eq!(publish(&mut c), ReasonCode::NoMatchingSubscribers);
}

#[test]
fn each_place_is_in_the_ledger_and_empty_in_the_end() {
    let mut c = cluster(Limits::default());
    let publisher = c.connect(0, "publisher");
    // Retained, and removed again at the limit of nothing.
    c.send(publisher, &client::publish(publisher.version, 1, 0, "r", "x"));
    assert!(c.broker.holdings().retained > 0);
    c.send(publisher, &client::publish(publisher.version, 1, 0, "r", ""));
    assert_eq!(c.broker.holdings().total(), 0);
    // In a shared subscription whose member is away.
    let member = c.connect(0, "member");
    c.subscribe(member, "$share/g/s", 1);
    c.lose(member);
    c.publish(publisher, 1, 1, "s", "x");
    let held = c.broker.holdings().shared;
    assert!(held > 64);
    // In the buffer of a connection that does not read.
    let lazy = c.connect(0, "lazy");
    c.subscribe(lazy, "l", 0);
    c.socket(lazy).stalled = Some(0);
    c.publish(publisher, 0, 0, "l", &"x".repeat(70_000));
    c.publish(publisher, 0, 0, "l", "y");
    let holdings = c.broker.holdings();
    assert_eq!((holdings.sessions > 64, holdings.unsent > 70_000), (true, true));
    c.socket(lazy).stalled = None;
    c.settle();
    assert_eq!((c.broker.holdings().sessions, c.broker.holdings().unsent), (0, 0));
    c.socket(lazy).stalled = Some(0);
    c.publish(publisher, 0, 0, "l", &"x".repeat(70_000));
    c.publish(publisher, 0, 0, "l", "y");
    c.lose(lazy);
    assert_eq!((c.broker.holdings().sessions, c.broker.holdings().unsent), (0, 0));
    // The member comes back and takes what waited, twice, by way of a takeover.
    for _ in 0..2 {
        let member = c.dial(0, client::connect("member"));
        assert_eq!(c.heard(member).len(), 2);
        let holdings = c.broker.holdings();
        assert_eq!((holdings.sessions, holdings.shared), (held, 0));
    }
    c.sleep(0);
    let new = v5::codec::Connect { clean_start: true, ..client::connect("member") };
    c.dial(0, new);
    c.settle();
    assert_eq!(c.broker.holdings().total(), 0);
}
