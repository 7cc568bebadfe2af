//! Topic aliases, both ways (section 3.3.2.3.4).

use flux_mqtt::Settings;

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Publish, puback, pubcomp, pubrec, pubrel};

scenarios! {
    an_alias_of_a_client_stands_for_its_topic,
    an_alias_can_be_given_another_topic,
    an_alias_that_stands_for_nothing_is_a_protocol_error,
    an_alias_out_of_range_is_invalid with takes_three,
    every_alias_up_to_the_maximum_is_taken with takes_three,
    a_maximum_of_0_takes_none with takes_none,
    aliases_of_a_client_end_with_its_connection,
    an_alias_introduced_by_a_message_that_is_asked_about_is_known_afterwards,
    an_alias_introduced_by_a_message_that_is_denied_is_known_afterwards,
    a_repeated_qos_2_message_may_use_the_alias,
    a_client_without_a_maximum_gets_no_alias,
    the_first_topics_of_a_client_get_an_alias,
    the_maximum_is_the_lower_of_both with takes_three,
    no_alias_is_used_where_it_saves_nothing,
    a_message_that_is_too_large_introduces_no_alias,
    a_message_that_fits_without_its_alias_goes_without_it,
    a_message_that_fits_by_alias_only_is_sent,
    what_is_sent_again_uses_the_aliases_of_the_new_connection,
    aliases_go_with_every_quality_of_service,
}

fn takes_three(settings: &mut Settings) {
    settings.topic_alias_maximum = 3;
    settings.topic_alias_maximum_cap = 3;
}

fn takes_none(settings: &mut Settings) {
    settings.topic_alias_maximum = 0;
    settings.topic_alias_maximum_cap = 0;
}

fn an_alias_of_a_client_stands_for_its_topic(broker: &Broker) {
    for version in [V311, V5] {
        let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
        subscriber.subscribe("#", 0);
        let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
        publisher.publish_packet(&Publish::new("first/topic", "new").alias(1), 0);
        subscriber.expect_publish(&Publish::new("first/topic", "new"));
        publisher.publish_packet(&Publish::new("second/topic", "new").alias(16), 0);
        subscriber.expect_publish(&Publish::new("second/topic", "new"));
        for (alias, topic) in [(1, "first/topic"), (16, "second/topic"), (1, "first/topic")] {
            publisher.publish_packet(&Publish::new("", "again").alias(alias).qos(1, 1), 1);
            subscriber.expect_publish(&Publish::new(topic, "again"));
        }
        subscriber.expect_nothing();
    }
}

fn an_alias_can_be_given_another_topic(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 0);
    for (name, topic) in [("a", "a"), ("", "a"), ("b", "b"), ("", "b"), ("a", "a"), ("", "a")] {
        publisher.publish_packet(&Publish::new(name, "x").alias(1), 0);
        subscriber.expect_publish(&Publish::new(topic, "x"));
    }
}

fn an_alias_that_stands_for_nothing_is_a_protocol_error(broker: &Broker) {
    for alias in [1, 2, 16] {
        let mut client = Client::connect(broker, &Connect::new(V5, "a"));
        client.publish_packet(&Publish::new("a", "x").alias(3), 0);
        client.send(&Publish::new("", "x").alias(alias).bytes(V5));
        client.expect_disconnect(0x82);
    }
}

fn an_alias_out_of_range_is_invalid(broker: &Broker) {
    for (name, alias) in [("a", 0), ("", 0), ("a", 4), ("", 4), ("a", u16::MAX)] {
        let mut client = Client::connect(broker, &Connect::new(V5, "a"));
        client.send(&Publish::new(name, "x").alias(alias).bytes(V5));
        client.expect_disconnect(0x94);
    }
}

fn every_alias_up_to_the_maximum_is_taken(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 0);
    assert_eq!(publisher.connack.number(0x22), Some(3));
    for name in ["a", ""] {
        for alias in [3, 1, 2] {
            publisher.publish_packet(&Publish::new(name, alias.to_string()).alias(alias), 0);
            subscriber.expect_publish(&Publish::new("a", alias.to_string()));
        }
    }
}

fn a_maximum_of_0_takes_none(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 9);
    assert_eq!(publisher.connack.get(0x22), None);
    publisher.publish("long/topic", "x", 0);
    publisher.publish("long/topic", "x", 0);
    subscriber.expect_publish(&Publish::new("long/topic", "x"));
    subscriber.expect_publish(&Publish::new("long/topic", "x"));
    publisher.send(&Publish::new("a", "x").alias(1).bytes(V5));
    publisher.expect_disconnect(0x94);
}

