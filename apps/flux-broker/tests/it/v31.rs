//! What is different in MQTT 3.1; most scenarios of the other files run in it as well.

use crate::support::Version::{V5, V31, V311};
use crate::support::{
    Broker, Client, Connect, PINGREQ, PINGRESP, Publish, packet, puback, pubcomp, pubrec, string,
};

scenarios! {
    connack_does_not_tell_of_a_session,
    a_client_identifier_has_1_to_23_characters,
    a_refused_subscription_is_acknowledged_and_not_made,
    retries_may_set_dup,
    flags_without_meaning_are_ignored,
    strings_that_end_early_are_tolerated,
    a_password_still_needs_a_user_name,
    a_session_goes_on_in_another_version,
}

fn connack_does_not_tell_of_a_session(broker: &Broker) {
    let connect = Connect::persistent(V31, "a").bytes();
    let mut client = Client::open_with(broker, V31, b"\x10\x0F\0\x06MQIsdp\x03\0\0\x3C\0\x01a");
    client.expect(&[0x20, 2, 0, 0]);
    client.subscribe("a", 1);
    client.disconnect();
    let mut publisher = Client::connect(broker, &Connect::new(V31, "publisher"));
    publisher.publish("a", "kept", 1);
    let mut client = Client::open_with(broker, V31, &connect);
    client.expect(&[0x20, 2, 0, 0]);
    assert_eq!(client.receive_and_acknowledge().text(), "kept");
}

fn a_client_identifier_has_1_to_23_characters(broker: &Broker) {
    for name in ["", &"x".repeat(24), &"é".repeat(24)] {
        for connect in [Connect::new(V31, name), Connect::new(V31, name).resume()] {
            let mut client = Client::open_with(broker, V31, &connect.bytes());
            client.expect(&[0x20, 2, 0, 2]);
            client.expect_closed();
        }
    }
    for name in ["x", &"x".repeat(23), &"é".repeat(23)] {
        Client::connect(broker, &Connect::new(V31, name)).ping();
    }
    Client::connect(broker, &Connect::new(V311, &"x".repeat(24))).ping();
}

fn a_refused_subscription_is_acknowledged_and_not_made(broker: &Broker) {
    let filters = [("a", 1), ("denied/#", 2), ("denied/b", 0), ("c", 0)];
    for (version, codes) in
        [(V31, [1, 2, 0, 0]), (V311, [1, 0x80, 0x80, 0]), (V5, [1, 0x87, 0x87, 0])]
    {
        let mut client = Client::connect(broker, &Connect::new(version, "a"));
        client.send(&version.subscribe(1, &filters));
        client.expect_codes(0x90, 1, &codes);
        let retained = flux_mqtt::RetainedMessage {
            topic: "denied/b".to_owned(),
            payload: bytes::Bytes::from_static(b"hidden"),
            qos: 0,
        };
        broker.handle.retained().set(retained.topic, retained.payload, retained.qos);
        client.send(&version.subscribe(2, &filters[1..3]));
        client.expect_codes(0x90, 2, &codes[1..3]);
        client.expect_nothing();
    }
}

fn retries_may_set_dup(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V31, "a"));
    for retry in [false, true] {
        client.send(&with_dup(V31.subscribe(1, &[("a", 2)]), retry));
        client.expect(&V31.suback(1, &[2]));
    }
    let publish = Publish::new("a", "x").qos(2, 7);
    client.send(&publish.bytes(V31));
    client.expect(&pubrec(7));
    client.expect_publish(&Publish::new("a", "x").qos(2, 1));
    client.send(&publish.dup().bytes(V31));
    client.expect(&pubrec(7));
    for retry in [false, true] {
        client.send(&with_dup(vec![0x62, 2, 0, 7], retry));
        client.expect(&pubcomp(7));
    }
    for retry in [false, true] {
        client.send(&with_dup(V31.unsubscribe(2, &["a"]), retry));
        client.expect(&V31.unsuback(2, &[]));
    }
    // Without QoS 1 they are malformed all the same, and with DUP in other versions.
    for bytes in [vec![0x80, 0], vec![0xA8, 0], vec![0x60, 2, 0, 7], vec![0x6C, 2, 0, 7]] {
        let mut client = Client::connect(broker, &Connect::new(V31, "b"));
        client.send(&bytes);
        client.expect_closed();
    }
    for version in [V311, V5] {
        let packets = [
            version.subscribe(1, &[("a", 0)]),
            version.unsubscribe(1, &["a"]),
            vec![0x62, 2, 0, 7],
        ];
        for bytes in packets {
            let mut client = Client::connect(broker, &Connect::new(version, "b"));
            client.send(&with_dup(bytes, true));
            client.expect_disconnect(0x81);
        }
    }
}

