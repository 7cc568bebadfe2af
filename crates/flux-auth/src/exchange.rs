//! [`Exchange`]: enhanced authentication, step by step (MQTT 5.0 section 4.12).

use bytes::Bytes;

use crate::{Identity, Refusal};

/// An exchange of AUTH packets that waits for what the client sends next.
///
/// A step is a short computation: it runs where messages are served, so it must neither wait nor be slow.
pub trait Exchange: Send {
    /// Reads what the client sent, and returns what comes of it.
    fn step(self: Box<Self>, data: &[u8]) -> Step;

    /// Returns how many bytes it holds until then of what peers chose. The broker counts them among all that it holds, and at
    /// least as many as the last step was sent. A few hundred that are there whatever was sent need not be among them.
    fn held_bytes(&self) -> usize;
}

/// What comes of a step.
#[must_use = "a client is neither admitted nor refused until the step is acted on"]
pub enum Step {
    /// The client is sent this, and what it answers goes to the next step.
    Continue {
        /// Authentication Data for the client.
        data: Bytes,
        /// What waits for the answer.
        next: Box<dyn Exchange>,
    },
    /// The client is who it says it is, and is sent this with its CONNACK, or with the AUTH that ends a
    /// re-authentication.
    Accepted {
        /// Who it is.
        identity: Identity,
        /// Authentication Data for the client.
        data: Bytes,
    },
    /// The client does not get in, or not any longer.
    Refused(Refusal),
}
