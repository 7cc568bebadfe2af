//! The handshakes of QoS 0, 1 and 2 in both directions, byte for byte (section 4.3).

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, Version, puback, pubcomp, pubrec, pubrel};

scenarios! {
    every_packet_of_v3_is_what_the_standard_says,
    v5_tells_publishers_that_nobody_subscribed,
}

scenarios_of_all_versions! {
    qos_0_needs_no_acknowledgement,
    qos_1_is_acknowledged_on_both_sides,
    qos_2_takes_four_packets_on_both_sides,
    a_delivery_has_the_lower_qos_of_publisher_and_subscriber,
    a_qos_1_identifier_is_free_after_puback,
    a_duplicate_at_qos_2_is_not_delivered_twice,
    pubrel_of_an_unknown_identifier_is_completed,
    pubrec_of_an_unknown_identifier_is_answered,
    a_repeated_pubrec_gets_pubrel_again,
    messages_of_one_publisher_keep_their_order,
}

fn every_packet_of_v3_is_what_the_standard_says(broker: &Broker) {
    use crate::support::Version::V311;
    let mut client = Client::open_with(broker, V311, b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01c");
    client.expect(b"\x20\x02\0\0");
    client.send(b"\x82\x08\0\x0A\0\x03t/a\x02");
    client.expect(b"\x90\x03\0\x0A\x02");
    client.send(b"\x34\x09\0\x03t/a\x01\x02hi");
    client.expect(b"\x50\x02\x01\x02");
    let publish = client.packet();
    let id = [publish[7], publish[8]];
    assert_eq!(publish, [b"\x34\x09\0\x03t/a", &id[..], b"hi"].concat());
    client.send(b"\x62\x02\x01\x02");
    client.expect(b"\x70\x02\x01\x02");
    client.send(&[&[0x50, 2][..], &id].concat());
    client.expect(&[&[0x62, 2][..], &id].concat());
    client.send(&[&[0x70, 2][..], &id].concat());
    client.send(b"\xA2\x07\0\x0B\0\x03t/a");
    client.expect(b"\xB0\x02\0\x0B");
    client.send(b"\xE0\0");
    client.expect_closed();
}

fn v5_tells_publishers_that_nobody_subscribed(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "lonely"));
    client.send(&Publish::new("a", "b").qos(1, 3).bytes(V5));
    client.expect(&V5.puback_unmatched(3));
    client.send(&Publish::new("a", "b").qos(2, 4).bytes(V5));
    client.expect(&[0x50, 3, 0, 4, 0x10]);
    client.send(&pubrel(4));
    client.expect(&pubcomp(4));
}

fn qos_0_needs_no_acknowledgement(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 2);
    let publish = Publish::new("a/b", "zero");
    publisher.send(&publish.bytes(version));
    subscriber.expect_publish(&publish);
    publisher.expect_nothing();
}

fn qos_1_is_acknowledged_on_both_sides(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 2);
    publisher.send(&Publish::new("a/b", "one").qos(1, 0xABCD).bytes(version));
    publisher.expect(&[0x40, 2, 0xAB, 0xCD]);
    let packet = subscriber.packet();
    let id = crate::support::Received::parse(version, &packet).id;
    assert_eq!(packet, Publish::new("a/b", "one").qos(1, id).bytes(version));
    subscriber.send(&puback(id));
    subscriber.expect_nothing();
    publisher.expect_nothing();
}

fn qos_2_takes_four_packets_on_both_sides(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 2);
    publisher.send(&Publish::new("a/b", "two").qos(2, 0xABCD).bytes(version));
    publisher.expect(&pubrec(0xABCD));
    let packet = subscriber.packet();
    let id = crate::support::Received::parse(version, &packet).id;
    assert_eq!(packet, Publish::new("a/b", "two").qos(2, id).bytes(version));
    publisher.send(&pubrel(0xABCD));
    publisher.expect(&pubcomp(0xABCD));
    subscriber.send(&pubrec(id));
    subscriber.expect(&pubrel(id));
    subscriber.send(&pubcomp(id));
    subscriber.expect_nothing();
    publisher.expect_nothing();
}

fn a_delivery_has_the_lower_qos_of_publisher_and_subscriber(broker: &Broker, version: Version) {
    for granted in 0..=2 {
        let (mut publisher, mut subscriber) = pair(broker, version, granted);
        for published in 0..=2 {
            publisher.publish("a/b", "x", published);
            let received = subscriber.receive_and_acknowledge();
            assert_eq!(received.qos, granted.min(published), "{granted} {published}");
        }
    }
}

fn a_qos_1_identifier_is_free_after_puback(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 1);
    // Even with DUP it is a new message [MQTT-4.3.2-5].
    for publish in [Publish::new("a/b", "x").qos(1, 5), Publish::new("a/b", "x").qos(1, 5).dup()] {
        publisher.send(&publish.bytes(version));
        publisher.expect(&puback(5));
        let received = subscriber.receive_and_acknowledge();
        assert!(!received.dup, "DUP is not passed on [MQTT-3.3.1-3]");
    }
}

fn a_duplicate_at_qos_2_is_not_delivered_twice(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 0);
    let publish = Publish::new("a/b", "once").qos(2, 7);
    publisher.send(&publish.bytes(version));
    publisher.expect(&pubrec(7));
    publisher.send(&publish.clone().dup().bytes(version));
    publisher.expect(&pubrec(7));
    subscriber.expect_publish(&Publish::new("a/b", "once"));
    subscriber.expect_nothing();
    publisher.send(&pubrel(7));
    publisher.expect(&pubcomp(7));
    // After PUBCOMP the identifier means a new message [MQTT-4.3.3-12].
    publisher.send(&publish.bytes(version));
    publisher.expect(&pubrec(7));
    subscriber.expect_publish(&Publish::new("a/b", "once"));
}

fn pubrel_of_an_unknown_identifier_is_completed(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&pubrel(9));
    client.expect(&version.ack(0x70, 9, 0x92));
    client.ping();
}

fn pubrec_of_an_unknown_identifier_is_answered(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&pubrec(9));
    client.expect(&version.ack(0x62, 9, 0x92));
    // Nothing to say to acknowledgements of nothing that end a handshake.
    client.send(&puback(9));
    client.send(&pubcomp(9));
    client.ping();
}

fn a_repeated_pubrec_gets_pubrel_again(broker: &Broker, version: Version) {
    let (mut publisher, mut subscriber) = pair(broker, version, 2);
    publisher.publish("a/b", "x", 2);
    let id = subscriber.receive().id;
    for _ in 0..2 {
        subscriber.send(&pubrec(id));
        subscriber.expect(&pubrel(id));
    }
    subscriber.send(&pubcomp(id));
    subscriber.expect_nothing();
}

fn messages_of_one_publisher_keep_their_order(broker: &Broker, version: Version) {
    for qos in 0..=2 {
        let (mut publisher, mut subscriber) = pair(broker, version, qos);
        let publish = |id: u16| {
            let publish = Publish::new("a/b", id.to_string());
            if qos == 0 { publish } else { publish.qos(qos, id) }.bytes(version)
        };
        publisher.send(&(1..=500).flat_map(publish).collect::<Vec<u8>>());
        for number in 1..=500 {
            assert_eq!(subscriber.receive_and_acknowledge().number(), number);
        }
    }
}

/// A publisher, and a subscriber to `a/b` with this QoS.
fn pair(broker: &Broker, version: Version, qos: u8) -> (Client, Client) {
    let publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a/b", qos);
    (publisher, subscriber)
}
