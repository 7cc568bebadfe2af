//! What one listener agrees on with its clients, beside one that agrees on everything (section 3.2.2.3).

use std::num::NonZeroU16;
use std::sync::Arc;

use flux_eventbus::{DropReason, Limit};
use flux_mqtt::{Listen, Listener, QoS, SessionExpiry, Settings, WhenFull};

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Publish, Version, Will, puback};

scenarios! {
    connack_says_what_holds_where_a_client_comes_in with strict,
    other_versions_are_refused with only_v5,
    what_is_not_supported_is_refused_in_suback with strict,
    nothing_is_retained_where_it_is_not_available with strict,
    a_session_has_the_receive_maximum_of_each_connection with strict,
    larger_packets_pass_at_the_other_listener with strict,
    keep_alive_is_at_least_the_shortest with strict,
    sessions_last_no_longer_than_the_longest with strict,
    fewer_subscriptions_and_levels_pass with strict,
    a_session_has_the_queue_of_where_it_began with short,
}

scenarios_of_all_versions! {
    nobody_comes_in_without_an_identifier with strict,
}

fn listener(settings: &Settings, change: impl FnOnce(&mut flux_mqtt::Terms)) -> Listener {
    let mut terms = settings.terms();
    change(&mut terms);
    let mut listener = Listener::tcp(Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]));
    listener.name = "strict".into();
    listener.terms = Some(Arc::new(terms));
    listener
}

fn strict(settings: &mut Settings) {
    let listener = listener(settings, |terms| {
        terms.max_qos = QoS::AtMostOnce;
        terms.retain_available = false;
        terms.wildcard_subscriptions = false;
        terms.subscription_identifiers = false;
        terms.shared_subscriptions = false;
        terms.empty_client_ids = false;
        terms.session.inbound_receive_maximum = 7;
        terms.topic_alias_maximum = 2;
        terms.topic_alias_maximum_cap = 1;
        terms.min_keep_alive = NonZeroU16::new(20);
        terms.max_keep_alive = NonZeroU16::new(30);
        terms.max_session_expiry = SessionExpiry::from_secs(600);
        terms.subscriptions_per_client = Some(2);
        terms.topic_levels = Some(2);
        terms.packet_size = 1000;
    });
    settings.listeners.push(listener);
}

fn short(settings: &mut Settings) {
    let listener = listener(settings, |terms| {
        terms.session.receive_maximum_cap = 2;
        terms.session.queued_messages = 3;
        terms.session.when_full = WhenFull::DropOldest;
    });
    settings.listeners.push(listener);
}

fn only_v5(settings: &mut Settings) {
    let listener =
        listener(settings, |terms| terms.versions = [flux_mqtt::Version::V5].into_iter().collect());
    settings.listeners.push(listener);
}

/// Connects to the listener that has terms of its own.
fn enter(broker: &Broker, connect: &Connect) -> Client {
    Client::connect_to(broker.handle.local_addrs()[1], connect)
}

fn knock(broker: &Broker, version: Version, connect: &Connect) -> Client {
    let mut client = Client::open(broker.handle.local_addrs()[1], version);
    client.send(&connect.bytes());
    client
}

#[track_caller]
fn expect_refused(mut client: Client, version: Version, code: u8) {
    if version == V5 {
        return client.expect_refusal(code);
    }
    client.expect(&[0x20, 2, 0, code]);
    client.expect_closed();
}

fn connack_says_what_holds_where_a_client_comes_in(broker: &Broker) {
    let strict = enter(broker, &Connect::new(V5, "a")).connack;
    let numbers = [0x24, 0x25, 0x28, 0x29, 0x2A, 0x21, 0x22, 0x13, 0x27];
    let seen = numbers.map(|property| strict.number(property));
    assert_eq!(seen, [0, 0, 0, 0, 0, 7, 2, 30, 1000].map(Some));
    let open = Client::connect(broker, &Connect::new(V5, "b")).connack;
    let seen = numbers.map(|property| open.number(property));
    let (aliases, size) = (Some(16), Some(16 << 20));
    assert_eq!(seen, [None, None, None, None, None, None, aliases, None, size]);
}

fn other_versions_are_refused(broker: &Broker) {
    for (version, code) in [(V31, 1), (V311, 1)] {
        expect_refused(knock(broker, version, &Connect::new(version, "a")), version, code);
        Client::connect(broker, &Connect::new(version, "a")).ping();
    }
    enter(broker, &Connect::new(V5, "a")).ping();
}

fn nobody_comes_in_without_an_identifier(broker: &Broker, version: Version) {
    let code = if version == V5 { 0x85 } else { 2 };
    expect_refused(knock(broker, version, &Connect::new(version, "")), version, code);
    enter(broker, &Connect::new(version, "a")).ping();
}

fn what_is_not_supported_is_refused_in_suback(broker: &Broker) {
    let filters = [("a", 2), ("a/+", 0), ("#", 1), ("$share/g/a", 2)];
    let mut client = enter(broker, &Connect::new(V5, "a"));
    client.send(&V5.subscribe(1, &filters));
    client.expect_codes(0x90, 1, &[0, 0xA2, 0xA2, 0x9E]);
    // With the subscription identifier 3.
    client.send(&[0x82, 9, 0, 2, 2, 0x0B, 3, 0, 1, b'b', 0]);
    client.expect_codes(0x90, 2, &[0xA1]);
    let mut old = enter(broker, &Connect::new(V311, "b"));
    old.send(&V311.subscribe(1, &filters));
    old.expect_codes(0x90, 1, &[0, 0x80, 0x80, 0x80]);
}

