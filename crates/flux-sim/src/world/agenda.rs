//! What will happen, by (time, insertion).

use std::collections::BTreeMap;

use crate::hands::LinkId;
use crate::packet::Sent;
use crate::plan::Micros;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// A step of the plan.
    Step(usize),
    /// A worker does one thing.
    Work(usize),
    /// Bytes arrive at the broker.
    Up(LinkId, Vec<u8>),
    /// Bytes arrive at a client.
    Down(LinkId, Vec<u8>),
    /// The network takes bytes from the broker.
    Pump(LinkId),
    /// A client sees that its connection is closed.
    End(LinkId),
    /// The broker sees that a connection is gone.
    Gone(LinkId),
    /// The authenticator or the authorizer answers.
    Answer(LinkId),
    /// A client sends something, late.
    Say(usize, LinkId, Sent),
    /// A client has nothing else to say.
    Ping(usize, LinkId),
    /// A client reads again.
    Read(LinkId),
    /// A worker's alarm, set to this moment of the broker's clock.
    Alarm(usize, u64),
    /// A broker that was told to stop must have closed all connections before this one.
    Stopped(LinkId),
    /// Faults end.
    Calm,
    /// A client comes back.
    Return(usize),
    /// Everything must be at rest, now or at one of so many more moments.
    Rest(u64),
    /// Nothing may be left.
    Empty,
}

/// The agenda.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Micros, u64), Happening>,
    inserted: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Micros, what: Happening) {
        self.inserted += 1;
        self.entries.insert((at, self.inserted), what);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn next(&mut self) -> Option<(Micros, Happening)> {
        self.entries.pop_first().map(|((at, _), what)| (at, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_once_happens_in_the_order_in_which_it_was_added() {
        let mut agenda = Agenda::default();
        for (at, worker) in [(5, 1), (3, 2), (5, 3)] {
            agenda.add(at, Happening::Work(worker));
        }
        let order = std::iter::from_fn(|| agenda.next());
        let order: Vec<_> = order.map(|(at, what)| format!("{at} {what:?}")).collect();
        assert_eq!(order, ["3 Work(2)", "5 Work(1)", "5 Work(3)"]);
    }
}
