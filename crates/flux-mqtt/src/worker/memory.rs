//! The bytes that the whole broker holds: near the limit publishers are slowed, at it they are refused.
//!
//! A slowed connection is read again after a pause, until its next PUBLISH, however much is held: what
//! its client acknowledges, and says to be alive, must come through, or nothing would ever get less.

use std::mem;
use std::time::Duration;

use flux_eventbus::{Limit, Source};
use flux_session::{Message as _, QUEUED_OVERHEAD, Timestamp};

use super::Worker;
use super::connection::Online;
use super::tell::tell_limit;
use crate::effects::Effects;
use crate::message::Message;
use crate::names::ConnectionId;

/// What a worker knows of the bytes that all of them hold.
#[derive(Default)]
pub(super) struct Memory {
    pressure: Pressure,
    /// Bytes that this worker may have added since it looked.
    added: u64,
    /// Connections that are not read because they published.
    slowed: Vec<ConnectionId>,
    /// When they are read again, and it looks at the sum again: set while there is pressure.
    pause_ends: Option<Timestamp>,
    /// That moment is new: whoever sets the alarm must look.
    pub(super) is_moment_new: bool,
}

/// How near the limit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pressure {
    #[default]
    None,
    /// Publishers are slowed.
    High,
    /// And what they publish is refused.
    Full,
}

impl Pressure {
    const fn next(self, held: u64, limit: u64) -> Self {
        if held >= limit {
            Self::Full
        } else if held >= limit - limit / 8
            || (held >= limit - limit / 4 && !matches!(self, Self::None))
        {
            Self::High
        } else {
            Self::None
        }
    }
}

impl Memory {
    pub(super) const fn is_full(&self) -> bool {
        matches!(self.pressure, Pressure::Full)
    }

    pub(super) const fn is_under_pressure(&self) -> bool {
        !matches!(self.pressure, Pressure::None)
    }

    pub(super) const fn deadline(&self) -> Option<Timestamp> {
        self.pause_ends
    }
}

impl Worker {
    /// Adds what a message may cost that was offered to so many, and looks at the sum after every so
    /// many bytes.
    pub(super) fn weigh(
        &mut self,
        now: Timestamp,
        message: &Message,
        offered: usize,
        fx: &mut impl Effects,
    ) {
        let size = message.size().saturating_add(QUEUED_OVERHEAD);
        self.add(now, size.saturating_mul(offered.max(1)), fx);
    }

    /// Adds bytes that are held now, and looks at the sum after every so many.
    pub(super) fn add(&mut self, now: Timestamp, bytes: usize, fx: &mut impl Effects) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.memory.added = self.memory.added.saturating_add(bytes);
        if self.memory.added >= LOOK_EVERY.min(self.settings.limits.bytes / 64) {
            self.look_at_memory(now, fx);
        }
    }

    #[cold]
    fn look_at_memory(&mut self, now: Timestamp, fx: &mut impl Effects) {
        let before = self.memory.pressure;
        let held = self.broker.holdings().total();
        self.memory.added = 0;
        self.memory.pressure = before.next(held, self.settings.limits.bytes);
        if before == Pressure::None && self.memory.is_under_pressure() {
            tracing::warn!(
                held,
                help = "see flux_held_bytes by kind and `flux-broker clients list`, or raise limits.bytes",
                "the broker holds nearly as much as it may, publishers are slowed"
            );
            tell_limit(Limit::Bytes, None, Source::default, fx);
        }
        if self.memory.is_under_pressure() {
            self.pause_until(now + PAUSE);
        }
    }

    fn pause_until(&mut self, moment: Timestamp) {
        self.memory.is_moment_new |= self.memory.pause_ends.is_none();
        self.memory.pause_ends.get_or_insert(moment);
    }

    /// Reads no more from a connection that has just published, for a while, if too much is held.
    pub(super) fn slow(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        fx: &mut impl Effects,
    ) {
        let is_store_slow = self.broker.journal.as_ref().is_some_and(|journal| journal.is_slow());
        if !(self.memory.is_under_pressure() || is_store_slow) || online.is_slowed {
            return;
        }
        // Behind what it publishes come its acknowledgements, and they free what is held.
        if online.session.lock().session.in_flight() > 0 {
            return;
        }
        if is_store_slow {
            self.pause_until(now + PAUSE);
        }
        online.is_slowed = true;
        fx.pause(id);
        self.memory.slowed.push(id);
    }

    /// Reads again from those that were slowed, once their pause is over.
    pub(super) fn read_slowed(&mut self, now: Timestamp, fx: &mut impl Effects) {
        if self.memory.pause_ends.is_none_or(|moment| moment > now) {
            return;
        }
        self.memory.pause_ends = None;
        self.look_at_memory(now, fx);
        for id in mem::take(&mut self.memory.slowed) {
            let Some(online) = self.connections.online(id) else { continue };
            online.is_slowed = false;
            if online.reads() {
                fx.resume(id);
            }
        }
    }
}

/// How long a publisher is not read.
const PAUSE: Duration = Duration::from_millis(100);

/// After how many bytes at most a worker looks at the sum.
const LOOK_EVERY: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::Pressure::{self, Full, High, None};

    #[test]
    fn pressure_begins_at_seven_eighths_and_ends_below_three_quarters() {
        let seen = [0, 13, 14, 13, 12, 11, 13, 16, 20, 15, 12, 11];
        let pressures = seen.iter().scan(Pressure::default(), |pressure, held| {
            *pressure = pressure.next(*held, 16);
            Some(*pressure)
        });
        let expected = [None, None, High, High, High, None, None, Full, Full, High, High, None];
        assert_eq!(pressures.collect::<Vec<_>>(), expected);
    }
}
