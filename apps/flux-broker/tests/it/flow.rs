//! What a client can take: Receive Maximum and Maximum Packet Size (sections 3.1.2.11, 4.9).

use flux_eventbus::{DropReason, EventKind};
use flux_mqtt::Settings;

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, Events, Publish, Received, Version, puback, pubcomp, pubrec, pubrel,
};

scenarios! {
    receive_maximum_bounds_unacknowledged_messages,
    a_qos_2_message_counts_until_pubcomp,
    receive_maximum_holds_for_what_comes_again,
    qos_0_is_not_held_back_by_receive_maximum,
    a_message_too_large_for_the_client_is_dropped,
    what_comes_again_and_is_too_large_by_now_is_dropped,
    the_platform_is_told_of_a_message_too_large_for_the_client,
    no_connack_is_larger_than_the_client_takes,
    an_answer_too_large_for_the_client_ends_its_connection,
    a_smaller_receive_maximum_holds_back_publish_and_no_pubrel,
    the_client_may_not_exceed_the_brokers_receive_maximum with receives_three,
    a_receive_maximum_of_zero_is_announced_as_the_one_that_holds with receives_none,
}

scenarios_of_all_versions! {
    a_packet_too_large_for_the_broker_ends_the_connection with takes_1000_bytes,
}

fn receive_maximum_bounds_unacknowledged_messages(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, &Connect::new(V5, "a").receive_maximum(2));
    for number in 0..10 {
        publisher.publish("a", number.to_string(), 1);
    }
    let mut open = vec![client.receive(), client.receive()];
    client.expect_nothing();
    for number in 2..10 {
        // The younger one first: acknowledgements need no order.
        client.send(&puback(open.remove(1).id));
        let next = client.receive();
        assert_eq!(next.number(), number);
        client.expect_nothing();
        open.push(next);
    }
}

fn a_qos_2_message_counts_until_pubcomp(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, &Connect::new(V5, "a").receive_maximum(2));
    for number in 0..10 {
        publisher.publish("a", number.to_string(), 2);
    }
    let mut open = vec![client.receive(), client.receive()];
    for number in 2..10 {
        let id = open.remove(0).id;
        client.send(&pubrec(id));
        client.expect(&pubrel(id));
        client.expect_nothing();
        client.send(&pubcomp(id));
        let next = client.receive();
        assert_eq!(next.number(), number);
        open.push(next);
    }
}

fn receive_maximum_holds_for_what_comes_again(broker: &Broker) {
    let connect = Connect::persistent(V5, "a");
    let (mut publisher, mut client) = pair(broker, &connect);
    for number in 0..5 {
        publisher.publish("a", number.to_string(), 1);
    }
    let before: Vec<Received> = (0..5).map(|_| client.receive()).collect();
    client.disconnect();
    let mut client = Client::resume(broker, &connect.receive_maximum(2));
    let (first, second) = (client.receive(), client.receive());
    assert_eq!((first.id, second.id), (before[0].id, before[1].id));
    client.expect_nothing();
    client.send(&puback(first.id));
    assert_eq!(client.receive().id, before[2].id);
    client.expect_nothing();
}

fn qos_0_is_not_held_back_by_receive_maximum(broker: &Broker) {
    let (mut publisher, mut client) = pair(broker, &Connect::new(V5, "a").receive_maximum(1));
    publisher.publish("a", "one", 1);
    publisher.publish("a", "two", 1);
    publisher.publish("a", "zero", 0);
    let one = client.receive();
    assert_eq!(one.text(), "one");
    assert_eq!(client.receive().text(), "zero");
    client.expect_nothing();
    client.send(&puback(one.id));
    assert_eq!(client.receive().text(), "two");
}

fn a_message_too_large_for_the_client_is_dropped(broker: &Broker) {
    let connect = Connect::new(V5, "a").maximum_packet_size(100).receive_maximum(1);
    let (mut publisher, mut client) = pair(broker, &connect);
    for qos in 0..=2 {
        // As a packet: 2 bytes of header, 3 of topic, 1 of properties, 2 of identifier.
        let identifier = if qos == 0 { 0 } else { 2 };
        let largest = "x".repeat(100 - 2 - 3 - 1 - identifier);
        publisher.publish("a", format!("{largest}x"), qos);
        publisher.publish("a", &largest, qos);
        publisher.publish("a", "y".repeat(200_000), qos);
        publisher.publish("a", "small", qos);
        assert_eq!(client.receive_and_acknowledge().text(), largest);
        assert_eq!(client.receive_and_acknowledge().text(), "small");
        client.expect_nothing();
    }
}