fn nothing_is_retained_where_it_is_not_available(broker: &Broker) {
    let will = Will::new("w", "x").retain();
    knock(broker, V5, &Connect::new(V5, "a").will(will.clone())).expect_refusal(0x9A);
    let mut client = enter(broker, &Connect::new(V5, "a"));
    client.send(&Publish::new("r", "x").retain().bytes(V5));
    client.expect_disconnect(0x9A);

    let mut witness = Client::connect(broker, &Connect::new(V311, "witness"));
    witness.subscribe("#", 1);
    let mut old = enter(broker, &Connect::new(V311, "b").will(will));
    old.send(&Publish::new("r", "x").retain().qos(1, 1).bytes(V311));
    old.expect(&[0x40, 2, 0, 1]);
    assert_eq!(witness.receive_and_acknowledge().topic, "r");
    old.lose();
    assert_eq!(witness.receive_and_acknowledge().topic, "w");
    assert_eq!(broker.handle.counters().dropped(DropReason::NotRetained), 1);
    let mut late = Client::connect(broker, &Connect::new(V311, "late"));
    late.subscribe("#", 1);
    late.expect_nothing();
}

fn a_session_has_the_receive_maximum_of_each_connection(broker: &Broker) {
    let publish = |id| Publish::new("a", "x").qos(2, id).bytes(V5);
    // Its maximum QoS would end it first.
    let mut client = enter(broker, &Connect::persistent(V5, "a"));
    client.ping();
    client.lose();
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    for id in 1..=8 {
        client.send(&publish(id));
        client.expect_ack(0x50, id, 0x10);
    }
    client.ping();
}

fn larger_packets_pass_at_the_other_listener(broker: &Broker) {
    let publish = Publish::new("a", "x".repeat(1000)).bytes(V5);
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.send(&publish);
    client.ping();
    let mut client = enter(broker, &Connect::new(V5, "b"));
    client.send(&publish);
    client.expect_disconnect(0x95);
    // And a CONNECT, before anybody knows what to answer.
    let will = Will::new("w", &"x".repeat(1000));
    knock(broker, V5, &Connect::new(V5, "c").will(will)).expect_closed();
}

fn keep_alive_is_at_least_the_shortest(broker: &Broker) {
    let granted = |keep_alive| {
        let connect = Connect::new(V5, "a").keep_alive(keep_alive);
        enter(broker, &connect).connack.number(0x13)
    };
    let seen = [1, 19, 20, 30, 31, 0].map(granted);
    assert_eq!(seen, [Some(20), Some(20), None, None, Some(30), Some(30)]);
    assert_eq!(broker.handle.counters().reached(Limit::KeepAlive), 4);
    let open = Client::connect(broker, &Connect::new(V5, "a").keep_alive(1)).connack;
    assert_eq!(open.number(0x13), None);
}

fn sessions_last_no_longer_than_the_longest(broker: &Broker) {
    let granted =
        |seconds| enter(broker, &Connect::new(V5, "a").expiry(seconds)).connack.number(0x11);
    let seen = [0, 600, 601, u32::MAX].map(granted);
    assert_eq!(seen, [None, None, Some(600), Some(600)]);
    assert_eq!(broker.handle.counters().reached(Limit::SessionExpiry), 2);
}

fn fewer_subscriptions_and_levels_pass(broker: &Broker) {
    let filters = [("a/b/c", 0), ("a", 0), ("b", 0), ("c", 0)];
    let mut client = enter(broker, &Connect::new(V5, "a"));
    client.send(&V5.subscribe(1, &filters));
    client.expect_codes(0x90, 1, &[0x8F, 0, 0, 0x97]);
    let mut open = Client::connect(broker, &Connect::new(V5, "b"));
    open.send(&V5.subscribe(1, &filters));
    open.expect_codes(0x90, 1, &[0, 0, 0, 0]);
    for limit in [Limit::TopicLevels, Limit::SubscriptionsPerClient] {
        assert_eq!(broker.handle.counters().reached(limit), 1);
    }
    let will = Will::new("a/b/c", "x");
    knock(broker, V5, &Connect::new(V5, "c").will(will)).expect_refusal(0x90);
}

fn a_session_has_the_queue_of_where_it_began(broker: &Broker) {
    let mut client = enter(broker, &Connect::persistent(V5, "a"));
    client.subscribe("t", 1);
    let mut publisher = Client::connect(broker, &Connect::new(V5, "p"));
    // Two are in flight.
    let mut got = Vec::new();
    for number in 0..2 {
        publisher.publish("t", number.to_string(), 1);
        got.push(client.receive());
    }
    // Three wait.
    for number in 2..7 {
        publisher.publish("t", number.to_string(), 1);
    }
    for received in &got {
        client.send(&puback(received.id));
    }
    got.extend((0..3).map(|_| client.receive_and_acknowledge()));
    let got: Vec<_> = got.iter().map(flux_conformance::Received::text).collect();
    assert_eq!(got, ["0", "1", "4", "5", "6"]);
    assert_eq!(broker.handle.counters().dropped(DropReason::QueueFull), 2);
}
