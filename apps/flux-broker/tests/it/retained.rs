//! Retained messages and the RETAIN flag (section 3.3.1.3).

use std::collections::BTreeSet;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version};

scenarios! {
    retain_handling_decides_who_gets_retained_messages,
    retain_as_published_keeps_the_flag,
    no_local_hides_the_clients_own_retained_message,
    properties_travel_with_a_retained_message,
}

scenarios_of_all_versions! {
    a_retained_message_is_set_replaced_and_deleted,
    the_flag_tells_new_subscribers_from_old_ones,
    a_message_without_the_flag_leaves_the_retained_one_alone,
    every_retained_message_that_matches_is_sent,
    a_retained_message_has_the_lower_qos,
    subscribing_again_sends_it_again,
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

fn properties_travel_with_a_retained_message(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    let publish = Publish::new("a/b", "{}")
        .property(b"\x01\x01")
        .property(b"\x03\0\x04json")
        .property(b"\x26\0\x01k\0\x01v")
        .property(b"\x08\0\x01r")
        .property(b"\x26\0\x01k\0\x01w")
        .property(b"\x09\0\x02\0\xFF")
        .retain();
    client.publish_packet(&publish, 0);
    client.subscribe("a/b", 0);
    client.expect_publish(&publish);
    let mut v3 = Client::connect(broker, &Connect::new(Version::V311, "v3"));
    v3.subscribe("a/b", 0);
    v3.expect_publish(&Publish::new("a/b", "{}").retain());
}

fn unsubscribe(client: &mut Client, filter: &str) {
    let version = client.version;
    client.send(&version.unsubscribe(0xFFFD, &[filter]));
    client.expect(&version.unsuback(0xFFFD, &[0]));
}
