//! Which handshakes are under way, and which connections wait for theirs.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flux_session::Timestamp;
use tokio::task::AbortHandle;

use crate::driver::mailbox::AcceptedSocket;
use crate::driver::shell::{Counted, Peer};
use crate::listener::Listener;

/// A connection through a listener with TLS or WebSocket, before its handshake.
pub(in crate::driver) struct Arrival {
    pub(in crate::driver) socket: AcceptedSocket,
    pub(in crate::driver) peer: Peer,
    /// What it came by.
    pub(in crate::driver) by: Arc<Listener>,
    pub(in crate::driver) counted: Counted,
}

/// The handshakes of a worker.
///
/// Their number is limited, since each has buffers and costs as much time as a thousand messages. A peer that
/// says nothing keeps its place for its time, unless somebody waits for it: then only for a moment.
pub(in crate::driver) struct Handshakes<A = Arrival> {
    limit: usize,
    number: u64,
    /// By number, so the oldest comes first.
    under_way: BTreeMap<u64, UnderWay>,
    /// A descriptor each, so it is the limit of connections that bounds them.
    waiting: VecDeque<A>,
    is_closed: bool,
}

struct UnderWay {
    since: Timestamp,
    /// Where it comes from, and by which listener.
    from: Whence,
    task: AbortHandle,
}

type Whence = (Option<SocketAddr>, Arc<str>);

impl<A> Handshakes<A> {
    /// Returns a place for so many at once.
    pub(in crate::driver) const fn new(limit: usize) -> Self {
        Self {
            limit,
            number: 0,
            under_way: BTreeMap::new(),
            waiting: VecDeque::new(),
            is_closed: false,
        }
    }

    /// Has so many be under way at once. Those that are go on.
    pub(in crate::driver) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Somebody wants to shake hands.
    pub(in crate::driver) fn arrive(&mut self, arrival: A) {
        if !self.is_closed {
            self.waiting.push_back(arrival);
        }
    }

    /// Returns who shakes hands next, if there is room, and the number of that handshake.
    ///
    /// In turn whoever has waited longest and whoever came last: who comes after thousands that say nothing
    /// does not wait for all of them to be thrown out, and nobody waits for ever.
    pub(super) fn next(&mut self) -> Option<(u64, A)> {
        if self.under_way.len() >= self.limit {
            return None;
        }
        let is_turn_of_last = self.number % 2 == 1;
        let arrival =
            if is_turn_of_last { self.waiting.pop_back() } else { self.waiting.pop_front() }?;
        self.number += 1;
        Some((self.number, arrival))
    }

    /// A handshake has begun.
    pub(super) fn began(&mut self, number: u64, now: Timestamp, from: Whence, task: AbortHandle) {
        self.under_way.insert(number, UnderWay { since: now, from, task });
    }

    /// A handshake is over, well or not.
    pub(super) fn ended(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// Removes those that have taken so long that they make room for others: as many as wait and have no
    /// room, at most.
    pub(super) fn overdue(
        &mut self,
        now: Timestamp,
    ) -> Vec<(Option<SocketAddr>, Arc<str>, AbortHandle)> {
        let is_overdue = |under_way: &UnderWay| now.saturating_since(under_way.since) >= PATIENCE;
        let free = self.limit.saturating_sub(self.under_way.len());
        let homeless = self.waiting.len().saturating_sub(free);
        let mut overdue = Vec::new();
        while overdue.len() < homeless
            && let Some(oldest) = self.under_way.first_entry()
            && is_overdue(oldest.get())
        {
            let UnderWay { from: (peer, listener), task, .. } = oldest.remove();
            overdue.push((peer, listener, task));
        }
        overdue
    }

    /// Returns when one that others wait for has taken too long.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let (_, oldest) = self.under_way.first_key_value()?;
        (!self.waiting.is_empty()).then(|| oldest.since + PATIENCE)
    }

    /// Lets nobody in any more, and returns the tasks of those under way.
    pub(super) fn close(&mut self) -> Vec<AbortHandle> {
        self.is_closed = true;
        std::mem::take(&mut self.under_way).into_values().map(|it| it.task).collect()
    }

    /// Returns whether nobody gets in any more: the broker stops.
    pub(in crate::driver) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns those that wait, who will wait no longer.
    pub(super) fn take_waiting(&mut self) -> VecDeque<A> {
        std::mem::take(&mut self.waiting)
    }
}

/// How long a handshake may take when others wait. Long enough for a slow network, and for all those under way
/// to have had their turn.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_came_last_and_whoever_waits_longest_take_turns() {
        let mut handshakes = Handshakes::new(10);
        (1..=5).for_each(|arrival| handshakes.arrive(arrival));
        let order: Vec<u8> = std::iter::from_fn(|| Some(handshakes.next()?.1)).collect();
        assert_eq!(order, [1, 5, 2, 4, 3]);
    }

    #[tokio::test]
    async fn nobody_goes_for_one_that_has_room() {
        let mut handshakes = Handshakes::new(2);
        let begin = |handshakes: &mut Handshakes<u8>, now| {
            let (number, _) = handshakes.next().unwrap();
            let task = tokio::spawn(async {}).abort_handle();
            handshakes.began(number, now, (None, "mqtts".into()), task);
        };
        let start = Timestamp::from_millis(0);
        let late = start + PATIENCE;
        handshakes.arrive(1);
        begin(&mut handshakes, start);
        handshakes.arrive(2);
        assert!(handshakes.overdue(late).is_empty());
        begin(&mut handshakes, late);
        handshakes.arrive(3);
        assert_eq!(handshakes.overdue(late).len(), 1);
        assert!(handshakes.overdue(late).is_empty());
    }
}