fn aliases_of_a_client_end_with_its_connection(broker: &Broker) {
    let connect = Connect::persistent(V5, "a");
    let mut client = Client::connect(broker, &connect);
    client.publish_packet(&Publish::new("a", "x").alias(1), 0);
    client.disconnect();
    let mut client = Client::resume(broker, &connect);
    client.send(&Publish::new("", "x").alias(1).bytes(V5));
    client.expect_disconnect(0x82);
}

/// The frame is handled twice, before and after the question.
fn an_alias_introduced_by_a_message_that_is_asked_about_is_known_afterwards(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 0);
    let packets = [
        Publish::new("asked/a", "1").alias(1).qos(1, 1),
        Publish::new("", "2").alias(1).qos(2, 2),
        Publish::new("asked/b", "3").alias(1).qos(1, 3),
        Publish::new("", "4").alias(1),
    ];
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes(V5)).collect();
    publisher.send(&bytes);
    publisher.expect(&puback(1));
    publisher.expect(&pubrec(2));
    publisher.expect(&puback(3));
    for (topic, payload) in [("asked/a", "1"), ("asked/a", "2"), ("asked/b", "3"), ("asked/b", "4")]
    {
        subscriber.expect_publish(&Publish::new(topic, payload));
    }
}

fn an_alias_introduced_by_a_message_that_is_denied_is_known_afterwards(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 0);
    for name in ["denied/a", ""] {
        publisher.send(&Publish::new(name, "x").alias(1).qos(1, 1).bytes(V5));
        publisher.expect_ack(0x40, 1, 0x87);
    }
    publisher.publish_packet(&Publish::new("a", "x").alias(1), 0);
    subscriber.expect_publish(&Publish::new("a", "x"));
}

fn a_repeated_qos_2_message_may_use_the_alias(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 0);
    publisher.send(&Publish::new("a", "x").alias(1).qos(2, 7).bytes(V5));
    publisher.expect(&pubrec(7));
    publisher.send(&Publish::new("", "x").alias(1).qos(2, 7).dup().bytes(V5));
    publisher.expect(&pubrec(7));
    publisher.send(&pubrel(7));
    publisher.expect(&pubcomp(7));
    subscriber.expect_publish(&Publish::new("a", "x"));
    subscriber.expect_nothing();
}

/// [MQTT-3.1.2-27]
fn a_client_without_a_maximum_gets_no_alias(broker: &Broker) {
    let (mut publisher, _) = pair(broker, 0);
    for connect in [Connect::new(V5, "b"), Connect::new(V5, "b").topic_alias_maximum(0)] {
        let mut subscriber = Client::connect(broker, &connect);
        subscriber.subscribe("long/topic", 0);
        for _ in 0..3 {
            publisher.publish("long/topic", "x", 0);
            subscriber.expect_publish(&Publish::new("long/topic", "x"));
        }
    }
}

fn the_first_topics_of_a_client_get_an_alias(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 2);
    let table = [
        ("topic/one", Publish::new("topic/one", "x").alias(1)),
        ("topic/one", Publish::new("", "x").alias(1)),
        ("topic/two", Publish::new("topic/two", "x").alias(2)),
        ("topic/three", Publish::new("topic/three", "x")),
        ("topic/two", Publish::new("", "x").alias(2)),
        ("topic/one", Publish::new("", "x").alias(1)),
        ("topic/three", Publish::new("topic/three", "x")),
    ];
    for (topic, expected) in table {
        publisher.publish(topic, "x", 1);
        subscriber.expect_publish(&expected);
    }
}

/// [MQTT-3.1.2-26]
fn the_maximum_is_the_lower_of_both(broker: &Broker) {
    for (asked, used) in [(1, 1), (3, 3), (4, 3), (u16::MAX, 3)] {
        let (mut publisher, mut subscriber) = pair(broker, asked);
        for number in 1..=5 {
            let topic = format!("topic/{number}");
            publisher.publish(&topic, "x", 0);
            let expected = Publish::new(&topic, "x");
            let has_alias = number <= used;
            subscriber.expect_publish(&if has_alias { expected.alias(number) } else { expected });
        }
    }
}

fn no_alias_is_used_where_it_saves_nothing(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair(broker, 9);
    for topic in ["a", "a/b", "a", "a/b"] {
        publisher.publish(topic, "x", 0);
        subscriber.expect_publish(&Publish::new(topic, "x"));
    }
    publisher.publish("four", "x", 0);
    subscriber.expect_publish(&Publish::new("four", "x").alias(1));
}

