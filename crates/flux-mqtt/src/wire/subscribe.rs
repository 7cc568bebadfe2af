//! SUBSCRIBE and UNSUBSCRIBE: found legal here, built by ntex-mqtt (sections 3.8 and 3.10).

use flux_session::{PacketId, QoS, RetainHandling, SubscriptionOptions};
use flux_topic::TopicFilter;
use ntex_mqtt::{v3, v5};

use super::codec::{decode_v3, decode_v5};
use super::property::{self, Place};
use super::{Frame, FrameError, Version};

/// A client asks for subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) packet_id: PacketId,
    /// At least one [MQTT-3.8.3-2].
    pub(crate) filters: Vec<(TopicFilter, SubscriptionOptions)>,
}

/// A client gives subscriptions up.
#[derive(Clone, Debug)]
pub(crate) struct Unsubscribe {
    pub(crate) packet_id: PacketId,
    /// At least one [MQTT-3.10.3-2].
    pub(crate) filters: Vec<TopicFilter>,
}

impl Subscribe {
    pub(crate) fn read(frame: &Frame<'_>, version: Version) -> Result<Self, FrameError> {
        let packet_id = check_subscribe(frame, version)?;
        let parse = |text: &str| TopicFilter::parse(text).map_err(FrameError::TopicFilter);
        let filters: Result<Vec<_>, FrameError> = match version {
            Version::V311 => {
                let v3::codec::Packet::Subscribe { topic_filters, .. } = decode_v3(frame.bytes)?
                else {
                    return Err(FrameError::Codec);
                };
                let options = |qos| SubscriptionOptions { qos, ..SubscriptionOptions::default() };
                let filters = topic_filters.iter();
                filters.map(|(text, q)| Ok((parse(text)?, options(qos(*q))))).collect()
            }
            Version::V5 => {
                let v5::codec::Packet::Subscribe(packet) = decode_v5(frame.bytes)? else {
                    return Err(FrameError::Codec);
                };
                let id = packet.id.map(std::num::NonZeroU32::get);
                let filters = packet.topic_filters.iter();
                filters.map(|(text, asked)| Ok((parse(text)?, options(*asked, id)))).collect()
            }
        };
        Ok(Self { packet_id, filters: filters.and_then(check_shared)? })
    }
}

impl Unsubscribe {
    pub(crate) fn read(frame: &Frame<'_>, version: Version) -> Result<Self, FrameError> {
        let packet_id = check_unsubscribe(frame, version)?;
        let texts = match version {
            Version::V311 => match decode_v3(frame.bytes)? {
                v3::codec::Packet::Unsubscribe { topic_filters, .. } => topic_filters,
                _ => return Err(FrameError::Codec),
            },
            Version::V5 => match decode_v5(frame.bytes)? {
                v5::codec::Packet::Unsubscribe(packet) => packet.topic_filters,
                _ => return Err(FrameError::Codec),
            },
        };
        let parse = |text: &str| TopicFilter::parse(text).map_err(FrameError::TopicFilter);
        let filters = texts.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { packet_id, filters })
    }
}

fn check_subscribe(frame: &Frame<'_>, version: Version) -> Result<PacketId, FrameError> {
    let mut cursor = frame.cursor();
    let packet_id = cursor.packet_id()?;
    if version == Version::V5 {
        property::read(&mut cursor, Place::Subscribe, |_| {})?;
    }
    if cursor.is_empty() {
        return Err(FrameError::NoTopicFilter);
    }
    while !cursor.is_empty() {
        cursor.string()?;
        let options = cursor.u8()?;
        let reserved = match version {
            Version::V311 => options & 0b1111_1100 != 0,
            Version::V5 => options & 0b1100_0000 != 0 || options & 0b0011_0000 == 0b0011_0000,
        };
        if reserved || options & 0b11 == 0b11 {
            return Err(FrameError::SubscriptionOptions(options));
        }
    }
    Ok(packet_id)
}

fn check_unsubscribe(frame: &Frame<'_>, version: Version) -> Result<PacketId, FrameError> {
    let mut cursor = frame.cursor();
    let packet_id = cursor.packet_id()?;
    if version == Version::V5 {
        property::read(&mut cursor, Place::Unsubscribe, |_| {})?;
    }
    if cursor.is_empty() {
        return Err(FrameError::NoTopicFilter);
    }
    while !cursor.is_empty() {
        cursor.string()?;
    }
    Ok(packet_id)
}

