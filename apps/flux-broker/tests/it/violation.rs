//! Packets that break the rules: the connection ends, and nobody else notices (section 4.13).

#![expect(clippy::print_stdout, reason = "says of a failing table which line it was")]

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Version, packet, string};

scenarios! {
    what_both_versions_forbid_ends_the_connection,
    what_v5_forbids_ends_the_connection,
    what_v3_forbids_ends_the_connection,
    an_illegal_connect_of_v5_is_told_why,
    an_illegal_connect_of_v3_closes_without_a_byte,
}

/// Bytes, and what DISCONNECT of MQTT 5.0 calls them.
type Violation = (Vec<u8>, u8);

/// Each violation ends its own connection; a bystander is served before and after.
#[track_caller]
fn check(broker: &Broker, version: Version, violations: Vec<Violation>) {
    let mut bystander = Client::connect(broker, &Connect::new(version, "bystander"));
    for (bytes, code) in violations {
        let mut client = Client::connect(broker, &Connect::new(version, "violator"));
        client.send(&bytes);
        println!("{version:?} {code:#04x} {bytes:02x?}");
        client.expect_disconnect(code);
        bystander.expect_nothing();
    }
}

fn what_both_versions_forbid_ends_the_connection(broker: &Broker) {
    for version in [V311, V5] {
        check(broker, version, headers());
        check(broker, version, publishes(version));
        check(broker, version, subscribes(version));
        check(broker, version, unsubscribes(version));
    }
}

fn headers() -> Vec<Violation> {
    vec![
        (vec![0x00, 0], 0x81),
        (vec![0xC0, 0x80, 0x00], 0x81),
        (vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF], 0x81),
        (vec![0xC1, 0], 0x81),
        (vec![0xC0, 1, 0], 0x81),
        (vec![0xE1, 0], 0x81),
        (vec![0x42, 2, 0, 1], 0x81),
        (vec![0x60, 2, 0, 1], 0x81),
        (vec![0x40, 1, 1], 0x81),
        (vec![0x40, 2, 0, 0], 0x82),
        (vec![0x62, 2, 0, 0], 0x82),
        // What only a server sends.
        (vec![0x20, 2, 0, 0], 0x82),
        (vec![0x90, 3, 0, 1, 0], 0x82),
        (vec![0xB0, 2, 0, 1], 0x82),
        (vec![0xD0, 0], 0x82),
        (vec![0xF0, 0], 0x82),
    ]
}

fn publishes(version: Version) -> Vec<Violation> {
    let none = version.properties(&[]);
    let publish =
        |first: u8, topic: &[u8], id: &[u8]| packet(first, &[&string(topic), id, &none, b"x"]);
    vec![
        (publish(0x36, b"a", &[0, 1]), 0x81),
        (publish(0x38, b"a", &[]), 0x81),
        (publish(0x32, b"a", &[0, 0]), 0x82),
        (publish(0x30, b"", &[]), 0x82),
        (publish(0x30, b"a/+", &[]), 0x90),
        (publish(0x30, b"#", &[]), 0x90),
        (publish(0x30, b"a\0b", &[]), 0x81),
        (publish(0x30, b"\xC3\x28", &[]), 0x81),
        (publish(0x30, b"\xED\xA0\x80", &[]), 0x81),
        (packet(0x30, &[b"\0\x09topic"]), 0x81),
        (packet(0x32, &[b"\0\x01a\0"]), 0x81),
    ]
}

fn subscribes(version: Version) -> Vec<Violation> {
    let subscribe = |filter: &str| version.subscribe(1, &[(filter, 0)]);
    let mut flags = subscribe("a");
    flags[0] = 0x80;
    vec![
        (flags, 0x81),
        (version.subscribe(0, &[("a", 0)]), 0x82),
        (version.subscribe(1, &[]), 0x82),
        (version.subscribe(1, &[("a", 3)]), 0x82),
        (version.subscribe(1, &[("a", 0x40)]), 0x81),
        (version.subscribe(1, &[("a", 0x80)]), 0x81),
        (version.subscribe(1, &[("a", 0), ("b", 0x81)]), 0x81),
        (subscribe(""), 0x8F),
        (subscribe("a#"), 0x8F),
        (subscribe("a/#/b"), 0x8F),
        (subscribe("a+/b"), 0x8F),
        (subscribe("a\0"), 0x81),
        (packet(0x82, &[&[0, 1], &version.properties(&[]), &string("a")]), 0x81),
        (packet(0x82, &[&[0, 1], &version.properties(&[]), &[0, 9, b'a', 0]]), 0x81),
    ]
}

