//! The client directory: which session belongs to a client identifier [MQTT-3.1.3-2].

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use flux_auth::{Client, Identity};
use flux_eventbus::SessionEnd;
use flux_session::{Connection, Dropped, Remains, Session, SessionLimits, Timestamp, Will};
use flux_storage::Owner;
use flux_topic::TopicFilter;

use crate::gauge::{Gauge, Place};
use crate::inspect::SessionView;
use crate::journal::{Journal, Together};
use crate::ledger::Ledger;
use crate::message::{Delivery, Message};
use crate::names::{DueId, Publisher, SessionKey};
use crate::replay::Replay;
use crate::session::{Attachment, SessionState, SharedSession};

/// Every session of the broker, by client identifier.
#[derive(Debug)]
pub(crate) struct Clients {
    sessions: DashMap<Arc<str>, Listed>,
    /// Counts what is listed, for the map itself counts by locking all of it.
    count: Gauge,
    next_key: AtomicU64,
    /// Keeps the names of publishers from those who would aim at collisions.
    seed: u64,
    ledger: Ledger,
    journal: Option<Arc<Journal>>,
}

/// A session in the directory.
#[derive(Debug)]
struct Listed {
    session: Arc<SharedSession>,
    /// It goes on to the session that takes the place of this one.
    _place: Place,
}

/// What a connection, or a consumer, brings to its session.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) attachment: Attachment,
    pub(crate) clean_start: bool,
    pub(crate) connection: Connection<Message>,
    /// Whose the session is to be.
    pub(crate) owner: Owner<Arc<str>>,
    /// Who that is, unless it is the broker itself.
    pub(crate) client: Option<Arc<Client>>,
}

impl Claim {
    /// Whether this user may not have the session. Consumers belong to the broker, which may do as it likes.
    fn is_barred_from(&self, state: &SessionState) -> bool {
        let owner = state.owner.user();
        self.is_clients() && owner.is_some() && owner != self.owner.user()
    }

    /// Whether this user may have the client identifier, but not what the session holds: whoever is nobody would hand
    /// it subscriptions that it never made, and have it miss its own.
    fn begins_anew(&self, state: &SessionState) -> bool {
        self.is_clients() && self.owner.user().is_some() && state.owner == Owner::Nobody
    }

    fn is_clients(&self) -> bool {
        matches!(self.attachment, Attachment::Connection { .. })
    }
}

/// Returns whose a session is that a client makes.
pub(crate) fn owner_of(client: &Identity) -> Owner<Arc<str>> {
    match client.owner() {
        Some(user) => Owner::User(user.clone()),
        None if client.may_be_a_user => Owner::Unknown,
        None => Owner::Nobody,
    }
}

/// A session taken into possession.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) session: Arc<SharedSession>,
    pub(crate) generation: u64,
    /// An earlier session goes on.
    pub(crate) present: bool,
    /// Who held the client identifier until now.
    pub(crate) displaced: Option<Attachment>,
    /// The will of the connection before, which must be published now.
    pub(crate) will: Option<Will<Message>>,
    /// Who left it.
    pub(crate) testator: Option<Arc<Client>>,
    /// Until it is.
    pub(crate) _together: Option<Together>,
    /// What the session lost while its client was away.
    pub(crate) dropped: Vec<Dropped<Message>>,
    /// Where the session stood in the list of due sessions.
    pub(crate) timer: Option<DueId>,
    /// Sessions that ended to make room; usually none, at most one unless others raced.
    pub(crate) ended: Vec<Ended>,
}

/// A claim that is not met.
#[derive(Debug)]
pub(crate) struct Unmet {
    pub(crate) why: WhyUnmet,
    /// Sessions that ended all the same; usually none, unless others raced.
    pub(crate) ended: Vec<Ended>,
}

/// Why a claim is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyUnmet {
    /// There may be no more sessions, and the client has none.
    NoPlace,
    /// The session belongs to another user. It is as it was.
    AnotherUsers,
}

