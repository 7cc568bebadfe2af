//! What a peer can make the broker hold has a limit, and nobody else pays for it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;

use flux_mqtt::{Settings, WhenFull};

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, DEADLINE, PINGREQ, PINGRESP, Publish, Version, puback,
};

scenarios! {
    a_full_queue_drops_the_newest with ten_queued_messages,
    a_full_queue_may_lose_the_oldest with ten_newest_queued_messages,
    a_full_queue_may_refuse_though_another_has_room with ten_queued_messages_or_refusal,
    a_message_refused_for_a_full_queue_frees_its_identifier with ten_queued_messages,
    packet_identifiers_are_used_again with three_packet_identifiers,
    retained_and_live_messages_never_cross,
}

scenarios_of_all_versions! {
    a_subscriber_that_does_not_read_holds_nobody_up,
    a_client_that_does_not_read_its_answers_is_not_read with few_unsent_bytes,
    deliveries_wait_for_a_slow_reader_and_keep_their_order with few_unsent_bytes,
    each_of_several_publishers_keeps_its_order,
}

fn ten_queued_messages(settings: &mut Settings) {
    settings.session.queued_messages = 10;
}

fn ten_newest_queued_messages(settings: &mut Settings) {
    settings.session.queued_messages = 10;
    settings.session.when_full = WhenFull::DropOldest;
}

fn ten_queued_messages_or_refusal(settings: &mut Settings) {
    settings.session.queued_messages = 10;
    settings.session.when_full = WhenFull::Refuse;
}

fn three_packet_identifiers(settings: &mut Settings) {
    settings.session.packet_ids = 3;
}

fn few_unsent_bytes(settings: &mut Settings) {
    settings.unsent_for_answers = 1000;
    settings.unsent_for_deliveries = 1000;
}

/// Resumes the session of client `a` and takes the messages that waited in it.
#[track_caller]
fn resume_with(broker: &Broker, numbers: Range<u32>) -> Client {
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    for number in numbers {
        assert_eq!(client.receive_and_acknowledge().number(), number);
    }
    client
}

fn a_full_queue_drops_the_newest(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("a", 1);
    client.disconnect();
    for number in 0..20 {
        publisher.send(&Publish::new("a", number.to_string()).qos(1, 1).bytes(V5));
        if number < 10 {
            publisher.expect(&puback(1));
        } else {
            publisher.expect_ack(0x40, 1, 0x97);
        }
    }
    let mut client = resume_with(broker, 0..10);
    client.expect_nothing();
    publisher.publish("a", "room again", 1);
    assert_eq!(client.receive_and_acknowledge().text(), "room again");
}

fn a_full_queue_may_lose_the_oldest(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("a", 1);
    client.disconnect();
    for number in 0..20 {
        publisher.send(&Publish::new("a", number.to_string()).qos(1, 1).bytes(V5));
        publisher.expect(&puback(1));
    }
    let mut client = resume_with(broker, 10..20);
    client.expect_nothing();
}

fn a_full_queue_may_refuse_though_another_has_room(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut other = Client::connect(broker, &Connect::new(V5, "other"));
    other.subscribe("a", 0);
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("a", 1);
    client.disconnect();
    for number in 0..12 {
        publisher.send(&Publish::new("a", number.to_string()).qos(1, 1).bytes(V5));
        if number < 10 {
            publisher.expect(&puback(1));
        } else {
            publisher.expect_ack(0x40, 1, 0x97);
        }
        assert_eq!(other.receive().number(), number);
    }
    let mut client = resume_with(broker, 0..10);
    client.expect_nothing();
}

/// [MQTT-4.3.3-9]: after PUBREC 0x97 the identifier stands for a new message.
fn a_message_refused_for_a_full_queue_frees_its_identifier(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.subscribe("a", 1);
    client.disconnect();
    for number in 0..10 {
        publisher.publish("a", number.to_string(), 1);
    }
    publisher.send(&Publish::new("a", "refused").qos(2, 1).bytes(V5));
    publisher.expect_ack(0x50, 1, 0x97);
    let mut client = resume_with(broker, 0..10);
    client.ping();
    publisher.publish("a", "a new message", 2);
    assert_eq!(client.receive_and_acknowledge().text(), "a new message");
}

