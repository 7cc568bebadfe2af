//! Time: a deadline that only trips on failure, and what may not come too early.

use std::time::{Duration, Instant};

/// How long a client waits for what must come.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Measures what may not happen too early; nothing here says that something came too late.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a test has no other clock than the system's")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets real time pass: a broker that we did not write has no other.
#[expect(clippy::disallowed_methods, reason = "what is judged is what happens in a time")]
pub(crate) fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
