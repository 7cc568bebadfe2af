//! What became of a published message.

use crate::reason::ReasonCode;

/// What became of a published message, when everybody it is for was offered it; over a store, when that is safe.
///
/// A session and a shared subscription count one each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishOutcome {
    /// Sessions and shared subscriptions that match its topic.
    pub matched: usize,
    /// Those that took it. The others had no room, are away (QoS 0), or do not want what they
    /// published themselves.
    pub taken: usize,
    /// Whether one of them had no room for it.
    pub is_full: bool,
    /// Whether one of them had no room for it, and its limits say that the publisher is to know
    /// ([`WhenFull::Refuse`](crate::WhenFull::Refuse)); or the whole broker had none
    /// ([`Limits::bytes`](crate::Limits::bytes)), or its store fails, and then nobody was offered it. If the store
    /// failed only afterwards, `matched` is not zero: the message may come, and may not outlive the process.
    pub is_refused: bool,
}

impl PublishOutcome {
    /// The broker as a whole had no room for it.
    pub(crate) const TURNED_AWAY: Self =
        Self { matched: 0, taken: 0, is_full: true, is_refused: true };

    /// Whether the broker as a whole had no room for it, and nobody was offered it.
    pub(crate) const fn is_turned_away(&self) -> bool {
        self.is_refused && self.matched == 0
    }

    /// Returns what PUBACK or PUBREC would say to a client (MQTT 5.0 sections 3.4.2.1 and 3.5.2.1):
    /// [`Success`](ReasonCode::Success), [`NoMatchingSubscribers`](ReasonCode::NoMatchingSubscribers),
    /// or [`QuotaExceeded`](ReasonCode::QuotaExceeded) when nobody had room for it or somebody
    /// refused it.
    #[must_use]
    pub const fn reason_code(&self) -> ReasonCode {
        if self.is_refused || (self.taken == 0 && self.is_full) {
            ReasonCode::QuotaExceeded
        } else if self.matched == 0 {
            ReasonCode::NoMatchingSubscribers
        } else {
            ReasonCode::Success
        }
    }
}
