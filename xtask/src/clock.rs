//! The clock of these tasks: the one place that reads the time or sleeps.

use std::time::{Duration, Instant};

/// Measures from its creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[expect(clippy::disallowed_methods, reason = "this is the clock of xtask")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Lets some time pass in which something unwanted would happen.
///
/// For showing that nothing arrives; whoever waits for something waits for its event.
#[expect(clippy::disallowed_methods, reason = "that nothing happens has no event")]
pub(crate) fn settle(time: Duration) {
    std::thread::sleep(time);
}

/// Asks again and again until there is an answer or the time is over.
///
/// For what gives no sign of its own, such as the listener of a broker we did not write.
#[expect(clippy::disallowed_methods, reason = "polls what has no event")]
pub(crate) fn poll<T>(deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if watch.elapsed() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
