//! An application message: one allocation, shared by everyone who still needs it.

use std::fmt;
use std::num::NonZeroU64;

use bytes::Bytes;
use flux_retained::RetainedMessage;
use flux_session::{QoS, Timestamp};
use flux_topic::TopicName;
use triomphe::ThinArc;

use crate::latency::Stamp;
use crate::names::Publisher;
use crate::wire::{Properties, Publish};

/// A message on its way to one subscriber.
pub(crate) type Delivery = flux_session::Delivery<Message>;

/// A published message: topic name, properties and payload in one exactly sized, reference
/// counted allocation; a clone is eight bytes. The payload of a large one is apart, so that whoever sends it
/// need not copy it.
///
/// Invariant: the topic name was parsed, the properties were checked.
#[derive(Clone)]
pub struct Message(ThinArc<Header, u8>);

#[derive(Clone, Debug)]
struct Header {
    /// Whose message it is, for No Local; `None` when the broker itself sent it.
    publisher: Option<Publisher>,
    expires_at: Option<Expiry>,
    /// The bytes are: topic name, perhaps a gap, properties, payload.
    topic_len: u32,
    properties_len: u32,
    payload_len: u32,
    qos: QoS,
    retain: bool,
    /// What few messages have.
    rare: Option<Box<Rare>>,
}

/// What few messages have, apart: it is to cost the others nothing.
#[derive(Clone, derive_more::Debug)]
struct Rare {
    /// The payload, if it is [`LARGE`].
    #[debug("{:?} bytes", payload.as_ref().map(ntex_bytes::Bytes::len))]
    payload: Option<ntex_bytes::Bytes>,
    /// When it came, if its way is timed.
    since: Option<Stamp>,
}

/// A moment in eight bytes, with room for none: milliseconds, and one more.
#[derive(Clone, Copy, Debug)]
struct Expiry(NonZeroU64);

impl Expiry {
    /// The last moment there is comes a millisecond early.
    fn at(moment: Timestamp) -> Self {
        Self(NonZeroU64::MIN.saturating_add(moment.as_millis()))
    }

    const fn moment(self) -> Timestamp {
        Timestamp::from_millis(self.0.get() - 1)
    }
}

/// From how many bytes on a payload is shared with what is being sent.
const LARGE: usize = 4096;

/// What a message is made of, when it does not come from a PUBLISH packet.
#[derive(Clone, Copy, derive_more::Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) topic: TopicName<'a>,
    /// Encoded as MQTT 5.0 properties, without length and without expiry.
    #[debug("{} bytes", properties.len())]
    pub(crate) properties: &'a [u8],
    #[debug("{} bytes", payload.len())]
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) publisher: Option<Publisher>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Message {
    /// Copies a PUBLISH out of the read buffer, at once where its bytes stand together.
    pub(crate) fn from_publish(
        publish: &Publish<'_>,
        publisher: Publisher,
        expires_at: Option<Timestamp>,
        since: Option<Stamp>,
    ) -> Self {
        match &publish.properties {
            Properties::InPlace(properties_len) => {
                let apart = if is_large(publish.payload) { publish.payload.len() } else { 0 };
                let together = publish.bytes.len() - apart;
                let header = Header {
                    publisher: Some(publisher),
                    expires_at: expires_at.map(Expiry::at),
                    topic_len: len(publish.topic.as_str().as_bytes()),
                    properties_len: u32::try_from(*properties_len).unwrap_or(u32::MAX),
                    payload_len: len(publish.payload),
                    qos: publish.qos,
                    retain: publish.retain,
                    rare: rare(publish.payload, publish.retain, since),
                };
                let bytes = publish.bytes.get(..together).unwrap_or_default();
                Self(ThinArc::from_header_and_slice(header, bytes))
            }
            Properties::Copied(properties) => {
                let parts = Parts {
                    topic: publish.topic,
                    properties,
                    payload: publish.payload,
                    qos: publish.qos,
                    retain: publish.retain,
                    publisher: Some(publisher),
                    expires_at,
                };
                Self::of(parts, since)
            }
        }
    }

    pub(crate) fn new(parts: Parts<'_>) -> Self {
        Self::of(parts, None)
    }

    fn of(parts: Parts<'_>, since: Option<Stamp>) -> Self {
        let topic = parts.topic.as_str().as_bytes();
        let header = Header {
            publisher: parts.publisher,
            expires_at: parts.expires_at.map(Expiry::at),
            topic_len: len(topic),
            properties_len: len(parts.properties),
            payload_len: len(parts.payload),
            qos: parts.qos,
            retain: parts.retain,
            rare: rare(parts.payload, parts.retain, since),
        };
        let payload = if is_large(parts.payload) { &[] } else { parts.payload };
        let bytes = [topic, parts.properties, payload].concat();
        Self(ThinArc::from_header_and_slice(header, &bytes))
    }

    /// Returns the same message as if it were published by this session just now.
    pub(crate) fn sent_by(&self, publisher: Publisher, expires_at: Option<Timestamp>) -> Self {
        let expires_at = expires_at.map(Expiry::at);
        let header = Header { publisher: Some(publisher), expires_at, ..self.header().clone() };
        Self(ThinArc::from_header_and_slice(header, &self.0.slice))
    }

    fn header(&self) -> &Header {
        &self.0.header.header
    }

    /// Returns the topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        // It was parsed once; an empty answer is not reached.
        std::str::from_utf8(self.topic_bytes()).unwrap_or_default()
    }

    pub(crate) fn topic_bytes(&self) -> &[u8] {
        self.0.slice.get(..size(self.header().topic_len)).unwrap_or_default()
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match self.large_payload() {
            Some(payload) => payload,
            None => self.0.slice.get(self.payload_start()..).unwrap_or_default(),
        }
    }

    pub(crate) fn payload_len(&self) -> usize {
        size(self.header().payload_len)
    }

    /// Returns the payload if it is large enough to be worth sharing.
    pub(crate) fn large_payload(&self) -> Option<&ntex_bytes::Bytes> {
        self.header().rare.as_deref()?.payload.as_ref()
    }

    /// Returns when it came, if its way is timed.
    pub(crate) fn since(&self) -> Option<Stamp> {
        self.header().rare.as_deref()?.since
    }

    /// Returns where the payload begins among the bytes, or would begin.
    fn payload_start(&self) -> usize {
        let len = if self.large_payload().is_some() { 0 } else { self.payload_len() };
        self.0.slice.len() - len
    }

    fn held(&self) -> usize {
        self.payload_start() + self.payload_len()
    }

    /// Returns the properties that travel with the message, encoded as in MQTT 5.0 section
    /// 2.2.2.2, without their length and without the Message Expiry Interval.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        let end = self.payload_start();
        self.0.slice.get(end - size(self.header().properties_len)..end).unwrap_or_default()
    }

    /// Returns the QoS it was published with.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.header().qos
    }

    /// Returns the RETAIN flag it was published with.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.header().retain
    }

    pub(crate) fn publisher(&self) -> Option<Publisher> {
        self.header().publisher
    }

    /// Returns when the message is no longer worth sending [MQTT-3.3.2-5].
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.header().expires_at.map(Expiry::moment)
    }
}

