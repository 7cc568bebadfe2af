//! How a client wants to receive what one of its topic filters matches.

use crate::QoS;

/// The options of one subscription (MQTT 5.0 section 3.8.3.1) and its identifier.
///
/// A client of MQTT 3.1.1 chooses the QoS alone: [`SubscriptionOptions::new`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The granted QoS: the highest at which this subscription receives.
    pub qos: QoS,
    /// Do not send the client what it published itself `[MQTT-3.8.3-3]`.
    pub no_local: bool,
    /// Keep the RETAIN flag as published `[MQTT-3.3.1-13]`, instead of clearing it
    /// `[MQTT-3.3.1-12]`.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
    /// The Subscription Identifier, `1..=268_435_455` (MQTT 5.0 section 3.8.2.1.2).
    pub subscription_id: Option<u32>,
}

impl SubscriptionOptions {
    /// Returns a subscription at `qos` with every other option at its default.
    pub const fn new(qos: QoS) -> Self {
        Self {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::OnSubscribe,
            subscription_id: None,
        }
    }
}

/// When a subscription brings the retained messages with it (MQTT 5.0 section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetainHandling {
    /// 0: at every SUBSCRIBE `[MQTT-3.3.1-9]`.
    #[default]
    OnSubscribe,
    /// 1: only if the subscription did not exist yet `[MQTT-3.3.1-10]`.
    OnNewSubscription,
    /// 2: never `[MQTT-3.3.1-11]`.
    Never,
}
