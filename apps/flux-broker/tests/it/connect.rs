//! A connection begins: CONNECT, who may come in, and what CONNACK says (sections 3.1, 3.2).

use std::time::Duration;

use flux_mqtt::Settings;

use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, PINGREQ, Publish, Version, packet, string};

scenarios! {
    connack_of_v3_is_four_bytes,
    connack_of_v5_says_what_the_broker_can,
    response_information_is_for_who_asks with answers_on_a_prefix,
    nobody_gets_response_information_that_is_not_set,
    response_information_is_left_out_where_it_does_not_fit with answers_on_a_prefix,
    v5_is_told_an_unsupported_authentication_method,
    an_unsupported_protocol_level_is_refused_in_the_peers_words,
    an_unknown_protocol_name_closes_without_a_byte,
    a_reserved_connect_flag_is_refused,
    an_empty_client_identifier_of_v3_needs_a_clean_session,
    an_empty_client_identifier_of_v5_is_assigned_and_can_be_used_again,
}

scenarios_of_all_versions! {
    a_first_packet_that_is_not_connect_closes_without_a_byte,
    a_second_connect_is_a_protocol_error,
    what_is_sent_behind_connect_is_served,
    a_connection_without_connect_is_closed with impatient,
}

fn connack_of_v3_is_four_bytes(broker: &Broker) {
    let mut client = Client::open_with(broker, V311, b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01a");
    client.expect(&[0x20, 2, 0, 0]);
    client.ping();
}

fn connack_of_v5_says_what_the_broker_can(broker: &Broker) {
    let connect = b"\x10\x0E\0\x04MQTT\x05\x02\0\x3C\0\0\x01a";
    let mut client = Client::open_with(broker, V5, connect);
    client.expect_connack();
    assert!(!client.session_present);
    let connack = &client.connack;
    assert_eq!(connack.number(0x27), Some(16 * 1024 * 1024), "Maximum Packet Size");
    assert_eq!(connack.number(0x2A), None, "Shared Subscription Available");
    assert!(matches!(connack.number(0x21), None | Some(0xFFFF)), "Receive Maximum");
    assert_eq!(connack.number(0x24), None, "Maximum QoS: 2");
    for absent in [0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F] {
        assert_eq!(connack.get(absent), None, "property {absent:#04x}");
    }
    for default in [0x25, 0x28, 0x29] {
        assert!(matches!(connack.number(default), None | Some(1)), "property {default:#04x}");
    }
    assert_eq!(connack.number(0x22), Some(16), "Topic Alias Maximum");
    client.ping();
}

fn answers_on_a_prefix(settings: &mut Settings) {
    settings.response_information = Some("answers/".to_owned());
}

fn response_information_is_for_who_asks(broker: &Broker) {
    for (property, expected) in
        [(&[][..], None), (&[0x19, 0], None), (&[0x19, 1], Some("answers/"))]
    {
        let client = Client::connect(broker, &Connect::new(V5, "a").property(property));
        assert_eq!(client.connack.text(0x1A).as_deref(), expected, "{property:?}");
    }
}

fn nobody_gets_response_information_that_is_not_set(broker: &Broker) {
    let client = Client::connect(broker, &Connect::new(V5, "a").property(&[0x19, 1]));
    assert_eq!(client.connack.get(0x1A), None);
}

fn response_information_is_left_out_where_it_does_not_fit(broker: &Broker) {
    let connect = Connect::new(V5, "a").property(&[0x19, 1]);
    let mut client = Client::open_with(broker, V5, &connect.bytes());
    let len = u32::try_from(client.packet().len()).unwrap();
    for (max, has_it) in [(len, true), (len - 1, false), (len - 11, false)] {
        let client = Client::connect(broker, &connect.clone().maximum_packet_size(max));
        assert_eq!(client.connack.text(0x1A).is_some(), has_it);
    }
}

fn v5_is_told_an_unsupported_authentication_method(broker: &Broker) {
    let method = [&[0x15][..], &string("SCRAM-SHA-256")].concat();
    let connect = Connect::new(V5, "a").property(&method);
    Client::open_with(broker, V5, &connect.bytes()).expect_refusal(0x8C);
}

fn an_unsupported_protocol_level_is_refused_in_the_peers_words(broker: &Broker) {
    let others = [0, 1, 2, 4, 5, 6, 255].map(|level| ("MQIsdp", level));
    for (name, level) in [("MQTT", 0), ("MQTT", 3)].into_iter().chain(others) {
        let connect = connect_with(name, level, 0x02);
        let mut client = Client::open_with(broker, V311, &connect);
        client.expect(&[0x20, 2, 0, 1]);
        client.expect_closed();
    }
    // Nobody knows how much such a client takes, so there are no words.
    for level in [6, 255] {
        let mut client = Client::open_with(broker, V5, &connect_with("MQTT", level, 0x02));
        client.expect(&[0x20, 3, 0, 0x84, 0]);
        client.expect_closed();
    }
}

fn an_unknown_protocol_name_closes_without_a_byte(broker: &Broker) {
    for name in ["MQTX", "mqtt", "", "MQTT5"] {
        for level in [4, 5] {
            Client::open_with(broker, V311, &connect_with(name, level, 0x02)).expect_closed();
        }
    }
}

fn a_reserved_connect_flag_is_refused(broker: &Broker) {
    Client::open_with(broker, V311, &connect_with("MQTT", 4, 0x03)).expect_closed();
    let connect = b"\x10\x0E\0\x04MQTT\x05\x03\0\x3C\0\0\x01a";
    Client::open_with(broker, V5, connect).expect_refusal(0x81);
}

fn an_empty_client_identifier_of_v3_needs_a_clean_session(broker: &Broker) {
    let mut refused = Client::open_with(broker, V311, &Connect::new(V311, "").resume().bytes());
    refused.expect(&[0x20, 2, 0, 2]);
    refused.expect_closed();
    let mut one = Client::connect(broker, &Connect::new(V311, ""));
    let mut other = Client::connect(broker, &Connect::new(V311, ""));
    one.ping();
    other.ping();
}

fn an_empty_client_identifier_of_v5_is_assigned_and_can_be_used_again(broker: &Broker) {
    let connect = Connect::new(V5, "").resume().expiry(3600);
    let mut one = Client::connect(broker, &connect);
    let mut other = Client::connect(broker, &connect);
    let name = one.connack.text(0x12).expect("an identifier is assigned");
    assert!(!name.is_empty());
    assert_ne!(other.connack.text(0x12), Some(name.clone()));
    one.subscribe("a", 1);
    one.disconnect();
    let mut one = Client::resume(broker, &Connect::persistent(V5, &name));
    assert_eq!(one.connack.get(0x12), None, "the client has a name of its own now");
    other.publish("a", "found again", 0);
    one.expect_publish(&Publish::new("a", "found again"));
}

fn a_first_packet_that_is_not_connect_closes_without_a_byte(broker: &Broker, version: Version) {
    let publish = Publish::new("a", "b").bytes(version);
    let subscribe = version.subscribe(1, &[("a", 0)]);
    let others: [&[u8]; 8] = [
        &PINGREQ,
        &publish,
        &subscribe,
        &[0xE0, 0],
        &[0x20, 2, 0, 0],
        &[0x40, 2, 0, 1],
        &[0xF0, 0],
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for bytes in others {
        Client::open_with(broker, version, bytes).expect_closed();
    }
}

fn a_second_connect_is_a_protocol_error(broker: &Broker, version: Version) {
    let connect = Connect::new(version, "twice");
    let mut client = Client::connect(broker, &connect);
    client.send(&connect.bytes());
    client.expect_disconnect(0x82);
}

fn what_is_sent_behind_connect_is_served(broker: &Broker, version: Version) {
    let connect = Connect::new(version, "hasty").bytes();
    let publish = Publish::new("a/b", "at once").qos(1, 2);
    let bytes =
        [connect, version.subscribe(1, &[("a/+", 0)]), publish.bytes(version), PINGREQ.to_vec()];
    let mut client = Client::open_with(broker, version, &bytes.concat());
    client.expect_connack();
    client.expect(&version.suback(1, &[0]));
    client.expect(&[0x40, 2, 0, 2]);
    client.expect(&[0xD0, 0]);
    client.expect_publish(&Publish::new("a/b", "at once"));
}

fn a_connection_without_connect_is_closed(broker: &Broker, version: Version) {
    let mut silent = Client::open(broker.address(), version);
    let connect = Connect::new(version, "half").bytes();
    let mut half = Client::open_with(broker, version, &connect[..connect.len() - 1]);
    let mut whole = Client::open_with(broker, version, &connect);
    silent.expect_closed();
    half.expect_closed();
    whole.expect_connack();
    whole.ping();
}

fn impatient(settings: &mut Settings) {
    settings.connect_timeout = Duration::from_millis(300);
}

/// A CONNECT of MQTT 3.1.1 in everything but its name, level and flags.
fn connect_with(name: &str, level: u8, flags: u8) -> Vec<u8> {
    packet(0x10, &[&string(name), &[level, flags, 0, 60], &string("a")])
}