/// [MQTT-3.1.2-25]: as if it had been sent. A client that knows a QoS 2 message already is told that it
/// is released, or it would take the next one with this identifier for a duplicate.
fn what_comes_again_and_is_too_large_by_now_is_dropped(broker: &Broker) {
    let mut events = Events::of(broker, EventKind::Dropped);
    let connect = Connect::persistent(V5, "a");
    let (mut publisher, mut client) = pair(broker, &connect);
    let large = "x".repeat(100);
    for (qos, payload) in [(1, large.as_str()), (2, &large), (1, "small"), (2, "small")] {
        publisher.publish("a", payload, qos);
    }
    let ids = [(); 4].map(|()| client.receive().id);
    client.disconnect();
    let mut client = Client::resume(broker, &connect.maximum_packet_size(100).receive_maximum(1));
    for _ in 0..2 {
        events.expect_dropped("a", "a", DropReason::PacketTooLarge);
    }
    client.expect(&pubrel(ids[1]));
    client.expect_publish(&Publish::new("a", "small").qos(1, ids[2]).dup());
    client.expect_nothing();
    client.send(&[pubcomp(ids[1]), puback(ids[2])].concat());
    client.expect_publish(&Publish::new("a", "small").qos(2, ids[3]).dup());
    client.send(&pubrec(ids[3]));
    client.expect(&pubrel(ids[3]));
    client.send(&pubcomp(ids[3]));
    publisher.publish("a", "new", 2);
    assert_eq!(client.receive_and_acknowledge().text(), "new");
    client.expect_nothing();
}

fn the_platform_is_told_of_a_message_too_large_for_the_client(broker: &Broker) {
    let mut events = Events::of(broker, EventKind::Dropped);
    let (mut publisher, mut client) = pair(broker, &Connect::new(V5, "a").maximum_packet_size(100));
    for qos in 0..=2 {
        publisher.publish("a", "x".repeat(100), qos);
        events.expect_dropped("a", "a", DropReason::PacketTooLarge);
    }
    client.expect_nothing();
}

fn no_connack_is_larger_than_the_client_takes(broker: &Broker) {
    for limit in 1..=20 {
        let connect = Connect::new(V5, "a").maximum_packet_size(limit).bytes();
        let mut client = Client::open_with(broker, V5, &connect);
        // Accepted or refused, in few bytes or in none [MQTT-3.1.2-24].
        let len = client.try_packet().map_or(0, |packet| packet.len());
        assert!(len <= usize::try_from(limit).unwrap(), "CONNACK has {len} bytes of {limit}");
    }
}