/// A session that is over, and what is left to clear away.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) session: Arc<SharedSession>,
    pub(crate) displaced: Option<Attachment>,
    pub(crate) reason: SessionEnd,
    /// Where it stands in the list of due sessions.
    pub(crate) timer: Option<DueId>,
    /// What it had of shared subscriptions and gave back when its connection ended.
    pub(crate) unsent: Vec<Delivery>,
    /// What it held. A queue may be long: it is dropped with this, after the lock.
    pub(crate) remains: Remains<Message>,
    /// Who left its will.
    pub(crate) testator: Option<Arc<Client>>,
    /// Until its will is published.
    _together: Option<Together>,
    /// Dropped after the lock too: that takes the store's.
    _replays: BTreeMap<TopicFilter, Replay>,
}

impl Clients {
    /// `first` is a key that no session had.
    pub(crate) fn new(
        seed: u64,
        ledger: Ledger,
        journal: Option<Arc<Journal>>,
        first: SessionKey,
    ) -> Self {
        let (sessions, count) = (DashMap::new(), Gauge::default());
        let next_key = AtomicU64::new(first.0.get());
        Self { sessions, count, next_key, seed, ledger, journal }
    }

    /// Enters a session that an earlier process left.
    pub(crate) fn restore(
        &self,
        key: SessionKey,
        client_id: &Arc<str>,
        owner: Owner<Arc<str>>,
        session: Session<Message>,
    ) -> Arc<SharedSession> {
        let restored = Arc::new(SharedSession::new(
            key,
            self.publisher(client_id),
            client_id.clone(),
            session,
            self.ledger.clone(),
            self.journal.clone(),
        ));
        restored.is_from_store();
        // What it holds is counted.
        let mut state = restored.lock();
        (state.owner, state.is_suspect) = (owner, true);
        drop(state);
        let put = self.put(client_id, None, &restored, usize::MAX);
        debug_assert!(put.is_ok(), "a client has one session");
        restored
    }

    /// Looks at every session, in the order of the client identifiers.
    pub(crate) fn views(&self) -> Vec<SessionView> {
        let sessions = self.sessions.iter().map(|entry| entry.value().session.clone());
        let mut views: Vec<_> = sessions.map(|session| SessionView::of(&session)).collect();
        views.sort_by(|a, b| a.client_id.cmp(&b.client_id));
        views
    }

    /// Hands every session to somebody, one after the other; no lock is held meanwhile.
    pub(crate) fn for_each(&self, look: impl FnMut(&Arc<SharedSession>)) {
        let sessions: Vec<_> =
            self.sessions.iter().map(|entry| entry.value().session.clone()).collect();
        sessions.iter().for_each(look);
    }

    /// Looks at the first sessions behind a client identifier, in their order, at most so many.
    pub(crate) fn views_after(&self, client_id: &str, most: usize) -> Vec<SessionView> {
        let mut first = BTreeMap::new();
        for entry in &self.sessions {
            let is_behind = &**entry.key() > client_id;
            let is_first = first.len() < most
                || first.last_key_value().is_some_and(|(last, _)| entry.key() < last);
            if is_behind && is_first {
                first.insert(entry.key().clone(), entry.value().session.clone());
                if first.len() > most {
                    first.pop_last();
                }
            }
        }
        first.values().map(|session| SessionView::of(session)).collect()
    }

    pub(crate) fn get(&self, client_id: &str) -> Option<Arc<SharedSession>> {
        self.sessions.get(client_id).map(|entry| entry.value().session.clone())
    }

    /// Returns how many sessions there are.
    pub(crate) fn count(&self) -> usize {
        self.count.taken()
    }

    pub(crate) fn contains(&self, client_id: &str) -> bool {
        self.sessions.contains_key(client_id)
    }

