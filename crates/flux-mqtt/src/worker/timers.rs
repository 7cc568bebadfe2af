//! A worker's timers: at most one a connection.

use std::collections::BTreeMap;

use flux_session::Timestamp;

use crate::names::ConnectionId;

/// Connections by the moment at which they are looked at; those of the same moment in the
/// order in which they were set. Who is looked at may have been heard of meanwhile, and sets
/// the next timer.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, ConnectionId>,
    set: u64,
}

/// Names a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerId(Timestamp, u64);

impl Timers {
    pub(super) fn set(&mut self, moment: Timestamp, connection: ConnectionId) -> TimerId {
        self.set += 1;
        let id = TimerId(moment, self.set);
        self.due.insert(id, connection);
        id
    }

    pub(super) fn cancel(&mut self, id: TimerId) {
        self.due.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|(TimerId(moment, _), _)| *moment)
    }

    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<ConnectionId> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
