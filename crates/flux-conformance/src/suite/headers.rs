//! Fixed headers and packet identifiers (sections 2.1 and 2.2).

use std::collections::HashSet;

use super::violation::{
    EITHER, Form, MALFORMED, PROTOCOL_ERROR, ends_the_connection, form, is_told,
};
use super::violation::{refuses_connect, with_first};
use crate::case::Trial;
use crate::{Publish, packet, puback, pubcomp, pubrec, pubrel, string};

cases! {
    both {
        reserved_bits_of_a_header_end_the_connection,
        reserved_bits_of_connect_refuse_it,
        a_pubrel_with_other_bits_ends_the_connection,
        a_subscribe_with_other_bits_ends_the_connection,
        an_unsubscribe_with_other_bits_ends_the_connection,
        a_disconnect_with_other_bits_ends_the_connection,
        packets_that_only_a_server_sends_end_the_connection,
        packet_types_that_do_not_exist_end_the_connection,
        a_length_of_five_bytes_ends_the_connection,
        packet_identifier_0_ends_the_connection,
        a_message_at_qos_0_has_no_packet_identifier,
        packet_identifiers_of_the_server_are_unused_and_not_0,
        answers_have_the_packet_identifier_of_what_they_answer,
    }
    v5 {
        an_auth_with_other_bits_ends_the_connection,
        packets_without_properties_have_a_property_length_of_0,
    }
    v5_should {
        wrong_headers_are_told_apart,
    }
}

fn subscribe(trial: &Trial) -> Vec<u8> {
    trial.version.subscribe(1, &[(&trial.topic("a"), 0)])
}

fn unsubscribe(trial: &Trial) -> Vec<u8> {
    trial.version.unsubscribe(1, &[&trial.topic("a")])
}

fn reserved_bits() -> Vec<Form> {
    vec![
        form("PUBACK 1", with_first(0x41, puback(1)), MALFORMED),
        form("PUBACK 2", with_first(0x42, puback(1)), MALFORMED),
        form("PUBREC 1", with_first(0x51, pubrec(1)), MALFORMED),
        form("PUBREC 8", with_first(0x58, pubrec(1)), MALFORMED),
        form("PUBCOMP 2", with_first(0x72, pubcomp(1)), MALFORMED),
        form("PINGREQ 1", vec![0xC1, 0], MALFORMED),
        form("PINGREQ 15", vec![0xCF, 0], MALFORMED),
    ]
}

fn reserved_bits_of_a_header_end_the_connection(trial: &Trial) {
    ends_the_connection(trial, reserved_bits());
}

fn reserved_bits_of_connect_refuse_it(trial: &Trial) {
    for first in [0x11, 0x12, 0x14, 0x18, 0x1F] {
        let connect = with_first(first, trial.connect("a").bytes());
        refuses_connect(trial, vec![form("CONNECT", connect, MALFORMED)]);
    }
}

fn every_other(first: u8, right: u8, bytes: &[u8]) -> Vec<Form> {
    let others = (0..16).filter(|flags| *flags != right);
    others.map(|flags| form("bits", with_first(first | flags, bytes.to_vec()), MALFORMED)).collect()
}

fn a_pubrel_with_other_bits_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, every_other(0x60, 2, &pubrel(1)));
}

fn a_subscribe_with_other_bits_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, every_other(0x80, 2, &subscribe(trial)));
}

fn an_unsubscribe_with_other_bits_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, every_other(0xA0, 2, &unsubscribe(trial)));
}

fn a_disconnect_with_other_bits_ends_the_connection(trial: &Trial) {
    // Its will is sent: it is not a DISCONNECT.
    let topic = trial.topic("will");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    for flags in 1..16 {
        let connect = trial.connect("violator").will(crate::Will::new(&topic, "gone"));
        let mut client = trial.join(&connect);
        client.send(&[0xE0 | flags, 0]);
        let code = client.expect_end();
        assert!(code.is_none_or(|code| code == 0x81), "flags {flags}: {code:02x?}");
        observer.expect_text("gone");
    }
}

fn an_auth_with_other_bits_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, every_other(0xF0, 0, &[0xF0, 2, 0x19, 0]));
}

fn packets_of_a_server() -> Vec<Form> {
    vec![
        form("CONNACK", vec![0x20, 2, 0, 0], EITHER),
        form("SUBACK", vec![0x90, 3, 0, 1, 0], EITHER),
        form("UNSUBACK", vec![0xB0, 2, 0, 1], EITHER),
        form("PINGRESP", vec![0xD0, 0], EITHER),
    ]
}

fn packets_that_only_a_server_sends_end_the_connection(trial: &Trial) {
    ends_the_connection(trial, packets_of_a_server());
}