    /// Gives the session of a client to a connection: the stored one where it goes on, else a
    /// new one (section 3.1.2.4), if there are fewer than `most` or it takes the place of another of
    /// this client. The connection that held it must be told by the caller. A session that belongs to another user is
    /// given to nobody, nor ended.
    pub(crate) fn claim(
        &self,
        now: Timestamp,
        client_id: &Arc<str>,
        claim: &Claim,
        limits: SessionLimits,
        most: usize,
    ) -> Result<Claimed, Unmet> {
        let mut ended = Vec::new();
        loop {
            let existing = self.get(client_id);
            if let Some(session) = &existing {
                match resume(now, session, claim, limits) {
                    Resumed::Continued {
                        generation,
                        displaced,
                        will,
                        testator,
                        together,
                        dropped,
                        timer,
                    } => {
                        let session = session.clone();
                        return Ok(Claimed {
                            session,
                            generation,
                            present: true,
                            displaced,
                            will,
                            testator,
                            _together: together,
                            dropped,
                            timer,
                            ended,
                        });
                    }
                    Resumed::Ended(end) => ended.push(*end),
                    Resumed::AnotherUsers => {
                        return Err(Unmet { why: WhyUnmet::AnotherUsers, ended });
                    }
                    Resumed::WasOver => {}
                }
            }
            match self.begin(now, client_id, claim, limits, existing.as_ref(), most) {
                Ok((session, generation)) => {
                    let displaced = ended.iter_mut().find_map(|end| end.displaced.take());
                    return Ok(Claimed {
                        session,
                        generation,
                        present: false,
                        displaced,
                        will: None,
                        testator: None,
                        _together: None,
                        dropped: Vec::new(),
                        timer: None,
                        ended,
                    });
                }
                Err(NotBegun::Late) => {}
                Err(NotBegun::NoPlace) => return Err(Unmet { why: WhyUnmet::NoPlace, ended }),
            }
        }
    }

    /// Begins a session in place of `existing`, and returns it with its generation.
    fn begin(
        &self,
        now: Timestamp,
        client_id: &Arc<str>,
        claim: &Claim,
        limits: SessionLimits,
        existing: Option<&Arc<SharedSession>>,
        most: usize,
    ) -> Result<(Arc<SharedSession>, u64), NotBegun> {
        let session = self.create(now, client_id, claim, limits);
        // Read before others can find it and take it over.
        let generation = session.lock().generation;
        if let Err(not) = self.put(client_id, existing, &session, most) {
            // Nobody has seen it, and nothing of it is written down; it holds nothing any more.
            session.lock().ended = true;
            return Err(not);
        }
        session.write_beginning();
        Ok((session, generation))
    }

    /// Two identifiers get the same name once in 2^64; with a secret seed nobody can aim at it.
    fn publisher(&self, client_id: &str) -> Publisher {
        let mut hasher = DefaultHasher::new();
        (self.seed, client_id).hash(&mut hasher);
        Publisher(NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN))
    }

    fn create(
        &self,
        now: Timestamp,
        client_id: &Arc<str>,
        claim: &Claim,
        limits: SessionLimits,
    ) -> Arc<SharedSession> {
        let number = self.next_key.fetch_add(1, Ordering::Relaxed);
        let key = SessionKey(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN));
        let session = SharedSession::new(
            key,
            self.publisher(client_id),
            client_id.clone(),
            Session::new(limits),
            self.ledger.clone(),
            self.journal.clone(),
        );
        {
            let mut state = session.lock();
            let none_before = state.session.attach(now, claim.connection.clone());
            debug_assert!(none_before.is_none(), "a new session has no connection before");
            state.attached = Some(claim.attachment.clone());
            state.owner = claim.owner.clone();
            state.client.clone_from(&claim.client);
            session.set_holder(claim.client.clone());
        }
        Arc::new(session)
    }

    /// Puts a new session where `existing` was.
    fn put(
        &self,
        client_id: &Arc<str>,
        existing: Option<&Arc<SharedSession>>,
        session: &Arc<SharedSession>,
        most: usize,
    ) -> Result<(), NotBegun> {
        match (self.sessions.entry(client_id.clone()), existing) {
            (Entry::Vacant(entry), _) => {
                let place = self.count.enter(most).ok_or(NotBegun::NoPlace)?;
                entry.insert(Listed { session: session.clone(), _place: place });
                Ok(())
            }
            (Entry::Occupied(mut entry), Some(existing))
                if Arc::ptr_eq(&entry.get().session, existing) =>
            {
                entry.get_mut().session = session.clone();
                Ok(())
            }
            (Entry::Occupied(_), _) => Err(NotBegun::Late),
        }
    }

    /// Forgets a session that ended, unless the identifier has a newer one already.
    pub(crate) fn remove(&self, session: &Arc<SharedSession>) {
        let is_it = |_: &Arc<str>, listed: &Listed| Arc::ptr_eq(&listed.session, session);
        self.sessions.remove_if(&session.client_id, is_it);
    }
}