/// [MQTT-3.1.2-24]
fn an_answer_too_large_for_the_client_ends_its_connection(broker: &Broker) {
    // 2 bytes of header, 2 of identifier, 1 of properties, and a code for each filter.
    let (fits, too_many) = ([("a", 0); 25], [("a", 0); 26]);
    let names = |filters: &[(&'static str, u8)]| -> Vec<&str> {
        filters.iter().map(|(filter, _)| *filter).collect()
    };
    for (fits, too_large, expected) in [
        (V5.subscribe(1, &fits), V5.subscribe(1, &too_many), V5.suback(1, &[0; 25])),
        (
            V5.unsubscribe(1, &names(&fits)),
            V5.unsubscribe(1, &names(&too_many)),
            V5.unsuback(1, &[0x11; 25]),
        ),
    ] {
        let connect = Connect::new(V5, "a").maximum_packet_size(30);
        let mut client = Client::connect(broker, &connect);
        client.send(&fits);
        client.expect(&expected);
        client.send(&too_large);
        // The reason in words does not fit either.
        client.expect(&[0xE0, 2, 0x95, 0]);
        client.expect_closed();
    }
}

fn a_smaller_receive_maximum_holds_back_publish_and_no_pubrel(broker: &Broker) {
    let connect = Connect::persistent(V5, "a");
    let (mut publisher, mut client) = pair(broker, &connect);
    for number in 0..6 {
        publisher.publish("a", number.to_string(), 2);
    }
    let ids: Vec<u16> = (0..6).map(|_| client.receive().id).collect();
    for id in &ids[2..4] {
        client.send(&pubrec(*id));
        client.expect(&pubrel(*id));
    }
    client.disconnect();
    publisher.publish("a", "new", 2);
    let mut client = Client::resume(broker, &connect.receive_maximum(1));
    let again = |number: usize| Publish::new("a", number.to_string()).qos(2, ids[number]).dup();
    client.expect_publish(&again(0));
    client.expect(&pubrel(ids[2]));
    client.expect(&pubrel(ids[3]));
    client.expect_nothing();
    for number in [0, 1, 4, 5] {
        if number > 0 {
            client.expect_publish(&again(number));
            client.expect_nothing();
        }
        client.send(&pubrec(ids[number]));
        client.expect(&pubrel(ids[number]));
        client.expect_nothing();
        client.send(&pubcomp(ids[number]));
    }
    client.expect_nothing();
    client.send(&pubcomp(ids[2]));
    client.expect_nothing();
    client.send(&pubcomp(ids[3]));
    assert_eq!(client.receive_and_acknowledge().text(), "new");
}

fn the_client_may_not_exceed_the_brokers_receive_maximum(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    assert_eq!(client.connack.number(0x21), Some(3));
    for id in 1..=3 {
        client.send(&Publish::new("a", "x").qos(2, id).bytes(V5));
        client.expect(&V5.ack(0x50, id, 0x10));
    }
    client.send(&pubrel(2));
    client.expect(&pubcomp(2));
    client.send(&Publish::new("a", "x").qos(2, 4).bytes(V5));
    client.expect(&V5.ack(0x50, 4, 0x10));
    client.send(&Publish::new("a", "x").qos(2, 5).bytes(V5));
    client.expect_disconnect(0x93);
}

/// Zero is no Receive Maximum (section 3.2.2.3.3).
fn a_receive_maximum_of_zero_is_announced_as_the_one_that_holds(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    assert_eq!(client.connack.number(0x21), Some(1));
    client.publish("a", "x", 2);
    client.send(&Publish::new("a", "x").qos(2, 1).bytes(V5));
    client.expect(&V5.ack(0x50, 1, 0x10));
    client.send(&Publish::new("a", "x").qos(2, 2).bytes(V5));
    client.expect_disconnect(0x93);
}

fn receives_none(settings: &mut Settings) {
    settings.session.inbound_receive_maximum = 0;
}

fn receives_three(settings: &mut Settings) {
    settings.session.inbound_receive_maximum = 3;
}

fn a_packet_too_large_for_the_broker_ends_the_connection(broker: &Broker, version: Version) {
    let mut bystander = Client::connect(broker, &Connect::new(version, "bystander"));
    bystander.subscribe("a", 0);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    if version == V5 {
        assert_eq!(client.connack.number(0x27), Some(1000));
    }
    let largest = "x".repeat(1000 - 3 - version.properties(&[]).len() - 3);
    client.send(&Publish::new("a", &largest).bytes(version));
    bystander.expect_publish(&Publish::new("a", &largest));
    // The length alone is enough; nobody waits for the rest.
    client.send(&Publish::new("a", format!("{largest}x")).bytes(version)[..3]);
    client.expect_disconnect(0x95);
    bystander.expect_nothing();
    let mut client =
        Client::open_with(broker, version, &Connect::new(version, &"a".repeat(1000)).bytes());
    client.expect_closed();
}

fn takes_1000_bytes(settings: &mut Settings) {
    settings.limits.packet_size = 1000;
}

/// A publisher, and a client that subscribed to `a` with QoS 2.
fn pair(broker: &Broker, connect: &Connect) -> (Client, Client) {
    let publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, connect);
    client.subscribe("a", 2);
    (publisher, client)
}
