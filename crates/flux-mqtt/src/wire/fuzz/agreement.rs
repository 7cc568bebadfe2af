//! The codec of ntex-mqtt understands the same as our readers, or differs for a reason that is known.

use flux_topic::TopicFilter;
use ntex_bytes::BytesMut;
use ntex_codec::Decoder as _;
use ntex_mqtt::{v3, v5};

use super::ALIASES;
use crate::wire::{
    Ack, Connect, Disconnect, Frame, FrameError, InboundTopics, PacketType, Publish, Subscribe,
    Unsubscribe, Version, split,
};

/// Compares what both make of a frame, in the versions that both know.
pub(super) fn check(frame: &Frame<'_>) {
    for version in [Version::V311, Version::V5] {
        // Flags that only MQTT 3.1 allows.
        if split(frame.bytes, u32::MAX, Some(version)).is_err() {
            continue;
        }
        let Some(ours) = ours(frame, version) else { continue };
        let theirs = match version {
            Version::V31 | Version::V311 => theirs_v3(frame),
            Version::V5 => theirs_v5(frame),
        };
        match (ours, theirs) {
            (Ok(ours), Some(theirs)) => {
                assert_eq!(ours, theirs, "{version:?} {:02x?}", frame.bytes);
            }
            (Err(error), Some(theirs)) => assert!(
                is_stricter(&error),
                "we refuse with {error:?} what is {theirs} to the codec: {version:?} {:02x?}",
                frame.bytes
            ),
            (Ok(ours), None) => assert!(
                is_laxer(frame, version),
                "we read as {ours} what the codec refuses: {version:?} {:02x?}",
                frame.bytes
            ),
            (Err(_), None) => {}
        }
    }
}

/// What the codec lets pass and the standard forbids.
const fn is_stricter(error: &FrameError) -> bool {
    match error {
        // [MQTT-1.5.5-1], [MQTT-1.5.4-2]: the codec takes longer forms and U+0000.
        FrameError::VariableByteInteger | FrameError::NullCharacter => true,
        // It leaves what follows the last field of some packets.
        FrameError::TrailingBytes(_) => true,
        // It checks neither topic names nor filters [MQTT-4.7.1-1], nor where filters are missing.
        FrameError::TopicName(_) | FrameError::TopicFilter(_) | FrameError::NoTopicFilter => true,
        // [MQTT-3.3.1-2], [MQTT-3.8.3-4], [MQTT-3.8.3-5], [MQTT-3.1.2-3]
        FrameError::DupWithoutQos
        | FrameError::SharedNoLocal
        | FrameError::SubscriptionOptions(_)
        | FrameError::ConnectFlags(_) => true,
        // It knows no direction: subscription identifiers and reason codes of a server.
        FrameError::MisplacedProperty { id: 0x0B | 0x1C, .. } | FrameError::ReasonCode { .. } => {
            true
        }
        // A Response Topic with wildcards [MQTT-3.3.2-14].
        FrameError::PropertyValue(0x08) => true,
        // Section 3.1.2.11.10.
        FrameError::AuthenticationDataAlone
        | FrameError::NoAuthenticationMethod
        | FrameError::AuthenticationMethodChanged
        | FrameError::AuthOutOfTurn => true,
        // It knows no aliases of the connection.
        FrameError::TopicAlias { .. } | FrameError::UnknownTopicAlias(_) => true,
        FrameError::PacketTooLarge { .. }
        | FrameError::UnknownPacketType(_)
        | FrameError::FixedHeaderFlags { .. }
        | FrameError::Truncated
        | FrameError::InvalidUtf8
        | FrameError::PacketIdZero
        | FrameError::QosThree
        | FrameError::UnknownProperty(_)
        | FrameError::MisplacedProperty { .. }
        | FrameError::RepeatedProperty(_)
        | FrameError::PropertyValue(_)
        | FrameError::UnexpectedPacket(_)
        | FrameError::ReceiveMaximum(_)
        | FrameError::QosNotSupported(_)
        | FrameError::RetainNotSupported
        | FrameError::TooManyFilters { .. }
        | FrameError::AnswerTooLarge { .. }
        | FrameError::SessionExpiry => false,
    }
}

