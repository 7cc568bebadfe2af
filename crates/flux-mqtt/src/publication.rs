//! A message that the process itself publishes.

use std::time::Duration;

use bytes::Bytes;
use flux_session::{QoS, Timestamp};
use flux_topic::TopicName;

use crate::manager::ManagerError;
use crate::message::{Message, Parts};
use crate::names::Publisher;
use crate::wire::{LARGEST_PACKET, MessageProperty, is_binary, is_string};

/// An application message to publish: what a PUBLISH packet holds (MQTT 5.0 section 3.3).
///
/// ```
/// use std::time::Duration;
///
/// use flux_mqtt::{Publication, QoS};
///
/// let publication = Publication::new("home/kitchen/temperature", "21.5")
///     .qos(QoS::AtLeastOnce)
///     .retain()
///     .content_type("text/plain")
///     .user_property("unit", "celsius")
///     .message_expiry_interval(Duration::from_secs(3600));
/// # drop(publication);
/// ```
#[derive(Clone, derive_more::Debug)]
#[must_use = "it is published by MqttManager::publish"]
pub struct Publication {
    topic: String,
    #[debug("{} bytes", payload.len())]
    payload: Bytes,
    qos: QoS,
    retain: bool,
    expiry: Option<Duration>,
    is_text: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    #[debug("{:?} bytes", correlation_data.as_ref().map(Bytes::len))]
    correlation_data: Option<Bytes>,
    #[debug("{} of them", user_properties.len())]
    user_properties: Vec<(String, String)>,
}

impl Publication {
    /// Returns a message at QoS 0 that is not retained and has no properties.
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            expiry: None,
            is_text: false,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        }
    }

    /// Publishes it at this QoS; a receiver gets it at most at what it was granted.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Stores it as the retained message of its topic; without a payload, removes that one.
    pub const fn retain(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Message Expiry Interval (section 3.3.2.3.3): who has not been sent the message after this
    /// time does not get it. Counted in milliseconds; receivers see full seconds, rounded up.
    pub const fn message_expiry_interval(mut self, interval: Duration) -> Self {
        self.expiry = Some(interval);
        self
    }

    /// Sets the Payload Format Indicator (section 3.3.2.3.2): the payload is UTF-8 text. Nobody
    /// checks that.
    pub const fn text(mut self) -> Self {
        self.is_text = true;
        self
    }

    /// Content Type (section 3.3.2.3.9), at most 65,535 bytes.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Response Topic (section 3.3.2.3.5), a topic name: the message is a request, answered there.
    pub fn response_topic(mut self, topic: impl Into<String>) -> Self {
        self.response_topic = Some(topic.into());
        self
    }

    /// Correlation Data (section 3.3.2.3.6), at most 65,535 bytes: which request is answered.
    pub fn correlation_data(mut self, data: impl Into<Bytes>) -> Self {
        self.correlation_data = Some(data.into());
        self
    }

    /// Adds a User Property (section 3.3.2.3.7), name and value of at most 65,535 bytes each.
    /// Their order is kept, also of those of the same name.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the message, as published now.
    pub(crate) fn message(
        &self,
        now: Timestamp,
        publisher: Option<Publisher>,
    ) -> Result<Message, ManagerError> {
        let properties = self.properties()?;
        // The header and the largest properties that the broker may add.
        let len = self.topic.len() + properties.len() + self.payload.len() + ADDED;
        if u32::try_from(len).is_ok_and(|len| len <= LARGEST_PACKET) {
            Ok(Message::new(Parts {
                topic: TopicName::parse(&self.topic)?,
                properties: &properties,
                payload: &self.payload,
                qos: self.qos,
                retain: self.retain,
                publisher,
                expires_at: self.expiry.map(|expiry| now + expiry),
            }))
        } else {
            Err(invalid("message", "what a packet of 268,435,460 bytes can hold"))
        }
    }

    fn properties(&self) -> Result<Vec<u8>, ManagerError> {
        let mut out = Vec::new();
        if self.is_text {
            MessageProperty::PayloadFormatIndicator(true).write(&mut out);
        }
        if let Some(text) = &self.content_type {
            check(is_string(text), "content type", STRING)?;
            MessageProperty::ContentType(text).write(&mut out);
        }
        if let Some(topic) = &self.response_topic {
            // [MQTT-3.3.2-14]
            check(TopicName::parse(topic).is_ok(), "response topic", "a topic name")?;
            MessageProperty::ResponseTopic(topic).write(&mut out);
        }
        if let Some(data) = &self.correlation_data {
            check(is_binary(data), "correlation data", "at most 65,535 bytes")?;
            MessageProperty::CorrelationData(data).write(&mut out);
        }
        for (name, value) in &self.user_properties {
            check(is_string(name) && is_string(value), "user property", STRING)?;
            MessageProperty::UserProperty(name, value).write(&mut out);
        }
        Ok(out)
    }
}

fn check(holds: bool, name: &'static str, expected: &'static str) -> Result<(), ManagerError> {
    if holds { Ok(()) } else { Err(invalid(name, expected)) }
}

const fn invalid(name: &'static str, expected: &'static str) -> ManagerError {
    ManagerError::Invalid { name, expected }
}

/// What MQTT calls a UTF-8 encoded string.
const STRING: &str = "at most 65,535 bytes without the null character";

/// Fixed header, lengths, packet identifier, Message Expiry Interval, topic alias, and room for
/// subscription identifiers.
const ADDED: usize = 64;
