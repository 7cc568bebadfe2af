//! How long a session outlives its connection.

use std::time::Duration;

/// The Session Expiry Interval (MQTT 5.0 section 3.1.2.11.2).
///
/// MQTT 3.1.1 has two of them: with Clean Session a session ends with its connection, without it
/// never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionExpiry(u32);

impl SessionExpiry {
    /// The session ends when its connection does: what holds if CONNECT says nothing.
    pub const WITH_CONNECTION: Self = Self(0);

    /// The session does not expire.
    pub const NEVER: Self = Self(u32::MAX);

    /// Returns the expiry that stands on the wire as so many seconds: 0 is
    /// [`WITH_CONNECTION`](Self::WITH_CONNECTION), `u32::MAX` is [`NEVER`](Self::NEVER).
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs)
    }

    /// Returns the number as it stands on the wire.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// Returns how long the session lasts without a connection, or `None` for ever.
    pub fn lifetime(self) -> Option<Duration> {
        (self != Self::NEVER).then(|| Duration::from_secs(self.0.into()))
    }
}
