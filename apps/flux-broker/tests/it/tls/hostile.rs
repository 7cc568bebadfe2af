//! Handshakes that are none, or do not end: others are undisturbed.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use flux_eventbus::{Event, EventKind, Handshake, Limit};
use flux_mqtt::Count;
use rustls::{AlertDescription, ClientConfig, Error};

use crate::support::Version::V5;
use crate::support::{
    Broker, Bystander, Certificates, Client, Connect, DEADLINE, Events, PINGREQ, Publish, Will,
    begin_tls, open_tls, tls_listener,
};

/// Speaks TCP first and TLS second, with so many handshakes at once in one worker.
fn broker(certificates: &Certificates, handshakes: usize, timeout: Duration) -> Broker {
    Broker::start(1, |settings| {
        settings.limits.handshakes = handshakes;
        let mut tls = certificates.settings();
        tls.handshake_timeout = timeout;
        settings.listeners.push(tls_listener(tls));
    })
}

fn tls_address(broker: &Broker) -> SocketAddr {
    broker.handle.local_addrs()[1]
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Shakes hands with somebody who refuses, until it is said why.
pub(super) fn alert_of(address: SocketAddr, config: &Arc<ClientConfig>) -> Error {
    let (mut tls, mut stream) = (begin_tls(config), connect(address));
    loop {
        while tls.wants_write() {
            tls.write_tls(&mut stream).unwrap();
        }
        assert!(tls.read_tls(&mut stream).unwrap() > 0, "closed without an alert");
        if let Err(error) = tls.process_new_packets() {
            return error;
        }
    }
}

/// What a client sends first.
fn hello(certificates: &Certificates) -> Vec<u8> {
    let mut hello = Vec::new();
    begin_tls(&certificates.client()).write_tls(&mut hello).unwrap();
    hello
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open: {error}"),
    }
    rest
}

#[test]
fn who_does_not_speak_tls_gets_an_alert() {
    let certificates = Certificates::new();
    let broker = broker(&certificates, 10, Duration::from_secs(600));
    let mut bystander = Bystander::connect(&broker, V5);
    let large = vec![0x16; 100_000];
    let mut told = Events::of(&broker, EventKind::HandshakeFailed);
    for bytes in [&Connect::new(V5, "a").bytes()[..], b"GET / HTTP/1.1\r\n\r\n", &large] {
        let mut stream = connect(tls_address(&broker));
        let _is_closed_meanwhile = stream.write_all(bytes);
        let answer = rest(stream);
        // Alert, version, length, fatal.
        assert!(matches!(answer[..], [0x15, 3, _, 0, 2, 2, _]), "{answer:02x?}");
        bystander.exchange();
        let Event::HandshakeFailed { handshake: Handshake::Tls, peer, listener, error } =
            told.expect()
        else {
            panic!("another handshake");
        };
        assert!(peer.is_some() && listener.is_some() && error.contains("message"), "{error}");
    }
    let failed = || broker.handle.counters().of(Count::HandshakeFailed);
    while failed() < 3 {
        bystander.exchange();
    }
}

/// Whoever said goodbye before has no will sent.
#[test]
fn a_broken_record_ends_the_connection_after_what_came_before_it() {
    let certificates = Certificates::new();
    let broker = broker(&certificates, 10, DEADLINE);
    let mut bystander = Client::connect(&broker, &Connect::new(V5, "bystander"));
    bystander.subscribe("#", 0);
    let (mut tls, mut stream) = (begin_tls(&certificates.client()), connect(tls_address(&broker)));
    let connect = Connect::new(V5, "a").will(Will::new("gone", "unexpected"));
    tls.writer().write_all(&connect.bytes()).unwrap();
    let mut connack = [0; 2];
    while tls.reader().read(&mut connack).is_err() {
        tls.complete_io(&mut stream).unwrap();
    }
    let mut records = Vec::new();
    for packet in [&[0xE0, 0][..], &PINGREQ] {
        tls.writer().write_all(packet).unwrap();
        tls.write_tls(&mut records).unwrap();
    }
    *records.last_mut().unwrap() ^= 1;
    stream.write_all(&records).unwrap();
    let error = loop {
        assert!(tls.read_tls(&mut stream).unwrap() > 0, "closed without an alert");
        if let Err(error) = tls.process_new_packets() {
            break error;
        }
    };
    assert_eq!(error, Error::AlertReceived(AlertDescription::BadRecordMac));
    rest(stream);
    bystander.send(&Publish::new("gone", "expected").bytes(V5));
    bystander.expect_publish(&Publish::new("gone", "expected"));
}

