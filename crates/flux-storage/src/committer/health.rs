//! How a store on its thread is, for whoever asks.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flux_time::{Histogram, Timings};

use crate::clock::now;

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Set while nothing can be made durable: the last attempt failed.
    pub failure: Option<Failure>,
    /// For how long it has been waiting for the disk by now, to make something safe or to read: one that hangs does not fail.
    pub waiting_for: Option<Duration>,
    /// Bytes that were handed over and are not synced, with what their tickets take.
    pub unsynced: usize,
    /// Records that were handed over since the thread began.
    pub records: u64,
    /// Bytes that the store takes on the disk.
    pub bytes_on_disk: u64,
    /// How long attempts took: each makes safe all that had come until it began.
    pub commits: Histogram,
    /// How long the disk took to sync, each time that it was waited for; see [`Store::sync_times`](crate::Store::sync_times).
    pub syncs: Histogram,
    /// See [`Store::is_stuck`](crate::Store::is_stuck).
    pub is_stuck: bool,
    /// Whether the thread is there. Without it nothing is taken any more.
    pub is_running: bool,
}

/// Attempts to sync that failed, none since succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For how long.
    pub lasts_for: Duration,
    /// What the last attempt met.
    pub error: String,
}

/// What the thread tells.
#[derive(Debug)]
pub(super) struct Shared {
    /// As [`Health::unsynced`].
    pub(super) unsynced: AtomicUsize,
    pub(super) is_stuck: AtomicBool,
    /// As [`Health::records`].
    pub(super) records: AtomicU64,
    /// As [`Health::bytes_on_disk`].
    pub(super) bytes_on_disk: AtomicU64,
    /// Written by the thread alone.
    commits: Timings,
    /// Written by the store.
    syncs: Arc<Timings>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failing: Option<(Instant, String)>,
    /// Since when it has been waiting for the disk.
    waiting: Option<Instant>,
}

impl Shared {
    pub(super) fn of(syncs: Arc<Timings>) -> Self {
        Self {
            unsynced: AtomicUsize::default(),
            is_stuck: AtomicBool::default(),
            records: AtomicU64::default(),
            bytes_on_disk: AtomicU64::default(),
            commits: Timings::default(),
            syncs,
            state: Mutex::default(),
        }
    }

    pub(super) fn health(&self, is_running: bool) -> Health {
        let state = self.lock();
        let failure = state
            .failing
            .as_ref()
            .map(|(since, error)| Failure { lasts_for: since.elapsed(), error: error.clone() });
        let waiting_for = state.waiting.map(|since| since.elapsed());
        drop(state);
        Health {
            failure,
            waiting_for,
            unsynced: self.unsynced.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes_on_disk: self.bytes_on_disk.load(Ordering::Relaxed),
            commits: self.commits.read(),
            syncs: self.syncs.read(),
            is_stuck: self.is_stuck.load(Ordering::Relaxed),
            is_running,
        }
    }

    pub(super) fn begins(&self) {
        self.lock().waiting = Some(now());
    }

    /// Ends what was no attempt.
    pub(super) fn has_read(&self) {
        self.lock().waiting = None;
    }

    pub(super) fn ends(&self, error: Option<String>) {
        let mut state = self.lock();
        if let Some(since) = state.waiting.take() {
            self.commits.record(since.elapsed());
        }
        state.failing = error.map(|error| {
            let since = state.failing.as_ref().map_or_else(now, |(since, _)| *since);
            (since, error)
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
