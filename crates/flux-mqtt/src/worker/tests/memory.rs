//! The bytes of the whole broker: what counts, who is slowed and refused, and that it ends.

use std::sync::Arc;

use flux_eventbus::{DropReason, Event, Limit};
use flux_session::{
    FILTER_LEVEL_OVERHEAD, QUEUED_OVERHEAD, QoS, SESSION_OVERHEAD, SUBSCRIPTION_OVERHEAD,
};
use ntex_mqtt::{v3, v5};
use parking_lot::Mutex;

use super::client::{self, PINGREQ, ack};
use super::cluster::Cluster;
use super::limits::{cluster, expect_reached};
use crate::counters::Count;
use crate::input::Command;
use crate::limits::Limits;
use crate::outcome::PublishOutcome;
use crate::publication::Publication;
use crate::reason::ReasonCode;

/// 16 KiB for the whole broker beside two clients: a worker looks after every 300 bytes.
fn small_memory() -> Cluster {
    cluster(Limits { bytes: TWO_CLIENTS + 16 * 1024, ..Limits::default() })
}

/// What `reader`, which is subscribed to `t`, and `a` cost while nothing waits for them.
const TWO_CLIENTS: u64 = (2 * SESSION_OVERHEAD + "readera".len() + SUBSCRIPTION_TO_T) as u64;
const SUBSCRIPTION_TO_T: usize = SUBSCRIPTION_OVERHEAD + FILTER_LEVEL_OVERHEAD + 1;

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
    assert_eq!(c.broker.holdings().total(), TWO_CLIENTS + 14 * 1024);
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
    assert_eq!(c.broker.holdings().total(), TWO_CLIENTS + 16 * 1024, "exactly the limit");
    // The reader takes all of it.
    let reader = c.dial(0, client::connect("reader"));
    assert_eq!(c.heard(reader).len(), 17);
    assert_eq!(c.broker.holdings().total(), TWO_CLIENTS + 16 * 1024, "it is not acknowledged");
    for number in 1..=16 {
        c.send(reader, &ack(0x40, number));
    }
    assert_eq!(c.broker.holdings().total(), TWO_CLIENTS);
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
    c.connect(0, "a");
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
    let idle = TWO_CLIENTS - u64::try_from(SUBSCRIPTION_TO_T).unwrap();
    assert_eq!(c.broker.holdings().total(), idle, "the session is over, another has begun");
    c.sleep(100);
    assert_eq!(publish(&mut c), ReasonCode::NoMatchingSubscribers);
}

#[test]
fn half_a_large_packet_is_in_the_ledger_slows_and_ends_at_the_limit() {
    const PART: usize = 80 * 1024;
    let mut c = cluster(Limits { bytes: 9 * PART as u64 / 2, ..Limits::default() });
    let [mut large, other] = ["large", "other"].map(|name| c.connect(0, name));
    let publish = client::publish(large.version, 0, 0, "t", &"x".repeat(4 * PART));
    let send = |c: &mut Cluster, peer, part: usize| {
        c.send(peer, &publish[part * PART..(part + 1) * PART]);
    };
    send(&mut c, large, 0);
    assert_eq!(c.broker.holdings().unread, 80 * 1024);
    assert!(c.broker.holdings().total() > 80 * 1024);
    c.lose(large);
    assert_eq!(c.broker.holdings().unread, 0);
    // All of it has room.
    large = c.connect(0, "large");
    for part in 0..3 {
        send(&mut c, large, part);
        assert!(!c.socket(large).is_paused);
    }
    c.lose(large);
    // Beside others it is slowed, then refused.
    send(&mut c, other, 0);
    large = c.connect(0, "large");
    for part in 0..2 {
        send(&mut c, large, part);
        assert!(!c.socket(large).is_paused);
    }
    send(&mut c, other, 1);
    assert!(c.socket(other).is_paused, "seven eighths are held");
    expect_reached(&mut c, Limit::Bytes, None, 1);
    send(&mut c, large, 2);
    assert_eq!(c.heard(large), ["DISCONNECT 97"]);
    expect_reached(&mut c, Limit::Bytes, Some("large"), 1);
    assert_eq!(c.broker.holdings().unread, 2 * 80 * 1024);
    // Who is left has all the room.
    c.sleep(100);
    for part in 2..4 {
        send(&mut c, other, part);
    }
    c.send(other, &[&publish[4 * PART..], &PINGREQ].concat());
    c.sleep(100);
    assert_eq!(c.heard(other), Vec::<String>::new(), "it has published, and has a pause");
    c.sleep(100);
    assert_eq!(c.heard(other), ["PINGRESP"]);
    assert_eq!(c.broker.holdings().unread, 0);
}

