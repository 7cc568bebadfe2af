//! Packets and the stream of bytes have nothing to do with each other (section 4.2).

use crate::support::{Broker, Client, Connect, PINGREQ, PINGRESP, Publish, Version, puback};

scenarios_of_all_versions! {
    thousands_of_packets_in_one_write_are_all_served,
    half_a_packet_is_waited_for_while_others_are_served,
    a_connection_that_ends_inside_a_packet_leaves_nothing_behind,
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