fn packet_types_that_do_not_exist_end_the_connection(trial: &Trial) {
    let mut forms =
        vec![form("0", vec![0x00, 0], EITHER), form("0 with 15", vec![0x0F, 0], EITHER)];
    if !trial.is_v5() {
        forms.push(form("15", vec![0xF0, 0], EITHER));
    }
    ends_the_connection(trial, forms);
}

fn five_bytes() -> Vec<Form> {
    vec![
        form("PUBLISH", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], MALFORMED),
        form("PINGREQ", vec![0xC0, 0x80, 0x80, 0x80, 0x80, 0x00], MALFORMED),
    ]
}

fn a_length_of_five_bytes_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, five_bytes());
}

fn identifier_0(trial: &Trial) -> Vec<Form> {
    let topic = trial.topic("a");
    vec![
        form("PUBLISH at QoS 1", Publish::new(&topic, "x").qos(1, 0).bytes(trial.version), EITHER),
        form("PUBLISH at QoS 2", Publish::new(&topic, "x").qos(2, 0).bytes(trial.version), EITHER),
        form("SUBSCRIBE", trial.version.subscribe(0, &[(&topic, 0)]), EITHER),
        form("UNSUBSCRIBE", trial.version.unsubscribe(0, &[&topic]), EITHER),
    ]
}

fn packet_identifier_0_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, identifier_0(trial));
}

fn wrong_headers_are_told_apart(trial: &Trial) {
    is_told(trial, reserved_bits());
    is_told(trial, every_other(0x60, 2, &pubrel(1)));
    is_told(trial, every_other(0x80, 2, &subscribe(trial)));
    is_told(trial, every_other(0xA0, 2, &unsubscribe(trial)));
    is_told(trial, every_other(0xE0, 0, &[0xE0, 0]));
    is_told(trial, packets_of_a_server());
    is_told(trial, five_bytes());
    is_told(trial, identifier_0(trial));
    let second = trial.connect("violator").bytes();
    is_told(trial, vec![form("a second CONNECT", second, PROTOCOL_ERROR)]);
}

/// Two bytes that look like an identifier belong to the payload, in both directions.
fn a_message_at_qos_0_has_no_packet_identifier(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.follow(&topic, 2);
    let publish = Publish::new(&topic, [0, 1, b'x']);
    client.send(&publish.bytes(trial.version));
    let received = client.receive();
    assert_eq!((received.qos, &received.payload[..]), (0, &[0, 1, b'x'][..]));
}

fn packet_identifiers_of_the_server_are_unused_and_not_0(trial: &Trial) {
    let topic = trial.topic("a");
    let mut subscriber = trial.client("sub");
    subscriber.follow(&topic, 2);
    let mut publisher = trial.client("pub");
    let mut open = HashSet::new();
    for round in 0..5 {
        for qos in [1, 2, 1] {
            publisher.publish(&topic, "x", qos);
            let received = subscriber.receive();
            assert_ne!(received.id, 0, "a packet identifier");
            assert!(open.insert(received.id), "identifier {} is in use", received.id);
            // Every third stays open; of QoS 2 the first half is done, which does not free it.
            match received.qos {
                1 if round % 2 == 0 => {
                    subscriber.send(&puback(received.id));
                    open.remove(&received.id);
                }
                2 => {
                    subscriber.send(&pubrec(received.id));
                    subscriber.answer(0x62, received.id);
                }
                _ => {}
            }
        }
    }
}

fn answers_have_the_packet_identifier_of_what_they_answer(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    for id in [1, 2, 255, 256, 0x7FFF, 0x8000, 0xFFFF] {
        client.send(&trial.version.subscribe(id, &[(&trial.topic("b"), 0)]));
        client.answer(0x90, id);
        client.send(&trial.version.unsubscribe(id, &[&trial.topic("b")]));
        client.answer(0xB0, id);
        client.send(&Publish::new(&topic, "x").qos(1, id).bytes(trial.version));
        client.answer(0x40, id);
        client.send(&Publish::new(&topic, "x").qos(2, id).bytes(trial.version));
        client.answer(0x50, id);
        client.send(&pubrel(id));
        client.answer(0x70, id);
    }
}

fn packets_without_properties_have_a_property_length_of_0(trial: &Trial) {
    // Without a property length the payload would be read as properties, and nothing would be left.
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.follow(&topic, 0);
    client.send(&packet(0x30, &[&string(&topic), &[0], &[0x01, 0x01]]));
    let received = client.receive();
    assert_eq!((received.properties.0.len(), &received.payload[..]), (0, &[0x01, 0x01][..]));
    // A packet without even a property length is malformed.
    let without = packet(0x82, &[&[0, 1], &string(&topic), &[0]]);
    ends_the_connection(trial, vec![form("SUBSCRIBE", without, MALFORMED)]);
}