#[test]
fn each_place_is_in_the_ledger_and_empty_in_the_end() {
    let mut c = cluster(Limits::default());
    let publisher = c.connect(0, "publisher");
    // Retained, and removed again at the limit of nothing.
    c.send(publisher, &client::publish(publisher.version, 1, 0, "r", "x"));
    assert!(c.broker.holdings().retained > 0);
    c.send(publisher, &client::publish(publisher.version, 1, 0, "r", ""));
    assert_eq!(c.broker.holdings().retained, 0);
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
    let idle = c.broker.holdings().sessions;
    c.socket(lazy).stalled = Some(0);
    c.publish(publisher, 0, 0, "l", &"x".repeat(70_000));
    c.publish(publisher, 0, 0, "l", "y");
    let holdings = c.broker.holdings();
    assert_eq!((holdings.sessions > idle + 64, holdings.unsent > 70_000), (true, true));
    c.socket(lazy).stalled = None;
    c.settle();
    assert_eq!((c.broker.holdings().sessions, c.broker.holdings().unsent), (idle, 0));
    c.socket(lazy).stalled = Some(0);
    c.publish(publisher, 0, 0, "l", &"x".repeat(70_000));
    c.publish(publisher, 0, 0, "l", "y");
    c.lose(lazy);
    assert_eq!((c.broker.holdings().sessions, c.broker.holdings().unsent), (idle, 0));
    // The member comes back and takes what waited, twice, by way of a takeover.
    for _ in 0..2 {
        let member = c.dial(0, client::connect("member"));
        assert_eq!(c.heard(member).len(), 2);
        let holdings = c.broker.holdings();
        assert_eq!((holdings.sessions, holdings.shared), (idle + held, 0));
    }
    c.sleep(0);
    let new = v5::codec::Connect { clean_start: true, ..client::connect("member") };
    c.dial(0, new);
    c.settle();
    let holdings = c.broker.holdings();
    assert_eq!(holdings.total(), holdings.sessions);
    end_all(&mut c, &["publisher", "member", "lazy"]);
    assert_eq!(c.broker.holdings().total(), 0);
}

/// Has each of these come once more, with a session that ends with the connection.
fn end_all(c: &mut Cluster, client_ids: &[&str]) {
    for client_id in client_ids {
        let last = v5::codec::Connect {
            clean_start: true,
            session_expiry_interval_secs: 0,
            ..client::connect(client_id)
        };
        let peer = c.dial(0, last);
        c.lose(peer);
    }
    c.settle();
}

#[test]
fn a_session_counts_with_its_identifier_will_and_subscriptions_until_it_ends() {
    let mut c = cluster(Limits::default());
    let sessions = |c: &Cluster| usize::try_from(c.broker.holdings().sessions).unwrap();
    let peer = c.connect(0, "reader");
    assert_eq!(sessions(&c), SESSION_OVERHEAD + "reader".len());
    c.subscribe(peer, "t", 1);
    c.lose(peer);
    let idle = SESSION_OVERHEAD + "reader".len() + SUBSCRIPTION_TO_T;
    assert_eq!(sessions(&c), idle, "nobody is there, and it is held");
    let will = client::connect_with_will("reader", "will", &"x".repeat(1_000), Some(1_000));
    let peer = c.dial(0, will);
    c.lose(peer);
    let held = sessions(&c);
    assert!((idle + 1_000..idle + 1_200).contains(&held), "{held}");
    // The next connection brings none.
    let peer = c.dial(0, client::connect("reader"));
    assert_eq!(sessions(&c), idle);
    c.send(peer, &client::unsubscribe(peer.version, 1, "t"));
    assert_eq!(sessions(&c), idle - SUBSCRIPTION_TO_T);
    end_all(&mut c, &["reader"]);
    assert_eq!(c.broker.holdings().total(), 0);
}

