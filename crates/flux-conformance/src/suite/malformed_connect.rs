//! Every malformed form of CONNECT: it is refused, and MQTT 5.0 says why (section 3.1).

use super::violation::{
    EITHER, Form, MALFORMED, NAME_INVALID, PROTOCOL_ERROR, connack_tells, connect, form,
    refuses_connect,
};
use crate::case::Trial;
use crate::client::reason_code;
use crate::{PINGREQ, Publish, packet, puback, string};

cases! {
    both {
        the_first_packet_is_connect,
        a_reserved_connect_flag_refuses_connect,
        a_flag_without_its_field_refuses_connect,
        a_field_without_its_flag_refuses_connect,
        a_will_qos_or_retain_without_a_will_refuses_connect,
        a_will_qos_of_3_refuses_connect,
        a_connect_cut_short_is_refused,
        a_will_topic_that_is_no_topic_name_refuses_connect,
    }
    v3 {
        a_password_without_a_user_name_refuses_connect,
    }
    v5 {
        a_wrong_property_of_connect_refuses_it,
        a_wrong_property_of_a_will_refuses_connect,
    }
    v5_should {
        malformed_connects_are_told_apart,
    }
}

/// Nothing may be sent but a CONNACK that refuses.
fn the_first_packet_is_connect(trial: &Trial) {
    let topic = trial.topic("a");
    let mut observer = trial.client("observer");
    observer.follow(&topic, 0);
    let mut forms = vec![
        form("PUBLISH", Publish::new(&topic, "x").bytes(trial.version), EITHER),
        form("SUBSCRIBE", trial.version.subscribe(1, &[(&topic, 0)]), EITHER),
        form("UNSUBSCRIBE", trial.version.unsubscribe(1, &[&topic]), EITHER),
        form("PUBACK", puback(1), EITHER),
        form("PINGREQ", PINGREQ.to_vec(), EITHER),
        form("DISCONNECT", vec![0xE0, 0], EITHER),
        form("CONNACK", vec![0x20, 2, 0, 0], EITHER),
        form("a line of text", b"GET / HTTP/1.1\r\n\r\n".to_vec(), EITHER),
    ];
    if trial.is_v5() {
        forms.push(form("AUTH", vec![0xF0, 0], EITHER));
    }
    for form in forms {
        let mut client = trial.send(&form.bytes);
        if let Some(packet) = client.try_packet() {
            assert!(
                packet[0] == 0x20 && reason_code(&packet) >= 0x80,
                "{}: {packet:02x?}",
                form.what
            );
            client.expect_closed();
        }
    }
    observer.expect_silence();
}

/// Client identifier, and the fields of a will, each as bytes.
fn fields(trial: &Trial) -> [Vec<u8>; 4] {
    [
        string(trial.id("a")),
        trial.version.properties(&[]),
        string(trial.topic("will")),
        string("gone"),
    ]
}

fn a_reserved_connect_flag_refuses_connect(trial: &Trial) {
    let id = &fields(trial)[0];
    refuses_connect(
        trial,
        vec![
            form("with Clean Start", connect(trial, 0x03, &[], &[id]), MALFORMED),
            form("alone", connect(trial, 0x01, &[], &[id]), MALFORMED),
        ],
    );
}

fn flags_without_fields(trial: &Trial) -> Vec<Form> {
    let [id, none, topic, payload] = &fields(trial);
    let name = &string("name");
    vec![
        form("a will", connect(trial, 0x06, &[], &[id]), MALFORMED),
        form("a will without topic", connect(trial, 0x06, &[], &[id, none]), MALFORMED),
        form("a will without payload", connect(trial, 0x06, &[], &[id, none, topic]), MALFORMED),
        form("a user name", connect(trial, 0x82, &[], &[id]), MALFORMED),
        form(
            "a user name behind a will",
            connect(trial, 0x86, &[], &[id, none, topic, payload]),
            MALFORMED,
        ),
        form("a password", connect(trial, 0xC2, &[], &[id, name]), MALFORMED),
    ]
}

fn a_flag_without_its_field_refuses_connect(trial: &Trial) {
    refuses_connect(trial, flags_without_fields(trial));
}

fn fields_without_flags(trial: &Trial) -> Vec<Form> {
    let [id, none, topic, payload] = &fields(trial);
    let (name, password) = (&string("name"), &string("secret"));
    vec![
        form("a will", connect(trial, 0x02, &[], &[id, none, topic, payload]), MALFORMED),
        form("a user name", connect(trial, 0x02, &[], &[id, name]), MALFORMED),
        form("a password", connect(trial, 0x82, &[], &[id, name, password]), MALFORMED),
        form("a byte", connect(trial, 0x02, &[], &[id, &[0]]), MALFORMED),
    ]
}

fn a_field_without_its_flag_refuses_connect(trial: &Trial) {
    refuses_connect(trial, fields_without_flags(trial));
}

fn wills_that_are_none(trial: &Trial) -> Vec<Form> {
    let id = &fields(trial)[0];
    vec![
        form("QoS 1", connect(trial, 0x0A, &[], &[id]), MALFORMED),
        form("QoS 2", connect(trial, 0x12, &[], &[id]), MALFORMED),
        form("QoS 3", connect(trial, 0x1A, &[], &[id]), MALFORMED),
        form("retain", connect(trial, 0x22, &[], &[id]), MALFORMED),
    ]
}

fn a_will_qos_or_retain_without_a_will_refuses_connect(trial: &Trial) {
    refuses_connect(trial, wills_that_are_none(trial));
}

fn will_qos_3(trial: &Trial) -> Vec<Form> {
    let [id, none, topic, payload] = &fields(trial);
    let payload = &[&id[..], none, topic, payload];
    vec![
        form("will QoS 3", connect(trial, 0x1E, &[], payload), MALFORMED),
        form("will QoS 3, retained", connect(trial, 0x3E, &[], payload), MALFORMED),
    ]
}

