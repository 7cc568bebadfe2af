//! The one clock of a broker. Everything else is told what time it is.

use std::time::Instant;

use flux_session::Timestamp;

/// Milliseconds since the broker started, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Timestamp {
        let elapsed = self.start.elapsed().as_millis();
        Timestamp::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Returns the moment as the system's timers want it.
    pub(crate) fn instant(self, moment: Timestamp) -> Instant {
        self.start + moment.saturating_since(Timestamp::from_millis(0))
    }
}
