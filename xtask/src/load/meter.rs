//! What a piece of work takes: time on the clock, processor time of the broker and of the load.

use std::time::Duration;

use anyhow::Result;

use super::outcome::Outcome;
use crate::bench::processor;
use crate::clock::{self, Stopwatch};
use crate::stress::footprint::Footprint;

/// Adds up what is measured, and leaves out what is done in between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// Process identifier of the broker.
    process: u32,
    time: Duration,
    broker: Duration,
    load: Duration,
    passes: u32,
}

impl Meter {
    pub(super) const fn new(process: u32) -> Self {
        let zero = Duration::ZERO;
        Self { process, time: zero, broker: zero, load: zero, passes: 0 }
    }

    /// Does one pass of what is to be measured.
    pub(super) fn measure<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let load = processor::time_of(std::process::id())?;
        let broker = processor::time_of(self.process)?;
        let watch = Stopwatch::start();
        let result = work()?;
        self.time += watch.elapsed();
        self.broker += processor::time_of(self.process)?.saturating_sub(broker);
        self.load += processor::time_of(std::process::id())?.saturating_sub(load);
        self.passes += 1;
        Ok(result)
    }

    /// Returns the time on the clock so far.
    pub(super) const fn time(&self) -> Duration {
        self.time
    }

    /// Returns the processor time of the broker so far.
    pub(super) const fn broker(&self) -> Duration {
        self.broker
    }

    /// Returns what came of it, in these units.
    pub(super) fn outcome(&self, expected: u64, done: u64) -> Outcome {
        Outcome {
            expected,
            done,
            microseconds: microseconds(self.time),
            broker: microseconds(self.broker),
            load: microseconds(self.load),
            ..Outcome::default()
        }
    }

    /// Returns the same, and how long a pass has taken.
    pub(super) fn outcome_of_passes(&self, expected: u64, done: u64) -> Outcome {
        let pass = microseconds(self.time / self.passes.max(1));
        Outcome { pass, ..self.outcome(expected, done) }
    }

    /// Returns the bytes that are resident in the broker.
    pub(super) fn resident(&self) -> Result<u64> {
        Ok(Footprint::of(self.process)?.resident_kib() * 1024)
    }

    /// Waits until the broker does nothing any more, so that what it does later for what was before does not
    /// count; or for some seconds, if it never rests.
    pub(super) fn wait_for_rest(&self) {
        let (mut last, mut calm) = (Duration::MAX, 0);
        clock::poll(PATIENCE, || {
            let now = processor::time_of(self.process).ok()?;
            calm = if now == last { calm + 1 } else { 0 };
            last = now;
            (calm == CALM).then_some(())
        });
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// So often, 10 ms apart, it must not have used a tick of its processor.
const CALM: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(5);
