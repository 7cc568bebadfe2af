//! Every malformed form of every packet of a connected client: its connection ends, DISCONNECT of
//! MQTT 5.0 says why, and others go on (sections 4.13 of MQTT 5.0 and 4.8 of 3.1.1).

use super::violation::{
    EITHER, FILTER_INVALID, Form, MALFORMED, NAME_INVALID, PROTOCOL_ERROR, ends_the_connection,
    form, is_told,
};
use crate::case::Trial;
use crate::{Publish, packet, string};

cases! {
    both {
        a_malformed_publish_ends_the_connection,
        a_malformed_acknowledgement_ends_the_connection,
        a_malformed_subscribe_ends_the_connection,
        a_malformed_unsubscribe_ends_the_connection,
        a_malformed_pingreq_or_disconnect_ends_the_connection,
    }
    v5 {
        a_property_in_the_wrong_packet_ends_the_connection,
        a_property_that_is_there_twice_ends_the_connection,
        a_property_out_of_range_ends_the_connection,
        a_property_cut_short_ends_the_connection,
        a_reason_code_of_another_packet_ends_the_connection,
    }
    v5_should {
        malformed_packets_are_told_apart,
        wrong_properties_are_told_apart,
    }
}

fn publishes(trial: &Trial) -> Vec<Form> {
    let none = trial.version.properties(&[]);
    let good = string(trial.topic("a"));
    let publish = |first: u8, topic: &[u8], id: &[u8]| packet(first, &[topic, id, &none, b"x"]);
    let topic = |levels: &str| string(trial.topic(levels));
    vec![
        form("QoS 3", publish(0x36, &good, &[0, 1]), MALFORMED),
        form("QoS 3 with DUP and RETAIN", publish(0x3F, &good, &[0, 1]), MALFORMED),
        form("no topic name", publish(0x30, &string(""), &[]), &[0x82, 0x81, 0x90]),
        form("`#`", publish(0x30, &string("#"), &[]), NAME_INVALID),
        form("`+`", publish(0x30, &string("+"), &[]), NAME_INVALID),
        form("a level `#`", publish(0x30, &topic("#"), &[]), NAME_INVALID),
        form("a level `+`", publish(0x32, &topic("+/a"), &[0, 1]), NAME_INVALID),
        form("`+` within a level", publish(0x30, &topic("a+b"), &[]), NAME_INVALID),
        form("`#` within a level", publish(0x34, &topic("a#"), &[0, 1]), NAME_INVALID),
        form("a topic name cut short", packet(0x30, &[&[0, 9], b"topic"]), MALFORMED),
        form("half a length", packet(0x30, &[&[0]]), MALFORMED),
        form("no body", packet(0x30, &[]), MALFORMED),
        form("half an identifier", packet(0x32, &[&good, &[0]]), MALFORMED),
        form("no identifier", packet(0x32, &[&good]), MALFORMED),
    ]
}

fn a_malformed_publish_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, publishes(trial));
}

fn acknowledgements(trial: &Trial) -> Vec<Form> {
    let mut forms = Vec::new();
    for first in [0x40, 0x50, 0x62, 0x70] {
        forms.push(form("no body", packet(first, &[]), MALFORMED));
        forms.push(form("half an identifier", packet(first, &[&[1]]), MALFORMED));
        if trial.is_v5() {
            let body = |rest: &[u8]| packet(first, &[&[0, 1, 0], rest]);
            forms.push(form("bytes behind the properties", body(&[0, 0]), MALFORMED));
            forms.push(form("properties cut short", body(&[5, 0x1F]), MALFORMED));
        } else {
            forms.push(form("a third byte", packet(first, &[&[0, 1, 0]]), MALFORMED));
            forms.push(form("a fourth byte", packet(first, &[&[0, 1, 0, 0]]), MALFORMED));
        }
    }
    forms
}

fn a_malformed_acknowledgement_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, acknowledgements(trial));
}

