//! The will message.

use std::time::Duration;

/// What is published if a client does not take its leave (MQTT 5.0 section 3.1.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will<M> {
    /// The message, without an expiry so far.
    pub message: M,
    /// The Will Delay Interval in seconds (MQTT 5.0 section 3.1.3.2.2).
    pub delay: u32,
    /// The Message Expiry Interval in seconds. It begins when the will is published: the caller
    /// stamps the message then (MQTT 5.0 section 3.1.3.2.4).
    pub expiry: Option<u32>,
}

impl<M> Will<M> {
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_secs(self.delay.into())
    }
}
