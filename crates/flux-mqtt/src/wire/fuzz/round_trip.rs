//! What is accepted means the same after it was written and read again.

use std::num::NonZeroU64;
use std::time::Duration;

use flux_session::{QoS, SubscriptionIds, Timestamp};
use flux_topic::TopicName;

use crate::ReasonCode;
use crate::message::{Delivery, Message, Parts};
use crate::names::Publisher;
use crate::packets::Packets;
use crate::wire::{
    Ack, AckKind, Connect, Frame, InboundTopics, PacketType, Publish, TopicForm, Version, Will,
    publish_len, split, write_ack, write_explained_ack, write_publish,
};

/// Checks a frame of a client, if it is legal; `topics` are those of the stream.
pub(super) fn check(frame: &Frame<'_>, version: Version, topics: &mut InboundTopics) {
    match frame.packet_type {
        PacketType::Publish => check_publish(frame, version, topics),
        PacketType::PubAck => check_ack(frame, version, AckKind::PubAck),
        PacketType::PubRec => check_ack(frame, version, AckKind::PubRec),
        PacketType::PubRel => check_ack(frame, version, AckKind::PubRel),
        PacketType::PubComp => check_ack(frame, version, AckKind::PubComp),
        PacketType::Connect => {
            if let Ok(Connect { will: Some(will), .. }) = Connect::read(frame) {
                check_will(&will);
            }
        }
        PacketType::ConnAck
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => {}
    }
}

fn check_publish(frame: &Frame<'_>, version: Version, topics: &mut InboundTopics) {
    let Ok(read) = Publish::read(frame, version, topics) else { return };
    let expires_at = read.expiry.map(|seconds| NOW + Duration::from_secs(seconds.into()));
    let message = Message::from_publish(&read, Publisher(NonZeroU64::MIN), expires_at, None);
    assert_eq!(message.topic(), read.topic.as_str());
    assert_eq!(message.payload(), read.payload);
    check_message(&message);
}

/// A will is published as any other message.
fn check_will(will: &Will) {
    let Ok(topic) = TopicName::parse(&will.topic) else {
        panic!("the topic of a will was checked: {:?}", will.topic)
    };
    check_message(&Message::new(Parts {
        topic,
        properties: &will.properties,
        payload: &will.payload,
        qos: will.qos,
        retain: will.retain,
        publisher: None,
        expires_at: will.expiry.map(|seconds| NOW + Duration::from_secs(seconds.into())),
    }));
}

/// Sends a message to receivers of each version, who must get what was published.
fn check_message(message: &Message) {
    let (qos, retain) = (message.qos(), message.retain());
    // A client sends no subscription identifiers, so what we send with some is no PUBLISH of a client.
    let subscription_ids = SubscriptionIds::NONE;
    let delivery = Delivery {
        message: message.clone(),
        qos,
        retain,
        subscription_ids,
        share: None,
        sequence: None,
    };
    let packet_id = (qos != QoS::AtMostOnce).then_some(flux_session::PacketId::MIN);
    for (version, form) in [
        (Version::V31, TopicForm::Name),
        (Version::V311, TopicForm::Name),
        (Version::V5, TopicForm::Name),
        (Version::V5, TopicForm::NameAndAlias(2)),
        (Version::V5, TopicForm::Alias(1)),
    ] {
        let (mut topics, mut out) = (known_alias(message), Packets::default());
        let dup = packet_id.is_some();
        write_publish(&mut out, version, &delivery, form, packet_id, dup, NOW);
        let out = out.concat();
        assert_eq!(out.len(), publish_len(version, &delivery, form), "{version:?} {form:?}");
        let Ok(Some(frame)) = split(&out, u32::MAX, Some(version)) else {
            panic!("what we write is no frame: {out:02x?}")
        };
        assert_eq!(frame.bytes, out);
        match Publish::read(&frame, version, &mut topics) {
            Ok(again) => check_read_again(message, &again, version),
            Err(error) => panic!("we write what we refuse, {error}: {out:02x?}"),
        }
    }
}

fn check_read_again(message: &Message, again: &Publish<'_>, version: Version) {
    assert_eq!(again.topic.as_str(), message.topic());
    assert_eq!(again.payload, message.payload());
    assert_eq!((again.qos, again.retain), (message.qos(), message.retain()));
    assert_eq!(again.packet_id.is_some(), message.qos() != QoS::AtMostOnce);
    if version == Version::V5 {
        let left = message.expires_at().map(|moment| moment.saturating_since(NOW).as_secs());
        assert_eq!(again.expiry.map(u64::from), left);
        let copy = Message::from_publish(again, Publisher(NonZeroU64::MIN), None, None);
        assert_eq!(copy.properties(), message.properties());
    }
}

/// The topics of a receiver for whom 1 stands for the topic of this message.
fn known_alias(message: &Message) -> InboundTopics {
    let mut topics = InboundTopics::new(2);
    let known = topics.aliases.resolve(1, TopicName::parse(message.topic())).is_ok();
    assert!(known, "the topic of a message is a topic name");
    topics
}

fn check_ack(frame: &Frame<'_>, version: Version, kind: AckKind) {
    let Ok(ack) = Ack::read(frame, version) else { return };
    let known = [
        ReasonCode::Success,
        ReasonCode::NoMatchingSubscribers,
        ReasonCode::UnspecifiedError,
        ReasonCode::ImplementationSpecificError,
        ReasonCode::NotAuthorized,
        ReasonCode::TopicNameInvalid,
        ReasonCode::PacketIdentifierInUse,
        ReasonCode::PacketIdentifierNotFound,
        ReasonCode::QuotaExceeded,
    ];
    let Some(reason) = known.into_iter().find(|reason| reason.as_u8() == ack.code) else { return };
    let mut out = Vec::new();
    write_ack(&mut out, kind, version, ack.packet_id, reason);
    assert_eq!(read_ack(&out, version), Some(ack), "{out:02x?}");
    if version == Version::V5 && reason.is_error() {
        out.clear();
        write_explained_ack(&mut out, kind, ack.packet_id, reason, u32::MAX);
        assert_eq!(read_ack(&out, version), Some(ack), "{out:02x?}");
    }
}

fn read_ack(bytes: &[u8], version: Version) -> Option<Ack> {
    let frame = split(bytes, u32::MAX, Some(version)).ok()??;
    Ack::read(&frame, version).ok()
}

const NOW: Timestamp = Timestamp::from_millis(1_000);
