//! Topic aliases: numbers that stand for topic names on one connection (section 3.3.2.3.4).

use std::collections::BTreeMap;

use flux_session::Message as _;
use flux_topic::{ParseTopicError, TopicName, TopicNameBuf};

use super::{FrameError, Version, publish_len};
use crate::message::Delivery;

/// What the aliases of a client stand for. They end with the connection [MQTT-3.3.2-7].
///
/// Holds at most `max` topic names, of at most 65,535 bytes each.
#[derive(Debug, Default)]
pub(crate) struct InboundAliases {
    /// The Topic Alias Maximum that CONNACK announced.
    max: u16,
    /// By alias, from 1.
    names: Vec<Option<TopicNameBuf>>,
}

impl InboundAliases {
    pub(crate) const fn new(max: u16) -> Self {
        Self { max, names: Vec::new() }
    }

    /// Returns the topic name of a PUBLISH with this alias. A topic that is not empty is what the
    /// alias stands for from now on; doing so twice changes nothing.
    pub(super) fn resolve<'a>(
        &'a mut self,
        alias: u16,
        topic: Result<TopicName<'a>, ParseTopicError>,
    ) -> Result<TopicName<'a>, FrameError> {
        if alias == 0 || alias > self.max {
            return Err(FrameError::TopicAlias { max: self.max });
        }
        let index = usize::from(alias) - 1;
        if topic == Err(ParseTopicError::Empty) {
            let name = self.names.get(index).and_then(Option::as_ref);
            return Ok(name.ok_or(FrameError::UnknownTopicAlias(alias))?.as_name());
        }
        let topic = topic.map_err(FrameError::TopicName)?;
        if self.names.len() <= index {
            self.names.resize_with(index + 1, || None);
        }
        if let Some(place) = self.names.get_mut(index)
            && place.as_ref().map(TopicNameBuf::as_name) != Some(topic)
        {
            *place = Some(topic.into());
        }
        Ok(topic)
    }
}

/// The aliases used towards a client: the first topics that it gets have one for as long as the
/// connection lasts.
///
/// Holds at most `max` topic names, of at most 65,535 bytes each.
#[derive(derive_more::Debug, Default)]
pub(crate) struct OutboundAliases {
    /// 0 for a client that takes no aliases [MQTT-3.1.2-27].
    max: u16,
    #[debug("{} of them", aliases.len())]
    aliases: BTreeMap<Box<[u8]>, u16>,
}

/// How a PUBLISH names its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicForm {
    /// By its name, without an alias.
    Name,
    /// By its name, for which the alias stands from now on.
    NameAndAlias(u16),
    /// By its alias.
    Alias(u16),
}

impl TopicForm {
    pub(super) const fn alias(self) -> Option<u16> {
        match self {
            Self::Name => None,
            Self::NameAndAlias(alias) | Self::Alias(alias) => Some(alias),
        }
    }

    /// What stands in the topic name field.
    pub(super) const fn name(self, topic: &[u8]) -> &[u8] {
        match self {
            Self::Name | Self::NameAndAlias(_) => topic,
            Self::Alias(_) => &[],
        }
    }
}

impl OutboundAliases {
    /// `max` is the client's Topic Alias Maximum, or less [MQTT-3.1.2-26].
    pub(crate) const fn new(max: u16) -> Self {
        Self { max, aliases: BTreeMap::new() }
    }

    /// Returns how to name the topic of a delivery in a packet of at most `max_packet` bytes, or
    /// `None` when it does not fit at all.
    pub(crate) fn form(
        &self,
        version: Version,
        delivery: &Delivery,
        max_packet: u32,
    ) -> Option<TopicForm> {
        let fits = |form: TopicForm| {
            let len = publish_len(version, delivery, form);
            u32::try_from(len).is_ok_and(|len| len <= max_packet)
        };
        let preferred = self.preferred(delivery.message.topic_bytes());
        // Nearly always it is far from too large, and its length need not be known here.
        if is_surely_within(delivery, max_packet) {
            debug_assert!(fits(preferred), "the bound is one");
            return Some(preferred);
        }
        if fits(preferred) {
            return Some(preferred);
        }
        // There may be room for the name and none for an alias beside it.
        (preferred != TopicForm::Name && fits(TopicForm::Name)).then_some(TopicForm::Name)
    }

    fn preferred(&self, topic: &[u8]) -> TopicForm {
        if self.max == 0 || topic.len() <= ALIAS_LEN {
            return TopicForm::Name;
        }
        if let Some(alias) = self.aliases.get(topic) {
            return TopicForm::Alias(*alias);
        }
        match u16::try_from(self.aliases.len()) {
            Ok(len) if len < self.max => TopicForm::NameAndAlias(len + 1),
            _ => TopicForm::Name,
        }
    }