fn unsubscribes(version: Version) -> Vec<Violation> {
    let mut flags = version.unsubscribe(1, &["a"]);
    flags[0] = 0xA0;
    vec![
        (flags, 0x81),
        (version.unsubscribe(0, &["a"]), 0x82),
        (version.unsubscribe(1, &[]), 0x82),
        (version.unsubscribe(1, &["a", ""]), 0x8F),
        (version.unsubscribe(1, &["a/#/b"]), 0x8F),
        (packet(0xA2, &[&[0, 1], &version.properties(&[]), &[0, 9, b'a']]), 0x81),
    ]
}

fn what_v5_forbids_ends_the_connection(broker: &Broker) {
    let publish = |properties: &[u8]| packet(0x30, &[b"\0\x01a", &V5.properties(properties), b"x"]);
    let subscribe = |properties: &[u8]| V5.subscribe_with(1, properties, &[("a", 0)]);
    check(
        broker,
        V5,
        vec![
            (publish(&[0x23, 0, 17]), 0x94),
            (publish(&[0x23, 0xFF, 0xFF]), 0x94),
            (publish(&[0x23, 0, 0]), 0x94),
            (publish(&[0x23, 0, 1, 0x23, 0, 1]), 0x82),
            (publish(&[0x23, 1]), 0x81),
            (publish(&[0x0B, 1]), 0x82),
            (publish(&[0x01, 2]), 0x82),
            (publish(&[0x01, 0, 0x01, 0]), 0x82),
            (publish(&[0x11, 0, 0, 0, 1]), 0x81),
            (publish(&[0x7F]), 0x81),
            (publish(&[0x02, 0, 0]), 0x81),
            (publish(b"\x08\0\x01+"), 0x82),
            (publish(b"\x26\0\x01a"), 0x81),
            (packet(0x30, &[b"\0\x01a", &[9], b"x"]), 0x81),
            (packet(0x30, &[b"\0\x01a", &[0x80, 0], b"x"]), 0x81),
            (packet(0x30, &[b"\0\x01a"]), 0x81),
            (subscribe(&[0x0B, 0]), 0x82),
            (subscribe(&[0x0B, 1, 0x0B, 2]), 0x82),
            (subscribe(&[0x0B, 0x80, 0x80, 0x80, 0x80]), 0x81),
            // Retain Handling 3, and No Local on a shared subscription.
            (V5.subscribe(1, &[("a", 0x30)]), 0x82),
            (V5.subscribe(1, &[("$share/group/a", 0x04)]), 0x82),
            (V5.subscribe(1, &[("$share/group", 0)]), 0x8F),
            (V5.subscribe(1, &[("$share//a", 0)]), 0x8F),
            (V5.subscribe(1, &[("$share/gr+oup/a", 0)]), 0x8F),
            (V5.subscribe(1, &[("a", 0), ("$share/group/", 0)]), 0x8F),
            (V5.unsubscribe(1, &["$share/group"]), 0x8F),
            (vec![0x40, 3, 0, 1, 0x92], 0x81),
            (vec![0x62, 3, 0, 1, 0x10], 0x81),
            (vec![0x40, 5, 0, 1, 0, 0, 0], 0x81),
            (vec![0xE0, 1, 0x8E], 0x81),
            (vec![0xE0, 2, 0, 9], 0x81),
            (vec![0xF0, 2, 0x19, 0], 0x82),
        ],
    );
}