fn a_message_that_is_too_large_introduces_no_alias(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair_with(broker, &small(9));
    for qos in 0..=2 {
        let topic = format!("topic/{qos}");
        publisher.publish(&topic, "y".repeat(100), qos);
        publisher.publish(&topic, "x", 0);
        subscriber.expect_publish(&Publish::new(&topic, "x").alias(1 + u16::from(qos)));
    }
}

fn a_message_that_fits_without_its_alias_goes_without_it(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair_with(broker, &small(9));
    // 2 bytes of header, 2 + 10 of topic, 1 of properties.
    let largest = 100 - 2 - 12 - 1;
    for (len, alias) in [(largest, None), (largest - 2, None), (largest - 3, Some(1))] {
        let publish = Publish::new("long/topic", "y".repeat(len));
        publisher.publish_packet(&publish, 0);
        subscriber.expect_publish(&alias.map_or(publish.clone(), |alias| publish.alias(alias)));
    }
}

fn a_message_that_fits_by_alias_only_is_sent(broker: &Broker) {
    let (mut publisher, mut subscriber) = pair_with(broker, &small(9));
    publisher.publish("long/topic", "x", 0);
    subscriber.expect_publish(&Publish::new("long/topic", "x").alias(1));
    let largest = "y".repeat(100 - 2 - 2 - 1 - 3);
    publisher.publish("long/topic", format!("{largest}y"), 0);
    publisher.publish("long/topic", &largest, 0);
    subscriber.expect_publish(&Publish::new("", &largest).alias(1));
    subscriber.ping();
}

fn what_is_sent_again_uses_the_aliases_of_the_new_connection(broker: &Broker) {
    let connect = Connect::persistent(V5, "a");
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &connect.clone().topic_alias_maximum(1));
    client.subscribe("long/+", 1);
    for payload in ["1", "2"] {
        publisher.publish("long/topic", payload, 1);
    }
    client.expect_publish(&Publish::new("long/topic", "1").alias(1).qos(1, 1));
    client.expect_publish(&Publish::new("", "2").alias(1).qos(1, 2));
    client.lose();
    let mut client = Client::resume(broker, &connect.clone().topic_alias_maximum(1));
    client.expect_publish(&Publish::new("long/topic", "1").alias(1).qos(1, 1).dup());
    client.expect_publish(&Publish::new("", "2").alias(1).qos(1, 2).dup());
    client.disconnect();
    let mut client = Client::resume(broker, &connect);
    client.expect_publish(&Publish::new("long/topic", "1").qos(1, 1).dup());
    client.expect_publish(&Publish::new("long/topic", "2").qos(1, 2).dup());
}

fn aliases_go_with_every_quality_of_service(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let connect = Connect::new(V5, "subscriber").topic_alias_maximum(9);
    let mut subscriber = Client::connect(broker, &connect);
    subscriber.send(&V5.subscribe_with(1, &[0x0B, 5], &[("long/topic", 2)]));
    subscriber.expect(&V5.suback(1, &[2]));
    for qos in 0..=2 {
        let publish = Publish::new("long/topic", "x").property(b"\x26\0\x01k\0\x01v");
        publisher.publish_packet(&if qos == 0 { publish } else { publish.qos(qos, 1) }, qos);
        let received = subscriber.receive_and_acknowledge();
        assert_eq!(received.topic, if qos == 0 { "long/topic" } else { "" });
        assert_eq!(received.properties.number(0x23), Some(1));
        assert_eq!(received.properties.number(0x0B), Some(5));
        assert_eq!(received.properties.text(0x26).as_deref(), Some("k\0\u{1}v"));
    }
}

/// A publisher, and a subscriber to everything that takes so many aliases.
fn pair(broker: &Broker, aliases: u16) -> (Client, Client) {
    pair_with(broker, &Connect::new(V5, "subscriber").topic_alias_maximum(aliases))
}

fn pair_with(broker: &Broker, subscriber: &Connect) -> (Client, Client) {
    let publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut subscriber = Client::connect(broker, subscriber);
    subscriber.subscribe("#", 0);
    (publisher, subscriber)
}

/// A subscriber that takes packets of 100 bytes.
fn small(aliases: u16) -> Connect {
    Connect::new(V5, "subscriber").topic_alias_maximum(aliases).maximum_packet_size(100)
}
