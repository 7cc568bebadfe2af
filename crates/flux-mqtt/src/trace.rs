//! Traces: who follows single PUBLISH packets of clients through the broker.

use std::fmt;

use flux_session::QoS;

use crate::outcome::PublishOutcome;
use crate::reason::ReasonCode;
use crate::wire::{MessageProperty, Version};

/// Chooses which PUBLISH packets of clients are followed ([`Settings::tracer`](crate::Settings::tracer)).
pub trait Tracer: fmt::Debug + Send + Sync {
    /// Returns what follows this one, if it is followed. Called on the worker's thread for each PUBLISH that is about to be
    /// handled, when its client is known to be allowed to publish, or not: it must neither block nor take long.
    fn begin(&self, publish: &Arrival<'_>) -> Option<Box<dyn PublishTrace>>;
}

/// Follows one PUBLISH, until it is dropped: when the message was offered to all its subscribers and, with QoS 1 or 2, PUBACK or
/// PUBREC is sent, over a store once the message is safe; or when its connection ends before.
pub trait PublishTrace: Send {
    /// The message was offered to everybody it is for.
    fn routed(&mut self, outcome: &PublishOutcome);

    /// The message was refused, whether or not its client can be told.
    fn refused(&mut self, reason: ReasonCode);
}

/// A PUBLISH that a client sent.
#[derive(Clone, Copy, derive_more::Debug)]
#[non_exhaustive]
pub struct Arrival<'a> {
    /// Who sent it.
    pub client_id: &'a str,
    /// The version that the client speaks.
    pub version: Version,
    /// What it is about.
    pub topic: &'a str,
    /// Its QoS.
    pub qos: QoS,
    /// Whether the message is to be retained.
    pub retain: bool,
    /// How many bytes its payload has.
    pub payload_len: usize,
    /// The properties that travel with the message, as they came.
    #[debug("{} bytes", properties.len())]
    pub(crate) properties: &'a [u8],
}

impl<'a> Arrival<'a> {
    /// Returns its User Properties (MQTT 5.0 section 3.3.2.3.7), names and values, in their order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        MessageProperty::all(self.properties).filter_map(|property| match property {
            MessageProperty::UserProperty(name, value) => Some((name, value)),
            MessageProperty::PayloadFormatIndicator(_)
            | MessageProperty::ContentType(_)
            | MessageProperty::ResponseTopic(_)
            | MessageProperty::CorrelationData(_) => None,
        })
    }
}