fn what_v3_forbids_ends_the_connection(broker: &Broker) {
    check(
        broker,
        V311,
        vec![
            (vec![0x40, 3, 0, 1, 0], 0x81),
            (vec![0x62, 4, 0, 1, 0, 0], 0x81),
            (vec![0xE0, 1, 0], 0x81),
            (V311.subscribe(1, &[("a", 4)]), 0x81),
            (V311.subscribe(1, &[("a", 8)]), 0x81),
            (V311.subscribe(1, &[("$share/group/a#", 0)]), 0x8F),
            (V311.subscribe(1, &[("$share/group", 3)]), 0x82),
        ],
    );
}

fn an_illegal_connect_of_v5_is_told_why(broker: &Broker) {
    let connect = |flags: u8, properties: &[u8], payload: &[u8]| {
        let head = [string("MQTT"), vec![5, flags, 0, 60]].concat();
        packet(0x10, &[&head, &V5.properties(properties), payload])
    };
    let table = [
        (connect(2, &[0x21, 0, 0], b"\0\x01a"), 0x82),
        (connect(2, &[0x27, 0, 0, 0, 0], b"\0\x01a"), 0x82),
        (connect(2, &[0x17, 1, 0x17, 1], b"\0\x01a"), 0x82),
        (connect(2, &[0x17, 2], b"\0\x01a"), 0x82),
        (connect(2, &[0x24, 1], b"\0\x01a"), 0x81),
        (connect(2, &[0x16, 0, 0], b"\0\x01a"), 0x82),
        (connect(2, &[0x7F], b"\0\x01a"), 0x81),
        (connect(2, &[0x21, 1], b"\0\x01a"), 0x81),
        (connect(2, &[], b"\0\x02a"), 0x81),
        (connect(2, &[], b"\0\x01\0"), 0x81),
        (connect(2, &[], b"\0\x01\xFF"), 0x81),
        (connect(2, &[], b"\0\x01ax"), 0x81),
        (connect(2, &[], b""), 0x81),
        // Will QoS 3; will QoS and will retain without a will.
        (connect(0x1E, &[], b"\0\x01a\0\0\x01w\0\x01x"), 0x81),
        (connect(0x0A, &[], b"\0\x01a"), 0x81),
        (connect(0x22, &[], b"\0\x01a"), 0x81),
        (connect(0x06, &[], b"\0\x01a\0\0\x01+\0\x01x"), 0x90),
        (connect(0x06, &[], b"\0\x01a\0\0\0\0\x01x"), 0x82),
        (connect(0x06, &[], b"\0\x01a\x02\x0B\x01\0\x01w\0\x01x"), 0x81),
        (connect(0x82, &[], b"\0\x01a"), 0x81),
        (connect(0xC2, &[], b"\0\x01a\0\x01u"), 0x81),
    ];
    for (bytes, code) in table {
        println!("{code:#04x} {bytes:02x?}");
        let mut client = Client::open_with(broker, V5, &bytes);
        client.expect_refusal(code);
    }
}

fn an_illegal_connect_of_v3_closes_without_a_byte(broker: &Broker) {
    let connect =
        |flags: u8, payload: &[u8]| packet(0x10, &[&string("MQTT"), &[4, flags, 0, 60], payload]);
    let table = [
        connect(2, b""),
        connect(2, b"\0\x02a"),
        connect(2, b"\0\x01\0"),
        connect(2, b"\0\x01ax"),
        connect(0x1E, b"\0\x01a\0\x01w\0\x01x"),
        connect(0x0A, b"\0\x01a"),
        connect(0x22, b"\0\x01a"),
        connect(0x06, b"\0\x01a\0\x01+\0\x01x"),
        // A password without a user name.
        connect(0x42, b"\0\x01a\0\x01p"),
        connect(0x82, b"\0\x01a"),
        packet(0x11, &[b"\0\x04MQTT\x04\x02\0\x3C\0\x01a"]),
    ];
    for bytes in table {
        println!("{bytes:02x?}");
        Client::open_with(broker, V311, &bytes).expect_closed();
    }
}
