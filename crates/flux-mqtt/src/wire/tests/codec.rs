//! Our readers and writers agree with the codecs of ntex-mqtt on every legal packet.

use std::time::Duration;

use flux_session::{PacketId, QoS, SubscriptionIds, Timestamp};
use flux_topic::TopicName;
use ntex_bytes::BytesMut;
use ntex_codec::Decoder;
use ntex_mqtt::{v3, v5};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::message::travelling;
use super::{field, frame, legal, packet, properties};
use crate::ReasonCode;
use crate::message::{Delivery, Message, Parts};
use crate::packets::Packets;
use crate::wire::{
    Ack, AckKind, ConnAck, Connect, InboundTopics, Publish, Subscribe, TopicForm, Version,
    publish_len, write_ack, write_connack, write_disconnect, write_explained_ack, write_publish,
    write_refusal, write_suback, write_unsuback,
};

fn decode_v5(bytes: &[u8]) -> v5::codec::Decoded {
    v5::codec::Codec::new().decode(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

fn decode_v3(bytes: &[u8]) -> v3::codec::Decoded {
    v3::codec::Codec::new().decode(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

fn decoded_v5(bytes: &[u8]) -> (v5::codec::Publish, Vec<u8>) {
    match decode_v5(bytes) {
        v5::codec::Decoded::Publish(publish, payload, _) => (publish, payload.to_vec()),
        other => panic!("{other:?}"),
    }
}

fn same_qos(ours: QoS, theirs: ntex_mqtt::QoS) -> bool {
    ours.as_u8() == u8::from(theirs)
}

/// What the properties of a message mean, as the codec sees them in a PUBLISH.
fn meaning(encoded: &[u8]) -> v5::codec::PublishProperties {
    decoded_v5(&packet(0x30, &[&field(b"t")[..], &properties(encoded)].concat())).0.properties
}

fn form() -> impl Strategy<Value = TopicForm> {
    prop_oneof![
        Just(TopicForm::Name),
        (1..=u16::MAX).prop_map(TopicForm::NameAndAlias),
        (1..=u16::MAX).prop_map(TopicForm::Alias),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_publish_of_ours_is_read_by_both_codecs(
        topic in legal::topic(),
        encoded in travelling(),
        payload in legal::binary(),
        (qos, dup, retain) in (0..3_u8, any::<bool>(), any::<bool>()),
        (id, form) in (1..=u16::MAX, form()),
        lifetime in of(1..5_000_000_u64),
        ids in vec(1..=268_435_455_u32, 0..3),
    ) {
        let now = Timestamp::from_millis(1_000);
        let qos = QoS::try_from(qos).unwrap();
        let message = Message::new(Parts {
            topic: TopicName::parse(&topic).unwrap(),
            properties: &encoded.concat(),
            payload: &payload,
            qos,
            retain,
            publisher: None,
            expires_at: lifetime.map(|millis| now + Duration::from_millis(millis)),
        });
        let subscription_ids: SubscriptionIds = ids.iter().copied().collect();
        let delivery = Delivery { message, qos, retain, subscription_ids, share: None, sequence: None };
        let id = (qos != QoS::AtMostOnce).then(|| PacketId::new(id).unwrap());
        let dup = dup && id.is_some();

        for version in [Version::V31, Version::V311, Version::V5] {
            let form = if version == Version::V5 { form } else { TopicForm::Name };
            let mut out = Packets::default();
            out.written().extend_from_slice(b"before");
            write_publish(&mut out, version, &delivery, form, id, dup, now);
            let out = out.concat();
            let written = &out[6..];
            prop_assert_eq!(written.len(), publish_len(version, &delivery, form));
            frame(written);
            let (seen, got) = match version {
                Version::V5 => {
                    let (mut seen, got) = decoded_v5(written);
                    let p = std::mem::take(&mut seen.properties);
                    let seen_ids: Vec<u32> = p.subscription_ids.iter().map(|id| id.get()).collect();
                    prop_assert_eq!(&seen_ids, &ids);
                    let left = p.message_expiry_interval.map(|seconds| u64::from(seconds.get()));
                    prop_assert_eq!(left, lifetime.map(|millis| millis.div_ceil(1000)));
                    prop_assert_eq!(p.topic_alias.map(u16::from), form.alias());
                    let rest = v5::codec::PublishProperties {
                        subscription_ids: Vec::new(),
                        message_expiry_interval: None,
                        topic_alias: None,
                        ..p
                    };
                    prop_assert_eq!(rest, meaning(&encoded.concat()));
                    (seen, got)
                }
                Version::V31 | Version::V311 => {
                    let v3::codec::Decoded::Publish(from, got, _) = decode_v3(written) else {
                        panic!("not a PUBLISH");
                    };
                    let seen = v5::codec::Publish {
                        dup: from.dup,
                        retain: from.retain,
                        qos: from.qos,
                        packet_id: from.packet_id,
                        topic: from.topic,
                        payload_size: from.payload_size,
                        properties: v5::codec::PublishProperties::default(),
                    };
                    (seen, got.to_vec())
                }
            };
            prop_assert_eq!(seen.topic.as_bytes(), form.name(topic.as_bytes()));
            prop_assert_eq!(&got, &payload);
            prop_assert!(same_qos(qos, seen.qos));
            prop_assert_eq!((seen.dup, seen.retain), (dup, retain));
            prop_assert_eq!(seen.packet_id.map(u16::from), id.map(PacketId::get));
        }
    }

    #[test]
    fn a_v5_publish_of_the_codec_is_read_by_us((sent, payload) in legal::publish_v5()) {
        let bytes = legal::encode_v5(v5::codec::Encoded::Publish(
            sent.clone(),
            Some(payload.clone().into()),
        ));
        let mut aliases = InboundTopics::default();
        let read = Publish::read(&frame(&bytes), Version::V5, &mut aliases).unwrap();
        prop_assert_eq!(read.topic.as_str(), &*sent.topic);
        prop_assert!(same_qos(read.qos, sent.qos));
        prop_assert_eq!(read.retain, sent.retain);
        prop_assert_eq!(read.packet_id.map(PacketId::get), sent.packet_id.map(u16::from));
        prop_assert_eq!(read.expiry, sent.properties.message_expiry_interval.map(u32::from));
        prop_assert_eq!(read.payload, &payload);
        let key = crate::names::Publisher(std::num::NonZeroU64::MIN);
        let message = Message::from_publish(&read, key, None, None);
        let without_expiry = v5::codec::PublishProperties {
            message_expiry_interval: None,
            ..sent.properties
        };
        prop_assert_eq!(meaning(message.properties()), without_expiry);
    }

    #[test]
    fn a_v311_publish_of_the_codec_is_read_by_us((sent, payload) in legal::publish_v3()) {
        let bytes = legal::encode_v3(v3::codec::Encoded::Publish(
            sent.clone(),
            Some(payload.clone().into()),
        ));
        let mut aliases = InboundTopics::default();
        let read = Publish::read(&frame(&bytes), Version::V311, &mut aliases).unwrap();
        prop_assert_eq!(read.topic.as_str(), &*sent.topic);
        prop_assert!(same_qos(read.qos, sent.qos));
        prop_assert_eq!(read.retain, sent.retain);
        prop_assert_eq!(read.packet_id.map(PacketId::get), sent.packet_id.map(u16::from));
        prop_assert_eq!(read.payload, &payload);
    }

    #[test]
    fn a_v5_connect_of_the_codec_is_read_by_us(sent in legal::connect_v5()) {
        let bytes = legal::encode_v5(v5::codec::Packet::from(sent.clone()).into());
        let read = Connect::read(&frame(&bytes)).unwrap();
        prop_assert_eq!(read.version, Version::V5);
        prop_assert_eq!(read.clean_start, sent.clean_start);
        prop_assert_eq!(read.keep_alive, sent.keep_alive);
        prop_assert_eq!(read.session_expiry, sent.session_expiry_interval_secs);
        prop_assert_eq!(read.receive_maximum, sent.receive_max.map_or(u16::MAX, u16::from));
        let size = sent.max_packet_size.map_or(u32::MAX, u32::from);
        prop_assert_eq!(read.maximum_packet_size, size);
        let read_method = read.authentication.as_ref().map(|(method, _)| method.as_str());
        prop_assert_eq!(read_method, sent.auth_method.as_deref());
        prop_assert_eq!(&*read.client_id, &*sent.client_id);
        prop_assert_eq!(read.username.as_deref(), sent.username.as_deref());
        prop_assert_eq!(read.password.as_deref(), sent.password.as_deref());
        prop_assert_eq!(read.will.is_some(), sent.last_will.is_some());
        if let (Some(read), Some(sent)) = (read.will, sent.last_will) {
            prop_assert_eq!(&*read.topic, &*sent.topic);
            prop_assert_eq!(&read.payload[..], &sent.message[..]);
            prop_assert!(same_qos(read.qos, sent.qos));
            prop_assert_eq!(read.retain, sent.retain);
            prop_assert_eq!(read.delay, sent.will_delay_interval_sec.unwrap_or(0));
            prop_assert_eq!(read.expiry, sent.message_expiry_interval.map(u32::from));
            let travels = meaning(&read.properties);
            prop_assert_eq!(travels.correlation_data, sent.correlation_data);
            prop_assert_eq!(travels.content_type, sent.content_type);
            prop_assert_eq!(travels.response_topic, sent.response_topic);
            prop_assert_eq!(travels.user_properties, sent.user_properties);
            prop_assert_eq!(travels.is_utf8_payload, sent.is_utf8_payload.unwrap_or(false));
        }
    }

    #[test]
    fn a_v311_connect_of_the_codec_is_read_by_us(sent in legal::connect_v3()) {
        let bytes = legal::encode_v3(v3::codec::Packet::from(sent.clone()).into());
        let read = Connect::read(&frame(&bytes)).unwrap();
        prop_assert_eq!(read.version, Version::V311);
        prop_assert_eq!(read.clean_start, sent.clean_session);
        prop_assert_eq!(read.session_expiry, if sent.clean_session { 0 } else { u32::MAX });
        prop_assert_eq!(read.keep_alive, sent.keep_alive);
        prop_assert_eq!(&*read.client_id, &*sent.client_id);
        prop_assert_eq!(read.username.as_deref(), sent.username.as_deref());
        prop_assert_eq!(read.password.as_deref(), sent.password.as_deref());
        let will = read.will.map(|will| (will.topic, will.payload.to_vec(), will.retain));
        let sent = sent.last_will;
        let sent = sent.map(|will| (will.topic.to_string(), will.message.to_vec(), will.retain));
        prop_assert_eq!(will, sent);
    }

    #[test]
    fn a_v5_subscribe_of_the_codec_is_read_by_us(sent in legal::subscribe_v5()) {
        let bytes = legal::encode_v5(v5::codec::Packet::Subscribe(sent.clone()).into());
        let read = Subscribe::read(&frame(&bytes), Version::V5, usize::MAX).unwrap();
        prop_assert_eq!(read.packet_id.get(), sent.packet_id.get());
        prop_assert_eq!(read.filters.len(), sent.topic_filters.len());
        for ((filter, options), (text, asked)) in read.filters.iter().zip(&sent.topic_filters) {
            prop_assert_eq!(filter.as_str(), &**text);
            prop_assert!(same_qos(options.qos, asked.qos));
            prop_assert_eq!(options.no_local, asked.no_local);
            prop_assert_eq!(options.retain_as_published, asked.retain_as_published);
            prop_assert_eq!(options.retain_handling as u8, u8::from(asked.retain_handling));
            prop_assert_eq!(options.subscription_id, sent.id.map(u32::from));
        }
    }

    #[test]
    fn acknowledgements_go_both_ways(id in 1..=u16::MAX, bad in any::<bool>()) {
        let packet_id = PacketId::new(id).unwrap();
        for version in [Version::V31, Version::V311, Version::V5] {
            for kind in [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp] {
                let reason = match kind {
                    _ if !bad => ReasonCode::Success,
                    AckKind::PubAck | AckKind::PubRec => ReasonCode::NotAuthorized,
                    AckKind::PubRel | AckKind::PubComp => ReasonCode::PacketIdentifierNotFound,
                };
                let mut out = Vec::new();
                write_ack(&mut out, kind, version, packet_id, reason);
                let ack = Ack::read(&frame(&out), version).unwrap();
                prop_assert_eq!(ack.packet_id, packet_id);
                let failed = bad && version == Version::V5;
                prop_assert_eq!(ack.is_success(), !failed);
                let seen = match version {
                    Version::V31 | Version::V311 => ack_v3(&out, kind),
                    Version::V5 => ack_v5(&out, kind),
                };
                let code = if failed { reason.as_u8() } else { 0 };
                prop_assert_eq!(seen, Some((id, code)));
            }
        }
    }
}

fn ack_v5(bytes: &[u8], kind: AckKind) -> Option<(u16, u8)> {
    use v5::codec::Packet;
    let v5::codec::Decoded::Packet(packet, _) = decode_v5(bytes) else { return None };
    match (kind, packet) {
        (AckKind::PubAck, Packet::PublishAck(ack))
        | (AckKind::PubRec, Packet::PublishReceived(ack)) => {
            Some((ack.packet_id.get(), ack.reason_code.into()))
        }
        (AckKind::PubRel, Packet::PublishRelease(ack))
        | (AckKind::PubComp, Packet::PublishComplete(ack)) => {
            Some((ack.packet_id.get(), ack.reason_code.into()))
        }
        _ => None,
    }
}

fn ack_v3(bytes: &[u8], kind: AckKind) -> Option<(u16, u8)> {
    use v3::codec::Packet;
    let v3::codec::Decoded::Packet(packet, _) = decode_v3(bytes) else { return None };
    match (kind, packet) {
        (AckKind::PubAck, Packet::PublishAck { packet_id })
        | (AckKind::PubRec, Packet::PublishReceived { packet_id })
        | (AckKind::PubRel, Packet::PublishRelease { packet_id })
        | (AckKind::PubComp, Packet::PublishComplete { packet_id }) => Some((packet_id.get(), 0)),
        _ => None,
    }
}

/// Every reason that the broker gives reaches the peer as itself, not as "unspecified".
#[test]
fn no_reason_code_is_lost_on_its_way_out() {
    use ReasonCode as R;
    let goodbyes = [
        R::Success,
        R::MalformedPacket,
        R::ProtocolError,
        R::ImplementationSpecificError,
        R::ServerShuttingDown,
        R::KeepAliveTimeout,
        R::SessionTakenOver,
        R::TopicFilterInvalid,
        R::TopicNameInvalid,
        R::ReceiveMaximumExceeded,
        R::TopicAliasInvalid,
        R::PacketTooLarge,
        R::QuotaExceeded,
        R::AdministrativeAction,
        R::QosNotSupported,
        R::RetainNotSupported,
        R::NotAuthorized,
    ];
    for reason in goodbyes {
        let mut out = Vec::new();
        write_disconnect(&mut out, Version::V5, reason, None, u32::MAX);
        let code = if out[1] == 0 { 0 } else { out[2] };
        assert_eq!(code, reason.as_u8(), "DISCONNECT {reason:?}");
    }
    let refusals = [
        R::MalformedPacket,
        R::ProtocolError,
        R::ImplementationSpecificError,
        R::UnsupportedProtocolVersion,
        R::ClientIdentifierNotValid,
        R::BadUserNameOrPassword,
        R::NotAuthorized,
        R::ServerUnavailable,
        R::Banned,
        R::BadAuthenticationMethod,
        R::TopicNameInvalid,
        R::PacketTooLarge,
        R::QosNotSupported,
        R::RetainNotSupported,
    ];
    for reason in refusals {
        let mut out = Vec::new();
        write_refusal(&mut out, Version::V5, reason, None, u32::MAX);
        assert_eq!((out[2], out[3]), (0, reason.as_u8()), "CONNACK {reason:?}");
    }
}

#[test]
fn no_reason_code_of_a_subscription_is_lost_on_its_way_out() {
    use ReasonCode as R;
    let codes = [
        R::Success,
        R::GrantedQos1,
        R::GrantedQos2,
        R::NotAuthorized,
        R::SharedSubscriptionsNotSupported,
        R::SubscriptionIdentifiersNotSupported,
        R::WildcardSubscriptionsNotSupported,
        R::QuotaExceeded,
    ];
    let id = PacketId::new(7).unwrap();
    let mut out = Vec::new();
    write_suback(&mut out, Version::V5, id, &codes, None, u32::MAX);
    assert_eq!(out, [0x90, 11, 0, 7, 0, 0, 1, 2, 0x87, 0x9E, 0xA1, 0xA2, 0x97]);
    out.clear();
    write_suback(&mut out, Version::V311, id, &codes, None, u32::MAX);
    assert_eq!(out, [0x90, 10, 0, 7, 0, 1, 2, 0x80, 0x80, 0x80, 0x80, 0x80]);
    out.clear();
    write_unsuback(
        &mut out,
        Version::V5,
        id,
        &[R::Success, R::NoSubscriptionExisted],
        None,
        u32::MAX,
    );
    assert_eq!(out, [0xB0, 5, 0, 7, 0, 0, 0x11]);
}

fn connack() -> ConnAck {
    ConnAck {
        session_present: false,
        receive_maximum: 65_535,
        maximum_qos: QoS::ExactlyOnce,
        retain_available: true,
        maximum_packet_size: 1_000,
        topic_alias_maximum: 0,
        wildcard_subscriptions: true,
        subscription_identifiers: true,
        shared_subscriptions: true,
        assigned_client_id: None,
        keep_alive: None,
        session_expiry: None,
        response_information: None,
        authentication: None,
    }
}

/// Maximum QoS may be 0 or 1 only (section 3.2.2.3.4), Receive Maximum never 0.
#[test]
fn connack_announces_only_what_is_not_the_default() {
    let mut out = Vec::new();
    write_connack(&mut out, Version::V5, connack(), u32::MAX);
    assert_eq!(out, [0x20, 8, 0, 0, 5, 0x27, 0, 0, 3, 0xE8]);
    let answer = ConnAck {
        receive_maximum: 9,
        maximum_qos: QoS::AtLeastOnce,
        topic_alias_maximum: 7,
        assigned_client_id: Some("abc".into()),
        keep_alive: Some(60),
        response_information: Some("answers/".into()),
        ..connack()
    };
    out.clear();
    write_connack(&mut out, Version::V5, answer, u32::MAX);
    let v5::codec::Decoded::Packet(v5::codec::Packet::ConnectAck(seen), _) = decode_v5(&out) else {
        panic!("not a CONNACK");
    };
    assert_eq!(seen.receive_max.get(), 9);
    assert_eq!(seen.topic_alias_max, 7);
    assert_eq!(seen.server_keepalive_sec, Some(60));
    assert_eq!(seen.response_info.as_deref(), Some("answers/"));
    assert_eq!(seen.max_qos, ntex_mqtt::QoS::AtLeastOnce);
    assert_eq!(seen.assigned_client_id.as_deref(), Some("abc"));
    assert!(seen.shared_subscription_available && seen.retain_available);
}

/// Every reason string is read by the codec, and is left out where it would not fit.
#[test]
fn a_reason_string_goes_where_it_fits() {
    use v5::codec::{Decoded, Packet};
    #[track_caller]
    fn check(write: impl Fn(&mut Vec<u8>, u32), expected: &str) {
        let words = |max: u32| {
            let mut out = b"before".to_vec();
            write(&mut out, max);
            assert_eq!(out[..6], *b"before");
            let Decoded::Packet(packet, _) = decode_v5(&out[6..]) else { panic!("no packet") };
            let words = match packet {
                Packet::ConnectAck(packet) => packet.reason_string,
                Packet::Disconnect(packet) => packet.reason_string,
                Packet::PublishAck(packet) | Packet::PublishReceived(packet) => {
                    packet.reason_string
                }
                Packet::SubscribeAck(packet) => packet.reason_string,
                Packet::UnsubscribeAck(packet) => packet.reason_string,
                other => panic!("{other:?}"),
            };
            (out.len() - 6, words.map(|words| words.to_string()))
        };
        let (len, with) = words(u32::MAX);
        assert_eq!(with.as_deref(), Some(expected));
        let len = u32::try_from(len).unwrap();
        assert_eq!(words(len).1.as_deref(), Some(expected));
        assert_eq!(words(len - 1).1, None);
        assert_eq!(words(0).1, None);
    }
    let id = PacketId::new(7).unwrap();
    let reason = ReasonCode::NotAuthorized;
    for words in ["short", &"long ".repeat(60)] {
        let some = Some(words);
        check(|out, max| write_refusal(out, Version::V5, reason, some, max), words);
        check(|out, max| write_disconnect(out, Version::V5, reason, some, max), words);
        check(|out, max| write_suback(out, Version::V5, id, &[reason], some, max), words);
        check(|out, max| write_unsuback(out, Version::V5, id, &[reason], some, max), words);
    }
    for kind in [AckKind::PubAck, AckKind::PubRec] {
        check(|out, max| write_explained_ack(out, kind, id, reason, max), reason.description());
    }
}