fn subscribes(trial: &Trial) -> Vec<Form> {
    let none = trial.version.properties(&[]);
    let good = trial.topic("a");
    let subscribe = |filters: &[(&str, u8)]| trial.version.subscribe(1, filters);
    let mut forms = vec![
        form("no filter", subscribe(&[]), PROTOCOL_ERROR),
        form("QoS 3", subscribe(&[(&good, 3)]), EITHER),
        form("the highest reserved bit", subscribe(&[(&good, 0x80)]), MALFORMED),
        form("another reserved bit", subscribe(&[(&good, 0x40)]), MALFORMED),
        form(
            "a reserved bit behind a good filter",
            subscribe(&[(&good, 0), ("b", 0x81)]),
            MALFORMED,
        ),
        form("no options", packet(0x82, &[&[0, 1], &none, &string(&good)]), MALFORMED),
        form("a filter cut short", packet(0x82, &[&[0, 1], &none, &[0, 9, b'a', 0]]), MALFORMED),
        form("half an identifier", packet(0x82, &[&[1]]), MALFORMED),
        form("no body", packet(0x82, &[]), MALFORMED),
    ];
    if trial.is_v5() {
        forms.push(form("Retain Handling 3", subscribe(&[(&good, 0x30)]), EITHER));
    } else {
        // What MQTT 5.0 uses is reserved here.
        for bit in [0x04, 0x08, 0x10, 0x20] {
            forms.push(form("a reserved bit", subscribe(&[(&good, bit)]), MALFORMED));
        }
    }
    forms
}

fn a_malformed_subscribe_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, subscribes(trial));
}

fn unsubscribes(trial: &Trial) -> Vec<Form> {
    let none = trial.version.properties(&[]);
    vec![
        form("no filter", trial.version.unsubscribe(1, &[]), PROTOCOL_ERROR),
        form(
            "an empty filter",
            trial.version.unsubscribe(1, &[&trial.topic("a"), ""]),
            FILTER_INVALID,
        ),
        form("a filter cut short", packet(0xA2, &[&[0, 1], &none, &[0, 9, b'a']]), MALFORMED),
        form("half a length", packet(0xA2, &[&[0, 1], &none, &string("a"), &[0]]), MALFORMED),
        form("half an identifier", packet(0xA2, &[&[1]]), MALFORMED),
        form("no body", packet(0xA2, &[]), MALFORMED),
    ]
}

fn a_malformed_unsubscribe_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, unsubscribes(trial));
}

fn pings_and_disconnects(trial: &Trial) -> Vec<Form> {
    let mut forms = vec![form("PINGREQ with a body", vec![0xC0, 1, 0], MALFORMED)];
    if trial.is_v5() {
        forms.extend([
            form("DISCONNECT, properties cut short", vec![0xE0, 2, 0, 9], MALFORMED),
            form("DISCONNECT, bytes behind", vec![0xE0, 3, 0, 0, 0], MALFORMED),
        ]);
    } else {
        forms.push(form("DISCONNECT with a body", vec![0xE0, 1, 0], MALFORMED));
    }
    forms
}

fn a_malformed_pingreq_or_disconnect_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, pings_and_disconnects(trial));
}

fn malformed_packets_are_told_apart(trial: &Trial) {
    is_told(trial, publishes(trial));
    let dup = Publish::new(&trial.topic("a"), "x").dup().bytes(trial.version);
    is_told(trial, vec![form("DUP at QoS 0", dup, EITHER)]);
    is_told(trial, acknowledgements(trial));
    is_told(trial, subscribes(trial));
    is_told(trial, unsubscribes(trial));
    is_told(trial, pings_and_disconnects(trial));
}

/// A PUBLISH with these properties.
fn publish(trial: &Trial, properties: &[u8]) -> Vec<u8> {
    Publish::new(&trial.topic("a"), "x").property(properties).bytes(trial.version)
}

fn subscribe(trial: &Trial, properties: &[u8]) -> Vec<u8> {
    trial.version.subscribe_with(1, properties, &[(&trial.topic("a"), 0)])
}

/// An acknowledgement, or DISCONNECT with an empty `id`.
fn answer(first: u8, id: &[u8], code: u8, properties: &[u8]) -> Vec<u8> {
    packet(first, &[id, &[code], &crate::Version::V5.properties(properties)])
}

/// Every property with a legal value.
fn property(id: u8) -> Vec<u8> {
    let value: &[u8] = match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => &[1],
        0x0B => &[7],
        0x13 | 0x21..=0x23 => &[0, 1],
        0x02 | 0x11 | 0x18 | 0x27 => &[0, 0, 0, 60],
        0x26 => b"\0\x01a\0\x01b",
        _ => b"\0\x01a",
    };
    [&[id], value].concat()
}

const PROPERTIES: [u8; 27] = [
    0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1C,
    0x1F, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A,
];

