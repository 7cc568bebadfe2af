//! Retained messages and the RETAIN flag (section 3.3.1.3).

use std::collections::BTreeSet;

use flux_mqtt::Settings;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version};

scenarios! {
    retain_handling_decides_who_gets_retained_messages,
    retain_as_published_keeps_the_flag,
    no_local_hides_the_clients_own_retained_message,
    a_full_store_tells_who_can_be_told with two_retained_messages,
    a_full_store_may_lose_the_oldest with two_newest_retained_messages,
}

scenarios_of_all_versions! {
    a_retained_message_is_set_replaced_and_deleted,
    the_flag_tells_new_subscribers_from_old_ones,
    a_message_without_the_flag_leaves_the_retained_one_alone,
    every_retained_message_that_matches_is_sent,
    a_retained_message_has_the_lower_qos,
    subscribing_again_sends_it_again,
    more_retained_messages_than_a_session_may_queue with ten_queued_messages,
    a_full_store_retains_nothing_old_of_a_topic with two_retained_messages,
}

fn ten_queued_messages(settings: &mut Settings) {
    settings.session.queued_messages = 10;
}

fn two_retained_messages(settings: &mut Settings) {
    settings.retained.messages = 2;
    settings.retained.message_bytes = 100;
}

fn two_newest_retained_messages(settings: &mut Settings) {
    settings.retained.messages = 2;
    settings.retained.when_full = flux_mqtt::RetainedFull::DropOldest;
}

fn a_retained_message_is_set_replaced_and_deleted(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    for value in ["first", "second"] {
        publisher.publish_packet(&Publish::new("a/b", value).retain(), 0);
        subscriber.subscribe("a/b", 0);
        subscriber.expect_publish(&Publish::new("a/b", value).retain());
        unsubscribe(&mut subscriber, "a/b");
    }
    publisher.publish_packet(&Publish::new("a/b", "").retain(), 0);
    subscriber.subscribe("a/b", 0);
    subscriber.expect_nothing();
}

fn the_flag_tells_new_subscribers_from_old_ones(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut old = Client::connect(broker, &Connect::new(version, "old"));
    old.subscribe("a/b", 0);
    publisher.publish_packet(&Publish::new("a/b", "x").retain(), 0);
    old.expect_publish(&Publish::new("a/b", "x"));
    let mut new = Client::connect(broker, &Connect::new(version, "new"));
    new.subscribe("a/b", 0);
    new.expect_publish(&Publish::new("a/b", "x").retain());
    // The empty message that deletes is an ordinary one for who is there [MQTT-3.3.1-6].
    publisher.publish_packet(&Publish::new("a/b", "").retain(), 0);
    old.expect_publish(&Publish::new("a/b", ""));
    new.expect_publish(&Publish::new("a/b", ""));
}

fn a_message_without_the_flag_leaves_the_retained_one_alone(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    publisher.publish_packet(&Publish::new("a/b", "kept").retain(), 0);
    publisher.publish("a/b", "passing", 0);
    publisher.publish("a/b", "", 0);
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a/b", 0);
    subscriber.expect_publish(&Publish::new("a/b", "kept").retain());
    subscriber.expect_nothing();
}

fn every_retained_message_that_matches_is_sent(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    for topic in ["a", "a/b", "a/b/c", "a/x/c", "b", "$a/b"] {
        publisher.publish_packet(&Publish::new(topic, topic).retain(), 0);
    }
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    let mut check = |filter: &str, topics: &[&str]| {
        subscriber.subscribe(filter, 0);
        let got: BTreeSet<String> = topics.iter().map(|_| subscriber.receive().topic).collect();
        assert_eq!(got, topics.iter().map(ToString::to_string).collect(), "{filter}");
        unsubscribe(&mut subscriber, filter);
        subscriber.expect_nothing();
    };
    check("#", &["a", "a/b", "a/b/c", "a/x/c", "b"]);
    check("a/#", &["a", "a/b", "a/b/c", "a/x/c"]);
    check("a/+/c", &["a/b/c", "a/x/c"]);
    check("+", &["a", "b"]);
    check("+/b", &["a/b"]);
    check("$a/#", &["$a/b"]);
    check("nothing/here", &[]);
}

fn a_retained_message_has_the_lower_qos(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    for published in 0..=2 {
        let publish = Publish::new("a/b", "x").retain();
        let publish = if published == 0 { publish } else { publish.qos(published, 1) };
        publisher.publish_packet(&publish, published);
        for granted in 0..=2 {
            subscriber.subscribe("a/b", granted);
            let received = subscriber.receive_and_acknowledge();
            assert_eq!((received.qos, received.retain), (published.min(granted), true));
            unsubscribe(&mut subscriber, "a/b");
        }
    }
}

fn subscribing_again_sends_it_again(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.publish_packet(&Publish::new("a/b", "x").retain(), 0);
    for _ in 0..3 {
        client.subscribe("a/b", 0);
        client.expect_publish(&Publish::new("a/b", "x").retain());
    }
    client.expect_nothing();
}

