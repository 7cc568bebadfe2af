//! What a PUBLISH becomes when it is copied out of the read buffer.

use std::num::NonZeroU64;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{field, frame, legal, packet, properties};
use crate::message::Message;
use crate::names::Publisher;
use crate::wire::{FrameError, InboundTopics, Publish, Version};

/// Properties that travel with a message, encoded, in any order that is legal.
pub(super) fn travelling() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let number = |id: u8| (0..2_u8).prop_map(move |value| vec![id, value]);
    let text = |id: u8| legal::text().prop_map(move |text| with(id, &field(text.as_bytes())));
    let once = (
        of(number(0x01)),
        of(text(0x03)),
        of(legal::topic().prop_map(|topic| with(0x08, &field(topic.as_bytes())))),
        of(legal::binary().prop_map(|data| with(0x09, &field(&data)))),
    )
        .prop_map(|(a, b, c, d)| [a, b, c, d].into_iter().flatten().collect::<Vec<_>>());
    let user = (legal::text(), legal::text()).prop_map(|(name, value)| {
        with(0x26, &[field(name.as_bytes()), field(value.as_bytes())].concat())
    });
    (once, vec(user, 0..3)).prop_map(|(once, user)| [once, user].concat()).prop_shuffle()
}

fn with(id: u8, value: &[u8]) -> Vec<u8> {
    [&[id], value].concat()
}

/// A v5 PUBLISH; the expiry stands before the property with this number.
fn publish(
    topic: &str,
    qos: u8,
    all: &[Vec<u8>],
    expiry: Option<(usize, u32)>,
    payload: &[u8],
) -> Vec<u8> {
    let mut all = all.to_vec();
    if let Some((at, seconds)) = expiry {
        all.insert(at % (all.len() + 1), with(0x02, &seconds.to_be_bytes()));
    }
    let id: &[u8] = if qos > 0 { &[0, 9] } else { &[] };
    let body = [&field(topic.as_bytes())[..], id, &properties(&all.concat()), payload].concat();
    packet(0x30 | qos << 1, &body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_message_keeps_topic_properties_in_order_and_payload(
        topic in legal::topic(),
        qos in 0..3_u8,
        all in travelling(),
        expiry in of((any::<usize>(), any::<u32>())),
        payload in legal::binary(),
    ) {
        let bytes = publish(&topic, qos, &all, expiry, &payload);
        let mut aliases = InboundTopics::default();
        let read = Publish::read(&frame(&bytes), Version::V5, &mut aliases).unwrap();
        prop_assert_eq!(read.expiry, expiry.map(|(_, seconds)| seconds));
        let key = Publisher(NonZeroU64::MIN);
        let message = Message::from_publish(&read, key, None, None);
        for message in [message.clone(), message.sent_by(key, None)] {
            prop_assert_eq!(message.topic(), &topic);
            prop_assert_eq!(message.properties(), all.concat());
            prop_assert_eq!(message.payload(), &payload);
            prop_assert_eq!(message.qos().as_u8(), qos);
            prop_assert_eq!(message.publisher(), Some(key));
        }
    }

    #[test]
    fn a_topic_alias_stays_behind_wherever_it_stood(
        topic in legal::topic(),
        all in travelling(),
        at in any::<usize>(),
        alias in any::<u16>(),
        expiry in of((any::<usize>(), any::<u32>())),
        max in any::<u16>(),
    ) {
        let mut with_alias = all.clone();
        with_alias.insert(at % (all.len() + 1), with(0x23, &alias.to_be_bytes()));
        let mut aliases = InboundTopics::new(max);
        // By name, then by the alias alone.
        for name in [&*topic, ""] {
            let bytes = publish(name, 0, &with_alias, expiry, b"payload");
            let read = Publish::read(&frame(&bytes), Version::V5, &mut aliases);
            if alias == 0 || alias > max {
                prop_assert_eq!(read.err(), Some(FrameError::TopicAlias { max }));
                continue;
            }
            let read = read.unwrap();
            prop_assert_eq!(read.expiry, expiry.map(|(_, seconds)| seconds));
            let message = Message::from_publish(&read, Publisher(NonZeroU64::MIN), None, None);
            prop_assert_eq!(message.topic(), &topic);
            prop_assert_eq!(message.properties(), all.concat());
            prop_assert_eq!(message.payload(), b"payload");
        }
    }
}

#[test]
fn a_v311_message_has_no_properties() {
    let bytes = packet(0x33, b"\0\x03a/b\0\x07\x05\x01\x00");
    let mut aliases = InboundTopics::default();
    let read = Publish::read(&frame(&bytes), Version::V311, &mut aliases).unwrap();
    let message = Message::from_publish(&read, Publisher(NonZeroU64::MIN), None, None);
    assert_eq!((message.topic(), message.payload()), ("a/b", &[5, 1, 0][..]));
    assert_eq!((message.properties(), message.retain()), (&[][..], true));
}
