//! Whatever a peer sends: no reader panics, and what we accept the codec accepts.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{filters, filters_of_codec, legal, packet};
use crate::wire::{
    Ack, Connect, Disconnect, Frame, InboundTopics, Publish, Subscribe, Unsubscribe, Version, split,
};

/// A change to the bytes of a packet; positions wrap around.
#[derive(Clone, Debug)]
enum Mutation {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<usize>();
    let small = || prop_oneof![0..8_u8, Just(0x7F), Just(0x80), Just(0xFF), any::<u8>()];
    prop_oneof![
        (at(), small()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), small()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        at().prop_map(Mutation::Remove),
        at().prop_map(Mutation::Cut),
        (at(), 1..9_usize).prop_map(|(at, len)| Mutation::Repeat(at, len)),
    ]
}

fn apply(body: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: usize| at % body.len().max(1);
    match *mutation {
        _ if body.is_empty() => {}
        Mutation::Set(at, byte) => {
            let at = place(at);
            body[at] = byte;
        }
        Mutation::Flip(at, bit) => {
            let at = place(at);
            body[at] ^= 1 << bit;
        }
        Mutation::Insert(at, byte) => body.insert(place(at), byte),
        Mutation::Remove(at) => {
            body.remove(place(at));
        }
        Mutation::Cut(at) => body.truncate(place(at)),
        Mutation::Repeat(at, len) => {
            let at = place(at);
            let piece = body[at..(at + len).min(body.len())].to_vec();
            body.splice(at..at, piece);
        }
    }
}

/// Every reader over the same frame, in every version: whatever they say, they return.
fn read_as_everything(frame: &Frame<'_>) {
    let _ = Connect::read(frame);
    for version in [Version::V31, Version::V311, Version::V5] {
        let _ = Publish::read(frame, version, &mut InboundTopics::default());
        let _ = Ack::read(frame, version);
        let _ = Disconnect::read(frame, version);
        let _ = Subscribe::read(frame, version, usize::MAX);
        let _ = Unsubscribe::read(frame, version, usize::MAX);
    }
}

#[track_caller]
fn check(frame: &Frame<'_>) {
    read_as_everything(frame);
    for version in [Version::V311, Version::V5] {
        if let Some(filters) = filters(frame, version) {
            assert_eq!(filters, filters_of_codec(frame, version), "{:02x?}", frame.bytes);
        }
    }
}

fn check_mutated(legal: &[u8], mutations: &[Mutation]) {
    let first = legal[0];
    let mut body = super::frame(legal).body.to_vec();
    for mutation in mutations {
        apply(&mut body, mutation);
    }
    // The right remaining length: otherwise it would only be cut differently.
    check(&super::frame(&packet(first, &body)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in vec(any::<u8>(), 0..300), max in 0..400_u32) {
        let mut rest = &bytes[..];
        while let Ok(Some(frame)) = split(rest, max, None) {
            check(&frame);
            rest = &rest[frame.bytes.len()..];
        }
    }

    #[test]
    fn arbitrary_bodies_are_survived(
        kind in 1..16_u8,
        flags in 0..16_u8,
        body in vec(prop_oneof![0..6_u8, any::<u8>()], 0..60),
    ) {
        let bytes = packet(kind << 4 | flags, &body);
        if let Ok(Some(frame)) = split(&bytes, u32::MAX, None) {
            check(&frame);
        }
    }

    #[test]
    fn mutated_v311_packets_are_survived(
        legal in legal::packet(Version::V311),
        mutations in vec(mutation(), 1..4),
    ) {
        check_mutated(&legal, &mutations);
    }

    #[test]
    fn mutated_v5_packets_are_survived(
        legal in legal::packet(Version::V5),
        mutations in vec(mutation(), 1..4),
    ) {
        check_mutated(&legal, &mutations);
    }

    #[test]
    fn mutated_v5_connects_are_survived(
        connect in legal::connect_v5(),
        mutations in vec(mutation(), 1..4),
    ) {
        let packet = ntex_mqtt::v5::codec::Packet::from(connect);
        check_mutated(&legal::encode_v5(packet.into()), &mutations);
    }
}

/// MQTT 5.0 section 3.1.3.2.4: nothing forbids 0, the codec does.
#[test]
fn a_will_that_expires_at_once_is_legal() {
    let body =
        [&b"\0\x04MQTT\x05\x06\0\0\0\0\x01c"[..], &[5, 0x02, 0, 0, 0, 0], b"\0\x01w", b"\0\x01x"]
            .concat();
    let connect = Connect::read(&super::frame(&packet(0x10, &body))).unwrap();
    assert_eq!(connect.will.unwrap().expiry, Some(0));
}

/// [MQTT-3.1.3-8], [MQTT-3.1.3-9] of 3.1.1: the answer is CONNACK with return code 2, so the
/// packet must be understood, or refused with an answer.
#[test]
fn a_v311_client_without_identifier_and_clean_session_gets_an_answer() {
    let bytes = packet(0x10, b"\0\x04MQTT\x04\0\0\0\0\0");
    match Connect::read(&super::frame(&bytes)) {
        Ok(connect) => assert!(connect.client_id.is_empty() && !connect.clean_start),
        Err(error) => {
            assert_eq!(error.answer, Some(Version::V311), "{error:?}");
            assert_eq!(error.reason, crate::ReasonCode::ClientIdentifierNotValid);
        }
    }
}
