//! Retained messages (sections 3.3.1.3 and 3.8.3.1).

use crate::case::{Trial, not_testable};
use crate::{Client, Publish, Received};

cases! {
    both {
        a_retained_message_comes_with_a_new_subscription,
        a_newer_retained_message_replaces_the_older,
        a_retained_message_keeps_its_qos,
        a_retained_message_of_qos_0_replaces_the_one_before,
        an_empty_retained_message_removes_the_one_before_and_is_not_retained,
        an_empty_retained_message_is_delivered,
        a_message_without_retain_is_not_retained_nor_removes_one,
        an_established_subscription_gets_retain_0,
        all_retained_messages_that_match_come,
        subscribing_again_brings_retained_messages_again,
        retained_messages_come_at_the_lower_qos,
        a_resumed_session_brings_no_retained_messages_again,
    }
    v5 {
        retain_handling_0_brings_them_always,
        retain_handling_1_brings_them_to_new_subscriptions,
        a_subscription_of_a_resumed_session_is_not_new,
        retain_handling_2_brings_none,
        retain_as_published_keeps_the_flag,
        without_retain_as_published_the_flag_is_0,
        shared_subscriptions_bring_no_retained_messages,
        options_of_a_subscription_go_together,
    }
}

/// Publishes a retained message at QoS 1.
fn retain(trial: &Trial, topic: &str, payload: &str) {
    let publish = Publish::new(topic, payload).qos(1, 1).retain();
    trial.client("retainer").publish_packet(&publish, 1);
}

pub(super) fn remove(trial: &Trial, topics: &[&str]) {
    for topic in topics {
        retain(trial, topic, "");
    }
}

/// What a new subscriber is sent.
pub(super) fn fresh(trial: &Trial, filter: &str) -> Vec<Received> {
    let mut client = trial.client("fresh");
    client.follow(filter, 2);
    client.deliveries()
}

fn texts(received: &[Received]) -> Vec<&str> {
    received.iter().map(Received::text).collect()
}

fn a_retained_message_comes_with_a_new_subscription(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    for _ in 0..2 {
        let found = fresh(trial, &topic);
        assert_eq!(texts(&found), ["kept"]);
        assert!(found[0].retain && !found[0].dup, "{found:?}");
    }
    remove(trial, &[&topic]);
}

fn a_newer_retained_message_replaces_the_older(trial: &Trial) {
    let topic = trial.topic("a");
    for payload in ["one", "two", "three"] {
        retain(trial, &topic, payload);
        assert_eq!(texts(&fresh(trial, &topic)), [payload]);
    }
    remove(trial, &[&topic]);
}

fn a_retained_message_keeps_its_qos(trial: &Trial) {
    let mut publisher = trial.client("pub");
    for qos in 0..=2 {
        let topic = trial.topic("a");
        let publish = Publish::new(&topic, "x").retain();
        let publish = if qos == 0 { publish } else { publish.qos(qos, 1) };
        publisher.publish_packet(&publish, qos);
        let found = fresh(trial, &topic);
        assert_eq!(found[0].qos, qos);
        remove(trial, &[&topic]);
    }
}

fn a_retained_message_of_qos_0_replaces_the_one_before(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "old");
    trial.client("pub").publish_packet(&Publish::new(&topic, "new").retain(), 0);
    // A broker may drop it at any time; the old one must be gone.
    let found = fresh(trial, &topic);
    assert!(texts(&found).iter().all(|text| *text == "new"), "{found:?}");
    remove(trial, &[&topic]);
}

fn an_empty_retained_message_removes_the_one_before_and_is_not_retained(trial: &Trial) {
    let topic = trial.topic("a");
    for qos in 0..=2 {
        retain(trial, &topic, "old");
        let empty = Publish::new(&topic, "").retain();
        let empty = if qos == 0 { empty } else { empty.qos(qos, 1) };
        trial.client("pub").publish_packet(&empty, qos);
        assert_eq!(fresh(trial, &topic), []);
    }
}

fn an_empty_retained_message_is_delivered(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 1);
    retain(trial, &topic, "");
    let received = client.expect_text("");
    assert!(!received.retain);
}

