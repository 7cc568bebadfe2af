//! QoS 0, 1 and 2, and order (sections 4.3, 4.5 and 4.6).

use std::time::Duration;

use crate::case::{Trial, not_testable};
use crate::clock::let_pass;
use crate::{Client, Publish, pubcomp, pubrec, pubrel, u32_property};

cases! {
    both {
        qos_0_is_delivered_and_not_acknowledged,
        qos_1_is_acknowledged_with_puback,
        qos_2_is_acknowledged_with_pubrec_and_pubcomp,
        deliveries_are_new_and_have_their_qos,
        after_puback_the_identifier_is_of_a_new_message,
        until_pubrel_the_identifier_is_of_the_same_message,
        until_pubrel_it_is_so_without_dup_as_well,
        the_same_message_again_after_a_reconnect_is_not_delivered_again,
        after_pubcomp_the_identifier_is_of_a_new_message,
        pubrec_is_answered_with_pubrel,
        messages_of_one_publisher_keep_their_order,
        pubrels_come_in_the_order_of_pubrecs,
        acknowledgements_come_in_the_order_of_messages,
        a_message_is_offered_to_all_who_match,
        client_and_server_have_identifiers_of_their_own,
    }
    v5 {
        a_message_that_the_server_refuses_frees_its_identifier,
        a_handshake_goes_on_after_the_message_has_expired,
        acknowledgements_have_reason_codes_of_their_own,
    }
}

/// A subscriber at QoS 2 whose session stays, and a publisher.
pub(super) fn pair(trial: &Trial) -> (Client, Client) {
    let mut subscriber = trial.begin(&trial.persistent("sub"));
    subscriber.follow(&trial.topic("a"), 2);
    (trial.client("pub"), subscriber)
}

fn publish(trial: &Trial, payload: &str, qos: u8, id: u16) -> Vec<u8> {
    Publish::new(&trial.topic("a"), payload).qos(qos, id).bytes(trial.version)
}

fn qos_0_is_delivered_and_not_acknowledged(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.send(&Publish::new(&trial.topic("a"), "x").bytes(trial.version));
    publisher.ping();
    let received = subscriber.expect_text("x");
    assert_eq!((received.qos, received.dup), (0, false));
    publisher.expect_silence();
}

fn qos_1_is_acknowledged_with_puback(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for id in [1, 0xABCD] {
        publisher.send(&publish(trial, "x", 1, id));
        publisher.answer(0x40, id);
        assert_eq!(subscriber.receive_and_acknowledge().qos, 1);
    }
    // Also where nobody listens.
    publisher.send(&Publish::new(&trial.topic("nobody"), "x").qos(1, 3).bytes(trial.version));
    publisher.answer(0x40, 3);
    publisher.expect_silence();
}

fn qos_2_is_acknowledged_with_pubrec_and_pubcomp(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for id in [1, 0xABCD] {
        publisher.send(&publish(trial, "x", 2, id));
        publisher.answer(0x50, id);
        publisher.send(&pubrel(id));
        publisher.answer(0x70, id);
        assert_eq!(subscriber.receive_and_acknowledge().qos, 2);
    }
    publisher.expect_silence();
    subscriber.expect_silence();
}

fn deliveries_are_new_and_have_their_qos(trial: &Trial) {
    let mut publisher = trial.client("pub");
    for granted in 0..=2 {
        let mut subscriber = trial.client("sub");
        subscriber.follow(&trial.topic("a"), granted);
        for published in 0..=2 {
            publisher.publish(&trial.topic("a"), "x", published);
            let received = subscriber.receive_and_acknowledge();
            assert_eq!((received.qos, received.dup), (granted.min(published), false));
        }
    }
}

fn after_puback_the_identifier_is_of_a_new_message(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for payload in ["one", "two"] {
        let publish = Publish::new(&trial.topic("a"), payload).qos(1, 7);
        for publish in [publish.clone(), publish.dup()] {
            publisher.send(&publish.bytes(trial.version));
            publisher.answer(0x40, 7);
            assert_eq!(subscriber.receive_and_acknowledge().text(), payload);
        }
    }
    subscriber.expect_silence();
}

fn until_pubrel_the_identifier_is_of_the_same_message(trial: &Trial) {
    come_again(trial, &Publish::new(&trial.topic("a"), "x").qos(2, 7).dup());
}

fn until_pubrel_it_is_so_without_dup_as_well(trial: &Trial) {
    come_again(trial, &Publish::new(&trial.topic("a"), "x").qos(2, 7));
}

