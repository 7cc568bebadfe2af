//! Strings and integers (sections 1.5.4 to 1.5.7 of MQTT 5.0, 1.5.3 of 3.1.1).

use super::violation::{
    EITHER, Form, MALFORMED, connect, ends_the_connection, form, refuses_connect,
};
use crate::case::Trial;
use crate::{Publish, packet, string};

cases! {
    both {
        ill_formed_utf8_ends_the_connection,
        ill_formed_utf8_in_connect_refuses_it,
        a_null_character_ends_the_connection,
        a_null_character_in_connect_refuses_it,
        a_byte_order_mark_is_a_character_like_others,
    }
    v5 {
        a_length_of_properties_in_too_many_bytes_ends_the_connection,
        a_remaining_length_in_too_many_bytes_ends_the_connection,
        both_strings_of_a_user_property_are_strings,
        strings_in_properties_are_well_formed,
    }
}

/// What is not UTF-8: a lone continuation, a sequence cut short, overlong forms, surrogates (the
/// first, the last, a pair), beyond U+10FFFF, bytes that never occur.
const ILL_FORMED: [&[u8]; 11] = [
    b"\x80",
    b"a\xC3",
    b"\xC3\x28",
    b"\xE2\x82",
    b"\xC0\xAF",
    b"\xE0\x80\xAF",
    b"\xED\xA0\x80",
    b"\xED\xBF\xBF",
    b"\xED\xA0\x81\xED\xB0\x80",
    b"\xF4\x90\x80\x80",
    b"\xFF",
];

/// A string in each place that a packet of a connected client has for one.
fn in_packets(trial: &Trial, bad: &[u8]) -> Vec<Form> {
    let none = trial.version.properties(&[]);
    let topic = [trial.topic("a").as_bytes(), bad].concat();
    vec![
        form("topic name", packet(0x30, &[&string(&topic), &none, b"x"]), MALFORMED),
        form(
            "filter of SUBSCRIBE",
            packet(0x82, &[&[0, 1], &none, &string(&topic), &[0]]),
            MALFORMED,
        ),
        form("filter of UNSUBSCRIBE", packet(0xA2, &[&[0, 1], &none, &string(&topic)]), MALFORMED),
    ]
}

fn in_connects(trial: &Trial, bad: &[u8]) -> Vec<Form> {
    let none = trial.version.properties(&[]);
    let id = string(trial.id("a"));
    let bad_id = string([trial.id("a").as_bytes(), bad].concat());
    let bad = string(bad);
    let topic = string(trial.topic("will"));
    vec![
        form("client identifier", connect(trial, 0x02, &[], &[&bad_id]), MALFORMED),
        form("will topic", connect(trial, 0x06, &[], &[&id, &none, &bad, &string("x")]), MALFORMED),
        form("user name", connect(trial, 0x82, &[], &[&id, &bad]), MALFORMED),
        form(
            "user name behind a will",
            connect(trial, 0x86, &[], &[&id, &none, &topic, &string("x"), &bad]),
            MALFORMED,
        ),
    ]
}

fn ill_formed_utf8_ends_the_connection(trial: &Trial) {
    for bad in ILL_FORMED {
        ends_the_connection(trial, in_packets(trial, bad));
    }
}

fn ill_formed_utf8_in_connect_refuses_it(trial: &Trial) {
    for bad in ILL_FORMED {
        refuses_connect(trial, in_connects(trial, bad));
    }
}

fn a_null_character_ends_the_connection(trial: &Trial) {
    for bad in [&b"\0"[..], b"a\0b"] {
        ends_the_connection(trial, in_packets(trial, bad));
    }
}

fn a_null_character_in_connect_refuses_it(trial: &Trial) {
    for bad in [&b"\0"[..], b"a\0b"] {
        refuses_connect(trial, in_connects(trial, bad));
    }
}

