//! [`Exported`]: what whoever sends numbers and spans to a collector has lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is sent to a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportSignal {
    /// Numbers of the broker.
    Metrics,
    /// Spans of messages.
    Traces,
}

/// Counts what did not reach a collector. It is the exporter's, and read at each scrape: one that is away cannot be told by what
/// it gets.
#[derive(Debug, Default)]
pub struct Exported {
    spans_dropped: AtomicU64,
    failures: [AtomicU64; ExportSignal::ALL.len()],
}

impl ExportSignal {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Traces];

    /// Returns its name, as collectors call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Metrics => 0,
            Self::Traces => 1,
        }
    }
}

impl Exported {
    /// Counts spans that will never be sent.
    pub fn drop_spans(&self, count: u64) {
        self.spans_dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns how many spans were dropped.
    #[must_use]
    pub fn spans_dropped(&self) -> u64 {
        self.spans_dropped.load(Ordering::Relaxed)
    }

    /// Counts a request that the collector did not take, or not all of.
    pub fn fail(&self, signal: ExportSignal) {
        if let Some(failures) = self.failures.get(signal.index()) {
            failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many requests failed.
    #[must_use]
    pub fn failures(&self, signal: ExportSignal) -> u64 {
        self.failures.get(signal.index()).map_or(0, |failures| failures.load(Ordering::Relaxed))
    }
}
