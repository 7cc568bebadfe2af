//! PINGREQ, DISCONNECT, AUTH, and errors that end a connection (sections 3.12 to 3.15, 4.8, 4.12
//! and 4.13).

use super::violation::{EITHER, ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::client::reason_code;
use crate::property::split_integer;
use crate::{Client, PINGREQ, Publish, Will, packet, pubrel, string};

cases! {
    both {
        a_ping_is_answered,
        a_connection_ends_after_disconnect,
        nothing_is_handled_after_disconnect,
        no_client_notices_the_errors_of_another,
        packets_may_come_in_parts_and_several_at_once,
        a_message_to_a_topic_of_the_server_is_acknowledged_or_ends_the_connection,
    }
    v5 {
        a_disconnect_with_any_reason_of_a_client_ends_the_connection,
        a_disconnect_of_the_server_has_a_reason_code_of_its_own,
        nothing_is_sent_after_disconnect,
        a_disconnect_of_the_server_has_no_session_expiry,
        an_unknown_authentication_method_is_refused,
        without_an_authentication_method_the_server_sends_none,
        an_auth_without_an_authentication_method_ends_the_connection,
        an_auth_after_a_refused_method_is_not_served,
    }
}

fn a_ping_is_answered(trial: &Trial) {
    let mut client = trial.client("a");
    for _ in 0..10 {
        client.ping();
    }
    client.send(&PINGREQ.repeat(100));
    for _ in 0..100 {
        assert_eq!(client.packet(), [0xD0, 0]);
    }
}

fn a_connection_ends_after_disconnect(trial: &Trial) {
    for connect in [trial.connect("a"), trial.persistent("b")] {
        let mut client = trial.join(&connect);
        client.send(&[0xE0, 0]);
        client.expect_closed();
    }
}

fn nothing_is_handled_after_disconnect(trial: &Trial) {
    let topic = trial.topic("a");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let publish = Publish::new(&topic, "x").bytes(trial.version);
    let mut client = trial.client("a");
    client.send(&[publish.clone(), vec![0xE0, 0], publish.clone(), publish].concat());
    client.expect_closed();
    observer.expect_texts(&["x"]);
}

fn no_client_notices_the_errors_of_another(trial: &Trial) {
    let topic = trial.topic("a");
    let mut bystander = trial.client("bystander");
    bystander.follow(&topic, 1);
    let mut publisher = trial.client("pub");
    for number in 0..20 {
        let mut client = trial.client("violator");
        client.follow(&topic, 1);
        publisher.publish(&topic, number.to_string(), 1);
        client.receive();
        client.send(&[0x00, 0]);
        client.expect_end();
        assert_eq!(bystander.receive_and_acknowledge().number(), number);
    }
    bystander.expect_silence();
}

fn packets_may_come_in_parts_and_several_at_once(trial: &Trial) {
    let topic = trial.topic("a");
    let version = trial.version;
    let mut bytes = trial.connect("a").bytes();
    bytes.extend(version.subscribe(1, &[(&topic, 0)]));
    bytes.extend(Publish::new(&topic, "x".repeat(300)).bytes(version));
    let mut client = trial.send(&[]);
    for byte in &bytes {
        client.send(&[*byte]);
    }
    client.expect_connack();
    client.answer_among_publishes(0x90, 1);
    assert_eq!(client.receive().payload.len(), 300);
    client.ping();
}

/// MQTT 3.1.1 cannot refuse a message; 5.0 can.
fn a_message_to_a_topic_of_the_server_is_acknowledged_or_ends_the_connection(trial: &Trial) {
    let mut observer = trial.client("observer");
    observer.follow("$SYS/conformance/#", 0);
    for qos in [1, 2] {
        let topic = format!("$SYS/conformance/{}", trial.mark());
        let mut client = trial.client("a");
        client.send(&Publish::new(&topic, "x").qos(qos, 7).bytes(trial.version));
        let Some(packet) = client.try_packet() else { continue };
        if packet[0] == 0xE0 {
            assert!(trial.is_v5(), "a DISCONNECT of the server");
            continue;
        }
        assert_eq!(packet[0], if qos == 1 { 0x40 } else { 0x50 }, "{packet:02x?}");
        if !trial.is_v5() {
            assert_eq!(packet.len(), 4, "MQTT 3.1.1 has no codes: {packet:02x?}");
        }
        client.send(&pubrel(7));
        client.answer(0x70, 7);
        client.ping();
    }
}

fn a_disconnect_with_any_reason_of_a_client_ends_the_connection(trial: &Trial) {
    let topic = trial.topic("will");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let codes =
        [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    for code in codes {
        let will = Will::new(&topic, &format!("{code}"));
        let mut client = trial.join(&trial.connect("a").will(will));
        client.send(&[0xE0, 1, code]);
        client.expect_closed();
        // Only a normal disconnection takes the will back.
        if code == 0 {
            observer.expect_silence();
        } else {
            observer.expect_text(&format!("{code}"));
        }
    }
}

/// Table 3-10, as far as it is the server's.
const REASONS: [u8; 28] = [
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
];

/// Ways to make a server say goodbye, and what it says.
fn goodbyes(trial: &Trial) -> Vec<Vec<u8>> {
    let version = trial.version;
    let mut goodbyes = Vec::new();
    let mut collect = |client: &mut Client| {
        while let Some(packet) = client.try_packet() {
            goodbyes.push(packet);
        }
    };
    let wrong = [
        vec![0x00, 0],
        packet(0x30, &[&string("a/#"), &[0]]),
        version.subscribe(1, &[("a/#/b", 0)]),
        version.subscribe(1, &[(&trial.topic("a"), 3)]),
        Publish::new("a", "x").alias(u16::MAX).bytes(version),
        trial.connect("a").bytes(),
        vec![0xF0, 0],
    ];
    for bytes in wrong {
        let mut client = trial.client("a");
        // What follows the error is not answered any more.
        client.try_send(&[bytes, PINGREQ.to_vec(), PINGREQ.to_vec()].concat());
        collect(&mut client);
    }
    let mut old = trial.client("a");
    let _new = trial.client("a");
    collect(&mut old);
    goodbyes
}

fn a_disconnect_of_the_server_has_a_reason_code_of_its_own(trial: &Trial) {
    for packet in goodbyes(trial) {
        let is_listed = packet[0] == 0xE0 && REASONS.contains(&reason_code(&packet));
        assert!(is_listed, "expected DISCONNECT with one of its codes, but got {packet:02x?}");
    }
}

fn nothing_is_sent_after_disconnect(trial: &Trial) {
    let topic = trial.topic("a");
    let mut publisher = trial.client("pub");
    for _ in 0..20 {
        let mut client = trial.client("a");
        client.follow(&topic, 0);
        client.send(&[0x00, 0]);
        for _ in 0..5 {
            publisher.publish(&topic, "x", 0);
        }
        // It asserts that nothing follows DISCONNECT.
        client.expect_end();
    }
    let goodbyes = goodbyes(trial);
    assert!(goodbyes.iter().all(|packet| packet[0] == 0xE0), "{goodbyes:02x?}");
}

fn a_disconnect_of_the_server_has_no_session_expiry(trial: &Trial) {
    for packet in goodbyes(trial).into_iter().filter(|packet| packet.len() > 3) {
        let (_, body) = split_integer(&packet[1..]);
        let (properties, _) = crate::Properties::split(&body[1..]);
        assert_eq!(properties.get(0x11), None, "{packet:02x?}");
    }
}

fn method(name: &str) -> Vec<u8> {
    [&[0x15][..], &string(name)].concat()
}

fn an_unknown_authentication_method_is_refused(trial: &Trial) {
    let connect = trial.connect("a").property(&method("no-such-method"));
    let mut client = trial.send(&connect.bytes());
    let code = client.expect_end();
    assert!(code.is_none_or(|code| matches!(code, 0x87 | 0x8C)), "CONNACK with {code:02x?}");
    let data = [&method("no-such-method")[..], &[0x16], &string([1, 2, 3])].concat();
    let mut client = trial.send(&trial.connect("a").property(&data).bytes());
    client.expect_end();
}

fn without_an_authentication_method_the_server_sends_none(trial: &Trial) {
    let mut client = trial.client("a");
    assert_eq!((client.connack.get(0x15), client.connack.get(0x16)), (None, None));
    // An AUTH would come before the answer.
    client.ping();
    client.expect_silence();
}

fn an_auth_without_an_authentication_method_ends_the_connection(trial: &Trial) {
    let again = packet(0xF0, &[&[0x19], &trial.version.properties(&method("no-such-method"))]);
    ends_the_connection(
        trial,
        vec![
            form("Success", vec![0xF0, 0], EITHER),
            form("Continue", vec![0xF0, 2, 0x18, 0], EITHER),
            form("Re-authenticate", again, EITHER),
            form("another code", vec![0xF0, 2, 0x01, 0], EITHER),
        ],
    );
}

fn an_auth_after_a_refused_method_is_not_served(trial: &Trial) {
    let topic = trial.topic("a");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let mut bytes = trial.connect("a").property(&method("no-such-method")).bytes();
    bytes.extend(packet(0xF0, &[&[0x18], &trial.version.properties(&method("no-such-method"))]));
    bytes.extend(Publish::new(&topic, "x").bytes(trial.version));
    let mut client = trial.send(&bytes);
    if client.expect_end() == Some(0) {
        not_testable("it knows every authentication method");
    }
    observer.expect_silence();
}