/// No Local makes no sense for a group of clients [MQTT-3.8.3-4].
fn check_shared(
    filters: Vec<(TopicFilter, SubscriptionOptions)>,
) -> Result<Vec<(TopicFilter, SubscriptionOptions)>, FrameError> {
    let wrong = |(filter, options): &(TopicFilter, SubscriptionOptions)| {
        options.no_local && filter.share_name().is_some()
    };
    if filters.iter().any(wrong) { Err(FrameError::SharedNoLocal) } else { Ok(filters) }
}

const fn qos(qos: ntex_mqtt::QoS) -> QoS {
    match qos {
        ntex_mqtt::QoS::AtMostOnce => QoS::AtMostOnce,
        ntex_mqtt::QoS::AtLeastOnce => QoS::AtLeastOnce,
        ntex_mqtt::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn options(asked: v5::codec::SubscriptionOptions, id: Option<u32>) -> SubscriptionOptions {
    SubscriptionOptions {
        qos: qos(asked.qos),
        no_local: asked.no_local,
        retain_as_published: asked.retain_as_published,
        retain_handling: match asked.retain_handling {
            v5::codec::RetainHandling::AtSubscribe => RetainHandling::OnSubscribe,
            v5::codec::RetainHandling::AtSubscribeNew => RetainHandling::OnNewSubscription,
            v5::codec::RetainHandling::NoAtSubscribe => RetainHandling::Never,
        },
        subscription_id: id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    #[track_caller]
    fn refused(version: Version, bytes: &[u8], expected: &FrameError) {
        let frame = split(bytes, 1000).unwrap().unwrap();
        assert_eq!(Subscribe::read(&frame, version).err().as_ref(), Some(expected));
    }

    #[test]
    fn a_legal_subscribe_is_read_in_both_versions() {
        let frame = split(&[0x82, 8, 0, 7, 0, 3, b'a', b'/', b'#', 2], 100).unwrap().unwrap();
        let packet = Subscribe::read(&frame, Version::V311).unwrap();
        assert_eq!(packet.packet_id.get(), 7);
        assert_eq!(packet.filters[0].0.as_str(), "a/#");
        assert_eq!(packet.filters[0].1.qos, QoS::ExactlyOnce);

        let v5 = [0x82, 9, 0, 7, 2, 0x0B, 5, 0, 1, b'a', 0b0010_1101];
        let packet = Subscribe::read(&split(&v5, 100).unwrap().unwrap(), Version::V5).unwrap();
        let options = packet.filters[0].1;
        assert_eq!(options.subscription_id, Some(5));
        assert!(options.no_local && options.retain_as_published);
        assert_eq!(options.retain_handling, RetainHandling::Never);
    }

    #[test]
    fn what_the_codec_would_let_pass_is_refused() {
        use Version::{V5, V311};
        refused(V311, &[0x82, 2, 0, 7], &FrameError::NoTopicFilter);
        refused(V5, &[0x82, 3, 0, 7, 0], &FrameError::NoTopicFilter);
        refused(V311, &[0x82, 6, 0, 7, 0, 1, b'a', 3], &FrameError::SubscriptionOptions(3));
        refused(V311, &[0x82, 6, 0, 7, 0, 1, b'a', 4], &FrameError::SubscriptionOptions(4));
        refused(V5, &[0x82, 7, 0, 7, 0, 0, 1, b'a', 0x30], &FrameError::SubscriptionOptions(0x30));
        refused(V311, &[0x82, 6, 0, 0, 0, 1, b'a', 0], &FrameError::PacketIdZero);
        refused(V311, &[0x82, 6, 0, 1, 0, 1, 0, 0], &FrameError::NullCharacter);
        refused(V311, &[0x82, 5, 0, 1, 0, 1, b'a'], &FrameError::Truncated);
        let mut shared = vec![0x82, 16, 0, 7, 0, 0, 10];
        shared.extend_from_slice(b"$share/g/a\x04");
        refused(V5, &shared, &FrameError::SharedNoLocal);
    }
}
