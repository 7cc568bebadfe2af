//! Reason codes where they belong, and why something failed in words (sections 2.4, 3.1.2.11.7).

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Publish, packet, pubcomp, pubrec, pubrel, string};

scenarios! {
    an_identifier_of_an_open_qos_2_message_is_in_use,
    an_identifier_in_use_is_so_across_connections,
    older_versions_cannot_say_that_an_identifier_is_in_use,
    a_pubrel_or_pubrec_of_nothing_is_not_found,
    a_message_without_subscribers_is_told_so,
    a_failure_is_told_in_words,
    a_client_that_wants_no_words_gets_them_at_its_end_only,
    words_are_left_out_where_they_do_not_fit,
    a_refused_connect_is_told_in_words_where_they_fit,
    a_goodbye_says_what_was_wrong,
}

/// Request Problem Information.
fn problem_information(value: u8) -> [u8; 2] {
    [0x17, value]
}

fn a_failure_is_told_in_words(broker: &Broker) {
    for connect in [Connect::new(V5, "a"), Connect::new(V5, "a").property(&problem_information(1))]
    {
        let mut client = Client::connect(broker, &connect);
        client.send(&Publish::new("denied/a", "x").qos(1, 1).bytes(V5));
        client.expect_ack(0x40, 1, 0x87);
        client.send(&Publish::new("denied/a", "x").qos(2, 2).bytes(V5));
        client.expect_ack(0x50, 2, 0x87);
        client.send(&V5.subscribe(3, &[("a", 0), ("denied/a", 0)]));
        client.expect_codes(0x90, 3, &[0, 0x87]);
        // Where nothing failed there is nothing to say.
        client.send(&Publish::new("nobody/listens", "x").qos(1, 4).bytes(V5));
        client.expect(&V5.puback_unmatched(4));
        client.send(&V5.unsubscribe(5, &["a", "never"]));
        client.expect(&V5.unsuback(5, &[0, 0x11]));
    }
}

/// Each request that may be refused is, by a reason code alone.
#[track_caller]
fn expect_refusals_without_words(client: &mut Client) {
    client.send(&Publish::new("denied/a", "x").qos(1, 1).bytes(V5));
    client.expect(&V5.ack(0x40, 1, 0x87));
    client.send(&Publish::new("denied/a", "x").qos(2, 2).bytes(V5));
    client.expect(&V5.ack(0x50, 2, 0x87));
    client.send(&V5.subscribe(3, &[("denied/a", 0)]));
    client.expect(&V5.suback(3, &[0x87]));
}

/// [MQTT-3.1.2-29]
fn a_client_that_wants_no_words_gets_them_at_its_end_only(broker: &Broker) {
    let connect = Connect::new(V5, "a").property(&problem_information(0));
    let mut client = Client::connect(broker, &connect);
    expect_refusals_without_words(&mut client);
    client.send(&[0x00, 0]);
    client.expect_disconnect(0x81);
    let method = [&[0x15][..], &string("SCRAM-SHA-256")].concat();
    Client::open_with(broker, V5, &connect.property(&method).bytes()).expect_refusal(0x8C);
}

fn words_are_left_out_where_they_do_not_fit(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a").maximum_packet_size(30));
    expect_refusals_without_words(&mut client);
    client.send(&[0x00, 0]);
    client.expect(&[0xE0, 2, 0x81, 0]);
    client.expect_closed();
}

fn a_refused_connect_is_told_in_words_where_they_fit(broker: &Broker) {
    let method = [&[0x15][..], &string("SCRAM-SHA-256")].concat();
    let connect = Connect::new(V5, "a").property(&method);
    let mut client = Client::open_with(broker, V5, &connect.bytes());
    let len = u32::try_from(client.packet().len()).unwrap();
    let sent = |max: u32| {
        let bytes = connect.clone().maximum_packet_size(max).bytes();
        let mut client = Client::open_with(broker, V5, &bytes);
        let packet = client.try_packet();
        client.expect_closed();
        packet.map(|packet| u32::try_from(packet.len()).unwrap())
    };
    assert_eq!(sent(len), Some(len));
    assert_eq!(sent(len - 1), Some(5));
    assert_eq!(sent(5), Some(5));
    assert_eq!(sent(4), None, "[MQTT-3.1.2-24]");
    // What was understood of a malformed CONNECT counts as well.
    let malformed = Connect::new(V5, "a").maximum_packet_size(9).property(&[0x7F]).bytes();
    let mut client = Client::open_with(broker, V5, &malformed);
    client.expect(&[0x20, 3, 0, 0x81, 0]);
    client.expect_closed();
}