    /// Notes that a PUBLISH with this topic in this form has been written.
    pub(crate) fn written(&mut self, topic: &[u8], form: TopicForm) {
        if let TopicForm::NameAndAlias(alias) = form {
            self.aliases.insert(topic.into(), alias);
        }
    }
}

/// Whether the PUBLISH of a delivery has at most `max_packet` bytes, whatever its form, as far as that can
/// be said without a look at its parts.
fn is_surely_within(delivery: &Delivery, max_packet: u32) -> bool {
    let size = u32::try_from(delivery.message.size()).unwrap_or(u32::MAX);
    delivery.subscription_ids.as_slice().is_empty() && size.saturating_add(ADDED) <= max_packet
}

/// Type and flags, remaining length, length of the topic name, packet identifier, length of the properties,
/// Message Expiry Interval, topic alias; rounded up.
const ADDED: u32 = 32;

/// Bytes of the property, for which a shorter name is no saving.
pub(super) const ALIAS_LEN: usize = 3;

#[cfg(test)]
mod tests {
    use flux_session::{QoS, SubscriptionIds};

    use super::*;
    use crate::message::{Message, Parts};

    fn delivery(topic: &str) -> Delivery {
        let message = Message::new(Parts {
            topic: TopicName::parse(topic).unwrap(),
            properties: &[],
            payload: b"x",
            qos: QoS::AtMostOnce,
            retain: false,
            publisher: None,
            expires_at: None,
        });
        let subscription_ids = SubscriptionIds::NONE;
        Delivery {
            message,
            qos: QoS::AtMostOnce,
            retain: false,
            subscription_ids,
            share: None,
            sequence: None,
        }
    }

    #[test]
    fn an_alias_of_a_client_stands_for_the_last_name_it_was_given() {
        let mut aliases = InboundAliases::new(2);
        let mut check = |alias, topic: &str, expected: Result<&str, FrameError>| {
            let name = aliases.resolve(alias, TopicName::parse(topic));
            assert_eq!(name.map(|name| name.as_str().to_owned()), expected.map(str::to_owned));
        };
        check(2, "", Err(FrameError::UnknownTopicAlias(2)));
        check(2, "two", Ok("two"));
        check(1, "", Err(FrameError::UnknownTopicAlias(1)));
        check(2, "", Ok("two"));
        check(2, "other", Ok("other"));
        check(1, "other", Ok("other"));
        check(2, "", Ok("other"));
        check(0, "zero", Err(FrameError::TopicAlias { max: 2 }));
        check(3, "three", Err(FrameError::TopicAlias { max: 2 }));
        assert!(aliases.resolve(1, TopicName::parse("a/+")).is_err());
        let unchanged = aliases.resolve(1, TopicName::parse(""));
        assert_eq!(unchanged.unwrap().as_str(), "other");
    }

    #[test]
    fn the_first_topics_have_an_alias_once_they_were_written() {
        use TopicForm::{Alias, Name, NameAndAlias};
        let mut aliases = OutboundAliases::new(2);
        let mut check = |topic: &str, expected: &[TopicForm]| {
            for form in expected {
                let got = aliases.form(Version::V5, &delivery(topic), u32::MAX).unwrap();
                assert_eq!(got, *form, "{topic}");
                aliases.written(topic.as_bytes(), got);
            }
        };
        check("a/b", &[Name, Name]);
        check("first", &[NameAndAlias(1), Alias(1), Alias(1)]);
        check("second", &[NameAndAlias(2), Alias(2)]);
        check("third", &[Name, Name]);
        check("first", &[Alias(1)]);
        let none = OutboundAliases::new(0);
        assert_eq!(none.form(Version::V5, &delivery("first"), u32::MAX), Some(Name));
    }

    #[test]
    fn the_form_is_the_one_that_fits() {
        use TopicForm::{Alias, Name, NameAndAlias};
        let mut aliases = OutboundAliases::new(1);
        let delivery = delivery("a/topic");
        // Header 2, topic 2 + 7, property length 1, payload 1; the alias is three more.
        assert_eq!(aliases.form(Version::V5, &delivery, 12), None);
        assert_eq!(aliases.form(Version::V5, &delivery, 13), Some(Name));
        assert_eq!(aliases.form(Version::V5, &delivery, 15), Some(Name));
        assert_eq!(aliases.form(Version::V5, &delivery, 16), Some(NameAndAlias(1)));
        aliases.written(b"a/topic", NameAndAlias(1));
        assert_eq!(aliases.form(Version::V5, &delivery, 9), Some(Alias(1)));
        assert_eq!(aliases.form(Version::V5, &delivery, 8), None);
    }
}
