//! MQTT over WebSocket: frames in any cut, and clients that break the rules.

mod doors;
mod hostile;
mod pages;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use flux_eventbus::{Event, EventKind};
use flux_mqtt::{Listener, Scheme, Settings};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Error, Message, WebSocket};

use crate::support::Version::{V5, V311};
use crate::support::{
    Broker, Bystander, Client, Connect, DEADLINE, Events, Layer, PINGREQ, PINGRESP, Publish,
    ws_listener, ws_request,
};

scenarios! {
    packets_come_in_any_frames with only_ws,
    a_message_of_a_mebibyte_comes_in_one_frame with only_ws,
    pings_are_answered with only_ws,
    a_goodbye_in_one_piece_with_the_end_is_heard with only_ws,
    the_old_name_of_the_protocol_is_understood with only_ws,
}

/// Makes tests of scenarios that other files have for TCP.
macro_rules! over_websocket {
    ($($file:ident::$name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                let mut broker = Broker::start(2, only_ws);
                broker.layer = Layer::ws();
                crate::$file::$name(&broker, V5);
            }
        )+
    };
}

over_websocket! {
    echo::ten_thousand_messages_at_qos_0_are_written_before_one_is_read,
    echo::ten_thousand_messages_at_qos_1_are_written_before_one_is_read,
    echo::one_message_of_ten_megabytes_is_written_before_it_is_read,
    limits::deliveries_wait_for_a_slow_reader_and_keep_their_order,
}

fn only_ws(settings: &mut Settings) {
    settings.listeners = vec![ws_listener()];
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A client that has upgraded.
fn upgraded(broker: &Broker) -> WebSocket<TcpStream> {
    tungstenite::client(ws_request(), connect(broker.address())).unwrap().0
}

/// One that is connected.
fn connected(broker: &Broker, name: &str) -> WebSocket<TcpStream> {
    let mut socket = upgraded(broker);
    socket.send(Message::binary(Connect::new(V5, name).bytes())).unwrap();
    let Message::Binary(connack) = socket.read().unwrap() else { panic!("no CONNACK") };
    assert_eq!((connack[0], connack[3]), (0x20, 0));
    socket
}

/// Reads the close frame and the end.
#[track_caller]
fn expect_closed(socket: &mut WebSocket<TcpStream>, code: u16) {
    loop {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => {
                assert_eq!(u16::from(frame.code), code);
                break;
            }
            Ok(Message::Close(None)) => panic!("closed without a code"),
            Ok(_) => {}
            Err(error) => panic!("closed without a frame: {error}"),
        }
    }
    let mut rest = Vec::new();
    let _is_reset = socket.get_mut().read_to_end(&mut rest);
    assert_eq!(rest, b"", "nothing follows a close frame");
}

fn piece(first: bool, last: bool, payload: &[u8]) -> Message {
    let opcode = if first { Data::Binary } else { Data::Continue };
    Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), last))
}

fn packets_come_in_any_frames(broker: &Broker) {
    let packets = [&Connect::new(V5, "a").bytes()[..], &PINGREQ, &PINGREQ].concat();
    for size in [1, 2, 3, 7, packets.len()] {
        let mut socket = upgraded(broker);
        // A message for each piece, and all pieces of one message, with a ping between them.
        if size % 2 == 1 {
            packets.chunks(size).for_each(|it| socket.send(Message::binary(it.to_vec())).unwrap());
        } else {
            let last = packets.chunks(size).count() - 1;
            for (index, part) in packets.chunks(size).enumerate() {
                socket.send(piece(index == 0, index == last, part)).unwrap();
                socket.send(Message::Ping("between".into())).unwrap();
            }
        }
        let mut received = Vec::new();
        while !received.ends_with(&[PINGRESP, PINGRESP].concat()) {
            if let Message::Binary(payload) = socket.read().unwrap() {
                received.extend(payload);
            }
        }
        assert_eq!((received[0], received[3]), (0x20, 0));
    }
}