fn a_goodbye_says_what_was_wrong(broker: &Broker) {
    let check = |bytes: &[u8], code: u8, words: &str| {
        let mut client = Client::connect(broker, &Connect::new(V5, "a"));
        client.send(bytes);
        client.expect_disconnect(code);
        assert!(client.words.contains(words), "{}", client.words);
    };
    check(&V5.subscribe(1, &[("a/#/b", 0)]), 0x8F, "`#` at byte 2 is followed by more levels");
    check(&Publish::new("a", "x").alias(17).bytes(V5), 0x94, "between 1 and 16");
    check(&packet(0x30, &[&string("a"), &[2, 0x01, 2], b"x"]), 0x82, "0x01 is out of range");
    check(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 0x95, "268435460 bytes long, the limit is 16777216");
    let mut old = Client::connect(broker, &Connect::new(V5, "a"));
    let _new = Client::connect(broker, &Connect::new(V5, "a"));
    old.expect_disconnect(0x8E);
    assert!(old.words.contains("another connection"));
}

fn an_identifier_of_an_open_qos_2_message_is_in_use(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("a", 0);
    client.send(&Publish::new("a", "open").qos(2, 7).bytes(V5));
    client.expect(&pubrec(7));
    client.expect_publish(&Publish::new("a", "open"));
    client.send(&Publish::new("a", "refused").qos(1, 7).bytes(V5));
    client.expect_ack(0x40, 7, 0x91);
    client.send(&Publish::new("asked/a", "refused").qos(1, 7).bytes(V5));
    client.expect_ack(0x40, 7, 0x91);
    client.send(&V5.subscribe(7, &[("b", 0), ("asked/c", 0)]));
    client.expect_codes(0x90, 7, &[0x91, 0x91]);
    client.send(&V5.unsubscribe(7, &["a", "b"]));
    client.expect_codes(0xB0, 7, &[0x91, 0x91]);
    // Nothing of it was done, and the message is still open.
    client.publish("b", "x", 0);
    client.publish_packet(&Publish::new("a", "other identifier").qos(1, 1), 1);
    client.expect_publish(&Publish::new("a", "other identifier"));
    client.send(&pubrel(7));
    client.expect(&pubcomp(7));
    client.send(&V5.unsubscribe(7, &["a", "b"]));
    client.expect(&V5.unsuback(7, &[0, 0x11]));
    client.expect_nothing();
}

fn an_identifier_in_use_is_so_across_connections(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::persistent(V5, "a"));
    client.send(&Publish::new("a", "open").qos(2, 7).bytes(V5));
    client.expect_ack(0x50, 7, 0x10);
    client.disconnect();
    let mut client = Client::resume(broker, &Connect::persistent(V5, "a"));
    client.send(&Publish::new("a", "refused").qos(1, 7).bytes(V5));
    client.expect_ack(0x40, 7, 0x91);
}

fn older_versions_cannot_say_that_an_identifier_is_in_use(broker: &Broker) {
    for version in [V31, V311] {
        let mut client = Client::connect(broker, &Connect::new(version, "a"));
        client.send(&Publish::new("b", "open").qos(2, 7).bytes(version));
        client.expect(&pubrec(7));
        client.send(&version.subscribe(7, &[("a", 0)]));
        client.expect(&version.suback(7, &[0]));
        client.send(&Publish::new("a", "x").qos(1, 7).bytes(version));
        client.expect(&[0x40, 2, 0, 7]);
        client.expect_publish(&Publish::new("a", "x"));
    }
}

fn a_pubrel_or_pubrec_of_nothing_is_not_found(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.send(&pubrel(7));
    client.expect(&V5.ack(0x70, 7, 0x92));
    client.send(&pubrec(7));
    client.expect(&V5.ack(0x62, 7, 0x92));
    // A client that says so itself is not answered.
    client.send(&V5.ack(0x50, 7, 0x92));
    client.expect_disconnect(0x81);
}

fn a_message_without_subscribers_is_told_so(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.send(&Publish::new("a", "x").qos(1, 1).bytes(V5));
    client.expect(&V5.ack(0x40, 1, 0x10));
    client.send(&Publish::new("a", "x").qos(2, 2).bytes(V5));
    client.expect(&V5.ack(0x50, 2, 0x10));
    client.subscribe("a", 0);
    client.send(&Publish::new("a", "x").qos(1, 3).bytes(V5));
    client.expect(&[0x40, 2, 0, 3]);
}
