//! The one clock of a broker. Everything else is told what time it is.

use std::num::NonZeroU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flux_session::Timestamp;

use crate::latency::Stamp;

/// Milliseconds on the monotonic clock: since the broker started or, over a store, since the Unix epoch as it
/// was known at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What it showed then.
    first: Timestamp,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), first: Timestamp::from_millis(0) }
    }

    /// Starts a clock whose moments mean something to the next process.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub(crate) fn start_at_epoch() -> Self {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = Timestamp::from_millis(0) + elapsed;
        Self { start: Instant::now(), first }
    }

    pub(crate) fn now(self) -> Timestamp {
        self.first + self.start.elapsed()
    }

    /// Returns a moment that is finer, for what is timed.
    pub(crate) fn stamp(self) -> Stamp {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Stamp(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// Returns how long ago such a moment is.
    pub(crate) fn since(self, stamp: Stamp) -> Duration {
        Duration::from_nanos(self.stamp().0.get().saturating_sub(stamp.0.get()))
    }

    /// Returns the moment as the system's timers want it.
    pub(crate) fn instant(self, moment: Timestamp) -> Instant {
        self.start + moment.saturating_since(self.first)
    }
}
