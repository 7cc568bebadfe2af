//! Receive Maximum in both directions, and what goes on when its quota is used up (MQTT 5.0 section
//! 4.9); acknowledgements of what is not open.

use crate::case::{Trial, not_testable};
use crate::{Client, Connect, Publish, Received, puback, pubcomp, pubrec, pubrel};

cases! {
    v5 {
        the_server_sends_no_more_than_receive_maximum,
        receive_maximum_holds_at_qos_2_until_pubcomp,
        receive_maximum_holds_for_both_qos_together,
        receive_maximum_holds_when_a_session_resumes,
        a_pubrec_with_an_error_frees_its_place,
        a_puback_with_an_error_frees_its_place,
        without_places_all_other_packets_are_served,
        without_places_messages_of_qos_0_are_sent,
        the_client_may_send_receive_maximum_messages,
    }
    v5_should {
        who_exceeds_the_receive_maximum_of_the_server_is_disconnected,
        a_pubrel_of_an_unknown_identifier_is_not_found,
        a_pubrec_of_an_unknown_identifier_is_not_found,
    }
    both {
        acknowledgements_of_unknown_identifiers_disturb_nobody,
        a_pubrel_that_comes_again_is_completed_again,
    }
}

/// A subscriber with this Receive Maximum, and ten messages for it.
fn flooded(trial: &Trial, connect: &Connect, qos: &[u8]) -> Client {
    let topic = trial.topic("a");
    let mut client = trial.join(connect);
    client.follow(&topic, 2);
    let mut publisher = trial.client("pub");
    for number in 0..10 {
        publisher.publish(&topic, number.to_string(), qos[number % qos.len()]);
    }
    client
}

#[track_caller]
fn receive(client: &mut Client, count: usize) -> Vec<Received> {
    let found = client.deliveries();
    let texts: Vec<_> = found.iter().map(Received::text).collect();
    assert_eq!(found.len(), count, "how many messages may come now: {texts:?}");
    found
}

fn the_server_sends_no_more_than_receive_maximum(trial: &Trial) {
    for maximum in [1, 3] {
        let connect = trial.connect("sub").receive_maximum(maximum);
        let mut client = flooded(trial, &connect, &[1]);
        let mut open = receive(&mut client, maximum.into());
        for number in usize::from(maximum)..10 {
            client.send(&puback(open.pop().unwrap().id));
            let next = receive(&mut client, 1).remove(0);
            assert_eq!(next.text(), number.to_string());
            open.push(next);
        }
    }
}

fn receive_maximum_holds_at_qos_2_until_pubcomp(trial: &Trial) {
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(2), &[2]);
    let mut open = receive(&mut client, 2);
    for _ in 2..10 {
        let id = open.remove(0).id;
        client.send(&pubrec(id));
        client.answer(0x62, id);
        receive(&mut client, 0);
        client.send(&pubcomp(id));
        open.extend(receive(&mut client, 1));
    }
}

fn receive_maximum_holds_for_both_qos_together(trial: &Trial) {
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(4), &[1, 2]);
    let open = receive(&mut client, 4);
    assert_eq!(open.iter().map(|received| received.qos).collect::<Vec<_>>(), [1, 2, 1, 2]);
    client.send(&puback(open[0].id));
    receive(&mut client, 1);
}

fn receive_maximum_holds_when_a_session_resumes(trial: &Trial) {
    let persistent = trial.persistent("sub");
    let mut client = flooded(trial, &persistent.clone().receive_maximum(5), &[1]);
    let before = receive(&mut client, 5);
    client.lose();
    let mut client = trial.resume(&persistent.receive_maximum(2));
    let again = receive(&mut client, 2);
    assert_eq!((again[0].id, again[1].id), (before[0].id, before[1].id));
    client.send(&puback(again[0].id));
    assert_eq!(receive(&mut client, 1)[0].id, before[2].id);
}

fn a_pubrec_with_an_error_frees_its_place(trial: &Trial) {
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(1), &[2]);
    for number in 0..9 {
        let received = receive(&mut client, 1).remove(0);
        assert_eq!(received.text(), number.to_string());
        client.refuse(&received, 0x80);
    }
}

