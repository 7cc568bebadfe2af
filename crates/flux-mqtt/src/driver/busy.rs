//! For how long each worker was awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Clock;
use crate::latency::Stamp;
use crate::names::WorkerId;

/// What each worker has written down about itself. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    clock: Clock,
    workers: Arc<[Worker]>,
}

/// Written by its worker alone, so two plain moves do.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker {
    /// In nanoseconds, until it fell asleep last.
    awake: AtomicU64,
    /// When it woke, as a [`Stamp`]; 0 while it sleeps.
    since: AtomicU64,
}

impl Busy {
    pub(crate) fn new(workers: usize, clock: Clock) -> Self {
        Self { clock, workers: (0..workers).map(|_| Worker::default()).collect() }
    }

    /// To be called on the thread of that worker, as it wakes.
    pub(super) fn wake_up(&self, worker: WorkerId) {
        self.wake_up_at(worker, self.clock.stamp());
    }

    /// To be called on the thread of that worker, as it falls asleep.
    pub(super) fn fall_asleep(&self, worker: WorkerId) {
        self.fall_asleep_at(worker, self.clock.stamp());
    }

    /// Returns for how long each worker was awake, in the order of their numbers.
    pub(crate) fn read(&self) -> Vec<Duration> {
        self.read_at(self.clock.stamp())
    }

    fn wake_up_at(&self, worker: WorkerId, now: Stamp) {
        if let Some(worker) = self.workers.get(worker.0) {
            worker.since.store(now.0.get(), Ordering::Relaxed);
        }
    }

    fn fall_asleep_at(&self, worker: WorkerId, now: Stamp) {
        if let Some(worker) = self.workers.get(worker.0) {
            let awake = worker.awake_at(now);
            worker.since.store(0, Ordering::Relaxed);
            worker.awake.store(awake, Ordering::Relaxed);
        }
    }

    fn read_at(&self, now: Stamp) -> Vec<Duration> {
        let awake = |worker: &Worker| Duration::from_nanos(worker.awake_at(now));
        self.workers.iter().map(awake).collect()
    }
}

impl Worker {
    fn awake_at(&self, now: Stamp) -> u64 {
        let awake = self.awake.load(Ordering::Relaxed);
        match self.since.load(Ordering::Relaxed) {
            0 => awake,
            since => awake + now.0.get().saturating_sub(since),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn a_worker_is_busy_while_it_is_awake() {
        let at = |nanos| Stamp(NonZeroU64::new(nanos).unwrap());
        let busy = Busy::new(2, Clock::start());
        let read = |now| busy.read_at(at(now)).iter().map(Duration::as_nanos).collect::<Vec<_>>();
        busy.wake_up_at(WorkerId(1), at(100));
        assert_eq!(read(130), [0, 30], "it is awake");
        busy.fall_asleep_at(WorkerId(1), at(150));
        assert_eq!(read(500), [0, 50], "it sleeps");
        busy.wake_up_at(WorkerId(1), at(600));
        busy.fall_asleep_at(WorkerId(1), at(601));
        busy.wake_up_at(WorkerId(0), at(650));
        assert_eq!(read(700), [50, 51]);
    }
}
