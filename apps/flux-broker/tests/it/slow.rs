//! Subscribers that are slower than their publishers: bounded, by a policy, and served afterwards.

use flux_eventbus::{DropReason, EventKind};
use flux_mqtt::{Settings, WhenFull};

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, Events, PINGREQ, Publish, Received, Version, let_pass, puback,
};

scenarios! {
    the_newest_is_dropped_and_its_publisher_told with drop_newest,
    the_oldest_is_dropped_and_the_publisher_not_told with drop_oldest,
    a_refused_message_is_told_even_if_others_got_it with refuse,
    a_session_that_overflows_is_over with end_session,
}

scenarios_of_all_versions! {
    a_subscriber_that_does_not_read_but_pings_is_served_afterwards with fifty_queued_messages,
}

fn fifty_queued_messages(settings: &mut Settings) {
    settings.session.queued_messages = 50;
}

/// Longer than the patience of its keep alive; then the queue is full, and stays full for as long
/// as it does not read.
fn a_subscriber_that_does_not_read_but_pings_is_served_afterwards(
    broker: &Broker,
    version: Version,
) {
    let mut drops = Events::of(broker, EventKind::Dropped);
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut deaf = Client::connect(broker, &Connect::new(version, "deaf").keep_alive(3));
    deaf.subscribe("a", 1);
    let payload = |number: u32| format!("{number:>60000}");
    // The sockets hold a part; the rest waits.
    let mut taken = 0;
    while publishes(&mut publisher, &payload(taken)) {
        taken += 1;
    }
    assert!(taken > 50, "{taken} are less than the queue");
    drops.expect_dropped("deaf", "a", DropReason::QueueFull);
    for _ in 0..3 {
        deaf.send(&PINGREQ);
        publisher.publish("a", "at QoS 0", 0);
        drops.expect_dropped("deaf", "a", DropReason::QueueFull);
        deaf.send(&PINGREQ);
        let_pass(broker, 2);
    }
    deaf.send(&PINGREQ);
    for number in 0..taken {
        assert!(next_but_pongs(&mut deaf).text() == payload(number), "not number {number}");
    }
    publisher.publish("a", "afterwards", 1);
    assert_eq!(next_but_pongs(&mut deaf).text(), "afterwards");
}

/// Publishes at QoS 1; returns whether it was taken.
fn publishes(publisher: &mut Client, payload: &str) -> bool {
    publisher.send(&Publish::new("a", payload).qos(1, 1).bytes(V5));
    let ack = publisher.packet();
    assert_eq!(ack[0], 0x40, "PUBACK");
    ack.get(4) != Some(&0x97)
}

/// Receives and acknowledges the next message; answers to pings may come before it.
fn next_but_pongs(client: &mut Client) -> Received {
    loop {
        let packet = client.packet();
        if packet[0] >> 4 != 3 {
            assert_eq!(packet, [0xD0, 0]);
            continue;
        }
        let received = Received::parse(client.version, &packet);
        client.send(&puback(received.id));
        return received;
    }
}

fn drop_newest(settings: &mut Settings) {
    three_queued_messages(settings, WhenFull::DropNewest);
}

fn drop_oldest(settings: &mut Settings) {
    three_queued_messages(settings, WhenFull::DropOldest);
}

fn refuse(settings: &mut Settings) {
    three_queued_messages(settings, WhenFull::Refuse);
}

fn end_session(settings: &mut Settings) {
    three_queued_messages(settings, WhenFull::EndSession);
}

fn three_queued_messages(settings: &mut Settings, when_full: WhenFull) {
    settings.session.queued_messages = 3;
    settings.session.when_full = when_full;
}

/// A publisher, and a subscriber that has not acknowledged message 0 and may have no other; 1, 2
/// and 3 wait. Also returns the packet identifier of message 0.
fn full(broker: &Broker) -> (Client, Client, u16) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let connect = Connect::persistent(V5, "slow").receive_maximum(1);
    let mut slow = Client::connect(broker, &connect);
    slow.subscribe("a", 1);
    publisher.publish("a", "0", 1);
    let first = slow.receive();
    assert_eq!(first.number(), 0);
    for number in 1..4 {
        publisher.publish("a", number.to_string(), 1);
    }
    (publisher, slow, first.id)
}

/// Acknowledges message 0 and then what comes: these numbers, and one that is published last.
#[track_caller]
fn expect_numbers(publisher: &mut Client, slow: &mut Client, first: u16, numbers: &[u32]) {
    slow.send(&puback(first));
    for number in numbers {
        assert_eq!(slow.receive_and_acknowledge().number(), *number);
    }
    slow.expect_nothing();
    publisher.publish("a", "room again", 1);
    assert_eq!(slow.receive_and_acknowledge().text(), "room again");
}

fn the_newest_is_dropped_and_its_publisher_told(broker: &Broker) {
    let (mut publisher, mut slow, first) = full(broker);
    let mut drops = Events::of(broker, EventKind::Dropped);
    publisher.send(&Publish::new("a", "4").qos(1, 1).bytes(V5));
    publisher.expect_ack(0x40, 1, 0x97);
    drops.expect_dropped("slow", "a", DropReason::QueueFull);
    publisher.publish("a", "5", 0);
    drops.expect_dropped("slow", "a", DropReason::QueueFull);
    expect_numbers(&mut publisher, &mut slow, first, &[1, 2, 3]);
}

fn the_oldest_is_dropped_and_the_publisher_not_told(broker: &Broker) {
    let (mut publisher, mut slow, first) = full(broker);
    let mut drops = Events::of(broker, EventKind::Dropped);
    publisher.send(&Publish::new("a", "4").qos(1, 1).bytes(V5));
    publisher.expect(&puback(1));
    drops.expect_dropped("slow", "a", DropReason::QueueFull);
    // It displaces none that is worth more.
    publisher.publish("a", "5", 0);
    drops.expect_dropped("slow", "a", DropReason::QueueFull);
    expect_numbers(&mut publisher, &mut slow, first, &[2, 3, 4]);
}

fn a_refused_message_is_told_even_if_others_got_it(broker: &Broker) {
    let (mut publisher, mut slow, first) = full(broker);
    let mut other = Client::connect(broker, &Connect::new(V5, "other"));
    other.subscribe("a", 0);
    let mut drops = Events::of(broker, EventKind::Dropped);
    for (first, qos) in [(0x40, 1), (0x50, 2)] {
        publisher.send(&Publish::new("a", "4").qos(qos, 1).bytes(V5));
        publisher.expect_ack(first, 1, 0x97);
        drops.expect_dropped("slow", "a", DropReason::QueueFull);
        other.expect_publish(&Publish::new("a", "4"));
    }
    publisher.publish("a", "5", 0);
    drops.expect_dropped("slow", "a", DropReason::QueueFull);
    expect_numbers(&mut publisher, &mut slow, first, &[1, 2, 3]);
}

fn a_session_that_overflows_is_over(broker: &Broker) {
    let (mut publisher, mut slow, _) = full(broker);
    // QoS 0 is not worth a session.
    publisher.publish("a", "dropped", 0);
    publisher.send(&Publish::new("a", "4").qos(1, 1).bytes(V5));
    publisher.expect_ack(0x40, 1, 0x97);
    slow.expect_disconnect(0x97);
    publisher.send(&Publish::new("a", "nobody").qos(1, 1).bytes(V5));
    publisher.expect(&V5.puback_unmatched(1));
    let again = Client::connect(broker, &Connect::persistent(V5, "slow"));
    assert!(!again.session_present);
}