fn a_byte_order_mark_is_a_character_like_others(trial: &Trial) {
    let plain = trial.topic("a");
    let marked = trial.topic("\u{FEFF}a");
    let mut client = trial.client("sub");
    client.follow(&plain, 0);
    client.send(&Publish::new(&marked, "marked").bytes(trial.version));
    client.expect_silence();
    client.follow(&marked, 0);
    client.send(&Publish::new(&marked, "marked").bytes(trial.version));
    assert_eq!(client.expect_text("marked").topic, marked);
    client.send(&Publish::new(&plain, "plain").bytes(trial.version));
    assert_eq!(client.expect_text("plain").topic, plain);
    client.expect_silence();
}

fn a_length_of_properties_in_too_many_bytes_ends_the_connection(trial: &Trial) {
    let topic = string(trial.topic("a"));
    let publish = |properties: &[u8]| packet(0x30, &[&topic, properties, b"x"]);
    ends_the_connection(
        trial,
        vec![
            form("0 in two bytes", publish(&[0x80, 0]), MALFORMED),
            form("2 in three bytes", publish(&[0x82, 0x80, 0, 0x01, 0]), MALFORMED),
            form("five bytes", publish(&[0x80, 0x80, 0x80, 0x80, 0]), MALFORMED),
            form(
                "a subscription identifier of 1 in two bytes",
                packet(0x82, &[&[0, 1, 3, 0x0B, 0x81, 0], &topic, &[0]]),
                MALFORMED,
            ),
        ],
    );
}

fn a_remaining_length_in_too_many_bytes_ends_the_connection(trial: &Trial) {
    ends_the_connection(
        trial,
        vec![
            form("PINGREQ", vec![0xC0, 0x80, 0], MALFORMED),
            form("DISCONNECT", vec![0xE0, 0x81, 0, 0], MALFORMED),
            form("PUBACK", vec![0x40, 0x82, 0x80, 0, 0, 1], MALFORMED),
        ],
    );
}

fn with_property(trial: &Trial, property: &[u8]) -> Vec<u8> {
    Publish::new(&trial.topic("a"), "x").property(property).bytes(trial.version)
}

fn both_strings_of_a_user_property_are_strings(trial: &Trial) {
    for bad in [&b"\xED\xA0\x80"[..], b"\xFF", b"a\0"] {
        let (bad, good) = (string(bad), string("good"));
        let forms = vec![
            form("name", with_property(trial, &[&[0x26][..], &bad, &good].concat()), MALFORMED),
            form("value", with_property(trial, &[&[0x26][..], &good, &bad].concat()), MALFORMED),
        ];
        ends_the_connection(trial, forms);
    }
    let alone = with_property(trial, &[&[0x26][..], &string("name")].concat());
    ends_the_connection(trial, vec![form("a name without value", alone, MALFORMED)]);
}

fn strings_in_properties_are_well_formed(trial: &Trial) {
    for bad in [&b"\xC3\x28"[..], b"\xED\xA0\x80", b"\0"] {
        let property = |id: u8| with_property(trial, &[&[id][..], &string(bad)].concat());
        let forms = vec![
            form("content type", property(0x03), MALFORMED),
            form("response topic", property(0x08), EITHER),
        ];
        ends_the_connection(trial, forms);
        let will = |id: u8| {
            let properties = [&[id][..], &string(bad)].concat();
            let properties = trial.version.properties(&properties);
            let (id, topic) = (string(trial.id("a")), string(trial.topic("will")));
            connect(trial, 0x06, &[], &[&id, &properties, &topic, &string("x")])
        };
        let method = [&[0x15][..], &string(bad)].concat();
        let forms = vec![
            form("content type of a will", will(0x03), MALFORMED),
            form("response topic of a will", will(0x08), EITHER),
            form(
                "authentication method",
                connect(trial, 2, &method, &[&string(trial.id("a"))]),
                MALFORMED,
            ),
        ];
        refuses_connect(trial, forms);
    }
}