fn packet_identifiers_are_used_again(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("a", 1);
    for number in 0..20 {
        publisher.publish("a", number.to_string(), 1);
    }
    let mut open: Vec<_> = (0..3).map(|_| client.receive()).collect();
    client.expect_nothing();
    for number in 3..20 {
        let acknowledged = open.remove(usize::try_from(number).unwrap() % 3).id;
        client.send(&puback(acknowledged));
        let next = client.receive();
        assert_eq!((next.number(), next.id), (number, acknowledged));
        open.push(next);
    }
}

fn retained_and_live_messages_never_cross(broker: &Broker) {
    const LAST: u32 = 2000;
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
            for number in 0..=LAST {
                publisher
                    .publish_packet(&Publish::new("a", number.to_string()).qos(1, 1).retain(), 1);
            }
        });
        let mut seen = 0;
        while seen < LAST {
            let mut client = Client::connect(broker, &Connect::new(V5, "subscriber"));
            client.subscribe("+", 0);
            let first = client.receive().number();
            assert!(first >= seen, "{first} after {seen}");
            seen = first;
            for _ in 0..20.min(LAST - first) {
                let next = client.receive().number();
                // The retained message may come live as well, but nothing is left out.
                assert!(next == seen || next == seen + 1, "{next} after {seen}");
                seen = next;
            }
        }
        publisher.join().unwrap();
    });
}

fn a_subscriber_that_does_not_read_holds_nobody_up(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut lazy = Client::connect(broker, &Connect::new(version, "lazy"));
    let mut keen = Client::connect(broker, &Connect::new(version, "keen"));
    lazy.subscribe("a", 0);
    keen.subscribe("a", 0);
    let payload = |number: u32| format!("{number:>60000}");
    for number in 0..200 {
        publisher.publish("a", payload(number), 1);
        keen.expect_publish(&Publish::new("a", payload(number)));
    }
    for number in 0..200 {
        lazy.expect_publish(&Publish::new("a", payload(number)));
    }
}

fn a_client_that_does_not_read_its_answers_is_not_read(broker: &Broker, version: Version) {
    const PINGS: usize = 2_000_000;
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    let mut other = Client::connect(broker, &Connect::new(version, "other"));
    let writer = client.stream().try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The sockets hold a part of it; the rest is written while the answers are read.
            std::io::Write::write_all(&mut &writer, &PINGREQ.repeat(PINGS)).unwrap();
        });
        other.ping();
        for _ in 0..PINGS / 1000 {
            client.expect(&PINGRESP.repeat(1000));
        }
    });
    client.expect_nothing();
}

pub(crate) fn deliveries_wait_for_a_slow_reader_and_keep_their_order(
    broker: &Broker,
    version: Version,
) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.subscribe("a/#", 2);
    let payload = |number: u32| format!("{number:>10000}");
    for number in 0..500 {
        publisher.publish("a/b", payload(number), u8::from(number % 2 == 0));
    }
    for number in 0..500 {
        assert_eq!(subscriber.receive_and_acknowledge().text(), payload(number));
    }
    subscriber.expect_nothing();
}

fn each_of_several_publishers_keeps_its_order(broker: &Broker, version: Version) {
    const MESSAGES: u32 = 300;
    let mut subscriber = Client::connect(broker, &Connect::new(version, "subscriber"));
    subscriber.stream().set_read_timeout(Some(3 * DEADLINE)).unwrap();
    subscriber.subscribe("+", 2);
    let publishers = ["a", "b", "c", "d"];
    let mut next: BTreeMap<String, u32> = BTreeMap::new();
    thread::scope(|scope| {
        for (qos, topic) in (0..).zip(publishers) {
            scope.spawn(move || {
                let mut publisher = Client::connect(broker, &Connect::new(version, topic));
                for number in 0..MESSAGES {
                    publisher.publish(topic, number.to_string(), qos % 3);
                }
            });
        }
        for _ in 0..4 * MESSAGES {
            let received = subscriber.receive_and_acknowledge();
            let number = received.number();
            let expected = next.entry(received.topic).or_default();
            assert_eq!(number, *expected);
            *expected += 1;
        }
    });
    subscriber.expect_nothing();
}
