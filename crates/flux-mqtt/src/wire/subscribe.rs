//! SUBSCRIBE and UNSUBSCRIBE, read in one pass (sections 3.8 and 3.10).

use flux_session::{PacketId, QoS, RetainHandling, SubscriptionOptions};
use flux_topic::{ParseFilterError, TopicFilter};

use super::cursor::Cursor;
use super::property::{self, Place};
use super::{Frame, FrameError, Version};

/// A client asks for subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) packet_id: PacketId,
    /// At least one [MQTT-3.8.3-2], unless all are malformed.
    pub(crate) filters: Vec<(TopicFilter, SubscriptionOptions)>,
    /// Where among them stood what begins with `$share/` and is no shared subscription, and its
    /// QoS. MQTT 3.1.1 has no shared subscriptions, so that is not the client's error.
    pub(crate) malformed: Vec<(usize, QoS)>,
    /// How many came behind as many as are read, and were not looked at.
    pub(crate) beyond: usize,
}

/// A client gives subscriptions up.
#[derive(Clone, Debug)]
pub(crate) struct Unsubscribe {
    pub(crate) packet_id: PacketId,
    /// At least one [MQTT-3.10.3-2], unless all are malformed as in [`Subscribe::malformed`].
    pub(crate) filters: Vec<TopicFilter>,
    /// How many came behind as many as are read, and were not looked at: none before MQTT 5.0.
    pub(crate) beyond: usize,
}

impl Subscribe {
    /// Reads at most so many filters.
    pub(crate) fn read(
        frame: &Frame<'_>,
        version: Version,
        most: usize,
    ) -> Result<Self, FrameError> {
        let mut cursor = frame.cursor();
        let packet_id = cursor.packet_id()?;
        let mut subscription_id = None;
        if version == Version::V5 {
            property::read(&mut cursor, Place::Subscribe, |property| {
                if property.id == property::SUBSCRIPTION_IDENTIFIER {
                    subscription_id = Some(property.number);
                }
            })?;
        }
        if cursor.is_empty() {
            return Err(FrameError::NoTopicFilter);
        }
        let (mut filters, mut malformed, mut beyond) = (Vec::new(), Vec::new(), 0);
        while !cursor.is_empty() {
            if filters.len() + malformed.len() == most {
                cursor.binary()?;
                cursor.u8()?;
                beyond += 1;
                continue;
            }
            let filter = filter(&mut cursor, version)?;
            let options = options(cursor.u8()?, version, subscription_id)?;
            let Some(filter) = filter else {
                malformed.push((filters.len() + malformed.len(), options.qos));
                continue;
            };
            // No Local makes no sense for a group of clients [MQTT-3.8.3-4].
            if options.no_local && filter.share_name().is_some() {
                return Err(FrameError::SharedNoLocal);
            }
            filters.push((filter, options));
        }
        Ok(Self { packet_id, filters, malformed, beyond })
    }
}

impl Unsubscribe {
    /// Reads at most so many filters. Before MQTT 5.0 more are an error: UNSUBACK could not say that they were left alone.
    pub(crate) fn read(
        frame: &Frame<'_>,
        version: Version,
        most: usize,
    ) -> Result<Self, FrameError> {
        let mut cursor = frame.cursor();
        let packet_id = cursor.packet_id()?;
        if version == Version::V5 {
            property::read(&mut cursor, Place::Unsubscribe, |_| {})?;
        }
        if cursor.is_empty() {
            return Err(FrameError::NoTopicFilter);
        }
        let (mut filters, mut malformed, mut beyond) = (Vec::new(), 0, 0);
        while !cursor.is_empty() {
            if filters.len() + malformed < most {
                match filter(&mut cursor, version)? {
                    Some(filter) => filters.push(filter),
                    None => malformed += 1,
                }
            } else if version == Version::V5 {
                cursor.binary()?;
                beyond += 1;
            } else {
                return Err(FrameError::TooManyFilters { max: most });
            }
        }
        Ok(Self { packet_id, filters, beyond })
    }
}

/// Reads a topic filter; `None` for one that is malformed where the version says nothing of it.
fn filter(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<TopicFilter>, FrameError> {
    use ParseFilterError as E;
    let error = match TopicFilter::parse(cursor.string()?) {
        Ok(filter) => return Ok(Some(filter)),
        Err(error) => error,
    };
    let is_about_sharing = match error {
        E::ShareNameEmpty | E::ShareNameWildcard { .. } | E::ShareWithoutFilter => true,
        E::Empty
        | E::TooLong { .. }
        | E::Nul { .. }
        | E::HashNotLast { .. }
        | E::HashNotAlone { .. }
        | E::PlusNotAlone { .. }
        | E::NotUtf8 { .. } => false,
    };
    let is_forgiven = is_about_sharing && version != Version::V5;
    if is_forgiven { Ok(None) } else { Err(FrameError::TopicFilter(error)) }
}

/// Reads the byte behind a topic filter: Subscription Options, in MQTT 3.1.1 the requested QoS.
fn options(
    byte: u8,
    version: Version,
    subscription_id: Option<u32>,
) -> Result<SubscriptionOptions, FrameError> {
    let reserved = match version {
        // Nothing is said of the other bits (section 3.8 of 3.1).
        Version::V31 => 0,
        Version::V311 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    let wrong = |_| FrameError::SubscriptionOptions(byte);
    let qos = QoS::try_from(byte & 0b11).map_err(wrong)?;
    if byte & reserved != 0 {
        return Err(FrameError::SubscriptionOptions(byte));
    }
    if version != Version::V5 {
        return Ok(SubscriptionOptions { qos, ..SubscriptionOptions::default() });
    }
    let retain_handling = match byte >> 4 & 0b11 {
        0 => RetainHandling::OnSubscribe,
        1 => RetainHandling::OnNewSubscription,
        2 => RetainHandling::Never,
        _ => return Err(FrameError::SubscriptionOptions(byte)),
    };
    Ok(SubscriptionOptions {
        qos,
        no_local: byte & 0b0100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling,
        subscription_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    #[track_caller]
    fn refused(version: Version, bytes: &[u8], expected: &FrameError) {
        let frame = split(bytes, 1000, None).unwrap().unwrap();
        assert_eq!(Subscribe::read(&frame, version, 1000).err().as_ref(), Some(expected));
    }

    #[test]
    fn a_legal_subscribe_is_read_in_both_versions() {
        let frame = split(&[0x82, 8, 0, 7, 0, 3, b'a', b'/', b'#', 2], 100, None).unwrap().unwrap();
        let packet = Subscribe::read(&frame, Version::V311, 1).unwrap();
        assert_eq!(packet.packet_id.get(), 7);
        assert_eq!(packet.filters[0].0.as_str(), "a/#");
        assert_eq!(packet.filters[0].1.qos, QoS::ExactlyOnce);

        let v5 = [0x82, 9, 0, 7, 2, 0x0B, 5, 0, 1, b'a', 0b0010_1101];
        let packet =
            Subscribe::read(&split(&v5, 100, None).unwrap().unwrap(), Version::V5, 1).unwrap();
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
