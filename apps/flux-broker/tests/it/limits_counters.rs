//! What is dropped, refused and ended is counted, also when nobody listens to events.

use std::time::Duration;

use flux_eventbus::{DisconnectReason, DropReason};
use flux_mqtt::{Count, Counters, Publication, QoS, ReasonCode, Settings};

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, Publish, Version, Will, let_pass, packet, puback, u32_property,
};

scenarios! {
    each_reason_to_drop_a_message_is_counted with one_queued_message,
    what_a_consumer_loses_is_counted with one_queued_message,
}

scenarios_of_all_versions! {
    what_is_refused_is_counted_in_every_version,
}

fn one_queued_message(settings: &mut Settings) {
    settings.session.queued_messages = 1;
    settings.retained.messages = 1;
}

/// What was counted since `before` of dropped messages, with this reason and in all.
fn dropped(broker: &Broker, before: &Counters, reason: DropReason) -> (u64, u64) {
    let after = broker.handle.counters();
    let of = |reason| after.dropped(reason) - before.dropped(reason);
    (of(reason), after.all_dropped() - before.all_dropped())
}

fn each_reason_to_drop_a_message_is_counted(broker: &Broker) {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let connect = Connect::persistent(V5, "a").receive_maximum(1);
    let mut client = Client::connect(broker, &connect);
    client.subscribe("a", 1);
    client.send(&V5.subscribe(1, &[("b", 0)]));
    client.expect(&V5.suback(1, &[0]));

    let before = broker.handle.counters();
    // One is in flight, one waits for its second, one finds no room.
    publisher.publish("a", "in flight", 1);
    let in_flight = client.receive();
    let short = Publish::new("a", "short").qos(1, 1).property(&u32_property(0x02, 1));
    publisher.publish_packet(&short, 1);
    publisher.send(&Publish::new("a", "refused").qos(1, 1).bytes(V5));
    publisher.expect_ack(0x40, 1, 0x97);
    assert_eq!(dropped(broker, &before, DropReason::QueueFull), (1, 1));
    assert_eq!(broker.handle.counters().of(Count::Refused(ReasonCode::QuotaExceeded)), 1);

    let before = broker.handle.counters();
    let_pass(broker, 1);
    client.send(&puback(in_flight.id));
    client.expect_nothing();
    assert_eq!(dropped(broker, &before, DropReason::Expired), (1, 1));

    let before = broker.handle.counters();
    publisher.publish("a", "not liked", 1);
    let not_liked = client.receive();
    client.send(&packet(0x40, &[&not_liked.id.to_be_bytes(), &[0x83]]));
    client.ping();
    assert_eq!(dropped(broker, &before, DropReason::Refused { code: 0 }), (1, 1));

    let before = broker.handle.counters();
    client.disconnect();
    publisher.publish("b", "to nobody", 0);
    assert_eq!(dropped(broker, &before, DropReason::Offline), (1, 1));

    let before = broker.handle.counters();
    publisher.publish("denied/a", "x", 0);
    assert_eq!(dropped(broker, &before, DropReason::NotAuthorized), (1, 1));

    let before = broker.handle.counters();
    for topic in ["r/1", "r/2"] {
        publisher.publish_packet(&Publish::new(topic, "x").retain(), 0);
    }
    assert_eq!(dropped(broker, &before, DropReason::NotRetained), (1, 0));

    let before = broker.handle.counters();
    publisher.send(&Publish::new("r/2", "x").qos(1, 1).retain().bytes(V5));
    publisher.packet();
    assert_eq!(dropped(broker, &before, DropReason::NotRetained).0, 0);
    assert_eq!(dropped(broker, &before, DropReason::QuotaExceeded), (1, 1));

    let before = broker.handle.counters();
    let small = Connect::new(V5, "small").maximum_packet_size(100);
    let mut small = Client::connect(broker, &small);
    small.subscribe("c", 0);
    publisher.publish("c", [b'x'; 100], 0);
    small.expect_nothing();
    assert_eq!(dropped(broker, &before, DropReason::PacketTooLarge), (1, 1));

    let before = broker.handle.counters();
    publisher.publish("a", "kept", 1);
    Client::connect(broker, &Connect::new(V5, "a")).ping();
    assert_eq!(dropped(broker, &before, DropReason::SessionEnded), (1, 1));
}

fn what_a_consumer_loses_is_counted(broker: &Broker) {
    let manager = broker.handle.manager();
    let subscriber = manager.subscriber().subscribe("a", QoS::AtLeastOnce);
    let mut subscriber = subscriber.open_blocking().unwrap();
    let before = broker.handle.counters();
    let short = Publication::new("a", "x").message_expiry_interval(Duration::from_secs(1));
    let outcome = manager.publish_blocking(&short.qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(outcome.taken, 1);
    let_pass(broker, 1);
    assert!(subscriber.try_recv().is_none());
    assert_eq!(dropped(broker, &before, DropReason::Expired), (1, 1));
}

fn what_is_refused_is_counted_in_every_version(broker: &Broker, version: Version) {
    let count = |what| broker.handle.counters().of(what);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&version.subscribe(1, &[("a", 0), ("denied/a", 0), ("denied/b", 0)]));
    client.packet();
    assert_eq!(count(Count::Refused(ReasonCode::NotAuthorized)), 2);
    client.send(&Publish::new("denied/a", "x").qos(1, 1).bytes(version));
    client.packet();
    assert_eq!(count(Count::Refused(ReasonCode::NotAuthorized)), 3);
    assert_eq!(broker.handle.counters().all_refused(), 3);
    client.disconnect();
    assert_eq!(broker.handle.counters().disconnected(DisconnectReason::ByClient), 1);
    // A will that nobody may publish.
    let will = Will::new("denied/a", "x");
    let connect = Connect::new(version, "b").will(will);
    let mut refused = Client::open_with(broker, version, &connect.bytes());
    refused.packet();
    assert_eq!(count(Count::ConnectRefused(ReasonCode::NotAuthorized)), 1);
    assert_eq!(broker.handle.counters().all_connects_refused(), 1);
    // What is no MQTT ends the connection.
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.send(&[0x00, 0x00]);
    client.expect_disconnect(0x81);
    let reason = DisconnectReason::ProtocolError { code: 0 };
    assert_eq!(broker.handle.counters().disconnected(reason), 1);
}
