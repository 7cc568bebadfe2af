//! What an acknowledgement from the client means.

use thiserror::Error;

/// What a PUBREC led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a PUBREC that succeeds is answered with PUBREL"]
pub enum Received<M> {
    /// The client has the message: answer PUBREL `[MQTT-4.3.3-4]`.
    Release(M),
    /// The client said so before: answer PUBREL again.
    ReleaseAgain,
    /// The client refused the message: the exchange is over, the identifier is free
    /// `[MQTT-4.4.0-2]`.
    Refused(M),
}

/// Why an acknowledgement matches nothing; the session is unchanged.
///
/// What to tell the client is the caller's decision: MQTT 5.0 has 0x92 (Packet Identifier not
/// found) for PUBREL, MQTT 3.1.1 has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AckError {
    /// The identifier is not in use: the message was acknowledged already, or never sent.
    #[error("the packet identifier is not in use")]
    Unknown,
    /// The identifier is in use and waits for another kind of acknowledgement.
    #[error("the packet identifier waits for another acknowledgement")]
    WrongState,
}