/// A message that comes three times before PUBREL.
fn come_again(trial: &Trial, again: &Publish) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.send(&publish(trial, "x", 2, 7));
    publisher.answer(0x50, 7);
    for _ in 0..2 {
        publisher.send(&again.bytes(trial.version));
        publisher.answer(0x50, 7);
    }
    publisher.send(&pubrel(7));
    publisher.answer(0x70, 7);
    assert_eq!(subscriber.receive_and_acknowledge().text(), "x");
    subscriber.expect_silence();
}

fn the_same_message_again_after_a_reconnect_is_not_delivered_again(trial: &Trial) {
    let (_, mut subscriber) = pair(trial);
    let persistent = trial.persistent("again");
    let mut publisher = trial.begin(&persistent);
    publisher.send(&publish(trial, "x", 2, 7));
    publisher.answer(0x50, 7);
    for _ in 0..2 {
        publisher.lose();
        publisher = trial.resume(&persistent);
        let again = Publish::new(&trial.topic("a"), "x").qos(2, 7).dup();
        publisher.send(&again.bytes(trial.version));
        publisher.answer(0x50, 7);
    }
    publisher.send(&pubrel(7));
    publisher.answer(0x70, 7);
    subscriber.receive_and_acknowledge();
    subscriber.expect_silence();
}

fn after_pubcomp_the_identifier_is_of_a_new_message(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for _ in 0..3 {
        publisher.send(&publish(trial, "x", 2, 7));
        publisher.answer(0x50, 7);
        publisher.send(&pubrel(7));
        publisher.answer(0x70, 7);
        assert_eq!(subscriber.receive_and_acknowledge().text(), "x");
    }
    subscriber.expect_silence();
}

fn pubrec_is_answered_with_pubrel(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    publisher.publish(&trial.topic("a"), "x", 2);
    let id = subscriber.expect_text("x").id;
    // Again as well, as long as it is open.
    for _ in 0..2 {
        subscriber.send(&pubrec(id));
        assert_eq!(subscriber.answer(0x62, id).codes, [0], "the code of PUBREL");
    }
    subscriber.send(&pubcomp(id));
    subscriber.expect_silence();
}

fn pubrels_come_in_the_order_of_pubrecs(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    for number in 0..6 {
        publisher.publish(&trial.topic("a"), number.to_string(), 2);
    }
    let open = subscriber.deliveries();
    // Not in the order of the messages.
    let order = [3, 0, 5, 1, 4, 2].map(|index: usize| open[index].id);
    subscriber.send(&order.map(pubrec).concat());
    for id in order {
        subscriber.answer(0x62, id);
    }
}

fn acknowledgements_come_in_the_order_of_messages(trial: &Trial) {
    let mut publisher = trial.client("pub");
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        let ids: [u16; 6] = [9, 3, 7, 1, 8, 2];
        publisher.send(&ids.map(|id| publish(trial, "x", qos, id)).concat());
        for id in ids {
            publisher.answer(first, id);
        }
    }
}

fn messages_of_one_publisher_keep_their_order(trial: &Trial) {
    let topic = trial.topic("a");
    for qos in 0..=2 {
        let mut publisher = trial.client("pub");
        let mut subscriber = trial.client("sub");
        subscriber.follow(&topic, qos);
        let maximum = publisher.connack.number(0x21).unwrap_or(20);
        let mut sent = 0;
        for burst in 0..20 {
            let mut bytes = Vec::new();
            let count = u16::try_from(maximum.min(20)).unwrap();
            for id in 1..=count {
                let publish =
                    Publish::new(&topic, (burst * u32::from(count) + u32::from(id)).to_string());
                let publish = if qos == 0 { publish } else { publish.qos(qos, id) };
                bytes.extend(publish.bytes(trial.version));
            }
            publisher.send(&bytes);
            for id in 1..=count {
                match qos {
                    0 => {}
                    1 => drop(publisher.answer(0x40, id)),
                    _ => drop(publisher.answer(0x50, id)),
                }
            }
            for id in (1..=count).filter(|_| qos == 2) {
                publisher.send(&pubrel(id));
                publisher.answer(0x70, id);
            }
            publisher.ping();
            for _ in 0..count {
                sent += 1;
                assert_eq!(subscriber.receive_and_acknowledge().number(), sent, "QoS {qos}");
            }
        }
    }
}

