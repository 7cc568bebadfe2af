//! What is sent again and what is not (section 4.4).

use std::time::Duration;

use super::delivery::pair;
use crate::case::Trial;
use crate::clock::let_pass;
use crate::{Received, puback, pubcomp, pubrec};

cases! {
    both {
        nothing_is_sent_again_on_a_connection_that_lives,
        an_unacknowledged_message_is_sent_again_on_resume,
        an_acknowledged_message_is_not_sent_again,
        after_pubrec_only_pubrel_is_sent_again,
        after_pubcomp_nothing_is_sent_again,
        messages_are_sent_again_in_their_order,
    }
    v5 {
        a_message_refused_with_an_error_is_not_sent_again,
    }
}

fn nothing_is_sent_again_on_a_connection_that_lives(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.publish(&trial.topic("a"), "one", 1);
    publisher.publish(&trial.topic("a"), "two", 2);
    publisher.publish(&trial.topic("a"), "three", 2);
    let found = subscriber.deliveries();
    assert_eq!(found.len(), 3);
    subscriber.send(&pubrec(found[2].id));
    subscriber.answer(0x62, found[2].id);
    let_pass(Duration::from_millis(2500));
    subscriber.expect_silence();
    publisher.publish(&trial.topic("a"), "four", 0);
    subscriber.expect_texts(&["four"]);
}

fn an_unacknowledged_message_is_sent_again_on_resume(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for qos in [1, 2] {
        publisher.publish(&trial.topic("a"), format!("{qos}"), qos);
    }
    let first = subscriber.deliveries();
    for _ in 0..2 {
        subscriber.lose();
        subscriber = trial.resume(&trial.persistent("sub"));
        for before in &first {
            let again = subscriber.receive();
            assert!(again.dup, "DUP of {again:?}");
            assert_eq!((again.id, again.qos), (before.id, before.qos));
            assert_eq!(again.payload, before.payload);
        }
        subscriber.expect_silence();
    }
}

fn an_acknowledged_message_is_not_sent_again(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.publish(&trial.topic("a"), "one", 1);
    publisher.publish(&trial.topic("a"), "two", 1);
    let one = subscriber.expect_text("one");
    subscriber.expect_text("two");
    subscriber.send(&puback(one.id));
    subscriber.ping();
    subscriber.lose();
    trial.resume(&trial.persistent("sub")).expect_texts(&["two"]);
}

fn after_pubrec_only_pubrel_is_sent_again(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.publish(&trial.topic("a"), "x", 2);
    let id = subscriber.expect_text("x").id;
    subscriber.send(&pubrec(id));
    subscriber.answer(0x62, id);
    for _ in 0..2 {
        subscriber.lose();
        subscriber = trial.resume(&trial.persistent("sub"));
        subscriber.answer(0x62, id);
        subscriber.ping();
    }
    subscriber.send(&pubcomp(id));
    subscriber.expect_silence();
}

fn after_pubcomp_nothing_is_sent_again(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.publish(&trial.topic("a"), "x", 2);
    subscriber.receive_and_acknowledge();
    subscriber.ping();
    subscriber.lose();
    trial.resume(&trial.persistent("sub")).expect_silence();
}

fn messages_are_sent_again_in_their_order(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for number in 0..10 {
        publisher.publish(&trial.topic("a"), number.to_string(), 1 + number % 2);
    }
    let mut open = subscriber.deliveries();
    assert_eq!(open.len(), 10);
    // Some of the middle are done.
    for index in [4, 2] {
        let done = open.remove(index);
        subscriber.accept(&done);
        if done.qos == 2 {
            subscriber.answer(0x62, done.id);
            subscriber.send(&pubcomp(done.id));
        }
    }
    subscriber.ping();
    subscriber.lose();
    let again = trial.resume(&trial.persistent("sub")).deliveries();
    let ids = |messages: &[Received]| messages.iter().map(|m| m.id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&open));
}

fn a_message_refused_with_an_error_is_not_sent_again(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for qos in [1, 2] {
        publisher.publish(&trial.topic("a"), "x", qos);
        let received = subscriber.expect_text("x");
        subscriber.refuse(&received, 0x83);
    }
    subscriber.expect_silence();
    subscriber.lose();
    trial.resume(&trial.persistent("sub")).expect_silence();
}
