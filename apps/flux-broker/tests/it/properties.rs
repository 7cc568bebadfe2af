//! The properties of a message reach subscribers unchanged and in order, whichever way it goes;
//! MQTT 3 has none (sections 3.3.2.3, 3.1.3.2).

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Publish, Version, Will, puback, string};

scenarios! {
    they_travel_to_whoever_is_connected,
    they_travel_with_a_retained_message,
    they_travel_with_a_will,
    they_wait_in_the_queue_of_a_session_that_is_away,
    they_come_again_with_what_was_not_acknowledged,
    values_of_the_largest_size_travel,
    a_message_of_v3_has_none,
    they_stay_beside_an_alias,
}

/// Every property that travels, in an order that is not the standard's [MQTT-3.3.2-15] to
/// [MQTT-3.3.2-18], [MQTT-3.3.2-20].
fn properties() -> Vec<u8> {
    [
        user("b", "first"),
        vec![0x01, 0],
        text(0x08, "answers/a"),
        user("a", "é"),
        text(0x09, "\0\u{1}"),
        text(0x03, "application/json"),
        user("b", ""),
        user("", "b"),
    ]
    .concat()
}

fn text(id: u8, value: &str) -> Vec<u8> {
    [&[id][..], &string(value)].concat()
}

fn user(name: &str, value: &str) -> Vec<u8> {
    [&[0x26][..], &string(name), &string(value)].concat()
}

fn message() -> Publish {
    Publish::new("topic", "payload").property(&properties())
}

fn plain() -> Publish {
    Publish::new("topic", "payload")
}

fn expected(version: Version) -> Publish {
    if version == V5 { message() } else { plain() }
}

fn subscriber(broker: &Broker, version: Version) -> Client {
    let connect = Connect::persistent(version, &format!("{version:?}"));
    let mut client = Client::connect(broker, &connect);
    client.subscribe("topic", 1);
    client
}

fn they_travel_to_whoever_is_connected(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    for version in [V31, V311, V5] {
        let mut client = Client::connect(broker, &Connect::new(version, "subscriber"));
        client.subscribe("topic", 0);
        publisher.publish_packet(&message(), 0);
        client.expect_publish(&expected(version));
        for qos in [1, 2] {
            publisher.publish_packet(&message().qos(qos, 1), qos);
            client.expect_publish(&expected(version));
        }
    }
}

fn they_travel_with_a_retained_message(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    publisher.publish_packet(&message().retain().qos(1, 1), 1);
    for version in [V31, V311, V5] {
        let mut client = subscriber(broker, version);
        client.expect_publish(&expected(version).retain().qos(1, 1));
    }
}

fn they_travel_with_a_will(broker: &Broker) {
    let mut subscribers = [V31, V311, V5].map(|version| subscriber(broker, version));
    let will = Will::new("topic", "payload").qos(1).retain().property(&properties());
    // The delay is between them and stays behind.
    let will = will.delay(0).property(&user("last", "one"));
    Client::connect(broker, &Connect::new(V5, "mortal").will(will)).lose();
    let with = |version: Version| {
        let message = expected(version).qos(1, 1);
        if version == V5 { message.property(&user("last", "one")) } else { message }
    };
    for client in &mut subscribers {
        client.expect_publish(&with(client.version));
    }
    let mut late = Client::connect(broker, &Connect::new(V5, "late"));
    late.subscribe("topic", 1);
    late.expect_publish(&with(V5).retain());
}

fn they_wait_in_the_queue_of_a_session_that_is_away(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    for version in [V31, V311, V5] {
        subscriber(broker, version).disconnect();
    }
    publisher.publish_packet(&message().qos(1, 1), 1);
    for version in [V31, V311, V5] {
        let connect = Connect::persistent(version, &format!("{version:?}"));
        let mut client = Client::resume(broker, &connect);
        client.expect_publish(&expected(version).qos(1, 1));
    }
}

fn they_come_again_with_what_was_not_acknowledged(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = subscriber(broker, V5);
    publisher.publish_packet(&message().qos(1, 1), 1);
    client.expect_publish(&message().qos(1, 1));
    client.lose();
    // Another version in between loses them for itself only.
    let connect = |version| Connect::persistent(version, &format!("{V5:?}"));
    let mut client = Client::resume(broker, &connect(V311));
    client.expect_publish(&plain().qos(1, 1).dup());
    client.lose();
    let mut client = Client::resume(broker, &connect(V5));
    client.expect_publish(&message().qos(1, 1).dup());
    client.send(&puback(1));
    client.expect_nothing();
}

fn values_of_the_largest_size_travel(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "subscriber"));
    client.subscribe("topic", 0);
    let largest = "x".repeat(usize::from(u16::MAX));
    let publish = plain().property(&text(0x09, &largest)).property(&user(&largest, &largest));
    publisher.publish_packet(&publish, 0);
    client.expect_publish(&publish);
}

fn a_message_of_v3_has_none(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "subscriber"));
    client.subscribe("topic", 0);
    for version in [V31, V311] {
        let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
        publisher.publish_packet(&plain(), 0);
        client.expect_publish(&plain());
    }
}

fn they_stay_beside_an_alias(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let connect = Connect::new(V5, "subscriber").topic_alias_maximum(1);
    let mut client = Client::connect(broker, &connect);
    client.subscribe("topic", 0);
    for name in ["topic", ""] {
        let publish = Publish::new(name, "payload").property(&properties()).alias(1);
        publisher.publish_packet(&publish, 0);
        client.expect_publish(&publish);
    }
}
