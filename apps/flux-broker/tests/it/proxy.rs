//! Load balancers say whom a connection is from; nobody else can.

use std::sync::Arc;

use flux_eventbus::{Event, EventKind};
use flux_mqtt::{Count, Settings};
use rustls::StreamOwned;

use crate::support::Version::{V5, V311};
use crate::support::{
    Broker, Bystander, Certificates, Client, Connect, Events, begin_tls, only_tls,
};

scenarios! {
    the_peer_is_who_the_load_balancer_says with behind_loopback,
    a_load_balancer_that_says_nothing_is_closed with behind_loopback,
    nobody_else_can_say_it with behind_others,
}

fn behind_loopback(settings: &mut Settings) {
    settings.listeners[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

fn behind_others(settings: &mut Settings) {
    settings.listeners[0].proxies = vec!["192.0.2.0/24".parse().unwrap()];
}

const HEADER: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 1883\r\n";

#[track_caller]
fn expect_peer(connected: &mut Events, expected: &str) {
    match connected.expect() {
        Event::Connected { peer: Some(peer), .. } => assert_eq!(peer.to_string(), expected),
        other => panic!("{other:?}"),
    }
}

fn the_peer_is_who_the_load_balancer_says(broker: &Broker) {
    let mut connected = Events::of(broker, EventKind::Connected);
    for version in [V311, V5] {
        let mut client = Client::open(broker.address(), version);
        // In one piece, and byte for byte.
        let bytes = [HEADER, &Connect::new(version, "a").bytes()].concat();
        if version == V5 {
            client.send(&bytes);
        } else {
            bytes.iter().for_each(|byte| client.send(&[*byte]));
        }
        client.expect_connack();
        expect_peer(&mut connected, "198.51.100.7:56324");
        client.disconnect();
    }
    // A look whether the broker lives.
    let mut client = Client::open(broker.address(), V5);
    client.send(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    let mut client = client.connected(&Connect::new(V5, "b"));
    expect_peer(&mut connected, &client.stream().local_addr().unwrap().to_string());
    client.ping();
}

fn a_load_balancer_that_says_nothing_is_closed(broker: &Broker) {
    for bytes in [&Connect::new(V5, "a").bytes()[..], b"PROXY TCP4 a b c d\r\n"] {
        let mut client = Client::open(broker.address(), V5);
        client.try_send(bytes);
        client.expect_closed();
    }
    // It is counted after it is closed.
    while broker.handle.counters().of(Count::ProxyFailed) < 2 {}
}

fn nobody_else_can_say_it(broker: &Broker) {
    let mut bystander = Bystander::connect(broker, V5);
    let mut client = Client::open(broker.address(), V5);
    client.try_send(HEADER);
    client.expect_closed();
    bystander.exchange();
}

#[test]
fn it_is_said_before_tls() {
    let certificates = Certificates::new();
    let broker = Broker::start(1, |settings| {
        only_tls(settings, certificates.settings());
        behind_loopback(settings);
    });
    let mut connected = Events::of(&broker, EventKind::Connected);
    let tls = begin_tls(&Arc::clone(&certificates.client()));
    let client = Client::open_over(broker.address(), V5, |mut socket| {
        std::io::Write::write_all(&mut socket, HEADER).unwrap();
        Box::new(StreamOwned::new(tls, socket))
    });
    client.connected(&Connect::new(V5, "a")).disconnect();
    expect_peer(&mut connected, "198.51.100.7:56324");
}

/// It waits for nobody who has not said it yet.
#[test]
fn a_broker_that_stops_does_not_wait_for_it() {
    let broker = Broker::start(1, |settings| {
        behind_loopback(settings);
        settings.drain_timeout = std::time::Duration::from_secs(3600);
        settings.connect_timeout = std::time::Duration::from_secs(3600);
    });
    let mut silent = Client::open(broker.address(), V5);
    let mut other = Client::open(broker.address(), V5);
    other.send(HEADER);
    other.connected(&Connect::new(V5, "a")).disconnect();
    drop(broker);
    silent.expect_closed();
}