fn a_message_without_retain_is_not_retained_nor_removes_one(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    for qos in 0..=2 {
        publisher.publish(&topic, "live", qos);
    }
    assert_eq!(fresh(trial, &topic), []);
    retain(trial, &topic, "kept");
    for qos in 0..=2 {
        publisher.publish(&topic, "live", qos);
        publisher.publish(&topic, "", qos);
    }
    assert_eq!(texts(&fresh(trial, &topic)), ["kept"]);
    remove(trial, &[&topic]);
}

fn an_established_subscription_gets_retain_0(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, 1);
    retain(trial, &topic, "kept");
    assert!(!client.expect_text("kept").retain);
    // So does a client that was away.
    let persistent = trial.persistent("away");
    let mut away = trial.begin(&persistent);
    away.follow(&topic, 1);
    assert!(away.expect_text("kept").retain);
    away.disconnect();
    retain(trial, &topic, "new");
    let mut away = trial.resume(&persistent);
    let received = away.deliveries();
    assert!(received.iter().any(|message| message.text() == "new" && !message.retain));
    remove(trial, &[&topic]);
}

fn all_retained_messages_that_match_come(trial: &Trial) {
    let topics = ["a", "a/b", "a/b/c", "d"].map(|name| trial.topic(name));
    for topic in &topics {
        retain(trial, topic, topic);
    }
    for (filter, expected) in [
        ("a/#", &topics[..3]),
        ("a/+", &topics[1..2]),
        ("+", &[topics[0].clone(), topics[3].clone()]),
    ] {
        let found = fresh(trial, &trial.topic(filter));
        let mut names: Vec<_> = found.iter().map(|received| received.topic.clone()).collect();
        names.sort();
        assert_eq!(names, expected, "{filter}");
        assert!(found.iter().all(|received| received.retain), "{found:?}");
    }
    remove(trial, &topics.each_ref().map(String::as_str));
}

fn subscribing_again_brings_retained_messages_again(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    let mut client = trial.client("sub");
    for qos in [0, 1, 0] {
        client.follow(&topic, qos);
        let found = client.deliveries();
        assert_eq!((texts(&found), found[0].qos), (vec!["kept"], qos));
        client.accept(&found[0]);
    }
    remove(trial, &[&topic]);
}

fn retained_messages_come_at_the_lower_qos(trial: &Trial) {
    let topic = trial.topic("a");
    for published in 0..=2 {
        let publish = Publish::new(&topic, "x").retain();
        let publish = if published == 0 { publish } else { publish.qos(published, 1) };
        trial.client("pub").publish_packet(&publish, published);
        for asked in 0..=2 {
            let mut client = trial.client("sub");
            client.follow(&topic, asked);
            assert_eq!(client.expect_text("x").qos, asked.min(published));
        }
    }
    remove(trial, &[&topic]);
}

