//! Tables of packets that break a rule, and the rule that they break.

use flux_topic::ParseTopicError;

use super::{field, frame, packet, properties, refusal};
use crate::wire::Version::{V5, V311};
use crate::wire::{Connect, FrameError, InboundTopics, Publish, Version};
use crate::{ReasonCode, wire};

#[track_caller]
fn connect(version: Version, flags: u8, rest: &[u8], expected: &FrameError) {
    let head = [&field(b"MQTT")[..], &[version.level(), flags, 0, 0]].concat();
    let bytes = packet(0x10, &[&head[..], rest].concat());
    let error = Connect::read(&frame(&bytes)).unwrap_err();
    assert_eq!(error.source.as_ref(), Some(expected));
    assert_eq!(error.reason, expected.reason_code());
    assert_eq!(error.answer, (version == V5).then_some(V5), "3.1.1 closes without CONNACK");
}

#[test]
fn malformed_connects_of_v311() {
    use FrameError as E;
    let id = field(b"id");
    connect(V311, 0b0000_0001, &id, &E::ConnectFlags(1));
    connect(V311, 0b0000_1000, &id, &E::ConnectFlags(0b1000));
    connect(V311, 0b0010_0000, &id, &E::ConnectFlags(0b10_0000));
    connect(V311, 0b0001_1100, &id, &E::ConnectFlags(0b1_1100));
    connect(V311, 0b0100_0000, &id, &E::ConnectFlags(0b100_0000));
    connect(V311, 0b0000_0010, &[], &E::Truncated);
    connect(V311, 0b0000_0010, &[0, 3, b'i', b'd'], &E::Truncated);
    connect(V311, 0b0000_0010, &[0, 1, 0], &E::NullCharacter);
    connect(V311, 0b0000_0010, &[0, 1, 0xFF], &E::InvalidUtf8);
    connect(V311, 0b0000_0010, &[&id[..], &[7]].concat(), &E::TrailingBytes(1));
    let will = [&id[..], &field(b"a/#"), &field(b"x")].concat();
    let wildcard = ParseTopicError::Wildcard { wildcard: '#', at: 2 };
    connect(V311, 0b0000_0110, &will, &E::TopicName(wildcard));
    let will = [&id[..], &field(b""), &field(b"x")].concat();
    connect(V311, 0b0000_0110, &will, &E::TopicName(ParseTopicError::Empty));
    connect(V311, 0b0000_0110, &id, &E::Truncated);
    connect(V311, 0b1100_0010, &[&id[..], &field(b"user")].concat(), &E::Truncated);
    connect(V311, 0b1000_0010, &[&id[..], &field(b"\0")].concat(), &E::NullCharacter);
}

#[test]
fn malformed_connects_of_v5() {
    use FrameError as E;
    let with = |bytes: &[u8]| [&properties(bytes)[..], &field(b"id")].concat();
    connect(V5, 1, &with(&[]), &E::ConnectFlags(1));
    connect(V5, 0b0001_1100, &with(&[]), &E::ConnectFlags(0b1_1100));
    connect(V5, 2, &[], &E::Truncated);
    connect(V5, 2, &[0x80, 0], &E::VariableByteInteger);
    connect(V5, 2, &[9, 0x11], &E::Truncated);
    connect(V5, 2, &with(&[0x11, 0, 0]), &E::Truncated);
    connect(V5, 2, &with(&[0x21, 0, 0]), &E::PropertyValue(0x21));
    connect(V5, 2, &with(&[0x27, 0, 0, 0, 0]), &E::PropertyValue(0x27));
    connect(V5, 2, &with(&[0x17, 2]), &E::PropertyValue(0x17));
    connect(V5, 2, &with(&[0x22, 0, 1, 0x22, 0, 1]), &E::RepeatedProperty(0x22));
    let misplaced = |id, packet| E::MisplacedProperty { id, packet };
    connect(V5, 2, &with(&[0x23, 0, 1]), &misplaced(0x23, "CONNECT"));
    connect(V5, 2, &with(&[0x16, 0, 0]), &FrameError::AuthenticationDataAlone);
    connect(V5, 2, &with(&[0x04]), &E::UnknownProperty(4));
    connect(V5, 2, &[&with(&[])[..], &[1, 2]].concat(), &E::TrailingBytes(2));
    let will =
        |bytes: &[u8]| [&with(&[])[..], &properties(bytes), &field(b"w"), &field(b"x")].concat();
    connect(V5, 6, &will(&[0x11, 0, 0, 0, 1]), &misplaced(0x11, "the will properties"));
    connect(V5, 6, &will(&[0x01, 2]), &E::PropertyValue(1));
    connect(V5, 6, &will(&[0x08, 0, 1, b'#']), &E::PropertyValue(8));
    connect(V5, 6, &with(&[]), &E::Truncated);
}

