//! A client connects again while its old connection still stands.

use super::client::{self, DISCONNECT, PINGREQ, ack};
use super::cluster::Cluster;
use crate::input::{Input, Letter};

#[test]
fn across_workers_the_session_moves_on_and_the_late_letter_ends_the_old_connection() {
    let mut c = Cluster::new(3);
    let (publisher, old) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(old, "t", 1);
    c.publish(publisher, 1, 1, "t", "1");
    c.deliver(1);
    assert_eq!(c.heard(old), ["t=1 q1 #1"], "not acknowledged");
    c.publish(publisher, 1, 2, "t", "2");
    assert_eq!(c.nodes[1].mail.len(), 1, "a wake for the old connection is on its way");

    let new = c.dial(2, client::connect("sub"));
    assert_eq!(c.heard(new), ["CONNACK 00 present", "t=1 q1 #1 dup", "t=2 q1 #2"]);

    // The old worker has not read its mail: what the old connection says changes nothing.
    c.send(old, &ack(0x40, 1));
    c.settle();
    assert_eq!(c.heard(old), ["DISCONNECT 8e"], "once, and no message");
    assert!(c.is_closed(old));
    c.publish(publisher, 1, 3, "t", "3");
    c.settle();
    assert_eq!(c.heard(new), ["t=3 q1 #3"]);
    c.lose(new);
    let again = c.dial(0, client::connect("sub"));
    let expected = ["CONNACK 00 present", "t=1 q1 #1 dup", "t=2 q1 #2 dup", "t=3 q1 #3 dup"];
    assert_eq!(c.heard(again), expected, "the old PUBACK was not taken");
}

#[test]
fn on_the_same_worker_the_old_connection_ends_at_once() {
    let mut c = Cluster::new(1);
    let old = c.connect(0, "sub");
    c.subscribe(old, "t", 1);
    c.publish(old, 1, 1, "t", "mine");
    assert_eq!(c.heard(old), ["PUBACK 1 00", "t=mine q1 #1"]);
    let new = c.dial(0, client::connect("sub"));
    assert_eq!(c.heard(old), ["DISCONNECT 8e"]);
    assert!(c.is_closed(old));
    assert_eq!(c.heard(new), ["CONNACK 00 present", "t=mine q1 #1 dup"]);
    c.lose(old);
    c.send(new, &PINGREQ);
    assert_eq!(c.heard(new), ["PINGRESP"], "the end of the old one is not the end of the session");
}

/// Each packet comes after the takeover and before the letter.
#[test]
fn packets_of_an_older_generation_change_nothing() {
    let version = crate::wire::Version::V5;
    let packets = [
        client::subscribe(version, 2, &[("other", 1)]),
        client::unsubscribe(version, 3, "t"),
        ack(0x40, 1),
        ack(0x62, 9),
        client::publish(version, 0b100, 8, "t", "old"),
        DISCONNECT.to_vec(),
        client::disconnect(0, Some(5)),
    ];
    for packet in packets {
        let mut c = Cluster::new(2);
        let old = c.connect(0, "sub");
        c.subscribe(old, "t", 1);
        c.publish(old, 1, 1, "t", "one");
        c.publish(old, 2, 9, "x", "receipt");
        c.heard(old);
        let new = c.dial(1, client::connect("sub"));
        assert_eq!(c.heard(new), ["CONNACK 00 present", "t=one q1 #1 dup"]);
        c.send(old, &packet);
        c.settle();
        let heard = c.heard(old);
        assert!(heard.is_empty() || heard == ["DISCONNECT 8e"], "{heard:?} after {packet:02x?}");
        assert!(c.is_closed(old));
        assert!(!c.is_closed(new));
        // The receipt is still open, the subscription still there, the other one not.
        c.send(new, &ack(0x62, 9));
        c.publish(new, 0, 0, "t", "two");
        c.publish(new, 0, 0, "other", "three");
        c.send(new, &ack(0x40, 1));
        c.settle();
        assert_eq!(c.heard(new), ["PUBCOMP 9 00", "t=two"], "after {packet:02x?}");
        c.lose(new);
        let session = c.broker.clients.get("sub").unwrap();
        assert_eq!(session.lock().session.expiry().as_secs(), 3600);
    }
}

/// [MQTT-3.14.4-1]: nothing follows DISCONNECT.
#[test]
fn disconnect_is_the_last_thing_that_the_old_connection_hears() {
    let mut c = Cluster::new(2);
    let old = c.connect(0, "sub");
    let _new = c.connect(1, "sub");
    let burst = [&PINGREQ[..], &client::subscribe(old.version, 2, &[("t", 1)])].concat();
    c.send(old, &burst);
    c.settle();
    let heard = c.heard(old);
    assert_eq!(heard.last().map(String::as_str), Some("DISCONNECT 8e"), "{heard:?}");
}

/// design.md: packets of an older generation are ignored, a PUBLISH at QoS 1 too.
#[test]
fn a_publish_of_an_older_generation_goes_nowhere() {
    let mut c = Cluster::new(2);
    let (watcher, old) = (c.connect(0, "watcher"), c.connect(0, "pub"));
    c.subscribe(watcher, "t", 1);
    let _new = c.connect(1, "pub");
    c.publish(old, 0, 0, "t", "late 0");
    c.publish(old, 1, 1, "t", "late 1");
    c.settle();
    assert_eq!(c.heard(watcher), [""; 0]);
}

#[test]
fn a_queue_survives_many_takeovers_in_order() {
    let mut c = Cluster::new(4);
    let publisher = c.connect(0, "pub");
    let mut current = c.connect(0, "sub");
    c.subscribe(current, "t", 1);
    let mut taken = Vec::new();
    for number in 1..=40_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
        if number % 3 == 0 {
            current = c.dial(usize::from(number) % 4, client::connect("sub"));
        }
        if number % 5 == 0 {
            c.settle();
        }
        for seen in c.heard(current) {
            if let Some((payload, rest)) =
                seen.strip_prefix("t=").and_then(|rest| rest.split_once(" q1 #"))
            {
                let id = rest.split(' ').next().unwrap().parse().unwrap();
                c.send(current, &ack(0x40, id));
                taken.push(payload.parse::<u16>().unwrap());
            }
        }
    }
    c.settle();
    taken.extend(
        c.heard(current)
            .iter()
            .filter_map(|seen| seen.strip_prefix("t=")?.split(' ').next()?.parse::<u16>().ok()),
    );
    taken.dedup();
    assert_eq!(taken, (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_connection_that_got_the_place_of_another_never_gets_its_letters() {
    let mut c = Cluster::new(2);
    let old = c.connect(0, "victim");
    let _new = c.dial(1, client::connect("victim"));
    assert!(matches!(c.nodes[0].mail.make_contiguous(), [Letter::TakenOver(_)]));
    c.lose(old);
    let heir = c.connect(0, "heir");
    assert_eq!(heir.id.index, old.id.index, "the place is used again");
    c.subscribe(heir, "t", 0);
    c.deliver(0);
    for input in [
        Input::Letter(Letter::Kicked(old.id)),
        Input::Letter(Letter::Wake(old.id)),
        Input::Writable(old.id),
        Input::Closed(old.id),
        Input::Authorized { connection: old.id, verdicts: Vec::new() },
        Input::Authenticated {
            valid_for: None,
            connection: old.id,
            authentication: flux_auth::Authentication::Refused(flux_auth::Refusal::Banned),
        },
    ] {
        c.input(0, input);
    }
    c.publish(heir, 0, 0, "t", "still here");
    c.settle();
    assert_eq!(c.heard(heir), ["t=still here"]);
}