fn retain_handling_decides_who_gets_retained_messages(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    let publish = Publish::new("a/b", "x").retain();
    client.publish_packet(&publish, 0);
    let mut subscribe = |retain_handling: u8, is_sent: bool| {
        client.subscribe("a/b", retain_handling << 4);
        if is_sent {
            client.expect_publish(&publish);
        }
        client.expect_nothing();
    };
    subscribe(2, false);
    subscribe(1, false);
    subscribe(0, true);
    subscribe(1, false);
    subscribe(0, true);
    unsubscribe(&mut client, "a/b");
    client.subscribe("a/b", 1 << 4);
    client.expect_publish(&publish);
}

fn retain_as_published_keeps_the_flag(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("a/b", 0x08);
    publisher.publish_packet(&Publish::new("a/b", "x").retain(), 0);
    subscriber.expect_publish(&Publish::new("a/b", "x").retain());
    publisher.publish("a/b", "y", 0);
    subscriber.expect_publish(&Publish::new("a/b", "y"));
}

fn no_local_hides_the_clients_own_retained_message(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.publish_packet(&Publish::new("a/b", "mine").retain(), 0);
    client.subscribe("a/b", 0x04);
    client.expect_nothing();
    let mut other = Client::connect(broker, &Connect::new(V5, "other"));
    other.subscribe("a/b", 0x04);
    other.expect_publish(&Publish::new("a/b", "mine").retain());
}

fn unsubscribe(client: &mut Client, filter: &str) {
    let version = client.version;
    client.send(&version.unsubscribe(0xFFFD, &[filter]));
    client.expect(&version.unsuback(0xFFFD, &[0]));
}

/// The retained messages come as the client takes them: none is dropped, and nobody waits for it.
fn more_retained_messages_than_a_session_may_queue(broker: &Broker, version: Version) {
    const COUNT: u32 = 2_000;
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    for number in 0..COUNT {
        let publish = Publish::new(&format!("many/{number}"), number.to_string()).retain();
        publisher.send(&publish.bytes(version));
    }
    publisher.ping();
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("#", 0);
    // While the first of them is looked at, others set what they like.
    assert_eq!(subscriber.receive().number(), 0);
    publisher.publish_packet(&Publish::new("many/0", "again").qos(1, 1).retain(), 1);
    let mut got = BTreeSet::new();
    let mut is_again = false;
    while got.len() < 1999 || !is_again {
        let received = subscriber.receive();
        match received.text() {
            "again" => is_again = true,
            _ => assert!(got.insert(received.number())),
        }
    }
    assert_eq!(got, (1..COUNT).collect());
    subscriber.expect_nothing();
}

fn a_full_store_tells_who_can_be_told(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("+", 2);
    for topic in ["a", "b"] {
        publisher.publish_packet(&Publish::new(topic, "kept").qos(1, 1).retain(), 1);
        assert_eq!(subscriber.receive_and_acknowledge().topic, topic);
    }
    publisher.send(&Publish::new("c", "refused").qos(1, 1).retain().bytes(V5));
    publisher.expect_ack(0x40, 1, 0x97);
    publisher.send(&Publish::new("c", "refused").qos(2, 2).retain().bytes(V5));
    publisher.expect_ack(0x50, 2, 0x97);
    publisher.send(&Publish::new("a", "x".repeat(100)).qos(1, 3).retain().bytes(V5));
    publisher.expect_ack(0x40, 3, 0x97);
    subscriber.expect_nothing();
    publisher.publish_packet(&Publish::new("b", "").qos(1, 1).retain(), 1);
    assert_eq!(subscriber.receive_and_acknowledge().topic, "b");
    publisher.publish_packet(&Publish::new("c", "room again").qos(1, 1).retain(), 1);
    assert_eq!(subscriber.receive_and_acknowledge().text(), "room again");
}

/// Who cannot be told is not refused: but then nobody may find an older message afterwards.
fn a_full_store_retains_nothing_old_of_a_topic(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("+", 0);
    let large = "x".repeat(100);
    for (topic, payload) in [("a", "kept"), ("b", "kept"), ("b", &large), ("b", "kept")] {
        publisher.publish_packet(&Publish::new(topic, payload).retain(), 0);
        assert_eq!(subscriber.receive().text(), payload);
    }
    publisher.publish_packet(&Publish::new("a", &large).retain(), 0);
    assert_eq!(subscriber.receive().text(), large);
    let mut late = Client::connect(broker, &Connect::new(version, "late"));
    late.subscribe("+", 0);
    late.expect_publish(&Publish::new("b", "kept").retain());
    late.expect_nothing();
}

fn a_full_store_may_lose_the_oldest(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    for topic in ["a", "b", "c"] {
        publisher.publish_packet(&Publish::new(topic, "kept").qos(1, 1).retain(), 1);
    }
    let mut late = Client::connect(broker, &Connect::new(V5, "late"));
    late.subscribe("+", 0);
    late.expect_publish(&Publish::new("b", "kept").retain());
    late.expect_publish(&Publish::new("c", "kept").retain());
    late.expect_nothing();
}