#[test]
fn tls_to_a_plain_listener_is_closed() {
    let certificates = Certificates::new();
    let broker = broker(&certificates, 10, Duration::from_secs(600));
    let mut bystander = Bystander::connect(&broker, V5);
    let mut stream = connect(broker.address());
    stream.write_all(&hello(&certificates)).unwrap();
    assert_eq!(rest(stream), b"");
    bystander.exchange();
}

/// With a byte now and then it takes no longer.
#[test]
fn a_handshake_has_its_time() {
    let certificates = Certificates::new();
    let broker = broker(&certificates, 10, Duration::from_millis(300));
    let mut reached = Events::of(&broker, EventKind::LimitReached);
    let mut bystander = Bystander::connect(&broker, V5);
    let hello = hello(&certificates);
    let silent = connect(tls_address(&broker));
    let mut slow = connect(tls_address(&broker));
    slow.set_nonblocking(true).unwrap();
    for byte in &hello[..hello.len() - 1] {
        bystander.exchange();
        let mut end = [0];
        match slow.read(&mut end) {
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            other => panic!("an answer to half a handshake: {other:?}"),
        }
        let _is_closed_meanwhile = slow.write_all(&[*byte]);
    }
    slow.set_nonblocking(false).unwrap();
    assert_eq!(rest(silent), b"");
    assert_eq!(rest(slow), b"");
    for _ in 0..2 {
        let event = reached.expect();
        assert!(
            matches!(event, Event::LimitReached { limit: Limit::ConnectTime, .. }),
            "{event:?}"
        );
    }
    bystander.exchange();
    open_tls(tls_address(&broker), V5, &certificates.client())
        .connected(&Connect::new(V5, "a"))
        .disconnect();
}

/// Their number is limited, the others wait, and those that do not end make room for them.
#[test]
fn stalled_handshakes_keep_nobody_out() {
    let certificates = Certificates::new();
    let broker = broker(&certificates, 4, Duration::from_secs(600));
    let mut reached = Events::of(&broker, EventKind::LimitReached);
    let mut bystander = Bystander::connect(&broker, V5);
    let hello = hello(&certificates);
    let mut stalled: Vec<TcpStream> = (0..6).map(|_| connect(tls_address(&broker))).collect();
    for stream in &mut stalled {
        stream.write_all(&hello[..hello.len() / 2]).unwrap();
    }
    bystander.exchange();
    let config = certificates.client();
    let mut client = open_tls(tls_address(&broker), V5, &config);
    client.send(&Connect::new(V5, "a").bytes());
    // A plain one need not wait.
    Client::connect(&broker, &Connect::new(V5, "b")).disconnect();
    client.expect_connack();
    client.send(&PINGREQ);
    let mut peers: Vec<_> = stalled.iter().map(|it| it.local_addr().unwrap()).collect();
    // Three had to go, of those that shook hands, for the three that waited.
    for _ in 0..3 {
        let Event::LimitReached { limit: Limit::Handshakes, peer: Some(peer), .. } =
            reached.expect()
        else {
            panic!("another limit")
        };
        let index = peers.iter().position(|it| *it == peer).unwrap();
        peers.remove(index);
    }
    let is_gone = |stream: &TcpStream| !peers.contains(&stream.local_addr().unwrap());
    for stream in stalled.into_iter().filter(is_gone) {
        assert_eq!(rest(stream), b"");
    }
    assert_eq!(broker.handle.counters().reached(Limit::Handshakes), 3);
    bystander.exchange();
}

#[test]
fn a_broker_that_stops_waits_for_no_handshake() {
    let certificates = Certificates::new();
    let broker = Broker::start(1, |settings| {
        settings.limits.handshakes = 2;
        // Else the test would end too.
        settings.drain_timeout = Duration::from_secs(3600);
        let mut tls = certificates.settings();
        tls.handshake_timeout = Duration::from_secs(3600);
        settings.listeners.push(tls_listener(tls));
    });
    let stalled: Vec<TcpStream> = (0..4).map(|_| connect(tls_address(&broker))).collect();
    // Whoever came later is served: those before have come to the worker.
    let last = connect(tls_address(&broker));
    Client::connect(&broker, &Connect::new(V5, "b")).disconnect();
    drop(broker);
    for stream in stalled.into_iter().chain([last]) {
        assert_eq!(rest(stream), b"");
    }
}
