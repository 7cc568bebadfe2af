//! Time: deadlines that only trip on failure, and time that passes as the broker sees it.

use std::time::{Duration, Instant};

use super::{Broker, Client, Connect, Publish, Version, Will};

/// How long a test waits for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Returns after so many seconds on the broker's clock: when it has sent a will message with
/// that delay.
pub(crate) fn let_pass(broker: &Broker, seconds: u32) {
    let topic = "$test/time";
    let mut observer = Client::connect(broker, &Connect::new(Version::V5, "time-observer"));
    observer.subscribe(topic, 0);
    let will = Will::new(topic, "now").delay(seconds);
    let connect = Connect::new(Version::V5, "time").expiry(u32::MAX).will(will);
    Client::connect(broker, &connect).close_with_will();
    observer.expect_publish(&Publish::new(topic, "now"));
    observer.disconnect();
}

/// Measures what may not happen too early; nothing here says that something came too late.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a test has no other clock than the system's")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