/// Why a new session is none.
#[derive(Debug, PartialEq, Eq)]
enum NotBegun {
    /// Somebody else was faster.
    Late,
    NoPlace,
}

enum Resumed {
    Continued {
        generation: u64,
        displaced: Option<Attachment>,
        will: Option<Will<Message>>,
        testator: Option<Arc<Client>>,
        together: Option<Together>,
        dropped: Vec<Dropped<Message>>,
        timer: Option<DueId>,
    },
    Ended(Box<Ended>),
    AnotherUsers,
    WasOver,
}

/// Takes over `session` if it goes on with this claim, else ends it; one that lives and belongs to another user stays
/// as it is.
fn resume(
    now: Timestamp,
    session: &Arc<SharedSession>,
    claim: &Claim,
    limits: SessionLimits,
) -> Resumed {
    let _reading = session.read();
    let mut state = session.lock();
    if state.ended {
        return Resumed::WasOver;
    }
    if claim.is_barred_from(&state) && !state.session.has_expired(now) {
        return Resumed::AnotherUsers;
    }
    let clean_start = claim.clean_start || claim.begins_anew(&state);
    if !state.session.continues(now, clean_start) {
        let reason = if state.session.has_expired(now) {
            SessionEnd::Expired
        } else if clean_start {
            SessionEnd::CleanStart
        } else {
            SessionEnd::Disconnected
        };
        return Resumed::Ended(Box::new(end(session, &mut state, reason)));
    }
    let displaced = state.attached.replace(claim.attachment.clone());
    let had_will = state.session.will().is_some();
    let together = session.keep_together(&state);
    // It may have come in elsewhere before, and been told something else.
    state.session.set_inbound_receive_maximum(limits.inbound_receive_maximum);
    let will = state.session.attach(now, claim.connection.clone());
    let testator = mem::replace(&mut state.client, claim.client.clone());
    state.client_bytes = 0;
    session.set_holder(claim.client.clone());
    if claim.owner.user().is_some() || claim.is_clients() {
        // What waits was not asked for by this user.
        state.is_suspect |= state.owner == Owner::Unknown && claim.owner.user().is_some();
        state.owner = claim.owner.clone();
    }
    session.write_standing(&state);
    if had_will || state.session.will().is_some() {
        session.write_will(&state);
    }
    let dropped = state.session.take_dropped();
    let generation = session.next_generation(&mut state);
    // The new connection drains once it has its CONNACK.
    state.dirty = false;
    let timer = state.timer.take();
    let together = together.filter(|_| will.is_some());
    Resumed::Continued { generation, displaced, will, testator, together, dropped, timer }
}

/// Ends a session; the caller has its lock. What it held is dropped, so that routes which
/// still point to it keep nothing alive.
pub(crate) fn end(
    session: &Arc<SharedSession>,
    state: &mut SessionState,
    reason: SessionEnd,
) -> Ended {
    state.ended = true;
    let together = session.keep_together(state);
    session.write_end();
    state.declined = Vec::new();
    let replays = mem::take(&mut state.replays);
    session.next_generation(state);
    Ended {
        session: session.clone(),
        displaced: state.attached.take(),
        reason,
        timer: state.timer.take(),
        unsent: Vec::new(),
        remains: state.session.end(),
        testator: state.client.take(),
        _together: together,
        _replays: replays,
    }
}
