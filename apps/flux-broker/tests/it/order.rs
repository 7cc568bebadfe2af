//! Order per publisher and topic, whatever happens to the subscriber (section 4.6).

use std::collections::BTreeMap;
use std::thread;

use crate::support::{
    Broker, Client, Connect, Publish, Received, Version, puback, pubcomp, pubrec, pubrel,
};

scenarios_of_all_versions! {
    messages_keep_their_order_across_takeovers,
    qualities_of_service_of_one_topic_keep_their_order_while_nothing_is_lost,
}

const MESSAGES: u32 = 150;

/// Of each publisher the messages come for the first time in their order, and what comes again comes
/// in its order too.
fn messages_keep_their_order_across_takeovers(broker: &Broker, version: Version) {
    let connect = Connect::persistent(version, "subscriber");
    let mut client = Client::connect(broker, &connect);
    client.subscribe("+", 2);
    thread::scope(|scope| {
        for topic in ["a", "b", "c"] {
            scope.spawn(move || publish_all(broker, version, topic));
        }
        let mut order = Order::default();
        let mut answers = 0;
        for round in 0.. {
            for _ in 0..round % 7 {
                if order.is_complete() {
                    return;
                }
                let packet = client.packet();
                order.read(version, &packet);
                answers += 1;
                // Every third is not answered, and comes again.
                if answers % 3 > 0 {
                    client.send(&answer(version, &packet));
                }
            }
            client = Client::resume(broker, &connect);
            order.again.clear();
        }
    });
}

/// Publishes numbers in turn at QoS 1 and 2.
fn publish_all(broker: &Broker, version: Version, topic: &str) {
    let mut publisher = Client::connect(broker, &Connect::new(version, topic));
    for number in 0..MESSAGES {
        publisher.publish(topic, number.to_string(), if number % 2 == 0 { 1 } else { 2 });
    }
}

fn answer(version: Version, packet: &[u8]) -> Vec<u8> {
    if packet[0] == 0x62 {
        return pubcomp(u16::from_be_bytes([packet[2], packet[3]]));
    }
    let received = Received::parse(version, packet);
    if received.qos == 1 { puback(received.id) } else { pubrec(received.id) }
}

/// What came of each topic.
#[derive(Default)]
struct Order {
    /// The number that comes next for the first time.
    next: BTreeMap<String, u32>,
    /// The last number that came again, on this connection.
    again: BTreeMap<String, u32>,
}

impl Order {
    fn read(&mut self, version: Version, packet: &[u8]) {
        if packet[0] == 0x62 {
            return;
        }
        let received = Received::parse(version, packet);
        let number = received.number();
        let next = self.next.entry(received.topic.clone()).or_default();
        if number == *next {
            *next += 1;
            return;
        }
        assert!(received.dup && number < *next, "{received:?}, expected {next}");
        let before = self.again.insert(received.topic, number);
        assert!(before.is_none_or(|before| before < number), "{before:?} {number}");
    }

    fn is_complete(&self) -> bool {
        self.next.len() == 3 && self.next.values().all(|next| *next == MESSAGES)
    }
}

fn qualities_of_service_of_one_topic_keep_their_order_while_nothing_is_lost(
    broker: &Broker,
    version: Version,
) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a", 2);
    let publish = |id: u16| {
        let publish = Publish::new("a", id.to_string());
        let qos = u8::try_from(id % 3).unwrap();
        if qos == 0 { publish } else { publish.qos(qos, id) }.bytes(version)
    };
    publisher.send(&(1..=300).flat_map(publish).collect::<Vec<u8>>());
    for number in 1..=300 {
        assert_eq!(subscriber.receive_and_acknowledge().number(), number);
    }
    // Once released, none comes again.
    publisher.send(&(1..=300).filter(|id| id % 3 == 2).flat_map(pubrel).collect::<Vec<u8>>());
    subscriber.expect_nothing();
}