fn a_resumed_session_brings_no_retained_messages_again(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    let persistent = trial.persistent("sub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 0);
    client.expect_text("kept");
    client.disconnect();
    trial.resume(&persistent).expect_silence();
    remove(trial, &[&topic]);
}

const RETAIN_AS_PUBLISHED: u8 = 0x08;
const NO_LOCAL: u8 = 0x04;

/// How many messages each of three SUBSCRIBEs to the same filter brings, and one after UNSUBSCRIBE.
fn brought(trial: &Trial, handling: u8) -> Vec<usize> {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    let mut client = trial.client("sub");
    let mut counts = Vec::new();
    for round in 0..4 {
        if round == 3 {
            client.leave(&[&topic]);
        }
        client.follow(&topic, handling << 4);
        counts.push(client.deliveries().len());
    }
    remove(trial, &[&topic]);
    counts
}

fn retain_handling_0_brings_them_always(trial: &Trial) {
    assert_eq!(brought(trial, 0), [1, 1, 1, 1]);
}

fn retain_handling_1_brings_them_to_new_subscriptions(trial: &Trial) {
    assert_eq!(brought(trial, 1), [1, 0, 0, 1]);
}

fn a_subscription_of_a_resumed_session_is_not_new(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    let persistent = trial.persistent("sub");
    let mut client = trial.begin(&persistent);
    client.follow(&topic, 1 << 4);
    client.expect_text("kept");
    client.disconnect();
    let mut client = trial.resume(&persistent);
    client.follow(&topic, 1 << 4);
    client.expect_silence();
    remove(trial, &[&topic]);
}

fn retain_handling_2_brings_none(trial: &Trial) {
    assert_eq!(brought(trial, 2), [0, 0, 0, 0]);
}

/// The RETAIN flag of a message as it was published, retained and not, for a subscription.
fn flags(trial: &Trial, options: u8) -> [bool; 2] {
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    client.follow(&topic, options);
    retain(trial, &topic, "retained");
    trial.client("pub").publish(&topic, "live", 1);
    let flags = [client.expect_text("retained").retain, client.expect_text("live").retain];
    remove(trial, &[&topic]);
    flags
}

fn retain_as_published_keeps_the_flag(trial: &Trial) {
    assert_eq!(flags(trial, RETAIN_AS_PUBLISHED), [true, false]);
}

fn without_retain_as_published_the_flag_is_0(trial: &Trial) {
    assert_eq!(flags(trial, 0), [false, false]);
}

fn shared(trial: &Trial, client: &mut Client, topic: &str, options: u8) {
    let filter = format!("$share/{}/{topic}", trial.mark());
    let codes = client.ask(&[(&filter, options)]);
    if codes[0] >= 0x80 {
        not_testable(format!("it refuses shared subscriptions with {:#04x}", codes[0]));
    }
}

fn shared_subscriptions_bring_no_retained_messages(trial: &Trial) {
    let topic = trial.topic("a");
    retain(trial, &topic, "kept");
    for handling in 0..=2 {
        let mut client = trial.client("sub");
        shared(trial, &mut client, &topic, handling << 4);
        client.expect_silence();
    }
    remove(trial, &[&topic]);
}

/// Retained + shared + No Local + Retain Handling + Retain As Published + identifier: what comes of a
/// retained message that was there before, and of a retained one of each client afterwards.
fn options_of_a_subscription_go_together(trial: &Trial) {
    for is_shared in [false, true] {
        for no_local in [false, true] {
            for as_published in [false, true] {
                for handling in 0..=2 {
                    if is_shared && no_local {
                        // A protocol error; it has a case of its own.
                        continue;
                    }
                    check_options(trial, is_shared, no_local, as_published, handling);
                }
            }
        }
    }
}

fn check_options(trial: &Trial, is_shared: bool, no_local: bool, as_published: bool, handling: u8) {
    let what = format!("shared {is_shared} no local {no_local} rap {as_published} rh {handling}");
    let topic = trial.topic("a");
    retain(trial, &topic, "before");
    let mut client = trial.client("sub");
    let options = 1
        | if no_local { NO_LOCAL } else { 0 }
        | if as_published { RETAIN_AS_PUBLISHED } else { 0 }
        | handling << 4;
    let filter = if is_shared { format!("$share/{}/{topic}", trial.mark()) } else { topic.clone() };
    let codes = client.ask_with(&[0x0B, 42], &[(&filter, options)]);
    if codes[0] >= 0x80 {
        not_testable(format!("{what}: refused with {:#04x}", codes[0]));
    }
    let mut expected = Vec::new();
    if !is_shared && handling < 2 {
        expected.push(("before", true));
    }
    retain(trial, &topic, "others");
    expected.push(("others", as_published));
    let found = client.deliveries();
    client.send(&Publish::new(&topic, "own").retain().bytes(trial.version));
    let own = client.deliveries();
    if !no_local {
        expected.push(("own", as_published));
    }
    let found: Vec<_> = found.into_iter().chain(own).collect();
    let told: Vec<_> = found.iter().map(|message| (message.text(), message.retain)).collect();
    assert_eq!(told, expected, "{what}");
    for message in &found {
        assert_eq!(message.properties.number(0x0B), Some(42), "{what}: {message:?}");
    }
    remove(trial, &[&topic]);
}
