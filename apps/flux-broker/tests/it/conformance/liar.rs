//! Somebody between a broker and the suite who changes what the broker says: the case that the change
//! is about must notice. A suite that does not hear a lie proves nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use flux_conformance::{DEADLINE, Judge, Outcome, Version, cases, packet};

use crate::support::Broker;

scenarios! {
    every_lie_is_noticed,
    without_a_lie_nothing_is_noticed,
}

/// Makes other bytes of a packet from the broker, given its first byte and its body.
type Lie = fn(u8, &[u8]) -> Vec<u8>;

/// Each lie with the case that it is about.
const LIES: [(&str, Lie); 28] = [
    ("deliveries_are_new_and_have_their_qos", |first, body| publish(first, body, |f| f | 8)),
    ("an_unacknowledged_message_is_sent_again_on_resume", |first, body| {
        publish(first, body, |f| f & !8)
    }),
    ("an_established_subscription_gets_retain_0", |first, body| publish(first, body, |f| f | 1)),
    ("a_retained_message_comes_with_a_new_subscription", |first, body| {
        publish(first, body, |f| f & !1)
    }),
    ("until_pubrel_the_identifier_is_of_the_same_message", |first, body| {
        packet(first, &[body]).repeat(if first >> 4 == 3 { 2 } else { 1 })
    }),
    ("topic_and_payload_arrive_as_they_were", |first, body| {
        match (first >> 4, body.split_last()) {
            (3, Some((_, rest))) => packet(first, &[rest, b"~"]),
            _ => packet(first, &[body]),
        }
    }),
    ("a_message_is_offered_to_all_who_match", |first, body| none_of(first, body, 0x32)),
    ("answers_have_the_packet_identifier_of_what_they_answer", |first, body| match first {
        0x40 | 0x50 | 0x70 | 0x90 | 0xB0 => packet(first, &[&[0x7F], &body[1..]]),
        _ => packet(first, &[body]),
    }),
    ("acknowledgements_have_reason_codes_of_their_own", |first, body| match first {
        0x40 => packet(first, &[&body[..2], &[0x03]]),
        _ => packet(first, &[body]),
    }),
    ("subscribe_is_answered_with_suback", |first, body| match (first, body.split_last()) {
        (0x90, Some((_, rest))) => packet(first, &[rest, &[0x04]]),
        _ => packet(first, &[body]),
    }),
    ("flags_of_connack_but_session_present_are_0", |first, body| connack(first, body, |f| f | 2)),
    ("without_a_session_a_new_one_begins", |first, body| connack(first, body, |_| 1)),
    ("a_client_that_comes_back_finds_its_session", |first, body| connack(first, body, |_| 0)),
    ("a_refused_connect_says_so_and_ends", |first, body| connack(first, body, |_| 1)),
    ("the_first_packet_of_the_server_is_its_only_connack", |first, body| {
        packet(first, &[body]).repeat(if first == 0x20 { 2 } else { 1 })
    }),
    ("without_an_authentication_method_the_server_sends_none", |first, body| {
        [packet(first, &[body]), if first == 0x20 { vec![0xF0, 0] } else { vec![] }].concat()
    }),
    ("malformed_packets_are_told_apart", |first, body| none_of(first, body, 0xE0)),
    ("the_old_connection_is_told_of_a_takeover", |first, body| none_of(first, body, 0xE0)),
    ("nothing_is_sent_after_disconnect", |first, body| {
        [packet(first, &[body]), if first == 0xE0 { vec![0xD0, 0] } else { vec![] }].concat()
    }),
    ("a_disconnect_of_the_server_has_a_reason_code_of_its_own", |first, body| match first {
        0xE0 => packet(first, &[&[0x01], &body[1..]]),
        _ => packet(first, &[body]),
    }),
    ("a_disconnect_of_the_server_has_no_session_expiry", |first, body| match first {
        0xE0 => packet(first, &[&body[..1], &[5, 0x11, 0, 0, 0, 1]]),
        _ => packet(first, &[body]),
    }),
    ("no_disconnect_is_larger_than_the_client_takes", |first, body| match first {
        0xE0 => packet(first, &[&body[..1], &[43, 0x1F, 0, 40], &[b'x'; 40]]),
        _ => packet(first, &[body]),
    }),
    ("who_wants_no_words_gets_none_but_in_connack_and_disconnect", |first, body| match first {
        0x40 => packet(first, &[&body[..2], &[0x90, 5, 0x1F, 0, 2, b'n', b'o']]),
        _ => packet(first, &[body]),
    }),
    ("pubrec_is_answered_with_pubrel", |first, body| none_of(first, body, 0x62)),
    ("qos_2_is_acknowledged_with_pubrec_and_pubcomp", |first, body| none_of(first, body, 0x70)),
    ("unsubscribe_of_nothing_is_answered", |first, body| none_of(first, body, 0xB0)),
    ("a_ping_is_answered", |first, body| none_of(first, body, 0xD0)),
    ("a_good_connect_is_accepted", |first, body| match first {
        // A remaining length in more bytes than it needs.
        0xD0 => vec![0xD0, 0x80, 0],
        _ => packet(first, &[body]),
    }),
];