#[test]
fn what_is_not_mqtt_at_all_is_answered_in_the_nearest_version_or_not() {
    #[track_caller]
    fn check(body: &[u8], answer: Option<Version>, reason: ReasonCode) {
        let error = Connect::read(&frame(&packet(0x10, body))).unwrap_err();
        assert_eq!((error.answer, error.reason), (answer, reason));
    }
    check(b"\0\x04MQTT\x06\x02\0\0\0\0\0", Some(V5), ReasonCode::UnsupportedProtocolVersion);
    check(b"\0\x04MQTT\x03\x02\0\0\0\0", Some(V311), ReasonCode::UnsupportedProtocolVersion);
    for level in [0, 1, 2, 4, 5, 6, 0x83, 0xFF] {
        let body = [b"\0\x06MQIsdp", &[level][..], b"\x02\0\0\0\x01a"].concat();
        check(&body, Some(V311), ReasonCode::UnsupportedProtocolVersion);
    }
    check(b"\0\x04HTTP\x04\x02\0\0\0\0", None, ReasonCode::UnsupportedProtocolVersion);
    check(b"\0\x09MQTT", None, ReasonCode::MalformedPacket);
    check(b"\0\x04MQTT", None, ReasonCode::MalformedPacket);
    check(b"", None, ReasonCode::MalformedPacket);
}

#[track_caller]
fn publish(version: Version, flags: u8, body: &[u8], expected: &FrameError) {
    let bytes = packet(0x30 | flags, body);
    assert_eq!(
        Publish::read(&frame(&bytes), version, &mut InboundTopics::default()).err().as_ref(),
        Some(expected)
    );
}

#[test]
fn malformed_publishes_of_both_versions() {
    use FrameError as E;
    for version in [V311, V5] {
        publish(version, 0b0110, &field(b"t"), &E::QosThree);
        publish(version, 0b1000, &field(b"t"), &E::DupWithoutQos);
        publish(version, 0, &[], &E::Truncated);
        publish(version, 0, &[0], &E::Truncated);
        publish(version, 0, &[0, 9, b't'], &E::Truncated);
        publish(version, 0b0010, &field(b"t"), &E::Truncated);
        publish(version, 0b0010, &[0, 1, b't', 0], &E::Truncated);
        publish(version, 0b0010, &[0, 1, b't', 0, 0, 0], &E::PacketIdZero);
        publish(version, 0b0100, &[0, 1, b't', 0, 0, 0], &E::PacketIdZero);
        publish(version, 0, &[0, 1, 0, 0], &E::NullCharacter);
        publish(version, 0, &[0, 1, 0xC0, 0], &E::InvalidUtf8);
        let wildcard = ParseTopicError::Wildcard { wildcard: '+', at: 0 };
        publish(version, 0, &[0, 1, b'+', 0], &E::TopicName(wildcard));
        publish(version, 0, &[0, 0, 0], &E::TopicName(ParseTopicError::Empty));
    }
}

#[test]
fn malformed_publish_properties() {
    use FrameError as E;
    let with = |bytes: &[u8]| [&field(b"t")[..], &properties(bytes), b"payload"].concat();
    publish(V5, 0, &field(b"t"), &E::Truncated);
    publish(V5, 0, &[0, 1, b't', 5, 1, 1], &E::Truncated);
    publish(V5, 0, &[0, 1, b't', 0x80, 0x80, 0x80, 0x80], &E::VariableByteInteger);
    publish(V5, 0, &with(&[0x23, 0, 1]), &E::TopicAlias { max: 0 });
    publish(V5, 0, &with(&[0x23, 0, 0]), &E::TopicAlias { max: 0 });
    publish(V5, 0, &with(&[0x02, 0, 0, 0, 1, 0x02, 0, 0, 0, 1]), &E::RepeatedProperty(2));
    publish(V5, 0, &with(&[0x03, 0, 1, 0]), &E::NullCharacter);
    publish(V5, 0, &with(&[0x26, 0, 1, b'k']), &E::Truncated);
    publish(V5, 0, &with(&[0x0B, 1]), &E::MisplacedProperty { id: 0x0B, packet: "PUBLISH" });
    publish(V5, 0, &with(&[0x01, 9]), &E::PropertyValue(1));
    // An alias without a topic is refused for the alias: none was allowed.
    publish(V5, 0, &[0, 0, 3, 0x23, 0, 1], &E::TopicAlias { max: 0 });
}

#[test]
fn the_packet_size_limit_counts_the_whole_packet() {
    let bytes = packet(0x30, &field(&[b't'; 98]));
    assert_eq!(bytes.len(), 102);
    assert!(wire::split(&bytes, 102, None).is_ok_and(|frame| frame.is_some()));
    let expected = FrameError::PacketTooLarge { len: 102, max: 101 };
    assert_eq!(wire::split(&bytes[..2], 101, None).err(), Some(expected));
}

#[test]
fn unsubscribe_keeps_the_rules_of_subscribe() {
    #[track_caller]
    fn check(version: Version, body: &[u8], expected: &FrameError) {
        let bytes = packet(0xA2, body);
        assert_eq!(refusal(&frame(&bytes), version).as_ref(), Some(expected));
    }
    check(V311, &[0, 1], &FrameError::NoTopicFilter);
    check(V5, &[0, 1, 0], &FrameError::NoTopicFilter);
    check(V311, &[0, 0, 0, 1, b'a'], &FrameError::PacketIdZero);
    check(V311, &[0, 1, 0, 2, b'a'], &FrameError::Truncated);
    check(
        V5,
        &[0, 1, 2, 0x0B, 1, 0, 1, b'a'],
        &FrameError::MisplacedProperty { id: 0x0B, packet: "UNSUBSCRIBE" },
    );
}
