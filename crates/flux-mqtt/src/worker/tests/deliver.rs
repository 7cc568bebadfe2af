//! A message from one connection to others, on the same worker and on another.

use super::client::{self, PINGREQ, ack};
use super::cluster::Cluster;
use crate::input::Letter;

#[test]
fn a_message_reaches_a_subscriber_on_another_worker_with_one_wake() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "a/#", 1);
    for number in 1..=5_u16 {
        c.publish(publisher, 1, number, "a/b", &number.to_string());
        assert_eq!(c.heard(publisher), [format!("PUBACK {number} 00")]);
    }
    assert!(
        matches!(c.nodes[1].mail.make_contiguous(), [Letter::Wake(id)] if *id == subscriber.id)
    );
    assert_eq!(c.heard(subscriber), [""; 0], "it comes with the letter");
    c.deliver(1);
    let expected = ["1", "2", "3", "4", "5"].map(|n| format!("a/b={n} q1 #{n}"));
    assert_eq!(c.heard(subscriber), expected);

    c.publish(publisher, 0, 0, "a/b", "next");
    assert_eq!(c.nodes[1].mail.len(), 1, "after a drain the next message wakes again");
    c.settle();
    assert_eq!(c.heard(subscriber), ["a/b=next"]);
}

#[test]
fn on_the_same_worker_no_letter_is_written_and_one_write_carries_all() {
    let mut c = Cluster::new(1);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(0, "sub"));
    c.subscribe(subscriber, "a/+", 2);
    let burst =
        ["1", "2", "3"].map(|n| client::publish(publisher.version, 0, 0, "a/b", n)).concat();
    c.send(publisher, &burst);
    assert!(c.nodes[0].mail.is_empty());
    assert_eq!(c.heard(subscriber), ["a/b=1", "a/b=2", "a/b=3"]);
}

#[test]
fn qos_2_goes_through_all_four_steps_on_both_sides() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "t", 2);
    c.publish(publisher, 2, 7, "t", "x");
    c.publish(publisher, 2, 7, "t", "x");
    assert_eq!(c.heard(publisher), ["PUBREC 7 00", "PUBREC 7 00"], "the second is a repetition");
    c.send(publisher, &ack(0x62, 7));
    c.send(publisher, &ack(0x62, 7));
    assert_eq!(c.heard(publisher), ["PUBCOMP 7 00", "PUBCOMP 7 92"]);
    c.settle();
    assert_eq!(c.heard(subscriber), ["t=x q2 #1"], "delivered once");
    c.send(subscriber, &[ack(0x50, 1), ack(0x50, 1), ack(0x70, 1), ack(0x70, 1)].concat());
    assert_eq!(c.heard(subscriber), ["PUBREL 1 00", "PUBREL 1 00"]);
    c.send(subscriber, &ack(0x50, 44));
    assert_eq!(c.heard(subscriber), ["PUBREL 44 92"], "an identifier that is not in use");
}

#[test]
fn the_window_holds_messages_back_and_an_acknowledgement_lets_the_next_go() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let connect = client::connect("sub").receive_max(2);
    let subscriber = c.dial(1, connect);
    c.subscribe_after_connack(subscriber, "t", 1);
    for number in 1..=4_u16 {
        c.publish(publisher, 1, number, "t", &number.to_string());
    }
    c.settle();
    assert_eq!(c.heard(subscriber), ["t=1 q1 #1", "t=2 q1 #2"]);
    c.send(subscriber, &ack(0x40, 1));
    assert_eq!(c.heard(subscriber), ["t=3 q1 #3"]);
    c.send(subscriber, &[ack(0x40, 3), ack(0x40, 2)].concat());
    assert_eq!(c.heard(subscriber), ["t=4 q1 #4"]);
}

#[test]
fn a_publish_that_nobody_wants_says_so() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    c.publish(publisher, 1, 1, "t", "x");
    c.publish(publisher, 2, 2, "t", "x");
    assert_eq!(c.heard(publisher), ["PUBACK 1 10", "PUBREC 2 10"]);
}

#[test]
fn a_client_of_each_version_gets_the_message_in_its_own() {
    let mut c = Cluster::new(2);
    let publisher = c.connect(0, "pub");
    let old = c.dial_v3(1, ntex_mqtt::v3::codec::Connect::default().client_id("old"));
    assert_eq!(c.heard(old), ["CONNACK 00"]);
    let new = c.connect(1, "new");
    c.subscribe(old, "t", 1);
    c.subscribe(new, "t", 0);
    c.publish(publisher, 2, 1, "t", "x");
    c.settle();
    assert_eq!(c.heard(old), ["t=x q1 #1"]);
    assert_eq!(c.heard(new), ["t=x"]);
}

#[test]
fn overlapping_subscriptions_deliver_once_and_no_local_means_that_session() {
    let mut c = Cluster::new(2);
    let (a, b) = (c.connect(0, "a"), c.connect(1, "b"));
    let no_local = 0b100;
    c.send(a, &client::subscribe(a.version, 1, &[("t/#", no_local), ("t/+", no_local | 1)]));
    c.send(b, &client::subscribe(b.version, 1, &[("t/#", 0), ("t/+", 1)]));
    assert_eq!(c.heard(a), ["SUBACK 1 [00, 01]"]);
    c.publish(a, 1, 1, "t/x", "mine");
    c.settle();
    assert_eq!(c.heard(a), ["PUBACK 1 00"]);
    assert_eq!(c.heard(b), ["SUBACK 1 [00, 01]", "t/x=mine q1 #1"]);
}

#[test]
fn a_message_larger_than_the_client_takes_counts_as_sent() {
    let mut c = Cluster::new(1);
    let publisher = c.connect(0, "pub");
    let mut connect = client::connect("sub").receive_max(1);
    connect.max_packet_size = std::num::NonZeroU32::new(30);
    let subscriber = c.dial(0, connect);
    c.subscribe_after_connack(subscriber, "t", 1);
    c.publish(publisher, 1, 1, "t", &"x".repeat(30));
    c.publish(publisher, 1, 2, "t", "short");
    assert_eq!(c.heard(subscriber), ["t=short q1 #2"]);
    let dropped = format!("{:?}", c.events());
    assert!(dropped.contains("PacketTooLarge"), "{dropped}");
}

#[test]
fn pings_are_answered_in_order_with_everything_else() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    let burst =
        [&PINGREQ[..], &client::publish(peer.version, 2, 5, "t", "x"), &PINGREQ[..]].concat();
    c.send(peer, &burst);
    assert_eq!(c.heard(peer), ["PINGRESP", "PUBACK 5 10", "PINGRESP"]);
}
