//! What a network connection brings to a session, and how it leaves.

use crate::{SessionExpiry, Will};

/// What CONNECT says about the session (MQTT 5.0 section 3.1.2).
///
/// The default is what a CONNECT without properties and will says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection<M> {
    /// The Receive Maximum of the client; 65,535 if it announced none (MQTT 5.0 section
    /// 3.1.2.11.3).
    pub receive_maximum: u16,
    /// How long the session outlives this connection.
    pub expiry: SessionExpiry,
    /// What is published when this connection ends without a normal DISCONNECT.
    pub will: Option<Will<M>>,
}

impl<M> Default for Connection<M> {
    fn default() -> Self {
        Self { receive_maximum: u16::MAX, expiry: SessionExpiry::WITH_CONNECTION, will: None }
    }
}

/// How a connection ended, as far as the session is concerned.
///
/// The default is a connection that broke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// Whether the client sent DISCONNECT with reason code 0x00: nobody gets its will
    /// `[MQTT-3.14.4-3]`.
    pub discard_will: bool,
    /// The Session Expiry Interval of DISCONNECT, if it has one (MQTT 5.0 section 3.14.2.2.2).
    pub expiry: Option<SessionExpiry>,
}
