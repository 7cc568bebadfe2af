//! A look inside, for whoever checks a broker from outside: numbers at one moment, nothing that changes.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use flux_auth::Client;
use flux_eventbus::{DropReason, SessionEnd};
use flux_session::Timestamp;

use crate::session::SharedSession;
use crate::share::Share;
use crate::wire::Version;

/// What a session holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionView {
    /// Whose session.
    pub client_id: Arc<str>,
    /// The user that it belongs to, if it belongs to one.
    pub owner: Option<Arc<str>>,
    /// Whether a connection or a consumer has it.
    pub is_attached: bool,
    /// The client whose connection has it.
    pub client: Option<Arc<Client>>,
    /// It is over, and still to be cleared away.
    pub is_over: bool,
    /// Messages that wait to be sent for the first time.
    pub queued: usize,
    /// The bytes of these.
    pub queued_bytes: usize,
    /// Since when something waits all the time.
    pub waits_since: Option<Timestamp>,
    /// Packet identifiers in use.
    pub in_flight: usize,
    /// The bytes of the messages that are sent and not acknowledged.
    pub in_flight_bytes: usize,
    /// Bytes of all messages that it holds, as the ledger counts them.
    pub held_bytes: usize,
    /// QoS 2 messages that the client has begun and not released.
    pub open_receipts: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Subscriptions that still bring retained messages.
    pub replays: usize,
    /// Messages that its client did not get, and that were not taken from it, by reason.
    pub lost: Vec<(DropReason, u64)>,
}

impl SessionView {
    pub(crate) fn of(shared: &SharedSession) -> Self {
        let state = shared.lock();
        let session = &state.session;
        Self {
            client_id: shared.client_id.clone(),
            owner: state.owner.user().cloned(),
            is_attached: state.attached.is_some(),
            client: state.client.clone().filter(|_| state.attached.is_some()),
            is_over: state.ended,
            queued: session.queued(),
            queued_bytes: session.queued_bytes(),
            waits_since: session.waits_since(),
            in_flight: session.in_flight(),
            in_flight_bytes: session.in_flight_bytes(),
            held_bytes: shared.held_bytes(&state),
            open_receipts: session.open_receipts(),
            subscriptions: session.subscriptions().len(),
            replays: state.replays.len(),
            lost: shared.losses.read(),
        }
    }
}

/// A session that is over, and what it lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSessionView {
    /// Whose session it was.
    pub client_id: Arc<str>,
    /// The user that it belonged to, if it belonged to one.
    pub owner: Option<Arc<str>>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why.
    pub reason: SessionEnd,
    /// Messages that its client did not get, and that were not taken from it, by reason; with those that waited when it ended.
    pub lost: Vec<(DropReason, u64)>,
}

/// A client that is connected: who it is, and how it speaks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientView {
    /// Who it is, whence it comes and by which listener.
    pub client: Arc<Client>,
    /// What it speaks.
    pub version: Version,
    /// Within what time something must come from it: one and a half times its Keep Alive.
    pub patience: Option<Duration>,
    /// Nothing is read from it for now: it does not read its answers, or the broker holds too much.
    pub is_held_back: bool,
}

/// What a worker has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerView {
    /// For how long it was awake since the broker began.
    pub awake: Duration,
    /// What waits in its mailbox.
    pub letters: usize,
}

/// What a shared subscription holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareView {
    /// The topic filter, with its share name.
    pub filter: Arc<str>,
    /// Sessions that share it.
    pub members: usize,
    /// Messages that wait for a member with room.
    pub queued: usize,
    /// The bytes of these.
    pub queued_bytes: usize,
}

impl ShareView {
    pub(crate) fn of(share: &Share) -> Self {
        let members = share.lock();
        Self {
            filter: share.filter.as_str().into(),
            members: members.len(),
            queued: members.queued(),
            queued_bytes: members.queued_bytes(),
        }
    }
}

/// What all sessions hold together at one moment, and which are behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Census {
    /// When this moment was.
    pub taken_at: Timestamp,
    /// Sessions that a connection or a consumer has.
    pub online: usize,
    /// Sessions that nobody has.
    pub offline: usize,
    /// Messages that wait in sessions to be sent for the first time.
    pub queued: usize,
    /// The bytes of these.
    pub queued_bytes: usize,
    /// Messages that were sent and are not acknowledged.
    pub in_flight: usize,
    /// The bytes of these, as far as they are kept.
    pub in_flight_bytes: usize,
    /// Messages that wait in shared subscriptions.
    pub shared_queued: usize,
    /// Shared subscriptions.
    pub shares: usize,
    /// The sessions with the longest queues among those that somebody has, the longest first.
    pub behind: Vec<SessionView>,
}

impl Census {
    /// Counts a session, which stands among those behind if its queue is one of the longest `most`.
    pub(crate) fn count(&mut self, view: SessionView, most: usize) {
        if view.is_over {
            return;
        }
        self.queued += view.queued;
        self.queued_bytes += view.queued_bytes;
        self.in_flight += view.in_flight;
        self.in_flight_bytes += view.in_flight_bytes;
        if !view.is_attached {
            self.offline += 1;
            return;
        }
        self.online += 1;
        let shortest = self.behind.last().map_or(0, |last| last.queued);
        if view.queued == 0 || self.behind.len() >= most && view.queued <= shortest {
            return;
        }
        let place = self.behind.partition_point(|it| Reverse(it.queued) <= Reverse(view.queued));
        self.behind.insert(place, view);
        self.behind.truncate(most);
    }

    pub(crate) fn count_share(&mut self, share: &ShareView) {
        self.shares += 1;
        self.shared_queued += share.queued;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(client_id: &str, is_attached: bool, queued: usize) -> SessionView {
        SessionView {
            client_id: client_id.into(),
            owner: None,
            is_attached,
            client: None,
            is_over: false,
            queued,
            queued_bytes: 10 * queued,
            waits_since: None,
            in_flight: 1,
            in_flight_bytes: 100,
            held_bytes: 0,
            open_receipts: 0,
            subscriptions: 0,
            replays: 0,
            lost: Vec::new(),
        }
    }

    #[test]
    fn the_longest_queues_of_those_who_are_here_are_told_in_order() {
        let mut census = Census::default();
        for (name, is_attached, queued) in
            [("a", true, 1), ("b", true, 5), ("c", false, 9), ("d", true, 0), ("e", true, 3)]
        {
            census.count(view(name, is_attached, queued), 2);
        }
        census.count(SessionView { is_over: true, ..view("over", true, 100) }, 2);
        let behind: Vec<_> = census.behind.iter().map(|it| (&*it.client_id, it.queued)).collect();
        assert_eq!(behind, [("b", 5), ("e", 3)]);
        assert_eq!((census.online, census.offline), (4, 1));
        assert_eq!((census.queued, census.queued_bytes), (18, 180));
        assert_eq!((census.in_flight, census.in_flight_bytes), (5, 500));
    }
}
