//! Who breaks the rules of HTTP or WebSocket gets the right answer, and nobody else notices.

use std::time::Duration;

use flux_eventbus::{EventKind, Handshake, Limit};
use flux_mqtt::Count;

use super::*;

scenarios! {
    requests_that_are_refused_have_their_status with only_ws,
    frames_that_are_refused_have_their_code with only_ws,
    a_flood_of_empty_fragments_disturbs_nobody with only_ws,
    a_flood_of_pings_disturbs_nobody with only_ws,
}

fn bystander(broker: &Broker) -> WebSocket<TcpStream> {
    connected(broker, "bystander")
}

#[track_caller]
fn exchange(bystander: &mut WebSocket<TcpStream>) {
    bystander.send(Message::binary(PINGREQ.to_vec())).unwrap();
    assert_eq!(bystander.read().unwrap(), Message::binary(PINGRESP.to_vec()));
}

/// Sends bytes and reads to the end.
pub(super) fn answer(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // The broker may not want to read to the end.
    let _is_taken = stream.write_all(bytes);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

pub(super) const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

fn requests_that_are_refused_have_their_status(broker: &Broker) {
    let mut bystander = bystander(broker);
    let replaced = |from: &str, to: &str| {
        assert!(REQUEST.contains(from));
        REQUEST.replace(from, to).into_bytes()
    };
    let cases = [
        (replaced("/mqtt", "/"), "404"),
        (replaced("Sec-WebSocket-Protocol: mqtt\r\n", ""), "400"),
        (replaced("Protocol: mqtt", "Protocol: chat"), "400"),
        (replaced("Version: 13", "Version: 8"), "426"),
        (replaced("Upgrade: websocket\r\n", ""), "426"),
        (replaced("Host: x", &format!("Host: {}", "x".repeat(9000))), "431"),
        (Connect::new(V5, "a").bytes(), "400"),
        (vec![0x16, 3, 1, 0, 5], "400"),
    ];
    let count = u64::try_from(cases.len()).unwrap();
    let mut told = Events::of(broker, EventKind::HandshakeFailed);
    for (bytes, status) in cases {
        let answer = answer(broker.address(), &bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        let Event::HandshakeFailed { handshake, peer, .. } = told.expect() else { panic!() };
        assert_eq!((handshake, peer.is_some()), (Handshake::WebSocket, true));
        exchange(&mut bystander);
    }
    // It is counted after it is answered.
    while broker.handle.counters().of(Count::UpgradeFailed) < count {}
}

/// HTTP is no MQTT.
#[test]
fn a_request_at_a_door_for_mqtt_is_closed() {
    let broker = Broker::start(1, |_| {});
    let mut bystander = Bystander::connect(&broker, V5);
    assert_eq!(answer(broker.address(), REQUEST.as_bytes()), "");
    bystander.exchange();
}

fn frames_that_are_refused_have_their_code(broker: &Broker) {
    let mut bystander = bystander(broker);
    let cases: [(&[u8], u16); 6] = [
        // Text, MQTT in a frame that is not masked, a reserved bit, a kind that is none, a long ping, nothing to continue.
        (b"\x81\x82\0\0\0\0hi", 1003),
        (b"\x82\x02\xC0\0", 1002),
        (b"\xC2\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x89\xFE\0\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
    ];
    for (bytes, code) in cases {
        let mut socket = connected(broker, "a");
        socket.get_mut().write_all(bytes).unwrap();
        expect_closed(&mut socket, code);
        exchange(&mut bystander);
    }
}

/// Nothing of a message is kept, so there may be as many fragments as there is time for.
fn a_flood_of_empty_fragments_disturbs_nobody(broker: &Broker) {
    let mut bystander = bystander(broker);
    let mut socket = connected(broker, "a");
    let before = broker.handle.ledger();
    socket.send(piece(true, false, b"")).unwrap();
    let many = b"\x00\x80\0\0\0\0".repeat(10_000);
    for _ in 0..20 {
        socket.get_mut().write_all(&many).unwrap();
        exchange(&mut bystander);
    }
    socket.send(piece(false, true, &PINGREQ)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(PINGRESP.to_vec()));
    assert_eq!(broker.handle.ledger().total(), before.total());
}

/// Who reads no answers gets no more of them.
fn a_flood_of_pings_disturbs_nobody(broker: &Broker) {
    const MANY: usize = 8 * 1024 * 1024;
    let mut bystander = bystander(broker);
    let mut socket = connected(broker, "a");
    let ping = [&b"\x89\xFD\0\0\0\0"[..], &[7; 125]].concat();
    let many = ping.repeat(10_000);
    let mut sent = 0;
    while sent < MANY {
        socket.get_mut().write_all(&many).unwrap();
        sent += many.len();
        exchange(&mut bystander);
    }
    socket.send(Message::binary(PINGREQ.to_vec())).unwrap();
    let mut pongs = 0;
    loop {
        match socket.read() {
            Ok(Message::Pong(_)) => pongs += 1,
            Ok(other) => break assert_eq!(other, Message::binary(PINGRESP.to_vec())),
            Err(Error::Io(error)) => panic!("{error}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(pongs < sent / ping.len() / 10, "of pings that come together one is answered: {pongs}");
}

/// They wait for a place without memory, and one that says nothing keeps it only for its time.
#[test]
fn requests_that_do_not_end_hold_nobody_up() {
    let broker = Broker::start(1, |settings| {
        only_ws(settings);
        settings.limits.handshakes = 4;
        settings.connect_timeout = Duration::from_secs(3600);
    });
    let mut limits = Events::of(&broker, EventKind::LimitReached);
    // More than there is room for: somebody waits, in whatever order they come.
    let stalled: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = connect(broker.address());
            stream.write_all(&REQUEST.as_bytes()[..30]).unwrap();
            stream
        })
        .collect();
    exchange(&mut connected(&broker, "a"));
    assert!(matches!(limits.expect(), Event::LimitReached { limit: Limit::Handshakes, .. }));
    drop(stalled);
}

#[test]
fn a_request_has_a_time() {
    let broker = Broker::start(1, |settings| {
        only_ws(settings);
        settings.connect_timeout = Duration::from_millis(50);
    });
    let mut limits = Events::of(&broker, EventKind::LimitReached);
    let started = answer(broker.address(), &REQUEST.as_bytes()[..30]);
    assert_eq!(started, "");
    assert!(matches!(limits.expect(), Event::LimitReached { limit: Limit::ConnectTime, .. }));
}

/// It waits for nobody who has not asked yet.
#[test]
fn a_broker_that_stops_does_not_wait_for_requests() {
    let broker = Broker::start(1, |settings| {
        only_ws(settings);
        settings.drain_timeout = Duration::from_secs(3600);
        settings.connect_timeout = Duration::from_secs(3600);
    });
    let mut silent = connect(broker.address());
    silent.write_all(b"GET /").unwrap();
    // Its request comes behind that of the silent one.
    let mut socket = connected(&broker, "a");
    drop(broker);
    expect_closed(&mut socket, 1000);
    let mut rest = Vec::new();
    let _is_reset = silent.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}
