//! Clients publish nothing to the topics that are the broker's own.

use bytes::Bytes;
use flux_eventbus::{DropReason, EventKind};

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Events, Publish, Version, Will, block_on};

scenarios! {
    v5_is_told_that_the_topic_is_not_for_clients,
    an_alias_is_no_way_around_it,
    a_will_to_such_a_topic_refuses_connect,
    the_process_itself_may_publish_there,
}

scenarios_of_all_versions! {
    what_a_client_publishes_there_is_dropped,
    the_rest_of_the_dollar_topics_is_usable,
}

fn v5_is_told_that_the_topic_is_not_for_clients(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("$SYS/#", 0);
    for topic in ["$SYS", "$SYS/broker/version"] {
        client.send(&Publish::new(topic, "x").qos(1, 1).bytes(V5));
        client.expect_ack(0x40, 1, 0x90);
        client.send(&Publish::new(topic, "x").retain().qos(2, 1).bytes(V5));
        client.expect_ack(0x50, 1, 0x90);
    }
    assert!(broker.handle.retained().get("$SYS").is_none());
    // The identifier is free again [MQTT-4.3.3-9].
    client.publish("a", "x", 2);
    client.expect_nothing();
}

fn an_alias_is_no_way_around_it(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    for name in ["$SYS/a", ""] {
        client.send(&Publish::new(name, "x").alias(1).qos(1, 1).bytes(V5));
        client.expect_ack(0x40, 1, 0x90);
    }
}

fn a_will_to_such_a_topic_refuses_connect(broker: &Broker) {
    for version in [V31, V311, V5] {
        let connect = Connect::new(version, "a").will(Will::new("$SYS/broker", "x"));
        let mut client = Client::open_with(broker, version, &connect.bytes());
        if version == V5 {
            client.expect_refusal(0x90);
        } else {
            client.expect(&[0x20, 2, 0, 5]);
            client.expect_closed();
        }
        let connect = Connect::new(version, "a").will(Will::new("$SYSTEM", "x"));
        Client::connect(broker, &connect).ping();
    }
}

fn the_process_itself_may_publish_there(broker: &Broker) {
    let mut clients = [V31, V311, V5].map(|version| {
        let mut client = Client::connect(broker, &Connect::new(version, &format!("{version:?}")));
        client.subscribe("$SYS/#", 0);
        client
    });
    let manager = broker.handle.manager();
    let payload = Bytes::from_static(b"3");
    block_on(manager.publish_to_subscribers("$SYS/clients", payload, true)).unwrap();
    for client in &mut clients {
        client.expect_publish(&Publish::new("$SYS/clients", "3"));
    }
    let mut late = Client::connect(broker, &Connect::new(V5, "late"));
    late.subscribe("$SYS/+", 0);
    late.expect_publish(&Publish::new("$SYS/clients", "3").retain());
}

fn what_a_client_publishes_there_is_dropped(broker: &Broker, version: Version) {
    let mut events = Events::of(broker, EventKind::Dropped);
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("$SYS/#", 2);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    for qos in 0..=2 {
        let publish = Publish::new("$SYS/a", "x").retain();
        let publish = if qos == 0 { publish } else { publish.qos(qos, 1) };
        // MQTT 3 has no way to refuse: the acknowledgement is as always.
        if qos == 0 || version != V5 {
            client.publish_packet(&publish, qos);
        } else {
            client.send(&publish.bytes(version));
            client.expect_ack(if qos == 1 { 0x40 } else { 0x50 }, 1, 0x90);
        }
        events.expect_dropped("a", "$SYS/a", DropReason::NotAuthorized);
    }
    observer.expect_nothing();
    assert!(broker.handle.retained().get("$SYS/a").is_none());
}

fn the_rest_of_the_dollar_topics_is_usable(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    for topic in ["$SYSTEM/a", "$sys/a", "$other", "a/$SYS"] {
        client.subscribe(topic, 0);
        client.send(&Publish::new(topic, "x").bytes(version));
        client.expect_publish(&Publish::new(topic, "x"));
    }
}