/// A PUBLISH of MQTT 5.0 with a long user property, no payload, and RETAIN.
fn bloated_removal(id: u16, topic: &str, extra: usize) -> Vec<u8> {
    let mut user = vec![0x26, 0, 1, b'k'];
    user.extend(u16::try_from(extra).unwrap().to_be_bytes());
    user.extend(vec![b'v'; extra]);
    let mut len = Vec::new();
    let mut rest = user.len();
    loop {
        let byte = u8::try_from(rest & 0x7F).unwrap();
        rest >>= 7;
        len.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    let name = [&u16::try_from(topic.len()).unwrap().to_be_bytes()[..], topic.as_bytes()].concat();
    client::packet(0x33, &[&name, &id.to_be_bytes(), &len, &user])
}

#[test]
fn what_empties_a_retained_topic_adds_nothing_at_the_limit() {
    const LIMIT: u64 = 64 * 1024;
    let mut c = cluster(Limits { bytes: LIMIT, ..Limits::default() });
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let peer = c.connect(0, "a");
    for number in 1..=20 {
        c.send(peer, &bloated_removal(number, "t", 60_000));
        c.sleep(100);
    }
    let total = c.broker.holdings().total();
    assert!(total < 2 * LIMIT, "{} times the limit is held", total / LIMIT);
}

#[test]
fn answers_that_nobody_reads_are_in_the_ledger() {
    let mut c = cluster(Limits { bytes: 1024 * 1024, ..Limits::default() });
    let mut held = 0;
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let peers = names.map(|name| c.connect(0, name));
    for peer in peers {
        c.socket(peer).stalled = Some(0);
        for _ in 0..40 {
            c.send(peer, &PINGREQ.repeat(10_000));
        }
        let unsent = c.socket(peer).stalled.unwrap();
        assert!(unsent > 60_000, "{unsent}");
        held += unsent;
    }
    assert_eq!(c.broker.holdings().unsent, held as u64);
    assert!(held < 2 * 1024 * 1024, "{held} bytes wait");
    // Once they are read, all of it is out again.
    for peer in peers {
        c.socket(peer).stalled = None;
    }
    c.settle();
    assert_eq!(c.broker.holdings().unsent, 0);
}

/// Fills the broker with messages of 1,000 bytes for a client that is away.
fn fill(c: &mut Cluster, topic: &str) -> client::Peer {
    let reader = c.connect(0, "reader");
    c.subscribe(reader, topic, 1);
    c.lose(reader);
    let peer = c.connect(0, "filler");
    for number in 1.. {
        c.publish(peer, 1, number, topic, &"x".repeat(1_000));
        c.sleep(100);
        if c.heard(peer).iter().any(|line| line.ends_with("97")) {
            break;
        }
    }
    peer
}

/// A client that publishes an answer before each acknowledgement.
#[test]
fn who_makes_room_is_not_slowed() {
    let mut c = cluster(Limits { bytes: 256 * 1024, ..Limits::default() });
    fill(&mut c, "request");
    let reader = c.dial(0, client::connect("reader"));
    // Less than the tenth of a second in which anybody else could publish twice.
    for _ in 0..90 {
        let heard = c.heard(reader);
        let id = |line: &str| line.split(" q1 #").nth(1)?.split(' ').next()?.parse().ok();
        for id in heard.iter().filter_map(|line| id(line)) {
            let answer = client::publish(reader.version, 0, 0, "answer", "y");
            c.send(reader, &[&answer[..], &ack(0x40, id)].concat());
        }
        c.sleep(1);
    }
    let clients = 2 * SESSION_OVERHEAD + "readerfiller".len();
    let idle = clients + SUBSCRIPTION_TO_T - "t".len() + "request".len();
    assert_eq!(c.broker.holdings().total(), idle as u64);
}

#[test]
fn a_will_that_is_turned_away_is_not_told_as_sent() {
    let mut c = small_memory();
    let will = c.dial(0, client::connect_with_will("w", "will", "x", None));
    fill(&mut c, "t");
    c.events();
    c.lose(will);
    let events = c.events();
    let (client_id, topic) = (Some("w".into()), "will".into());
    let dropped = Event::Dropped { client_id, topic, reason: DropReason::QuotaExceeded };
    assert!(events.contains(&dropped), "{events:?}");
    let told = events.iter().any(|e| matches!(e, Event::WillSent { .. } | Event::Published { .. }));
    assert!(!told, "{events:?}");
}

/// A publisher that cannot be told leaves no older message behind, one that can keeps it.
#[test]
fn a_message_that_is_not_retained_at_the_limit_leaves_no_older_one_unless_that_is_told() {
    for (qos, expected) in [(0, &[][..]), (1, &["state=open retain"][..])] {
        let mut c = small_memory();
        let early = c.connect(0, "early");
        c.send(early, &client::publish(early.version, 1, 0, "state", "open"));
        let peer = fill(&mut c, "t");
        c.sleep(100);
        c.send(peer, &client::publish(peer.version, 1 | qos << 1, 1, "state", "closed"));
        c.sleep(100);
        // There is room for somebody new once what fills the broker is gone.
        end_all(&mut c, &["reader"]);
        c.sleep(100);
        let late = c.connect(0, "late");
        c.send(late, &client::subscribe(late.version, 1, &[("state", 0)]));
        let heard = c.heard(late);
        assert_eq!(heard[1..], *expected, "QoS {qos}");
    }
}

/// 24 MB of wills and filters of clients that are gone.
#[test]
fn wills_and_subscriptions_fill_the_memory_and_no_more_are_taken() {
    const LIMIT: u64 = 1024 * 1024;
    let mut c = cluster(Limits { bytes: LIMIT, ..Limits::default() });
    let mut refused = 0;
    for number in 0..200 {
        let will = "x".repeat(60_000);
        let connect = client::connect_with_will(&format!("c{number}"), "w", &will, Some(u32::MAX));
        let connect = v5::codec::Connect { session_expiry_interval_secs: u32::MAX, ..connect };
        let peer = c.dial(0, connect);
        refused += usize::from(c.heard(peer) == ["CONNACK 97"]);
        let filters: Vec<String> = (0..10).map(|n| format!("{n}{}", "f".repeat(6_000))).collect();
        let filters: Vec<(&str, u8)> = filters.iter().map(|f| (f.as_str(), 1)).collect();
        c.send(peer, &client::subscribe(peer.version, 1, &filters));
        c.lose(peer);
    }
    let held = c.broker.holdings().total();
    // A CONNECT counts while it is decided about, so that one with a large will is refused before.
    assert!((LIMIT - LIMIT / 8..LIMIT + LIMIT / 8).contains(&held), "{held}");
    assert_eq!(refused + c.broker.clients.count(), 200);
    assert!(c.nodes[0].fx.counts.contains(&Count::Reached(Limit::Bytes)));
}

#[test]
fn at_the_limit_nobody_gets_a_session_or_subscription_that_is_new() {
    let mut c = small_memory();
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let a = c.connect(0, "a");
    let old = c.dial_v3(0, v3::codec::Connect { client_id: "old".into(), ..v3_connect() });
    assert_eq!(c.heard(old), ["CONNACK 00"]);
    for number in 1..=17 {
        c.publish(a, 1, number, "t", &"x".repeat(KIB));
        c.sleep(100);
    }
    assert_eq!(c.heard(a).last().unwrap(), "PUBACK 17 97");
    c.sleep(100);
    expect_reached(&mut c, Limit::Bytes, None, 1);
    c.send(a, &client::subscribe(a.version, 1, &[("new", 0), ("newer", 0)]));
    assert_eq!(c.heard(a), ["SUBACK 1 [97, 97]"]);
    expect_reached(&mut c, Limit::Bytes, Some("a"), 2);
    c.send(old, &client::subscribe(old.version, 1, &[("new", 0)]));
    assert_eq!(c.heard(old), ["SUBACK 1 [80]"]);
    expect_reached(&mut c, Limit::Bytes, Some("old"), 1);
    let new = c.dial(0, client::connect("new"));
    assert_eq!(c.heard(new), ["CONNACK 97"]);
    expect_reached(&mut c, Limit::Bytes, Some("new"), 1);
    let new = c.dial_v3(0, v3::codec::Connect { client_id: "new".into(), ..v3_connect() });
    assert_eq!(c.heard(new), ["CONNACK 03"]);
    expect_reached(&mut c, Limit::Bytes, Some("new"), 1);
    // What is there may be changed, and taken up again.
    let reader = c.dial(0, client::connect("reader"));
    assert_eq!(c.heard(reader)[0], "CONNACK 00 present");
    c.send(reader, &client::subscribe(reader.version, 1, &[("t", 0)]));
    assert_eq!(c.heard(reader), ["SUBACK 1 [00]"]);
    let anew = v5::codec::Connect { clean_start: true, ..client::connect("a") };
    let anew = c.dial(0, anew);
    assert_eq!(c.heard(anew), ["CONNACK 00"]);
}

fn v3_connect() -> v3::codec::Connect {
    v3::codec::Connect { clean_session: true, ..v3::codec::Connect::default() }
}

#[test]
fn retained_messages_leave_half_of_the_bytes_to_the_others() {
    let mut c = small_memory();
    let reader = c.connect(0, "reader");
    c.subscribe(reader, "t", 1);
    c.lose(reader);
    let peer = c.connect(0, "a");
    for number in 1..=16 {
        let retained =
            client::publish(peer.version, 3, number, &format!("r/{number}"), &"x".repeat(KIB));
        c.send(peer, &retained);
        c.sleep(100);
    }
    let half = (TWO_CLIENTS + 16 * 1024) / 2;
    let held = c.broker.holdings().retained;
    assert!((half - 1_500..=half).contains(&held), "{held}");
    let heard = c.heard(peer);
    assert_eq!(heard[0], "PUBACK 1 10");
    assert_eq!(heard[15], "PUBACK 16 97");
    // There is still room for a message that somebody waits for.
    c.publish(peer, 1, 17, "t", &"x".repeat(KIB));
    assert_eq!(c.heard(peer), ["PUBACK 17 00"]);
}