fn with_dup(mut packet: Vec<u8>, is_set: bool) -> Vec<u8> {
    packet[0] |= u8::from(is_set) << 3;
    packet
}

fn flags_without_meaning_are_ignored(broker: &Broker) {
    let mut connect = Connect::new(V31, "a").bytes();
    connect[0] |= 0x0B;
    let mut client = Client::open_with(broker, V31, &connect);
    client.expect_connack();
    for flags in 1..=15 {
        client.send(&[PINGREQ[0] | flags, 0]);
        client.expect(&PINGRESP);
    }
    client.subscribe("a", 1);
    client.send(&Publish::new("a", "x").bytes(V31));
    assert_eq!(client.receive().text(), "x");
    // DUP at QoS 0.
    client.send(&[&[0x38, 4], &string("a")[..], b"y"].concat());
    assert_eq!(client.receive().text(), "y");
    // Acknowledged, or it would come again.
    client.send(&Publish::new("a", "z").qos(1, 1).bytes(V31));
    client.expect(&puback(1));
    let mut ack = puback(client.receive().id);
    ack[0] |= 0x0F;
    client.send(&ack);
    client.expect_nothing();
    client.send(&[0xEF, 0]);
    client.expect_closed();
    for version in [V311, V5] {
        let mut connect = Connect::new(version, "a").bytes();
        connect[0] |= 0x08;
        let mut client = Client::open_with(broker, version, &connect);
        if version == V5 {
            let refusal = client.packet();
            assert_eq!((refusal[0], refusal[3]), (0x20, 0x81));
        }
        client.expect_closed();
    }
}

fn strings_that_end_early_are_tolerated(broker: &Broker) {
    for (flags, strings) in [
        (0xC2, vec![]),
        (0xC2, vec!["user"]),
        (0xC2, vec!["user", "password"]),
        (0x82, vec![]),
        (0x82, vec!["user"]),
    ] {
        let strings: Vec<u8> = strings.iter().flat_map(string).collect();
        let mut client = Client::open_with(broker, V31, &connect(flags, &strings));
        client.expect_connack();
        client.ping();
    }
    // Half a string is none.
    Client::open_with(broker, V31, &connect(0x82, &[0])).expect_closed();
    Client::open_with(broker, V31, &connect(0x82, b"\0\x05user")).expect_closed();
    Client::open_with(broker, V31, &connect(0x02, b"\0\x04user")).expect_closed();
}

fn a_password_still_needs_a_user_name(broker: &Broker) {
    Client::open_with(broker, V31, &connect(0x42, &string("password"))).expect_closed();
    Client::open_with(broker, V31, &connect(0x03, &[])).expect_closed();
}

fn connect(flags: u8, strings: &[u8]) -> Vec<u8> {
    packet(0x10, &[&string("MQIsdp"), &[3, flags, 0, 0], &string("a"), strings])
}

fn a_session_goes_on_in_another_version(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V311, "publisher"));
    Client::connect(broker, &Connect::persistent(V31, "a")).subscribe("a", 2);
    for version in [V5, V31, V311, V31] {
        publisher.publish("a", "for you", 2);
        let mut client = Client::resume(broker, &Connect::persistent(version, "a"));
        assert_eq!(client.receive_and_acknowledge().text(), "for you");
        client.disconnect();
    }
}
