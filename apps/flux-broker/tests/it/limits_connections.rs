//! Connections have limits: how many there are, how many say nothing, how fast they come.

use std::num::NonZeroU32;
use std::time::Duration;

use flux_eventbus::{Event, EventKind, Limit};
use flux_mqtt::{Count, Listen, Listener, ReasonCode, Settings};

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Events, Stopwatch, Version, Will};

scenarios! {
    one_half_open_connection_goes_for_one_too_many with four_half_open,
    connections_that_come_too_fast_wait with five_a_second,
    one_connection_too_many_through_a_listener_is_closed with two_listeners,
    connections_that_come_too_fast_through_a_listener_wait with two_listeners,
}

scenarios_of_all_versions! {
    one_connection_too_many_is_closed with two_connections,
    one_connect_too_many_finds_the_server_busy with one_pending,
}

fn two_connections(settings: &mut Settings) {
    settings.limits.connections = 2;
}

fn one_pending(settings: &mut Settings) {
    settings.limits.pending_connects = 1;
    settings.connect_timeout = Duration::from_secs(1);
}

/// One a worker, or all on one.
fn four_half_open(settings: &mut Settings) {
    settings.limits.half_open = 4;
}

fn five_a_second(settings: &mut Settings) {
    settings.limits.connects_per_second = NonZeroU32::new(5);
}

/// The second has room for two connections, and for five new ones in a second.
fn two_listeners(settings: &mut Settings) {
    let mut listener = Listener::tcp(Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]));
    listener.name = "narrow".into();
    listener.connections = Some(2);
    listener.connects_per_second = NonZeroU32::new(5);
    settings.listeners.push(listener);
}

fn one_connection_too_many_through_a_listener_is_closed(broker: &Broker) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let narrow = broker.handle.local_addrs()[1];
    let mut first = Client::connect_to(narrow, &Connect::new(V5, "first"));
    let second = Client::connect_to(narrow, &Connect::new(V5, "second"));
    let mut third = Client::open(narrow, V5);
    third.expect_closed();
    let peer = Some(third.stream().local_addr().unwrap());
    let (limit, client_id) = (Limit::ListenerConnections, None);
    assert_eq!(reached.expect(), Event::LimitReached { limit, client_id, peer });
    assert_eq!(broker.handle.counters().reached(limit), 1);
    // The other listener has room.
    Client::connect(broker, &Connect::new(V5, "elsewhere")).ping();
    first.ping();
    second.disconnect();
    let connect = Connect::new(V5, "fourth");
    let is_admitted = || {
        let mut client = Client::open(narrow, V5);
        client.try_send(&connect.bytes());
        client.try_packet().is_some()
    };
    while !is_admitted() {}
    first.ping();
}

fn connections_that_come_too_fast_through_a_listener_wait(broker: &Broker) {
    let narrow = broker.handle.local_addrs()[1];
    let stopwatch = Stopwatch::start();
    for number in 0..8 {
        let mut client = Client::open(narrow, V5);
        client.try_send(&Connect::new(V5, &number.to_string()).bytes());
        client.try_packet();
    }
    assert!(stopwatch.elapsed() >= Duration::from_millis(590));
    assert!(broker.handle.counters().reached(Limit::ListenerConnectsPerSecond) >= 3);
    let before = broker.handle.counters().reached(Limit::ListenerConnectsPerSecond);
    for number in 0..8 {
        Client::connect(broker, &Connect::new(V5, &number.to_string())).ping();
    }
    let counters = broker.handle.counters();
    assert_eq!(counters.reached(Limit::ListenerConnectsPerSecond), before, "it is the other's");
    assert_eq!(counters.reached(Limit::ConnectsPerSecond), 0);
}

fn one_connection_too_many_is_closed(broker: &Broker, version: Version) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let mut first = Client::connect(broker, &Connect::new(version, "first"));
    let second = Client::connect(broker, &Connect::new(version, "second"));
    let mut third = Client::open(broker.address(), version);
    third.expect_closed();
    let peer = Some(third.stream().local_addr().unwrap());
    let (limit, client_id) = (Limit::Connections, None);
    assert_eq!(reached.expect(), Event::LimitReached { limit, client_id, peer });
    assert_eq!(broker.handle.counters().reached(limit), 1);
    first.ping();
    // The place is free some time after the goodbye.
    second.disconnect();
    let connect = Connect::new(version, "fourth");
    let is_admitted = || {
        let mut client = Client::open(broker.address(), version);
        client.try_send(&connect.bytes());
        client.try_packet().is_some()
    };
    while !is_admitted() {}
    first.ping();
}

fn one_connect_too_many_finds_the_server_busy(broker: &Broker, version: Version) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let connect = |connect: Connect| {
        let mut client = Client::open(broker.address(), version);
        client.send(&connect.bytes());
        client
    };
    // About this will nobody ever answers. The first may come after the second, and find it there.
    let endless = || Connect::new(version, "first").will(Will::new("asked/never", "x"));
    let mut first = Vec::new();
    let mut second = loop {
        first.push(connect(endless()));
        let mut second = connect(Connect::new(version, "second"));
        match second.packet().get(3) {
            Some(0) => {}
            code => {
                assert_eq!(code, Some(&if version == V5 { 0x89 } else { 0x03 }));
                break second;
            }
        }
    };
    second.expect_closed();
    let peer = Some(second.stream().local_addr().unwrap());
    let (limit, client_id) = (Limit::PendingConnects, Some("second".into()));
    let told = Event::LimitReached { limit, client_id, peer };
    while reached.expect() != told {}
    let counters = broker.handle.counters();
    assert_eq!(counters.reached(limit), counters.of(Count::ConnectRefused(ReasonCode::ServerBusy)));
    // Each is refused or closed, at the latest when it has waited for too long, and that makes room.
    for client in &mut first {
        while client.try_packet().is_some() {}
    }
    while connect(Connect::new(version, "third")).packet().get(3) != Some(&0) {}
}

fn one_half_open_connection_goes_for_one_too_many(broker: &Broker) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let mut online = Client::connect(broker, &Connect::new(V5, "online"));
    let mut silent: Vec<_> = (0..5).map(|_| Client::open(broker.address(), V5)).collect();
    let Event::LimitReached { limit: Limit::HalfOpen, peer: Some(peer), .. } = reached.expect()
    else {
        panic!("only this limit is low");
    };
    let is_gone = |client: &Client| client.stream().local_addr().unwrap() == peer;
    let index = silent.iter().position(is_gone).expect("one of these");
    silent.remove(index).expect_closed();
    // The others are still welcome, and so are more.
    for (number, client) in silent.iter_mut().enumerate() {
        client.send(&Connect::new(V5, &number.to_string()).bytes());
        client.expect_connack();
    }
    let _silent: Vec<_> = (0..3).map(|_| Client::open(broker.address(), V5)).collect();
    online.ping();
    assert_eq!(broker.handle.counters().reached(Limit::HalfOpen), 1);
}

fn connections_that_come_too_fast_wait(broker: &Broker) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let stopwatch = Stopwatch::start();
    for number in 0..11 {
        Client::connect(broker, &Connect::new(V5, &number.to_string())).ping();
    }
    // Five come at once, six more at five a second; the bucket was filled to the millisecond.
    assert!(stopwatch.elapsed() >= Duration::from_millis(1190));
    let Event::LimitReached { limit: Limit::ConnectsPerSecond, peer: Some(_), .. } =
        reached.expect()
    else {
        panic!("only this limit is low");
    };
    assert!(broker.handle.counters().reached(Limit::ConnectsPerSecond) >= 6);
}
