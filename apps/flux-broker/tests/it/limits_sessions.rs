//! There are as many sessions as there may be, and each of their queues holds as many bytes as it may.

use flux_eventbus::{DropReason, Event, EventKind, Limit};
use flux_mqtt::{ManagerError, QoS, Settings};

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Events, Publish, Version, Will};

scenarios_of_all_versions! {
    one_session_too_many_is_refused with two_sessions,
    a_queue_holds_as_many_bytes_as_it_may with ten_kilobytes,
    a_shared_subscription_holds_as_many_bytes_as_it_may with ten_kilobytes,
    retained_messages_are_as_many_bytes_as_they_may_be with ten_kilobytes,
    nothing_is_left_of_a_crowd_that_left,
}

fn two_sessions(settings: &mut Settings) {
    settings.limits.sessions = 2;
}

fn ten_kilobytes(settings: &mut Settings) {
    settings.session.queued_bytes = 10_000;
    settings.shared.limits.queued_bytes = 10_000;
    settings.retained.bytes = 10_000;
}

fn one_session_too_many_is_refused(broker: &Broker, version: Version) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let absent = Connect::persistent(version, "absent");
    Client::connect(broker, &absent).disconnect();
    let mut present = Client::connect(broker, &Connect::new(version, "present"));
    let mut third = Client::open(broker.address(), version);
    third.send(&Connect::new(version, "third").bytes());
    if version == V5 {
        third.expect_refusal(0x97);
    } else {
        third.expect(&[0x20, 2, 0, 3]);
        third.expect_closed();
    }
    let peer = Some(third.stream().local_addr().unwrap());
    let (limit, client_id) = (Limit::Sessions, Some("third".into()));
    assert_eq!(reached.expect(), Event::LimitReached { limit, client_id, peer });
    assert_eq!(broker.handle.counters().reached(limit), 1);
    assert_eq!(broker.handle.sessions(), 2);
    let subscriber = || broker.handle.manager().subscriber().subscribe("t", QoS::AtMostOnce);
    let error = subscriber().open_blocking().unwrap_err();
    assert_eq!(error, ManagerError::LimitReached { limit });
    // Who has a session has its place.
    present.ping();
    let mut present = Client::connect(broker, &Connect::new(version, "present"));
    let back = Client::resume(broker, &absent);
    back.disconnect();
    // Once one ends there is a place.
    Client::connect(broker, &Connect::new(version, "absent")).disconnect();
    while subscriber().open_blocking().is_err() {}
    present.ping();
}

/// Publishes messages of 3,000 bytes at QoS 1, of which three have room, and then a small one.
#[track_caller]
fn publish_ten_kilobytes(
    broker: &Broker,
    version: Version,
    publish: impl Fn(u16, String) -> Publish,
) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    let before = broker.handle.counters().all_dropped();
    for number in 1..=4 {
        publisher.send(&publish(number, "x".repeat(3_000)).qos(1, number).bytes(version));
        let is_refused = publisher.packet().get(4) == Some(&0x97);
        assert_eq!(is_refused, number == 4 && version == V5, "{number}");
        let not_retained = broker.handle.counters().dropped(DropReason::NotRetained);
        let dropped = broker.handle.counters().all_dropped() + not_retained - before;
        assert_eq!(dropped, u64::from(number == 4));
    }
    publisher.send(&publish(5, "small".to_owned()).qos(1, 5).bytes(version));
    assert_ne!(publisher.packet().get(4), Some(&0x97));
}

#[track_caller]
fn expect_three_and_a_small_one(client: &mut Client) {
    for len in [3_000, 3_000, 3_000, 5] {
        assert_eq!(client.receive_and_acknowledge().text().len(), len);
    }
    client.ping();
}

fn a_queue_holds_as_many_bytes_as_it_may(broker: &Broker, version: Version) {
    let connect = Connect::persistent(version, "a");
    let mut client = Client::connect(broker, &connect);
    client.subscribe("t", 1);
    client.disconnect();
    publish_ten_kilobytes(broker, version, |_, payload| Publish::new("t", payload));
    assert_eq!(broker.handle.counters().dropped(DropReason::QueueFull), 1);
    expect_three_and_a_small_one(&mut Client::resume(broker, &connect));
}

fn a_shared_subscription_holds_as_many_bytes_as_it_may(broker: &Broker, version: Version) {
    let connect = Connect::persistent(version, "a");
    let mut client = Client::connect(broker, &connect);
    client.subscribe("$share/g/t", 1);
    client.disconnect();
    publish_ten_kilobytes(broker, version, |_, payload| Publish::new("t", payload));
    assert_eq!(broker.handle.counters().dropped(DropReason::QueueFull), 1);
    assert!((9_000..10_000).contains(&broker.handle.ledger().shared));
    expect_three_and_a_small_one(&mut Client::resume(broker, &connect));
}

fn retained_messages_are_as_many_bytes_as_they_may_be(broker: &Broker, version: Version) {
    publish_ten_kilobytes(broker, version, |number, payload| {
        Publish::new(&format!("r{number}"), payload).retain()
    });
    // Who can be told that it is not retained is refused as a whole.
    let reason = if version == V5 { DropReason::QuotaExceeded } else { DropReason::NotRetained };
    assert_eq!(broker.handle.counters().dropped(reason), 1);
    assert!((9_000..10_000).contains(&broker.handle.ledger().retained));
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.subscribe("+", 1);
    expect_three_and_a_small_one(&mut client);
}

/// The broker's own numbers, where memory would show a leak only if it is large.
fn nothing_is_left_of_a_crowd_that_left(broker: &Broker, version: Version) {
    let mut clients: Vec<_> = (0..20)
        .map(|number| {
            let will = Will::new("will", "x");
            let connect = Connect::new(version, &number.to_string()).will(will);
            let mut client = Client::connect(broker, &connect);
            client.subscribe("t", 1);
            client.subscribe("$share/g/t", 1);
            client
        })
        .collect();
    clients[0].send(&Publish::new("t", "x").qos(1, 1).bytes(version));
    for client in &mut clients[1..] {
        client.receive();
    }
    assert_eq!(broker.handle.sessions(), 20);
    assert!(broker.handle.ledger().sessions > 20 * 1_024);
    drop(clients);
    let is_empty = || broker.handle.sessions() == 0 && broker.handle.ledger().total() == 0;
    while !is_empty() {}
}
