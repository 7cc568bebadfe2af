//! A worker's timers: few kinds, one a connection and one a detached session.

use std::collections::BTreeMap;
use std::sync::Weak;

use flux_session::Timestamp;

use crate::input::ConnectionId;
use crate::session::SharedSession;

/// What is due at a moment. Who set it looks again when it fires: a connection may have been
/// heard of meanwhile, a session may have been resumed.
pub(super) enum Timer {
    /// CONNECT or the next packet is overdue.
    Connection(ConnectionId),
    /// A will is to be sent, or a session ends.
    Session(Weak<SharedSession>),
}

/// Timers by moment; those of the same moment in the order in which they were set.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<(Timestamp, u64), Timer>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, moment: Timestamp, timer: Timer) {
        self.set += 1;
        self.due.insert((moment, self.set), timer);
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((moment, _), _)| *moment)
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