fn a_puback_with_an_error_frees_its_place(trial: &Trial) {
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(1), &[1]);
    for number in 0..9 {
        let received = receive(&mut client, 1).remove(0);
        assert_eq!(received.text(), number.to_string());
        client.refuse(&received, 0x97);
    }
}

fn without_places_all_other_packets_are_served(trial: &Trial) {
    let version = trial.version;
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(1), &[2]);
    let open = receive(&mut client, 1).remove(0);
    client.ping();
    client.send(&version.subscribe(1, &[(&trial.topic("b"), 1)]));
    client.answer(0x90, 1);
    client.send(&version.unsubscribe(2, &[&trial.topic("b")]));
    client.answer(0xB0, 2);
    client.send(&Publish::new(&trial.topic("c"), "x").qos(1, 3).bytes(version));
    client.answer(0x40, 3);
    client.send(&Publish::new(&trial.topic("c"), "x").qos(2, 4).bytes(version));
    client.answer(0x50, 4);
    client.send(&pubrel(4));
    client.answer(0x70, 4);
    client.send(&pubrec(open.id));
    client.answer(0x62, open.id);
    client.ping();
}

fn without_places_messages_of_qos_0_are_sent(trial: &Trial) {
    let mut client = flooded(trial, &trial.connect("sub").receive_maximum(1), &[1]);
    receive(&mut client, 1);
    trial.client("pub").publish(&trial.topic("a"), "zero", 0);
    assert_eq!(receive(&mut client, 1)[0].text(), "zero");
}

/// The Receive Maximum of the server.
fn maximum(client: &Client) -> u16 {
    client.connack.number(0x21).map_or(u16::MAX, |maximum| u16::try_from(maximum).unwrap())
}

fn the_client_may_send_receive_maximum_messages(trial: &Trial) {
    let mut client = trial.client("pub");
    let count = maximum(&client).min(200);
    let topic = trial.topic("a");
    let mut bytes = Vec::new();
    for id in 1..=count {
        bytes.extend(Publish::new(&topic, "x").qos(2, id).bytes(trial.version));
    }
    client.send(&bytes);
    for id in 1..=count {
        client.answer(0x50, id);
    }
    for id in 1..=count {
        client.send(&pubrel(id));
        client.answer(0x70, id);
    }
}

fn who_exceeds_the_receive_maximum_of_the_server_is_disconnected(trial: &Trial) {
    let mut client = trial.client("pub");
    let count = maximum(&client);
    if count > 5_000 {
        not_testable(format!("its Receive Maximum is {count}"));
    }
    let topic = trial.topic("a");
    for id in 1..=count + 1 {
        client.try_send(&Publish::new(&topic, "x").qos(2, id).bytes(trial.version));
    }
    for id in 1..=count {
        client.answer(0x50, id);
    }
    let code = client.expect_end();
    assert!(code.is_none_or(|code| code == 0x93), "DISCONNECT with {code:02x?}");
}

fn a_pubrel_of_an_unknown_identifier_is_not_found(trial: &Trial) {
    let mut client = trial.client("a");
    client.send(&pubrel(9));
    assert_eq!(client.answer(0x70, 9).codes, [0x92], "the code of PUBCOMP");
    client.ping();
}

fn a_pubrec_of_an_unknown_identifier_is_not_found(trial: &Trial) {
    let mut client = trial.client("a");
    client.send(&pubrec(9));
    assert_eq!(client.answer(0x62, 9).codes, [0x92], "the code of PUBREL");
    client.ping();
}

fn acknowledgements_of_unknown_identifiers_disturb_nobody(trial: &Trial) {
    let topic = trial.topic("a");
    let mut client = trial.client("a");
    client.follow(&topic, 2);
    client.send(&[puback(7), pubcomp(8)].concat());
    client.ping();
    trial.client("pub").publish(&topic, "y", 1);
    let open = client.expect_text("y");
    // Twice: the second is one of nothing.
    client.send(&puback(open.id));
    client.send(&puback(open.id));
    client.expect_alive();
}

fn a_pubrel_that_comes_again_is_completed_again(trial: &Trial) {
    let mut client = trial.client("a");
    client.send(&Publish::new(&trial.topic("a"), "x").qos(2, 5).bytes(trial.version));
    client.answer(0x50, 5);
    for _ in 0..3 {
        client.send(&pubrel(5));
        client.answer(0x70, 5);
    }
}