fn a_will_qos_of_3_refuses_connect(trial: &Trial) {
    refuses_connect(trial, will_qos_3(trial));
}

fn connects_cut_short(trial: &Trial) -> Vec<Form> {
    let id = &fields(trial)[0];
    let good = connect(trial, 0x02, &[], &[id]);
    let mut forms = vec![form("no client identifier", connect(trial, 0x02, &[], &[]), MALFORMED)];
    // Every prefix of the body that still names the protocol and its version.
    for len in 7..good.len() - 2 {
        forms.push(form("a part", packet(0x10, &[&good[2..2 + len]]), MALFORMED));
    }
    let longer = connect(trial, 0x02, &[], &[&[0, 30], b"shorter"]);
    forms.push(form("a client identifier cut short", longer, MALFORMED));
    forms
}

fn a_connect_cut_short_is_refused(trial: &Trial) {
    refuses_connect(trial, connects_cut_short(trial));
}

fn will_topics(trial: &Trial) -> Vec<Form> {
    let [id, none, _, payload] = &fields(trial);
    let will = |topic: &str| connect(trial, 0x06, &[], &[id, none, &string(topic), payload]);
    vec![
        form("an empty will topic", will(""), &[0x82, 0x81, 0x90]),
        form("`#`", will("#"), NAME_INVALID),
        form("a level `+`", will(&trial.topic("+")), NAME_INVALID),
        form("`+` within a level", will(&trial.topic("a+")), NAME_INVALID),
    ]
}

fn a_will_topic_that_is_no_topic_name_refuses_connect(trial: &Trial) {
    refuses_connect(trial, will_topics(trial));
}

fn a_password_without_a_user_name_refuses_connect(trial: &Trial) {
    let id = &fields(trial)[0];
    let bytes = connect(trial, 0x42, &[], &[id, &string("secret")]);
    refuses_connect(trial, vec![form("a password", bytes, MALFORMED)]);
}

fn properties(trial: &Trial) -> Vec<Form> {
    let id = &fields(trial)[0];
    let with = |properties: &[u8]| connect(trial, 0x02, properties, &[id]);
    let mut forms = vec![
        form("Receive Maximum 0", with(&[0x21, 0, 0]), PROTOCOL_ERROR),
        form("Maximum Packet Size 0", with(&[0x27, 0, 0, 0, 0]), PROTOCOL_ERROR),
        form("Request Problem Information 2", with(&[0x17, 2]), PROTOCOL_ERROR),
        form("Request Response Information 2", with(&[0x19, 2]), PROTOCOL_ERROR),
        form("Authentication Data without a method", with(&[0x16, 0, 1, b'a']), PROTOCOL_ERROR),
        form("a property cut short", with(&[0x21, 1]), MALFORMED),
        form("a property that does not exist", with(&[0x7F]), EITHER),
    ];
    let foreign: [&[u8]; 9] = [
        &[0x01, 0],
        &[0x02, 0, 0, 0, 1],
        &[0x0B, 1],
        &[0x12, 0, 1, b'a'],
        &[0x13, 0, 1],
        &[0x18, 0, 0, 0, 1],
        &[0x1F, 0, 1, b'a'],
        &[0x23, 0, 1],
        &[0x24, 1],
    ];
    forms.extend(foreign.map(|bytes| form("a property of another packet", with(bytes), EITHER)));
    let twice: [&[u8]; 6] = [
        &[0x11, 0, 0, 0, 1],
        &[0x21, 0, 1],
        &[0x27, 0, 0, 1, 0],
        &[0x22, 0, 1],
        &[0x17, 1],
        &[0x19, 0],
    ];
    forms.extend(
        twice.map(|bytes| form("a property twice", with(&bytes.repeat(2)), PROTOCOL_ERROR)),
    );
    forms
}

fn a_wrong_property_of_connect_refuses_it(trial: &Trial) {
    refuses_connect(trial, properties(trial));
}

fn will_properties(trial: &Trial) -> Vec<Form> {
    let [id, _, topic, payload] = &fields(trial);
    let with = |properties: &[u8]| {
        let properties = trial.version.properties(properties);
        connect(trial, 0x06, &[], &[id, &properties, topic, payload])
    };
    vec![
        form("payload format 2", with(&[0x01, 2]), EITHER),
        form("a will delay twice", with(&[0x18, 0, 0, 0, 1].repeat(2)), PROTOCOL_ERROR),
        form("a payload format twice", with(&[0x01, 1].repeat(2)), PROTOCOL_ERROR),
        form("a topic alias", with(&[0x23, 0, 1]), EITHER),
        form("a subscription identifier", with(&[0x0B, 1]), EITHER),
        form("a session expiry", with(&[0x11, 0, 0, 0, 1]), EITHER),
        form("a property cut short", with(&[0x18, 0, 0]), MALFORMED),
        form("a response topic with a wildcard", with(b"\x08\0\x01#"), &[0x82, 0x81, 0x90]),
    ]
}

fn a_wrong_property_of_a_will_refuses_connect(trial: &Trial) {
    refuses_connect(trial, will_properties(trial));
}

fn malformed_connects_are_told_apart(trial: &Trial) {
    connack_tells(trial, flags_without_fields(trial));
    connack_tells(trial, fields_without_flags(trial));
    connack_tells(trial, wills_that_are_none(trial));
    connack_tells(trial, will_qos_3(trial));
    connack_tells(trial, connects_cut_short(trial));
    connack_tells(trial, will_topics(trial));
    connack_tells(trial, properties(trial));
    connack_tells(trial, will_properties(trial));
}
