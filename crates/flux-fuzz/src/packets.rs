//! Packets of a client, made of fields of the plan.

use flux_mqtt::Version;

use crate::plan::Plan;

/// What a client says next, in its version. Mostly legal; the plan may spoil it later.
pub(crate) fn packet(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    match plan.byte() % 8 {
        0..=2 => publish(plan, version),
        3 => subscribe(plan, version),
        4 => unsubscribe(plan, version),
        5 => acknowledgement(plan, version),
        6 => disconnect(plan, version),
        _ => vec![plan.one_of(&[0xC0, 0xC0, 0xF0, 0xD0, 0x20]), 0],
    }
}

/// A CONNECT, and the version in which it speaks.
pub(crate) fn connect(plan: &mut Plan<'_>) -> (Version, Vec<u8>) {
    let (flags, client_id) = (plan.byte(), plan.one_of(&CLIENT_IDS));
    let version = match flags & 3 {
        0 => Version::V311,
        1 => Version::V31,
        _ => Version::V5,
    };
    let is_v5 = version == Version::V5;
    let mut connect_flags = if flags & 4 == 0 { 2 } else { 0 };
    let keep_alive = plan.one_of(&[0, 0, 1, 60]);
    let mut will = Vec::new();
    if flags & 8 != 0 {
        let kind = plan.byte();
        connect_flags |= 4 | (kind % 3) << 3 | (kind & 0x20);
        if is_v5 {
            let delay: &[u8] = if kind & 0x40 == 0 { &[] } else { &[0x18, 0, 0, 0, 5] };
            let expiry: &[u8] = if kind & 0x80 == 0 { &[] } else { &[0x02, 0, 0, 0, 9] };
            will.extend(with_length(&[delay, expiry]));
        }
        will.extend(string(plan.one_of(&TOPICS)));
        will.extend(string("gone"));
    }
    let mut rest = string(client_id);
    rest.extend(will);
    if flags & 0x10 != 0 {
        connect_flags |= 0x80;
        rest.extend(string("user"));
    }
    let mut head = string(if version == Version::V31 { "MQIsdp" } else { "MQTT" });
    head.extend([version.level(), connect_flags, 0, keep_alive]);
    if is_v5 {
        head.extend(connect_properties(plan));
    }
    (version, framed(0x10, &[&head, &rest]))
}

fn connect_properties(plan: &mut Plan<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let chosen = plan.byte();
    let expiry: u32 = plan.one_of(&[0, 5, 100, u32::MAX]);
    if expiry > 0 {
        out.push(0x11);
        out.extend(expiry.to_be_bytes());
    }
    if chosen & 3 != 0 {
        out.extend([0x21, 0, chosen & 3]);
    }
    if chosen & 0x0C != 0 {
        // 20, 80 and 180 bytes.
        out.extend([0x27, 0, 0, 0, (chosen >> 2 & 3) * (chosen >> 2 & 3) * 20]);
    }
    if chosen & 0x30 != 0 {
        out.extend([0x22, 0, chosen >> 4 & 3]);
    }
    if chosen & 0x40 != 0 {
        out.extend([0x17, 0]);
    }
    if chosen & 0x80 != 0 {
        out.extend([0x19, 1]);
    }
    with_length(&[&out])
}

fn publish(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    let (flags, topic) = (plan.byte(), plan.one_of(&TOPICS));
    let qos = (flags >> 1 & 3) % 3;
    let mut first = 0x30 | qos << 1 | (flags & 1);
    if qos > 0 {
        first |= flags & 8;
    }
    let id = if qos > 0 { packet_id(plan) } else { Vec::new() };
    let mut properties = Vec::new();
    let mut topic = string(topic);
    if version == Version::V5 {
        if flags & 0x10 != 0 {
            properties.extend([0x02, 0, 0, 0, plan.byte()]);
        }
        if flags & 0x20 != 0 {
            let alias = plan.byte();
            properties.extend([0x23, 0, alias & 7]);
            if alias & 0x80 != 0 {
                topic = string("");
            }
        }
        if flags & 0x40 != 0 {
            properties.push(0x26);
            properties.extend(string("name"));
            properties.extend(string("value"));
        }
        properties = with_length(&[&properties]);
    }
    let payload = vec![b'x'; usize::from(plan.byte()) & 0x7F];
    let payload = if flags & 0x80 == 0 { &payload[..] } else { &[] };
    framed(first, &[&topic, &id, &properties, payload])
}

