//! A topic has as many levels as the operator allows, and no more.

use flux_eventbus::{DropReason, EventKind};
use flux_mqtt::Settings;

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Events, Publish, Version, Will};

scenarios! {
    v5_is_told_that_a_topic_has_too_many_levels with three_levels,
    a_will_with_too_many_levels_refuses_connect with three_levels,
}

scenarios_of_all_versions! {
    a_filter_with_too_many_levels_is_refused_beside_others with three_levels,
    a_message_with_too_many_levels_is_dropped with three_levels,
}

fn three_levels(settings: &mut Settings) {
    settings.limits.topic_levels = 3;
}

fn v5_is_told_that_a_topic_has_too_many_levels(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    for topic in ["a/b/c/d", "///"] {
        client.send(&Publish::new(topic, "x").qos(1, 1).retain().bytes(V5));
        client.expect_ack(0x40, 1, 0x90);
        client.send(&Publish::new(topic, "x").qos(2, 1).bytes(V5));
        client.expect_ack(0x50, 1, 0x90);
    }
    assert!(broker.handle.retained().is_empty());
    client.publish("a/b/c", "x", 2);
}

fn a_will_with_too_many_levels_refuses_connect(broker: &Broker) {
    let connect = Connect::new(V5, "a").will(Will::new("a/b/c/d", "x"));
    Client::open_with(broker, V5, &connect.bytes()).expect_refusal(0x90);
    let connect = Connect::new(V5, "a").will(Will::new("a/b/c", "x"));
    Client::connect(broker, &connect).ping();
}

fn a_filter_with_too_many_levels_is_refused_beside_others(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    let filters = [("a/b/c", 0), ("a/b/c/#", 0), ("$share/g/+/+/+", 0), ("$share/g/+/+/+/+", 0)];
    client.send(&version.subscribe(1, &filters));
    let refusal = match version {
        V31 => 0,
        V311 => 0x80,
        V5 => 0x8F,
    };
    client.expect_codes(0x90, 1, &[0, refusal, 0, refusal]);
    client.send(&Publish::new("a/b/c", "x").bytes(version));
    for _ in 0..2 {
        client.expect_publish(&Publish::new("a/b/c", "x"));
    }
    client.expect_nothing();
}

fn a_message_with_too_many_levels_is_dropped(broker: &Broker, version: Version) {
    let mut events = Events::of(broker, EventKind::Dropped);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.subscribe("#", 0);
    client.send(&Publish::new("a/b/c/d", "x").retain().bytes(version));
    events.expect_dropped("a", "a/b/c/d", DropReason::NotAuthorized);
    client.expect_nothing();
}