fn a_message_is_offered_to_all_who_match(trial: &Trial) {
    let topic = trial.topic("a/b");
    let filters = ["a/b", "a/+", "#", "+/b"];
    let mut present: Vec<_> = filters
        .iter()
        .enumerate()
        .map(|(number, filter)| {
            let mut client = trial.client(&format!("present{number}"));
            client.follow(&trial.topic(filter), 1);
            client
        })
        .collect();
    for number in 0..2 {
        let mut client = trial.begin(&trial.persistent(&format!("away{number}")));
        client.follow(&topic, 1);
        client.disconnect();
    }
    trial.client("pub").publish(&topic, "x", 1);
    for client in &mut present {
        client.expect_texts(&["x"]);
    }
    for number in 0..2 {
        trial.resume(&trial.persistent(&format!("away{number}"))).expect_texts(&["x"]);
    }
}

fn client_and_server_have_identifiers_of_their_own(trial: &Trial) {
    let (mut publisher, mut client) = pair(trial);
    publisher.publish(&trial.topic("a"), "theirs", 2);
    let id = client.expect_text("theirs").id;
    // The same identifier the other way, in every state of the handshake.
    client.send(&Publish::new(&trial.topic("b"), "x").qos(2, id).bytes(trial.version));
    client.answer(0x50, id);
    client.send(&pubrec(id));
    client.answer(0x62, id);
    client.send(&pubrel(id));
    client.answer(0x70, id);
    client.send(&Publish::new(&trial.topic("b"), "x").qos(1, id).bytes(trial.version));
    client.answer(0x40, id);
    client.send(&pubcomp(id));
    client.expect_silence();
}

/// After PUBREC with an error there is no PUBREL: the identifier is free.
fn a_message_that_the_server_refuses_frees_its_identifier(trial: &Trial) {
    let (mut publisher, mut subscriber) = pair(trial);
    let refused = Publish::new("$SYS/conformance", "x").qos(2, 7).bytes(trial.version);
    publisher.send(&refused);
    if publisher.answer(0x50, 7).codes[0] < 0x80 {
        not_testable("it refuses no message to $SYS");
    }
    for payload in ["one", "two"] {
        publisher.send(&publish(trial, payload, 2, 7));
        assert!(publisher.answer(0x50, 7).codes[0] < 0x80);
        publisher.send(&pubrel(7));
        publisher.answer(0x70, 7);
        assert_eq!(subscriber.receive_and_acknowledge().text(), payload);
    }
}

fn a_handshake_goes_on_after_the_message_has_expired(trial: &Trial) {
    let persistent = trial.persistent("pub");
    let mut publisher = trial.begin(&persistent);
    let publish = Publish::new(&trial.topic("a"), "x").qos(2, 7).property(&u32_property(0x02, 1));
    publisher.send(&publish.bytes(trial.version));
    publisher.answer(0x50, 7);
    let_pass(Duration::from_millis(2200));
    publisher.send(&publish.dup().bytes(trial.version));
    publisher.answer(0x50, 7);
    publisher.send(&pubrel(7));
    assert_eq!(publisher.answer(0x70, 7).codes, [0]);
}

/// Tables 3-4, 3-5, 3-7 and 3-8, in the situations that every client can make.
fn acknowledgements_have_reason_codes_of_their_own(trial: &Trial) {
    const PUBACK: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let mut client = trial.client("a");
    for topic in [trial.topic("nobody"), "$SYS/a".to_owned(), trial.topic(&"a/".repeat(150))] {
        for property in [&[][..], &[0x01, 1]] {
            // A payload that is not what its format says may be refused.
            let publish = Publish::new(&topic, b"\xFF").property(property);
            client.send(&publish.clone().qos(1, 1).bytes(trial.version));
            let code = client.answer(0x40, 1).codes[0];
            assert!(PUBACK.contains(&code), "PUBACK with {code:#04x}");
            client.send(&publish.qos(2, 2).bytes(trial.version));
            let code = client.answer(0x50, 2).codes[0];
            assert!(PUBACK.contains(&code), "PUBREC with {code:#04x}");
            client.send(&pubrel(2));
            let code = client.answer(0x70, 2).codes[0];
            assert!([0x00, 0x92].contains(&code), "PUBCOMP with {code:#04x}");
        }
    }
    client.send(&pubrec(3));
    let code = client.answer(0x62, 3).codes[0];
    assert!([0x00, 0x92].contains(&code), "PUBREL with {code:#04x}");
}