impl flux_session::Message for Message {
    fn size(&self) -> usize {
        self.held()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.header().expires_at.map(Expiry::moment)
    }
}

impl flux_retained::Retain for Message {
    fn size(&self) -> usize {
        self.held()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.header().expires_at.map(Expiry::moment)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("payload_len", &self.header().payload_len)
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .finish_non_exhaustive()
    }
}

impl From<RetainedMessage> for Message {
    /// The store has checked topic and QoS before it converts.
    fn from(message: RetainedMessage) -> Self {
        let RetainedMessage { topic, payload, qos } = message;
        let header = Header {
            publisher: None,
            expires_at: None,
            topic_len: len(topic.as_bytes()),
            properties_len: 0,
            payload_len: len(&payload),
            qos: QoS::try_from(qos).unwrap_or(QoS::ExactlyOnce),
            retain: true,
            rare: rare(&payload, true, None),
        };
        let payload = if is_large(&payload) { &[] } else { &payload[..] };
        let bytes = [topic.as_bytes(), payload].concat();
        Self(ThinArc::from_header_and_slice(header, &bytes))
    }
}

impl From<Message> for RetainedMessage {
    fn from(message: Message) -> Self {
        Self {
            topic: message.topic().to_owned(),
            payload: Bytes::copy_from_slice(message.payload()),
            qos: message.qos().as_u8(),
        }
    }
}

const fn is_large(payload: &[u8]) -> bool {
    payload.len() >= LARGE
}

/// Copies a payload, if it is to be apart.
#[inline]
fn rare(payload: &[u8], retain: bool, since: Option<Stamp>) -> Option<Box<Rare>> {
    if is_large(payload) || since.is_some() { Some(apart(payload, retain, since)) } else { None }
}

#[cold]
fn apart(payload: &[u8], retain: bool, since: Option<Stamp>) -> Box<Rare> {
    // Whoever gets it later, because it is retained, says nothing about how long it took.
    let since = since.filter(|_| !retain);
    let payload = is_large(payload).then(|| ntex_bytes::Bytes::copy_from_slice(payload));
    Box::new(Rare { payload, since })
}

/// Packets have at most 268,435,455 bytes, so their parts fit.
fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn size(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &[u8], expires_at: Option<Timestamp>) -> Message {
        Message::new(Parts {
            topic: TopicName::parse("a/b").unwrap(),
            properties: b"properties",
            payload,
            qos: QoS::AtLeastOnce,
            retain: true,
            publisher: None,
            expires_at,
        })
    }

    #[test]
    fn a_message_is_what_it_was_made_of_whether_or_not_its_payload_is_apart() {
        for len in [0, 1, LARGE - 1, LARGE, LARGE + 1, 100_000] {
            let payload = vec![b'x'; len];
            let message = message(&payload, None);
            let again = message.sent_by(Publisher(NonZeroU64::MIN), None);
            for message in [message, again] {
                assert!(message.payload() == payload);
                assert_eq!((message.topic(), message.properties()), ("a/b", &b"properties"[..]));
                assert_eq!(flux_session::Message::size(&message), 13 + len);
                assert_eq!(message.large_payload().is_some(), len >= LARGE);
            }
        }
    }

    #[test]
    fn every_moment_of_expiry_is_kept() {
        assert_eq!(message(b"", None).expires_at(), None);
        for millis in [0, 1, u64::MAX - 1] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(message(b"", Some(moment)).expires_at(), Some(moment));
        }
        let last = message(b"", Some(Timestamp::from_millis(u64::MAX))).expires_at();
        assert_eq!(last, Some(Timestamp::from_millis(u64::MAX - 1)));
    }

    /// A million retained messages are a million of these.
    #[test]
    fn a_message_costs_at_most_40_bytes_beside_its_own() {
        assert_eq!(size_of::<Message>(), 8);
        assert!(size_of::<Header>() <= 40);
    }
}