fn publish(first: u8, body: &[u8], flags: fn(u8) -> u8) -> Vec<u8> {
    packet(if first >> 4 == 3 { flags(first) } else { first }, &[body])
}

fn connack(first: u8, body: &[u8], flags: fn(u8) -> u8) -> Vec<u8> {
    if first == 0x20 {
        packet(first, &[&[flags(body[0])], &body[1..]])
    } else {
        packet(first, &[body])
    }
}

fn none_of(first: u8, body: &[u8], silent: u8) -> Vec<u8> {
    if first == silent { Vec::new() } else { packet(first, &[body]) }
}

fn every_lie_is_noticed(broker: &Broker) {
    for (name, lie) in LIES {
        let outcome = judge(broker, name, lie, Ending::Told, SHORT);
        assert!(matches!(outcome, Outcome::Failed(_)), "{name} hears no lie: {outcome:?}");
    }
    let names = ["a_malformed_publish_ends_the_connection", "a_connection_ends_after_disconnect"];
    for name in names {
        let outcome = judge(broker, name, truth, Ending::Hidden, SHORT);
        assert!(matches!(outcome, Outcome::Failed(_)), "{name} misses no end: {outcome:?}");
    }
}

fn without_a_lie_nothing_is_noticed(broker: &Broker) {
    for (name, _) in LIES {
        let outcome = judge(broker, name, truth, Ending::Told, DEADLINE);
        assert_eq!(outcome, Outcome::Passed, "{name}");
    }
}

/// A lie is often that nothing comes.
const SHORT: Duration = Duration::from_secs(1);

fn truth(first: u8, body: &[u8]) -> Vec<u8> {
    packet(first, &[body])
}

/// What becomes of the end of the broker's connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Told,
    Hidden,
}

/// Runs one case of MQTT 5.0 past a liar.
fn judge(broker: &Broker, name: &str, lie: Lie, ending: Ending, patience: Duration) -> Outcome {
    let case = cases().find(|case| case.name == name).expect("a case of this name");
    let address = stand_before(broker.address(), lie, ending);
    Judge::new(address, patience).run(&[case.of(&[Version::V5])]).remove(0).outcome
}

/// Listens for the broker; its threads end with their connections, or with the process.
fn stand_before(broker: SocketAddr, lie: Lie, ending: Ending) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(broker).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                let _may_be_closed = std::io::copy(&mut from, &mut to);
                let _may_be_closed = to.shutdown(Shutdown::Write);
            });
            thread::spawn(move || pass_on(server, client, lie, ending));
        }
    });
    address
}

/// Passes on packets of the broker, each as the lie has it.
fn pass_on(mut server: TcpStream, mut client: TcpStream, lie: Lie, ending: Ending) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(len @ 1..) = server.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..len]);
        while let Some((first, head, body)) = split(&bytes) {
            if client.write_all(&lie(first, &bytes[head..head + body])).is_err() {
                return;
            }
            bytes.drain(..head + body);
        }
    }
    match ending {
        Ending::Told => drop(client.shutdown(Shutdown::Both)),
        Ending::Hidden => std::mem::forget(client),
    }
}

/// The first byte of a complete packet, and the lengths of its header and of its body.
fn split(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    let end = rest.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let len = rest[..end].iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7F));
    (bytes.len() > end + len).then_some((*first, end + 1, len))
}
