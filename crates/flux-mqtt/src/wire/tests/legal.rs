//! Legal packets of a client, as values of ntex-mqtt and as the bytes that it makes of them.

use std::num::{NonZeroU16, NonZeroU32};

use ntex_bytes::{BytePages, ByteString, Bytes};
use ntex_codec::Encoder;
use ntex_mqtt::{QoS, v3, v5};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::wire::Version;

pub(super) fn encode_v3(item: v3::codec::Encoded) -> Vec<u8> {
    let mut pages = BytePages::default();
    v3::codec::Codec::new().encodev(item, &mut pages).unwrap();
    pages.freeze().to_vec()
}

pub(super) fn encode_v5(item: v5::codec::Encoded) -> Vec<u8> {
    let mut pages = BytePages::default();
    v5::codec::Codec::new().encodev(item, &mut pages).unwrap();
    pages.freeze().to_vec()
}

pub(super) fn topic() -> impl Strategy<Value = String> {
    "[a-c$/é ]{1,8}"
}

pub(super) fn text() -> impl Strategy<Value = String> {
    "\\PC{0,6}"
}

pub(super) fn binary() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

pub(super) fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

pub(super) fn packet_id() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_map(|id| NonZeroU16::new(id).unwrap())
}

fn string() -> impl Strategy<Value = ByteString> {
    text().prop_map(ByteString::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    binary().prop_map(Bytes::from)
}

fn interval() -> impl Strategy<Value = NonZeroU32> {
    (1..=u32::MAX).prop_map(|seconds| NonZeroU32::new(seconds).unwrap())
}

fn user_properties() -> impl Strategy<Value = v5::codec::UserProperties> {
    vec((string(), string()), 0..3)
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![
        topic(),
        Just("#".to_owned()),
        topic().prop_map(|topic| format!("+/{topic}/#")),
        topic().prop_map(|topic| format!("$share/g/{topic}")),
    ]
}

pub(super) fn publish_v5() -> impl Strategy<Value = (v5::codec::Publish, Vec<u8>)> {
    let properties = (
        of(bytes()),
        of(interval()),
        of(string()),
        user_properties(),
        any::<bool>(),
        of(topic().prop_map(ByteString::from)),
    )
        .prop_map(|(data, expiry, content_type, user_properties, is_utf8, response)| {
            v5::codec::PublishProperties {
                correlation_data: data,
                message_expiry_interval: expiry,
                content_type,
                user_properties,
                is_utf8_payload: is_utf8,
                response_topic: response,
                ..Default::default()
            }
        });
    (any::<bool>(), any::<bool>(), qos(), packet_id(), topic(), binary(), properties).prop_map(
        |(dup, retain, qos, id, topic, payload, properties)| {
            let publish = v5::codec::Publish {
                dup: dup && qos != QoS::AtMostOnce,
                retain,
                qos,
                packet_id: (qos != QoS::AtMostOnce).then_some(id),
                topic: topic.into(),
                payload_size: u32::try_from(payload.len()).unwrap(),
                properties,
            };
            (publish, payload)
        },
    )
}

pub(super) fn publish_v3() -> impl Strategy<Value = (v3::codec::Publish, Vec<u8>)> {
    publish_v5().prop_map(|(from, payload)| {
        let publish = v3::codec::Publish {
            dup: from.dup,
            retain: from.retain,
            qos: from.qos,
            topic: from.topic,
            packet_id: from.packet_id,
            payload_size: from.payload_size,
        };
        (publish, payload)
    })
}

fn will_v5() -> impl Strategy<Value = v5::codec::LastWill> {
    (publish_v5(), of(any::<u32>()), of(any::<bool>())).prop_map(
        |((publish, payload), delay, is_utf8)| v5::codec::LastWill {
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic,
            message: payload.into(),
            will_delay_interval_sec: delay,
            correlation_data: publish.properties.correlation_data,
            message_expiry_interval: publish.properties.message_expiry_interval,
            content_type: publish.properties.content_type,
            user_properties: publish.properties.user_properties,
            is_utf8_payload: is_utf8,
            response_topic: publish.properties.response_topic,
        },
    )
}

pub(super) fn connect_v5() -> impl Strategy<Value = v5::codec::Connect> {
    let numbers = (any::<u16>(), any::<u32>(), of(packet_id()), of(interval()), any::<u16>());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let auth = of((string(), of(bytes())));
    let names = (string(), of(string()), of(bytes()));
    (numbers, flags, auth, names, of(will_v5()), user_properties()).prop_map(
        |(numbers, flags, auth, names, last_will, user_properties)| v5::codec::Connect {
            clean_start: flags.0,
            keep_alive: numbers.0,
            session_expiry_interval_secs: numbers.1,
            auth_method: auth.as_ref().map(|auth| auth.0.clone()),
            auth_data: auth.and_then(|auth| auth.1),
            request_problem_info: flags.1,
            request_response_info: flags.2,
            receive_max: numbers.2,
            topic_alias_max: numbers.4,
            user_properties,
            max_packet_size: numbers.3,
            last_will,
            client_id: names.0,
            username: names.1,
            password: names.2,
        },
    )
}

pub(super) fn connect_v3() -> impl Strategy<Value = v3::codec::Connect> {
    connect_v5().prop_map(|from| v3::codec::Connect {
        // An empty identifier is legal with Clean Session only [MQTT-3.1.3-8].
        clean_session: from.clean_start || from.client_id.is_empty(),
        keep_alive: from.keep_alive,
        last_will: from.last_will.map(|will| v3::codec::LastWill {
            qos: will.qos,
            retain: will.retain,
            topic: will.topic,
            message: will.message,
        }),
        client_id: from.client_id,
        password: from.password.filter(|_| from.username.is_some()),
        username: from.username,
    })
}

pub(super) fn subscribe_v5() -> impl Strategy<Value = v5::codec::Subscribe> {
    use v5::codec::RetainHandling::{AtSubscribe, AtSubscribeNew, NoAtSubscribe};
    let handling = prop_oneof![Just(AtSubscribe), Just(AtSubscribeNew), Just(NoAtSubscribe)];
    let one = (filter(), qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(filter, qos, no_local, retain_as_published, retain_handling)| {
            let no_local = no_local && !filter.starts_with("$share/");
            let options = v5::codec::SubscriptionOptions {
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            };
            (ByteString::from(filter), options)
        },
    );
    let id = of((1..=268_435_455_u32).prop_map(|id| NonZeroU32::new(id).unwrap()));
    (packet_id(), id, user_properties(), vec(one, 1..4)).prop_map(
        |(packet_id, id, user_properties, topic_filters)| v5::codec::Subscribe {
            packet_id,
            id,
            user_properties,
            topic_filters,
        },
    )
}

/// The bytes of any packet that a client may send.
pub(super) fn packet(version: Version) -> BoxedStrategy<Vec<u8>> {
    match version {
        Version::V31 | Version::V311 => packet_v3().boxed(),
        Version::V5 => packet_v5().boxed(),
    }
}

fn packet_v3() -> impl Strategy<Value = Vec<u8>> {
    use v3::codec::Packet;
    let ack = |make: fn(NonZeroU16) -> Packet| packet_id().prop_map(make);
    let packets = prop_oneof![
        connect_v3().prop_map(Packet::from),
        ack(|packet_id| Packet::PublishAck { packet_id }),
        ack(|packet_id| Packet::PublishReceived { packet_id }),
        ack(|packet_id| Packet::PublishRelease { packet_id }),
        ack(|packet_id| Packet::PublishComplete { packet_id }),
        (packet_id(), vec((filter().prop_map(ByteString::from), qos()), 1..4))
            .prop_map(|(packet_id, topic_filters)| Packet::Subscribe { packet_id, topic_filters }),
        (packet_id(), vec(filter().prop_map(ByteString::from), 1..4)).prop_map(
            |(packet_id, topic_filters)| Packet::Unsubscribe { packet_id, topic_filters }
        ),
        Just(Packet::PingRequest),
        Just(Packet::Disconnect),
    ];
    let publish = publish_v3().prop_map(|(publish, payload)| {
        encode_v3(v3::codec::Encoded::Publish(publish, Some(payload.into())))
    });
    prop_oneof![4 => packets.prop_map(|packet| encode_v3(packet.into())), 1 => publish]
}

fn packet_v5() -> impl Strategy<Value = Vec<u8>> {
    use v5::codec::{Disconnect, DisconnectReasonCode, Packet, PublishAck, PublishAck2};
    let ack = |make: fn(PublishAck) -> Packet| {
        (packet_id(), user_properties(), of(string())).prop_map(
            move |(packet_id, properties, reason_string)| {
                make(PublishAck { packet_id, properties, reason_string, ..Default::default() })
            },
        )
    };
    let ack2 = |make: fn(PublishAck2) -> Packet| {
        packet_id().prop_map(move |packet_id| make(PublishAck2 { packet_id, ..Default::default() }))
    };
    let disconnect = of(any::<u32>()).prop_map(|expiry| {
        let mut packet = Disconnect::new(DisconnectReasonCode::DisconnectWithWillMessage);
        packet.session_expiry_interval_secs = expiry;
        Packet::Disconnect(packet)
    });
    let unsubscribe = (packet_id(), user_properties(), vec(filter(), 1..4)).prop_map(
        |(packet_id, user_properties, filters)| {
            let topic_filters = filters.into_iter().map(ByteString::from).collect();
            Packet::Unsubscribe(v5::codec::Unsubscribe {
                packet_id,
                user_properties,
                topic_filters,
            })
        },
    );
    let packets = prop_oneof![
        connect_v5().prop_map(Packet::from),
        ack(Packet::PublishAck),
        ack(Packet::PublishReceived),
        ack2(Packet::PublishRelease),
        ack2(Packet::PublishComplete),
        subscribe_v5().prop_map(Packet::Subscribe),
        unsubscribe,
        Just(Packet::PingRequest),
        disconnect,
    ];
    let publish = publish_v5().prop_map(|(publish, payload)| {
        encode_v5(v5::codec::Encoded::Publish(publish, Some(payload.into())))
    });
    prop_oneof![4 => packets.prop_map(|packet| encode_v5(packet.into())), 1 => publish]
}
