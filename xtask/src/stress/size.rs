//! How many, and how long.

use std::time::Duration;

/// The numbers of all scenarios.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Connections that are open at once.
    pub(super) connections: usize,
    /// Persistent sessions whose clients come back at once.
    pub(super) sessions: usize,
    /// Clients that come and go in a second.
    pub(super) arrivals_per_second: u64,
    /// Clients that stop answering.
    pub(super) silent: usize,
    /// Sockets that want the same client identifier at the same time.
    pub(super) rivals: usize,
    /// Connections that begin a TLS handshake and say no more.
    pub(super) stalled: usize,
    /// Handshakes that the broker has under way at once, and the seconds that each may take.
    pub(super) handshakes: (usize, u64),
    /// How often the config is read again.
    pub(super) reloads: u32,
    /// Connections that are open while metrics are read.
    pub(super) scraped: usize,
    /// How long a scenario lasts that has no end of its own.
    pub(super) time: Duration,
}

impl Size {
    /// For `cargo xtask test`.
    const SHORT: Self = Self {
        connections: 500,
        sessions: 300,
        arrivals_per_second: 200,
        silent: 200,
        rivals: 20,
        stalled: 300,
        handshakes: (100, 1),
        reloads: 40,
        scraped: 300,
        time: Duration::from_secs(1),
    };

    pub(super) const fn of(is_short: bool, seconds: u64) -> Self {
        if is_short { Self::SHORT } else { Self::long(Duration::from_secs(seconds)) }
    }

    const fn long(time: Duration) -> Self {
        Self {
            connections: 15_000,
            sessions: 10_000,
            arrivals_per_second: 1_000,
            silent: 5_000,
            rivals: 100,
            stalled: 10_000,
            handshakes: (1_000, 10),
            reloads: 10_000,
            scraped: 10_000,
            time,
        }
    }
}
