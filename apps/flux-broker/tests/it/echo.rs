//! A client that publishes megabytes to its own subscription and reads only afterwards is
//! served: nobody waits for somebody who waits.

use std::time::Duration;

use crate::support::{Broker, Client, Connect, Publish, Received, Version, puback};

scenarios_of_all_versions! {
    ten_thousand_messages_at_qos_0_are_written_before_one_is_read,
    ten_thousand_messages_at_qos_1_are_written_before_one_is_read,
    one_message_of_ten_megabytes_is_written_before_it_is_read,
}

const MESSAGES: u16 = 10_000;

pub(crate) fn ten_thousand_messages_at_qos_0_are_written_before_one_is_read(
    broker: &Broker,
    version: Version,
) {
    let mut client = patient(broker, version);
    client.subscribe("echo", 0);
    for number in 0..MESSAGES {
        client.send(&Publish::new("echo", kilobyte(number)).bytes(version));
    }
    for number in 0..MESSAGES {
        client.expect_publish(&Publish::new("echo", kilobyte(number)));
    }
    client.expect_nothing();
}

pub(crate) fn ten_thousand_messages_at_qos_1_are_written_before_one_is_read(
    broker: &Broker,
    version: Version,
) {
    let mut client = patient(broker, version);
    client.subscribe("echo", 1);
    for number in 0..MESSAGES {
        client.send(&Publish::new("echo", kilobyte(number)).qos(1, number + 1).bytes(version));
    }
    let (mut acknowledged, mut received) = (0, 0);
    while acknowledged < MESSAGES || received < MESSAGES {
        let packet = client.packet();
        if packet[0] == 0x40 {
            assert_eq!(packet, puback(acknowledged + 1));
            acknowledged += 1;
        } else {
            let publish = Received::parse(version, &packet);
            assert_eq!((publish.qos, publish.dup), (1, false));
            assert_eq!(publish.text(), kilobyte(received));
            client.send(&puback(publish.id));
            received += 1;
        }
    }
    client.expect_nothing();
}

pub(crate) fn one_message_of_ten_megabytes_is_written_before_it_is_read(
    broker: &Broker,
    version: Version,
) {
    let mut client = patient(broker, version);
    client.subscribe("echo", 2);
    let payload: Vec<u8> = (0..10_000_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    client.send(&Publish::new("echo", &payload).qos(1, 1).bytes(version));
    client.expect(&puback(1));
    assert_eq!(client.receive_and_acknowledge().payload, payload);
    client.expect_nothing();
}

/// A client that gives the broker more time than the others do.
fn patient(broker: &Broker, version: Version) -> Client {
    let client = Client::connect(broker, &Connect::new(version, "echo"));
    let deadline = Some(Duration::from_secs(60));
    client.stream().set_write_timeout(deadline).unwrap();
    client.stream().set_read_timeout(deadline).unwrap();
    client
}

fn kilobyte(number: u16) -> String {
    format!("{number:>1024}")
}