/// Table 2-4: properties that a client may put into each packet; all others must not be there.
fn foreign_properties(trial: &Trial) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |what: &str, legal: &[u8], packet: &dyn Fn(&[u8]) -> Vec<u8>| {
        for id in PROPERTIES.iter().filter(|id| !legal.contains(id)) {
            let what = format!("{what} with property {id:#04x}");
            forms.push(form(what, packet(&property(*id)), EITHER));
        }
        for unknown in [0x00, 0x04, 0x2B, 0x7F] {
            let what = format!("{what} with property {unknown:#04x}, which does not exist");
            forms.push(form(what, packet(&[unknown, 1]), EITHER));
        }
    };
    // A Subscription Identifier is one of PUBLISH, but not of a client's.
    let legal_publish = [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26];
    add("PUBLISH", &legal_publish, &|property| publish(trial, property));
    for first in [0x40, 0x50, 0x62, 0x70] {
        let legal = [0x1F, 0x26];
        add("an acknowledgement", &legal, &|property| answer(first, &[0, 1], 0, property));
    }
    add("SUBSCRIBE", &[0x0B, 0x26], &|property| subscribe(trial, property));
    let filter = string(trial.topic("a"));
    add("UNSUBSCRIBE", &[0x26], &|property| {
        packet(0xA2, &[&[0, 1], &trial.version.properties(property), &filter])
    });
    add("DISCONNECT", &[0x11, 0x1F, 0x26], &|property| answer(0xE0, &[], 0, property));
    forms
}

fn a_property_in_the_wrong_packet_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, foreign_properties(trial));
}

fn double_properties(trial: &Trial) -> Vec<Form> {
    let mut forms = Vec::new();
    let twice = |id: u8| property(id).repeat(2);
    for id in [0x01, 0x02, 0x03, 0x08, 0x09, 0x23] {
        forms.push(form("PUBLISH", publish(trial, &twice(id)), PROTOCOL_ERROR));
    }
    for first in [0x40, 0x50, 0x62, 0x70] {
        let bytes = answer(first, &[0, 1], 0, &twice(0x1F));
        forms.push(form("an acknowledgement", bytes, PROTOCOL_ERROR));
    }
    forms.push(form("SUBSCRIBE", subscribe(trial, &twice(0x0B)), PROTOCOL_ERROR));
    for id in [0x11, 0x1F] {
        forms.push(form("DISCONNECT", answer(0xE0, &[], 0, &twice(id)), PROTOCOL_ERROR));
    }
    forms
}

fn a_property_that_is_there_twice_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, double_properties(trial));
}

fn out_of_range(trial: &Trial) -> Vec<Form> {
    vec![
        form("payload format 2", publish(trial, &[0x01, 2]), EITHER),
        form("topic alias 0", publish(trial, &[0x23, 0, 0]), &[0x94, 0x82]),
        form("response topic `+`", publish(trial, b"\x08\0\x01+"), &[0x82, 0x81, 0x90]),
        form("response topic `a/#`", publish(trial, b"\x08\0\x03a/#"), &[0x82, 0x81, 0x90]),
        form("subscription identifier 0", subscribe(trial, &[0x0B, 0]), PROTOCOL_ERROR),
    ]
}

fn a_property_out_of_range_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, out_of_range(trial));
}

fn short_properties(trial: &Trial) -> Vec<Form> {
    let mut forms = Vec::new();
    for id in [0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26] {
        let whole = property(id);
        let cut = &whole[..whole.len() - 1];
        forms.push(form("PUBLISH", publish(trial, cut), MALFORMED));
        let whole = trial.version.properties(&whole);
        let longer = [&[whole[0] + 100], &whole[1..]].concat();
        let bytes = packet(0x30, &[&string(trial.topic("a")), &longer]);
        forms.push(form("a property length beyond the packet", bytes, MALFORMED));
    }
    let endless = subscribe(trial, &[0x0B, 0x80, 0x80, 0x80, 0x80, 0x01]);
    forms.push(form("a subscription identifier of five bytes", endless, MALFORMED));
    forms
}

fn a_property_cut_short_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, short_properties(trial));
}

fn reason_codes() -> Vec<Form> {
    vec![
        form("PUBACK with 0x92", answer(0x40, &[0, 1], 0x92, &[]), EITHER),
        form("PUBREC with 0x01", answer(0x50, &[0, 1], 0x01, &[]), EITHER),
        form("PUBREL with 0x10", answer(0x62, &[0, 1], 0x10, &[]), EITHER),
        form("PUBCOMP with 0x80", answer(0x70, &[0, 1], 0x80, &[]), EITHER),
        form("DISCONNECT with 0x8E", vec![0xE0, 1, 0x8E], EITHER),
        form("DISCONNECT with 0x01", vec![0xE0, 1, 0x01], EITHER),
    ]
}

fn a_reason_code_of_another_packet_ends_the_connection(trial: &Trial) {
    ends_the_connection(trial, reason_codes());
}

fn wrong_properties_are_told_apart(trial: &Trial) {
    is_told(trial, foreign_properties(trial));
    is_told(trial, double_properties(trial));
    is_told(trial, out_of_range(trial));
    is_told(trial, short_properties(trial));
    is_told(trial, reason_codes());
}
