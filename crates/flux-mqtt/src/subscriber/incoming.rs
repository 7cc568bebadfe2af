//! A message as it arrives at a subscriber.

use std::fmt;

use flux_session::{QoS, Timestamp};

use super::Receipt;
use crate::message::Delivery;
use crate::wire::{MessageProperty, remaining_expiry};

/// A message that a [`Subscriber`](crate::Subscriber) received: what a PUBLISH packet would tell a
/// client (MQTT 5.0 section 3.3). A reference to the one copy that all receivers share.
#[must_use = "a message that is not acknowledged may come again"]
pub struct Incoming {
    delivery: Delivery,
    is_duplicate: bool,
    /// Message Expiry Interval in seconds, when it was taken.
    expiry: Option<u32>,
    /// What acknowledges it, unless that is done.
    receipt: Option<Receipt>,
}

impl Incoming {
    pub(super) fn new(
        delivery: Delivery,
        is_duplicate: bool,
        now: Timestamp,
        receipt: Option<Receipt>,
    ) -> Self {
        let expiry = remaining_expiry(&delivery.message, now);
        Self { delivery, is_duplicate, expiry, receipt }
    }

    /// Acknowledges the message, and returns whether that counts. It does not when the subscriber
    /// was dropped or has ended meanwhile: then the message may go to somebody again.
    ///
    /// Without [`acknowledge_explicitly`](crate::SubscriberBuilder::acknowledge_explicitly), and at
    /// QoS 0, that is done already.
    pub fn acknowledge(mut self) -> bool {
        let Some(receipt) = self.receipt.take() else { return true };
        receipt.acknowledge(&self.delivery.message, self.delivery.qos)
    }

    /// Returns the topic name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.delivery.message.topic()
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.delivery.message.payload()
    }

    /// Returns the QoS it was delivered at.
    #[must_use]
    pub const fn qos(&self) -> QoS {
        self.delivery.qos
    }

    /// Returns the RETAIN flag: it is the retained message of its topic, or the subscription wants
    /// the flag as published (section 3.3.1.3).
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.delivery.retain
    }

    /// Returns the DUP flag: it was taken before and not acknowledged (section 3.3.1.1).
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        self.is_duplicate
    }

    /// Returns the Subscription Identifiers of the subscriptions that matched (section 3.3.2.3.8).
    #[must_use]
    pub fn subscription_identifiers(&self) -> &[u32] {
        self.delivery.subscription_ids.as_slice()
    }

    /// Returns the Message Expiry Interval in seconds: what was left of it when the message was
    /// taken (section 3.3.2.3.3).
    #[must_use]
    pub const fn message_expiry_interval(&self) -> Option<u32> {
        self.expiry
    }

    /// Returns whether the publisher says that the payload is UTF-8 text (section 3.3.2.3.2).
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.find(|property| match property {
            MessageProperty::PayloadFormatIndicator(is_text) => Some(is_text),
            _ => None,
        })
        .unwrap_or_default()
    }

    /// Returns the Content Type (section 3.3.2.3.9).
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.find(|property| match property {
            MessageProperty::ContentType(text) => Some(text),
            _ => None,
        })
    }

    /// Returns the Response Topic: where an answer is expected (section 3.3.2.3.5).
    #[must_use]
    pub fn response_topic(&self) -> Option<&str> {
        self.find(|property| match property {
            MessageProperty::ResponseTopic(topic) => Some(topic),
            _ => None,
        })
    }

    /// Returns the Correlation Data, which belongs into the answer (section 3.3.2.3.6).
    #[must_use]
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.find(|property| match property {
            MessageProperty::CorrelationData(data) => Some(data),
            _ => None,
        })
    }

    /// Returns the User Properties, name and value, in their order (section 3.3.2.3.7).
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        MessageProperty::all(self.delivery.message.properties()).filter_map(|property| {
            match property {
                MessageProperty::UserProperty(name, value) => Some((name, value)),
                _ => None,
            }
        })
    }

    fn find<'a, T>(&'a self, pick: impl FnMut(MessageProperty<'a>) -> Option<T>) -> Option<T> {
        MessageProperty::all(self.delivery.message.properties()).find_map(pick)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("topic", &self.topic())
            .field("payload_len", &self.payload().len())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .finish_non_exhaustive()
    }
}
