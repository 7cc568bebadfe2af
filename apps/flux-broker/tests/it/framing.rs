//! Packets and the stream of bytes have nothing to do with each other (section 4.2).

use std::io::Write;

use crate::support::{
    Broker, Client, Connect, PINGREQ, PINGRESP, Publish, Version, puback, pubcomp, pubrec, pubrel,
};

scenarios_of_all_versions! {
    one_byte_at_a_time_is_understood,
    thousands_of_packets_in_one_write_are_all_served,
    half_a_packet_is_waited_for_while_others_are_served,
    a_connection_that_ends_inside_a_packet_leaves_nothing_behind,
}

fn one_byte_at_a_time_is_understood(broker: &Broker, version: Version) {
    let mut client = Client::open(broker.address(), version);
    let publish = Publish::new("a/b", "x".repeat(200)).qos(2, 300);
    let bytes = [
        Connect::new(version, "slow").bytes(),
        version.subscribe(1, &[("a/b", 0)]),
        publish.bytes(version),
        pubrel(300),
        PINGREQ.to_vec(),
    ];
    for byte in bytes.concat() {
        // TCP_NODELAY is set: each byte travels alone.
        client.stream().write_all(&[byte]).unwrap();
    }
    client.expect_connack();
    client.expect(&version.suback(1, &[0]));
    let mut rest: Vec<Vec<u8>> = (0..4).map(|_| client.packet()).collect();
    let delivery = rest.iter().position(|packet| packet[0] == 0x30).unwrap();
    assert_eq!(rest.remove(delivery), Publish::new("a/b", "x".repeat(200)).bytes(version));
    assert_eq!(rest, [pubrec(300), pubcomp(300), PINGRESP.to_vec()]);
}

fn thousands_of_packets_in_one_write_are_all_served(broker: &Broker, version: Version) {
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a", 0);
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let packets = (1..=3000_u16).flat_map(|id| {
        let publish = Publish::new("a", id.to_string()).qos(1, id);
        [publish.bytes(version), PINGREQ.to_vec()].concat()
    });
    publisher.send(&packets.collect::<Vec<u8>>());
    for id in 1..=3000 {
        publisher.expect(&puback(id));
        publisher.expect(&PINGRESP);
        subscriber.expect_publish(&Publish::new("a", id.to_string()));
    }
}

fn half_a_packet_is_waited_for_while_others_are_served(broker: &Broker, version: Version) {
    let mut slow = Client::connect(broker, &Connect::new(version, "slow"));
    let mut other = Client::connect(broker, &Connect::new(version, "other"));
    other.subscribe("a", 0);
    let publish = Publish::new("a", "y".repeat(100_000)).bytes(version);
    let (head, tail) = publish.split_at(50_000);
    slow.send(head);
    other.ping();
    slow.send(tail);
    other.expect_publish(&Publish::new("a", "y".repeat(100_000)));
}

fn a_connection_that_ends_inside_a_packet_leaves_nothing_behind(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("a", 0);
    let publish = Publish::new("a", "never complete").bytes(version);
    for len in 1..publish.len() {
        let mut client = Client::connect(broker, &Connect::new(version, "broken"));
        client.send(&publish[..len]);
        client.stream().shutdown(std::net::Shutdown::Write).unwrap();
        client.expect_closed();
    }
    observer.expect_nothing();
}
