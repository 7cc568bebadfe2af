//! [`Decisions`]: what is left to be decided about subscriptions that were granted, for it would take too long at once.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_auth::{Client, Stamp};
use flux_session::QoS;
use flux_topic::TopicFilter;

use super::connection::Online;
use crate::clients::Clients;
use crate::names::{ConnectionId, SessionKey};
use crate::session::SharedSession;

/// So many decisions about subscriptions that were granted are made in a turn, and as many at once about those of a client
/// that proves anew who it is: one may have 10,000 subscriptions. One takes two microseconds at most.
pub(super) const PART: usize = 128;

/// What a worker has to decide.
#[derive(Default)]
pub(super) struct Decisions {
    /// Sessions that are looked at once more, each once however often its client asks for it.
    looks: BTreeMap<SessionKey, Look>,
    /// Which of them had its part last: each has its turn after the others.
    last: Option<SessionKey>,
    /// Sessions whose clients are away.
    away: VecDeque<Arc<Away>>,
    /// How often rights have changed.
    changes: u64,
}

/// A session whose subscriptions are held against the rights of its client once more.
pub(super) struct Look {
    pub(super) session: Arc<SharedSession>,
    /// Whoever has another was decided about as it came.
    pub(super) generation: u64,
    /// Which of our connections has it.
    pub(super) connection: Option<ConnectionId>,
    /// What stood for the rights when it began.
    pub(super) stamp: Option<Stamp>,
    /// What was looked at last.
    pub(super) after: Option<TopicFilter>,
}

/// Subscriptions, and whose they are.
type Part = (Arc<Client>, Vec<(TopicFilter, QoS)>);

/// Sessions without connection, of which each worker takes one after the other.
#[derive(Debug, Default)]
pub struct Away {
    sessions: Vec<Arc<SharedSession>>,
    next: AtomicUsize,
}

impl Away {
    /// Returns the sessions of clients that are away and known.
    pub(crate) fn of(clients: &Clients) -> Self {
        let mut sessions = Vec::new();
        clients.for_each(|session| {
            let state = session.lock();
            if state.attached.is_none() && state.client.is_some() {
                sessions.push(session.clone());
            }
        });
        Self { sessions, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<&Arc<SharedSession>> {
        // It is told of no more often than there are workers and turns.
        self.sessions.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Decisions {
    /// Rights have changed, of those who are here and of those who are away.
    pub(super) fn begin(&mut self, away: Arc<Away>) {
        self.changes += 1;
        self.away.push_back(away);
    }

    /// Returns how often rights have changed.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Has whoever has just come in looked at if rights have changed since it was decided about.
    pub(super) fn look_if_changed(&mut self, changes: u64, id: ConnectionId, online: &Online) {
        if self.changes != changes {
            self.add(Look::of(online.session.clone(), online.generation, Some(id)));
        }
    }

    /// Has a session looked at, from the beginning unless it says otherwise.
    pub(super) fn add(&mut self, look: Look) {
        self.looks.insert(look.session.key, look);
    }

    /// Takes out who is looked at next: one that was here, and one that is away.
    pub(super) fn next_looks(&mut self) -> [Option<Look>; 2] {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let key = self.looks.range((behind, Bound::Unbounded)).next();
        let key = key.or_else(|| self.looks.first_key_value()).map(|(key, _)| *key);
        self.last = key;
        let look = key.and_then(|key| self.looks.remove(&key));
        while let Some(away) = self.away.front() {
            if let Some(session) = away.next() {
                let generation = session.lock().generation;
                return [look, Some(Look::of(session.clone(), generation, None))];
            }
            self.away.pop_front();
        }
        [look, None]
    }

    /// Whether a session has not been looked at since it has this generation.
    pub(super) fn waits(&self, session: SessionKey, generation: u64) -> bool {
        // Mostly there are none, and each drain asks.
        !self.looks.is_empty()
            && self.looks.get(&session).is_some_and(|look| look.generation == generation)
    }

    /// Whether nothing is left for turns that come.
    pub(super) fn is_empty(&self) -> bool {
        self.looks.is_empty() && self.away.is_empty()
    }
}

impl Look {
    pub(super) const fn of(
        session: Arc<SharedSession>,
        generation: u64,
        connection: Option<ConnectionId>,
    ) -> Self {
        Self { session, generation, connection, stamp: None, after: None }
    }

    /// Returns the next subscriptions, at most so many, and whose they are. `None` if nobody is known, or who it is is
    /// looked at elsewhere.
    pub(super) fn part(&mut self, most: usize) -> Option<Part> {
        let state = self.session.lock();
        if state.ended || state.generation != self.generation {
            return None;
        }
        // It left meanwhile, or has come.
        self.connection = self.connection.filter(|_| state.attached.is_some());
        if self.connection.is_none() && state.attached.is_some() {
            return None;
        }
        let client = state.client.clone()?;
        let subscriptions = state.session.subscriptions_after(self.after.as_ref());
        let part = subscriptions.map(|(filter, options)| (filter.clone(), options.qos));
        Some((client, part.take(most).collect()))
    }

    /// All of its subscriptions were decided about.
    pub(super) fn note_decided(&self) {
        let mut state = self.session.lock();
        if state.generation == self.generation {
            state.is_decided(self.stamp, true);
        }
    }
}