fn subscribe(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    let (id, kind) = (packet_id(plan), plan.byte());
    let mut properties = Vec::new();
    if version == Version::V5 {
        let number: &[u8] = if kind & 0x80 == 0 { &[] } else { &[0x0B, 1 + (kind & 1)] };
        properties = with_length(&[number]);
    }
    let mut filters = Vec::new();
    for _ in 0..=kind % 3 {
        filters.extend(string(plan.one_of(&FILTERS)));
        let options = plan.byte();
        let qos = options % 3;
        filters.push(if version == Version::V5 { qos | (options & 0x2C) } else { qos });
    }
    framed(0x82, &[&id, &properties, &filters])
}

fn unsubscribe(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    let id = packet_id(plan);
    let filter = string(plan.one_of(&FILTERS));
    framed(0xA2, &[&id, no_properties(version), &filter])
}

fn acknowledgement(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    let first = plan.one_of(&[0x62, 0x40, 0x50, 0x70, 0x62]);
    let id = packet_id(plan);
    let code = plan.one_of(&[0, 0, 0, 0x10, 0x80, 0x92, 0x97]);
    let code: &[u8] = if version == Version::V5 && code > 0 { &[code] } else { &[] };
    framed(first, &[&id, code])
}

fn disconnect(plan: &mut Plan<'_>, version: Version) -> Vec<u8> {
    let kind = plan.byte();
    match (version, kind % 4) {
        (Version::V31 | Version::V311, _) | (Version::V5, 0) => framed(0xE0, &[]),
        (Version::V5, 1) => framed(0xE0, &[&[4]]),
        (Version::V5, 2) => framed(0xE0, &[&[0, 5, 0x11, 0, 0, 0, kind >> 2]]),
        (Version::V5, _) => framed(0xE0, &[&[0x81]]),
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP in its short form.
pub(crate) fn ack(first: u8, id: u16) -> Vec<u8> {
    framed(first, &[&id.to_be_bytes()])
}

fn packet_id(plan: &mut Plan<'_>) -> Vec<u8> {
    vec![0, plan.byte() & 7]
}

pub(crate) fn string(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) const fn no_properties(version: Version) -> &'static [u8] {
    match version {
        Version::V31 | Version::V311 => &[],
        Version::V5 => &[0],
    }
}

/// Properties behind their length, of which there is one byte.
fn with_length(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[u8::try_from(body.len()).unwrap_or(u8::MAX)][..], &body].concat()
}

/// A body behind its fixed header.
pub(crate) fn framed(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let (mut out, mut len) = (vec![first], body.len());
    while len > 0x7F {
        out.push(u8::try_from(len & 0x7F).unwrap_or_default() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or_default());
    [out, body].concat()
}

/// Few, so that clients meet.
pub(crate) const CLIENT_IDS: [&str; 7] = ["a", "b", "c", "?", "", "!", "bystander"];
const TOPICS: [&str; 12] = [
    "a",
    "a/b",
    "b",
    "a/b/c",
    "?",
    "a/?",
    "!",
    "$x/a",
    "$SYS/a",
    "by/x",
    "a/b/c/d/e",
    "é/long/name",
];
pub(crate) const FILTERS: [&str; 16] = [
    "#",
    "a/#",
    "a",
    "+/b",
    "+",
    "$share/g/#",
    "$share/g/a/#",
    "$share/h/a",
    "?/#",
    "!/#",
    "$x/#",
    "by/#",
    "a/+/c",
    "$share/g/?",
    "a/b/c/d/e",
    "$share/g",
];