/// What the standard allows and the codec refuses.
fn is_laxer(frame: &Frame<'_>, version: Version) -> bool {
    match frame.packet_type {
        PacketType::Connect => Connect::read(frame).is_ok_and(|connect| {
            // A will that expires at once is one that the codec does not know; an identifier that
            // is missing is answered by CONNACK, so it must be understood [MQTT-3.1.3-8].
            connect.will.is_some_and(|will| will.expiry == Some(0))
                || (version == Version::V311 && connect.client_id.is_empty())
        }),
        PacketType::Publish => Publish::read(frame, version, &mut InboundTopics::new(ALIASES))
            .is_ok_and(|publish| publish.expiry == Some(0)),
        _ => false,
    }
}

/// What we understand; `None` for what is not compared.
fn ours(frame: &Frame<'_>, version: Version) -> Option<Result<String, FrameError>> {
    let understood = match frame.packet_type {
        PacketType::Connect => match Connect::read(frame) {
            Ok(connect) if connect.version == version => Ok(show_connect(&connect)),
            Ok(_) => return None,
            // Another protocol is for neither to read.
            Err(error) => Err(error.source?),
        },
        PacketType::Publish => {
            Publish::read(frame, version, &mut InboundTopics::new(ALIASES)).map(|publish| {
                let id = publish.packet_id.map(u16::from);
                let qos = publish.qos.as_u8();
                show_publish(publish.topic.as_str(), qos, publish.retain, id, publish.payload)
                    + &format!(" expires {:?}", publish.expiry)
            })
        }
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            Ack::read(frame, version).map(|ack| format!("{} {}", ack.packet_id, ack.code))
        }
        PacketType::Subscribe => Subscribe::read(frame, version, usize::MAX).map(|packet| {
            let filters = packet.filters.iter();
            let filters: Vec<_> =
                filters.map(|(filter, o)| (filter.as_str().to_owned(), o.qos.as_u8())).collect();
            show_filters(packet.packet_id.get(), &filters)
        }),
        PacketType::Unsubscribe => Unsubscribe::read(frame, version, usize::MAX).map(|packet| {
            let filters = packet.filters.iter();
            let filters: Vec<_> = filters.map(|filter| (filter.as_str().to_owned(), 0)).collect();
            show_filters(packet.packet_id.get(), &filters)
        }),
        PacketType::Disconnect => Disconnect::read(frame, version)
            .map(|packet| format!("{} {:?}", packet.reason, packet.session_expiry)),
        PacketType::ConnAck
        | PacketType::SubAck
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp
        | PacketType::Auth => return None,
    };
    Some(understood)
}

fn show_connect(connect: &Connect) -> String {
    let will = connect.will.as_ref().map(|will| {
        let (topic, payload, qos) = (&*will.topic, &will.payload[..], will.qos.as_u8());
        (topic, payload, qos, will.retain, will.delay, will.expiry)
    });
    let mut shown = format!(
        "{:?} {} {} {:?} {:?} {will:?}",
        connect.client_id,
        connect.clean_start,
        connect.keep_alive,
        connect.username,
        connect.password.as_deref()
    );
    if connect.version == Version::V5 {
        shown += &format!(
            " {} {} {} {} {} {} {}",
            connect.session_expiry,
            connect.receive_maximum,
            connect.maximum_packet_size,
            connect.topic_alias_maximum,
            connect.wants_problem_information,
            connect.wants_response_information,
            connect.authentication.is_some()
        );
    }
    shown
}

fn show_publish(topic: &str, qos: u8, retain: bool, id: Option<u16>, payload: &[u8]) -> String {
    format!("{topic:?} {qos} {retain} {id:?} {payload:02x?}")
}

fn show_filters(id: u16, filters: &[(String, u8)]) -> String {
    format!("{id} {filters:?}")
}

/// The codec checks no filter; what begins with `$share/` and is none is no error of MQTT 3.1.1.
fn legal(filters: impl Iterator<Item = (String, u8)>) -> Vec<(String, u8)> {
    filters.filter(|(filter, _)| TopicFilter::parse(filter).is_ok()).collect()
}

