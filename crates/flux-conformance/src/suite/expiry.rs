//! Message expiry: in a queue, retained and in flight (MQTT 5.0 section 3.3.2.3.3).

use std::time::Duration;

use super::retained::{fresh, remove};
use crate::case::Trial;
use crate::clock::let_pass;
use crate::{Publish, Received, puback, u32_property};

cases! {
    v5 {
        an_expired_retained_message_does_not_come,
        the_expiry_of_a_retained_message_is_counted_down,
        a_message_that_waits_expires,
        the_expiry_of_a_message_that_waits_is_counted_down,
        a_message_in_flight_does_not_expire,
        a_message_without_expiry_stays_without,
    }
}

fn expiring(topic: &str, payload: &str, seconds: u32) -> Publish {
    Publish::new(topic, payload).qos(1, 1).property(&u32_property(0x02, seconds))
}

fn an_expired_retained_message_does_not_come(trial: &Trial) {
    let topic = trial.topic("a");
    trial.client("pub").publish_packet(&expiring(&topic, "old", 1).retain(), 1);
    let_pass(Duration::from_millis(2200));
    assert_eq!(fresh(trial, &topic), []);
}

/// What is left of so many seconds after this time, which is at least two of them.
#[track_caller]
fn is_counted_down(received: &Received, from: u32) {
    let left = received.properties.number(0x02).expect("a Message Expiry Interval");
    assert!(left <= from - 2 && left > from - 30, "{left} s are left of {from} s");
}

fn the_expiry_of_a_retained_message_is_counted_down(trial: &Trial) {
    let topic = trial.topic("a");
    trial.client("pub").publish_packet(&expiring(&topic, "kept", 100).retain(), 1);
    let_pass(Duration::from_millis(2200));
    is_counted_down(&fresh(trial, &topic)[0], 100);
    remove(trial, &[&topic]);
}

fn a_message_that_waits_expires(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    // For a client that is away, and for one whose window is full.
    let persistent = trial.persistent("away");
    let mut away = trial.begin(&persistent);
    away.follow(&topic, 1);
    away.disconnect();
    let mut full = trial.join(&trial.connect("full").receive_maximum(1));
    full.follow(&topic, 1);
    publisher.publish(&topic, "first", 1);
    let first = full.expect_text("first");
    publisher.publish_packet(&expiring(&topic, "old", 1), 1);
    publisher.publish(&topic, "last", 1);
    let_pass(Duration::from_millis(2200));
    full.send(&puback(first.id));
    full.expect_text("last");
    trial.resume(&persistent).expect_texts(&["first", "last"]);
}

fn the_expiry_of_a_message_that_waits_is_counted_down(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("away");
    let mut away = trial.begin(&persistent);
    away.follow(&topic, 1);
    away.disconnect();
    trial.client("pub").publish_packet(&expiring(&topic, "x", 100), 1);
    let_pass(Duration::from_millis(2200));
    is_counted_down(&trial.resume(&persistent).expect_text("x"), 100);
}

fn a_message_in_flight_does_not_expire(trial: &Trial) {
    let topic = trial.topic("a");
    let persistent = trial.persistent("sub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 2);
    let mut publisher = trial.client("pub");
    let publish = Publish::new(&topic, "sent").qos(2, 1).property(&u32_property(0x02, 2));
    publisher.publish_packet(&publish, 2);
    let first = client.expect_text("sent");
    client.lose();
    let_pass(Duration::from_millis(3200));
    let mut client = trial.resume(&persistent);
    let again = client.expect_text("sent");
    assert_eq!((again.id, again.dup), (first.id, true));
}

fn a_message_without_expiry_stays_without(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 1);
    let mut publisher = trial.client("pub");
    publisher.publish(&topic, "x", 1);
    assert_eq!(client.expect_text("x").properties.get(0x02), None);
    publisher.publish_packet(&expiring(&topic, "y", 100), 1);
    let left = client.expect_text("y").properties.number(0x02);
    assert!(left.is_some_and(|left| left <= 100 && left > 70), "{left:?}");
}
