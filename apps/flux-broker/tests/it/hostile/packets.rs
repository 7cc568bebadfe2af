//! Right packets in wrong pieces, and wrong lengths.

use super::end_of_bytes;
use crate::support::{
    Broker, Client, Connect, PINGREQ, PINGRESP, Publish, Version, Will, beside_a_bystander, packet,
    puback, pubcomp, pubrec, pubrel,
};

scenarios_of_all_versions! {
    a_packet_cut_anywhere_does_nothing,
    every_packet_is_understood_one_byte_at_a_time,
    a_length_of_256_mb_is_refused_before_anything_follows,
    a_length_that_never_ends_is_refused,
}

/// Every packet that a client sends, but CONNECT.
fn every_packet(version: Version) -> Vec<Vec<u8>> {
    let publish = Publish::new("cut", "never complete");
    let auth = (version == Version::V5).then(|| packet(0xF0, &[&[0x18, 0]]));
    let packets = [
        publish.bytes(version),
        publish.clone().retain().qos(1, 1).bytes(version),
        publish.qos(2, 1).bytes(version),
        puback(1),
        pubrec(1),
        pubrel(1),
        pubcomp(1),
        version.subscribe(1, &[("cut", 1), ("cut/#", 2)]),
        version.unsubscribe(1, &["cut", "cut/#"]),
        PINGREQ.to_vec(),
        vec![0xE0, 0],
    ];
    packets.into_iter().chain(auth).collect()
}

fn a_packet_cut_anywhere_does_nothing(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("cut", 0);
    let will = Will::new("cut", "never complete");
    let connect = Connect::new(version, "cut").will(will).bytes();
    beside_a_bystander(broker, version, || {
        for len in 1..connect.len() {
            let mut client = Client::open_with(broker, version, &connect[..len]);
            end_of_bytes(&client);
            client.expect_closed();
        }
        for packet in every_packet(version) {
            for len in 1..packet.len() {
                let mut client = Client::connect(broker, &Connect::new(version, "cut"));
                client.send(&packet[..len]);
                end_of_bytes(&client);
                client.expect_closed();
            }
        }
    });
    observer.expect_nothing();
}

fn every_packet_is_understood_one_byte_at_a_time(broker: &Broker, version: Version) {
    let slowly = |client: &mut Client, bytes: &[u8]| {
        // TCP_NODELAY is set: each byte travels alone.
        bytes.iter().for_each(|byte| client.send(&[*byte]));
    };
    beside_a_bystander(broker, version, || {
        let [mut publisher, mut subscriber] = ["publisher", "subscriber"].map(|name| {
            let mut client = Client::open(broker.address(), version);
            slowly(&mut client, &Connect::new(version, name).bytes());
            client.expect_connack();
            client
        });
        slowly(&mut subscriber, &version.subscribe(9, &[("a", 2)]));
        subscriber.expect(&version.suback(9, &[2]));

        let publish = Publish::new("a", "x".repeat(200));
        slowly(&mut publisher, &publish.bytes(version));
        subscriber.expect_publish(&publish);

        slowly(&mut publisher, &publish.clone().qos(1, 300).bytes(version));
        publisher.expect(&puback(300));
        let id = subscriber.receive().id;
        slowly(&mut subscriber, &puback(id));

        slowly(&mut publisher, &publish.qos(2, 301).bytes(version));
        publisher.expect(&pubrec(301));
        slowly(&mut publisher, &pubrel(301));
        publisher.expect(&pubcomp(301));
        let id = subscriber.receive().id;
        slowly(&mut subscriber, &pubrec(id));
        subscriber.expect(&pubrel(id));
        slowly(&mut subscriber, &pubcomp(id));

        slowly(&mut subscriber, &version.unsubscribe(10, &["a"]));
        subscriber.expect(&version.unsuback(10, &[0]));
        slowly(&mut subscriber, &PINGREQ);
        subscriber.expect(&PINGRESP);
        slowly(&mut subscriber, &[0xE0, 0]);
        subscriber.expect_closed();
    });
}

/// 268,435,455 is the largest that four bytes can say.
fn a_length_of_256_mb_is_refused_before_anything_follows(broker: &Broker, version: Version) {
    const LENGTH: [u8; 4] = [0xFF, 0xFF, 0xFF, 0x7F];
    beside_a_bystander(broker, version, || {
        for first in [0x10, 0x30] {
            Client::open_with(broker, version, &[&[first][..], &LENGTH].concat()).expect_closed();
        }
        for first in [0x30, 0x3D, 0x62, 0x82, 0xA2, 0xE0] {
            let mut client = Client::connect(broker, &Connect::new(version, "large"));
            client.send(&[&[first][..], &LENGTH].concat());
            client.expect_disconnect(0x95);
        }
    });
}

fn a_length_that_never_ends_is_refused(broker: &Broker, version: Version) {
    beside_a_bystander(broker, version, || {
        for first in [0x10, 0x30] {
            Client::open_with(broker, version, &[first, 0xFF, 0xFF, 0xFF, 0xFF]).expect_closed();
        }
        let mut client = Client::connect(broker, &Connect::new(version, "endless"));
        client.send(&[0x30, 0x80, 0x80, 0x80, 0x80]);
        client.expect_disconnect(0x81);
    });
}