/// What the codec understands of MQTT 3.1.1; `None` when it refuses.
fn theirs_v3(frame: &Frame<'_>) -> Option<String> {
    use v3::codec::{Decoded, Packet};
    let decoded = v3::codec::Codec::new().decode(&mut BytesMut::from(frame.bytes)).ok()??;
    let packet = match decoded {
        Decoded::Publish(from, payload, _) => {
            let id = from.packet_id.map(u16::from);
            let shown = show_publish(&from.topic, from.qos.into(), from.retain, id, &payload);
            return Some(shown + " expires None");
        }
        Decoded::Packet(packet, _) => packet,
        Decoded::PayloadChunk(..) => return None,
    };
    Some(match packet {
        Packet::Connect(from) => {
            let will = from.last_will.as_ref().map(|will| {
                let qos = u8::from(will.qos);
                (&*will.topic, &will.message[..], qos, will.retain, 0_u32, None::<u32>)
            });
            format!(
                "{:?} {} {} {:?} {:?} {will:?}",
                &*from.client_id,
                from.clean_session,
                from.keep_alive,
                from.username.as_deref(),
                from.password.as_deref()
            )
        }
        Packet::PublishAck { packet_id }
        | Packet::PublishReceived { packet_id }
        | Packet::PublishRelease { packet_id }
        | Packet::PublishComplete { packet_id } => format!("{packet_id} 0"),
        Packet::Subscribe { packet_id, topic_filters } => {
            let filters = topic_filters.iter().map(|(text, qos)| (text.to_string(), (*qos).into()));
            show_filters(packet_id.get(), &legal(filters))
        }
        Packet::Unsubscribe { packet_id, topic_filters } => {
            let filters = topic_filters.iter().map(|text| (text.to_string(), 0));
            show_filters(packet_id.get(), &legal(filters))
        }
        Packet::Disconnect => "0 None".to_owned(),
        other => format!("{other:?}"),
    })
}

/// The same of MQTT 5.0.
fn theirs_v5(frame: &Frame<'_>) -> Option<String> {
    use v5::codec::{Decoded, Packet};
    let decoded = v5::codec::Codec::new().decode(&mut BytesMut::from(frame.bytes)).ok()??;
    let packet = match decoded {
        Decoded::Publish(from, payload, _) => {
            let id = from.packet_id.map(u16::from);
            let shown = show_publish(&from.topic, from.qos.into(), from.retain, id, &payload);
            let expiry = from.properties.message_expiry_interval.map(u32::from);
            return Some(shown + &format!(" expires {expiry:?}"));
        }
        Decoded::Packet(packet, _) => packet,
        Decoded::PayloadChunk(..) => return None,
    };
    Some(match packet {
        Packet::Connect(from) => show_connect_v5(&from),
        Packet::PublishAck(ack) | Packet::PublishReceived(ack) => {
            format!("{} {}", ack.packet_id, u8::from(ack.reason_code))
        }
        Packet::PublishRelease(ack) | Packet::PublishComplete(ack) => {
            format!("{} {}", ack.packet_id, u8::from(ack.reason_code))
        }
        Packet::Subscribe(from) => {
            let filters = from.topic_filters.iter();
            let filters = filters.map(|(text, options)| (text.to_string(), options.qos.into()));
            show_filters(from.packet_id.get(), &legal(filters))
        }
        Packet::Unsubscribe(from) => {
            let filters = from.topic_filters.iter().map(|text| (text.to_string(), 0));
            show_filters(from.packet_id.get(), &legal(filters))
        }
        Packet::Disconnect(from) => {
            format!("{} {:?}", u8::from(from.reason_code), from.session_expiry_interval_secs)
        }
        other => format!("{other:?}"),
    })
}

fn show_connect_v5(from: &v5::codec::Connect) -> String {
    let will = from.last_will.as_ref().map(|will| {
        let expiry = will.message_expiry_interval.map(u32::from);
        let delay = will.will_delay_interval_sec.unwrap_or(0);
        (&*will.topic, &will.message[..], u8::from(will.qos), will.retain, delay, expiry)
    });
    format!(
        "{:?} {} {} {:?} {:?} {will:?} {} {} {} {} {} {} {}",
        &*from.client_id,
        from.clean_start,
        from.keep_alive,
        from.username.as_deref(),
        from.password.as_deref(),
        from.session_expiry_interval_secs,
        from.receive_max.map_or(u16::MAX, u16::from),
        from.max_packet_size.map_or(u32::MAX, u32::from),
        from.topic_alias_max,
        from.request_problem_info,
        from.request_response_info,
        from.auth_method.is_some()
    )
}
