//! What is said only when it is safe, and what does not wait.

use flux_retained::RetainedLimits;

use super::*;

#[test]
fn connack_and_suback_of_a_session_that_may_outlive_the_process_wait() {
    let mut d = Durable::new(1);
    let peer = d.c.dial(0, client::connect("a"));
    d.c.send(peer, &client::subscribe(peer.version, 1, &[("t", 1)]));
    d.c.send(peer, &[0xC0, 0]);
    assert_eq!(d.heard(peer), NOTHING);
    d.sync();
    assert_eq!(d.heard(peer), ["CONNACK 00", "SUBACK 1 [01]", "PINGRESP"]);
    d.c.send(peer, &client::unsubscribe(peer.version, 2, "t"));
    assert_eq!(d.heard(peer), NOTHING);
    d.sync();
    assert_eq!(d.heard(peer), ["UNSUBACK 2 [00]"]);
}

#[test]
fn a_publisher_is_answered_when_the_message_is_safe_for_others_it_goes_at_once() {
    let mut d = Durable::new(2);
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    let publisher = d.visit(1, "publisher");
    let other = d.visit(0, "other");
    d.c.subscribe(other, "t", 1);
    d.c.publish(publisher, 1, 7, "t", "x");
    d.c.publish(publisher, 1, 8, "elsewhere", "y");
    assert_eq!(d.heard(publisher), NOTHING, "answers keep their order");
    assert_eq!(d.heard(other), ["t=x q1 #1"]);
    assert_eq!(d.heard(away), ["t=x q1 #1"], "QoS 1 does not wait");
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 7 00", "PUBACK 8 10"]);
}

#[test]
fn what_touches_no_such_session_never_touches_the_disk() {
    let mut d = Durable::new(1);
    let publisher = d.visit(0, "publisher");
    let subscriber = d.visit(0, "subscriber");
    d.c.subscribe(subscriber, "t", 2);
    let away = d.connect(0, "away");
    d.subscribe(away, "q0", 2);
    let before = d.store.0.lock().unwrap().last;
    d.c.publish(publisher, 2, 1, "t", "two");
    assert_eq!(d.heard(publisher), ["PUBREC 1 00"]);
    d.ack(publisher, PUBREL, 1);
    assert_eq!(d.heard(publisher), ["PUBCOMP 1 00"]);
    d.c.publish(publisher, 1, 2, "t", "one");
    d.c.publish(publisher, 0, 0, "q0", "zero");
    assert_eq!(d.heard(publisher), ["PUBACK 2 00"]);
    assert_eq!(d.heard(subscriber), ["t=two q2 #1", "t=one q1 #2"]);
    assert_eq!(d.heard(away), ["q0=zero"]);
    assert_eq!(d.store.0.lock().unwrap().last, before);
}

#[test]
fn a_message_at_qos_2_goes_nowhere_before_its_identifier_is_safe() {
    let mut d = Durable::new(2);
    let publisher = d.connect(0, "publisher");
    let subscriber = d.visit(1, "subscriber");
    d.c.subscribe(subscriber, "t", 0);
    d.c.publish(publisher, 2, 1, "t", "x");
    assert_eq!(d.heard(publisher), NOTHING);
    assert_eq!(d.heard(subscriber), NOTHING);
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBREC 1 00"]);
    assert_eq!(d.heard(subscriber), ["t=x"]);
    d.ack(publisher, PUBREL, 1);
    assert_eq!(d.heard(publisher), NOTHING);
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBCOMP 1 00"]);
}

#[test]
fn what_goes_at_qos_2_waits_for_its_identifier_and_pubrel_for_pubrec() {
    let mut d = Durable::new(2);
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "t", 2);
    let publisher = d.visit(1, "publisher");
    d.c.publish(publisher, 2, 1, "t", "x");
    assert_eq!(d.heard(subscriber), NOTHING);
    d.sync();
    assert_eq!(d.heard(subscriber), ["t=x q2 #1"]);
    d.ack(subscriber, PUBREC, 1);
    assert_eq!(d.heard(subscriber), NOTHING);
    d.sync();
    assert_eq!(d.heard(subscriber), ["PUBREL 1 00"]);
}

/// Nobody can be told that the new one is not kept: then nobody finds the old one, after a restart either.
#[test]
fn a_retained_message_is_forgotten_before_the_publisher_of_the_next_is_answered() {
    let retained = RetainedLimits { message_bytes: 10, ..RetainedLimits::default() };
    let mut d = Durable::with(1, Settings { retained, ..Settings::default() });
    let publisher = d.visit_v3(0, "publisher");
    let retain = |id, payload| client::publish(Version::V311, 0b0011, id, "t", payload);
    d.c.send(publisher, &retain(1, "old"));
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 1 00"]);
    d.c.send(publisher, &retain(2, "too large to keep"));
    assert_eq!(d.heard(publisher), NOTHING);
    d.sync();
    assert_eq!(d.heard(publisher), ["PUBACK 2 00"]);
    assert_eq!(d.restart(0).c.broker.retained.len(), 0);
}

#[test]
fn nothing_is_delivered_before_a_connack_that_waits() {
    let mut d = Durable::new(1);
    let subscriber = d.connect(0, "subscriber");
    d.subscribe(subscriber, "t", 1);
    d.c.lose(subscriber);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "x");
    d.sync();
    let connect =
        ntex_mqtt::v5::codec::Connect { clean_start: false, ..client::connect("subscriber") };
    let again = d.c.dial(0, connect);
    assert_eq!(d.heard(again), NOTHING);
    d.sync();
    assert_eq!(d.heard(again), ["CONNACK 00 present", "t=x q1 #1"]);
}

#[test]
fn who_is_turned_out_before_its_connack_hears_that_after_it() {
    let mut d = Durable::new(1);
    let peer = d.c.dial(0, client::connect("a"));
    d.c.send(peer, &[0xF0, 0]);
    assert_eq!(d.heard(peer), NOTHING);
    assert!(!d.c.is_closed(peer));
    d.sync();
    assert_eq!(d.heard(peer), ["CONNACK 00", "DISCONNECT 82"]);
    assert!(d.c.is_closed(peer));
}

#[test]
fn a_client_whose_answers_wait_is_not_read_without_bound() {
    let settings =
        Settings { unsent_for_answers: 100, unsent_for_deliveries: 100, ..Settings::default() };
    let mut d = Durable::with(1, settings);
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    let publisher = d.visit(0, "publisher");
    for id in 1..=40 {
        d.c.publish(publisher, 1, id, "t", "x");
        d.c.settle();
    }
    assert!(d.c.socket(publisher).is_paused);
    assert!(!d.c.socket(publisher).inbound.is_empty());
    d.sync();
    assert_eq!(d.heard(publisher).len(), 40);
    assert!(!d.c.socket(publisher).is_paused);
}