fn a_message_of_a_mebibyte_comes_in_one_frame(broker: &Broker) {
    let mut socket = connected(broker, "a");
    let payload: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let publish = Publish::new("big", &payload).bytes(V5);
    let mut subscriber = Client::open_over(broker.address(), V5, |it| Layer::ws().over(it))
        .connected(&Connect::new(V5, "b"));
    subscriber.subscribe("big", 0);
    socket.send(Message::binary(publish)).unwrap();
    let received = subscriber.receive();
    assert!(received.payload == payload, "the payload is another");
}

fn pings_are_answered(broker: &Broker) {
    let mut socket = connected(broker, "a");
    for payload in [&b""[..], b"hello", &[7; 125]] {
        socket.send(Message::Ping(payload.to_vec().into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong(payload.to_vec().into()));
    }
    socket.send(Message::Pong("nobody asked".into())).unwrap();
    socket.send(Message::binary(PINGREQ.to_vec())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(PINGRESP.to_vec()));
    socket.close(None).unwrap();
    expect_closed(&mut socket, 1000);
}

fn a_goodbye_in_one_piece_with_the_end_is_heard(broker: &Broker) {
    let mut disconnected = Events::of(broker, EventKind::Disconnected);
    let mut socket = connected(broker, "a");
    socket.write(Message::binary(b"\xE0\x00".to_vec())).unwrap();
    socket.close(None).unwrap();
    expect_closed(&mut socket, 1000);
    match disconnected.expect() {
        Event::Disconnected { reason, .. } => {
            assert_eq!(reason, flux_eventbus::DisconnectReason::ByClient);
        }
        other => panic!("{other:?}"),
    }
}

fn the_old_name_of_the_protocol_is_understood(broker: &Broker) {
    let mut request = ws_request();
    let name = HeaderValue::from_static("mqttv3.1");
    request.headers_mut().insert("Sec-WebSocket-Protocol", name);
    let (mut socket, response) = tungstenite::client(request, connect(broker.address())).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqttv3.1");
    socket.send(Message::binary(Connect::new(V311, "a").bytes())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(b"\x20\x02\0\0".to_vec()));
}

/// Several of a kind, each with its own name and rules.
#[test]
fn doors_of_all_kinds_are_open_at_once() {
    let broker = Broker::start(2, |settings| {
        settings.listeners.extend([ws_listener(), ws_listener()]);
        if let Some(Listener { websocket: Some(it), .. }) = settings.listeners.last_mut() {
            it.path = "/other".to_owned();
        }
    });
    let schemes: Vec<_> = broker.handle.listening().iter().map(|it| it.scheme).collect();
    assert_eq!(schemes, [Scheme::Mqtt, Scheme::Ws, Scheme::Ws]);
    let addresses = broker.handle.local_addrs();
    Client::connect(&broker, &Connect::new(V5, "a")).ping();
    assert!(tungstenite::client(ws_request(), connect(addresses[1])).is_ok());
    let refused = tungstenite::client(ws_request(), connect(addresses[2]));
    assert!(refused.is_err(), "it has another path");
}

#[test]
fn proxies_that_are_trusted_say_whom_a_connection_is_from() {
    let trusting = |by: &'static str| {
        move |settings: &mut Settings| {
            let mut listener = ws_listener();
            let websocket = listener.websocket.as_mut().unwrap();
            websocket.forwarded_by = vec![by.parse().unwrap()];
            settings.listeners = vec![listener];
        }
    };
    for (by, expected) in [("127.0.0.0/8", Some("192.0.2.7:0")), ("10.0.0.0/8", None)] {
        let broker = Broker::start(1, trusting(by));
        let mut events = Events::of(&broker, EventKind::Connected);
        let mut request = ws_request();
        let forwarded = HeaderValue::from_static("198.51.100.1, 192.0.2.7");
        request.headers_mut().insert("X-Forwarded-For", forwarded);
        let stream = connect(broker.address());
        let own = stream.local_addr().unwrap().to_string();
        let (mut socket, _) = tungstenite::client(request, stream).unwrap();
        socket.send(Message::binary(Connect::new(V5, "a").bytes())).unwrap();
        match events.expect() {
            Event::Connected { peer: Some(peer), .. } => {
                assert_eq!(peer.to_string(), expected.map_or(own, str::to_owned));
            }
            other => panic!("{other:?}"),
        }
    }
}
