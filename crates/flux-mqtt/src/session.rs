//! A client's session as several workers see it: the pure state machine behind one lock.
//!
//! Invariant: nobody holds two of these locks, and nobody calls out while holding one. The
//! single exception is the retained store, whose lock may be held around a session's.

mod stored;

use std::collections::BTreeMap;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_auth::{Authorizer, Client, Identity, Stamp};
use flux_eventbus::{Event, SessionEnd, Source};
use flux_session::{
    DropReason, Dropped, Offer, QoS, Session, SessionExpiry, SubscriptionOptions, Timestamp,
};
use flux_storage::Owner;
use flux_topic::TopicFilter;

use crate::clients::{self, Ended};
use crate::consumer::Consumer;
use crate::filter::Filter;
use crate::journal::Journal;
use crate::ledger::{Account, Ledger};
use crate::losses::Losses;
use crate::message::{Delivery, Message};
use crate::names::{ConnectionId, DueId, Publisher, SessionKey, WorkerId};
use crate::replay::Replay;
use crate::share::Share;
use crate::sync::{AtomicU64, Mutex, MutexGuard};

/// A session that workers share.
#[derive(Debug)]
pub(crate) struct SharedSession {
    pub(crate) key: SessionKey,
    pub(crate) publisher: Publisher,
    pub(crate) client_id: Arc<str>,
    state: Mutex<SessionState>,
    /// The generation once more, for who needs nothing else: it changes under the lock only.
    generation: AtomicU64,
    /// Held while packets of a connection are handled, and while another takes the session over:
    /// what the old connection was in the middle of comes before all that the new one sends.
    reading: Mutex<()>,
    ledger: Ledger,
    /// Where its changes are written down, if there is a store.
    journal: Option<Arc<Journal>>,
    /// It may outlive its connection, so its changes are written down. Once it is, it stays so.
    is_stored: AtomicBool,
    /// What its client did not get, and what was not taken from it.
    pub(crate) losses: Losses,
    /// The client that has it, once more: for whoever tells of it, who may hold the lock of the state. It changes under
    /// that lock only.
    holder: Mutex<Option<Arc<Client>>>,
}

/// A locked session. What has changed of the bytes it holds is written down at the end.
pub(crate) struct Locked<'a> {
    state: MutexGuard<'a, SessionState>,
    shared: &'a SharedSession,
}

impl Deref for Locked<'_> {
    type Target = SessionState;

    fn deref(&self) -> &SessionState {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut SessionState {
        &mut self.state
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(journal) = &self.shared.journal {
            self.shared.write_finished(&mut self.state, journal);
        }
        let held = self.shared.held_bytes(&self.state);
        self.shared.ledger.change(Account::Sessions, &mut self.state.counted_bytes, held);
    }
}

/// What the lock of a session protects.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) session: Session<Message>,
    /// Counts the connections that held this session, from 1; packets of an older one are
    /// ignored.
    pub(crate) generation: u64,
    pub(crate) attached: Option<Attachment>,
    /// Whether the attached connection knows that there is something to send: it is in its
    /// worker's list, or a letter is on its way. So there is at most one letter a connection. A
    /// consumer that knows looks before it waits.
    pub(crate) dirty: bool,
    /// The session is over; whoever still holds it drops what it wanted to add.
    pub(crate) ended: bool,
    /// It is over because it had no room for a message.
    pub(crate) overflowed: bool,
    /// Where the session stands in the list of due sessions.
    pub(crate) timer: Option<DueId>,
    /// Retained messages that its subscriptions still bring, by filter. Dropped without this lock:
    /// that takes the store's.
    pub(crate) replays: BTreeMap<TopicFilter, Replay>,
    /// Shared subscriptions that it declined a message of: they are told once it has room.
    pub(crate) declined: Vec<Arc<Share>>,
    /// The user that it belongs to: no client of another has it.
    pub(crate) owner: Owner<Arc<str>>,
    /// Who has it, if that is a client, or had it last, as far as is known: the one may not have all that is shared; what the
    /// other has left, a will or subscriptions, it may not leave any more once rules change.
    pub(crate) client: Option<Arc<Client>>,
    /// What that costs while it is away.
    pub(crate) client_bytes: usize,
    /// It lost a right, or another process was the one that asked: what waits may be what its client may not have
    /// any more, and is looked at before it is sent.
    pub(crate) is_suspect: bool,
    /// What stood for its client's rights when they were last held against its subscriptions.
    pub(crate) decided: Option<Stamp>,
    /// What the ledger knows of the bytes that it holds.
    counted_bytes: usize,
}

/// Who holds a session.
#[derive(Clone, Debug)]
pub(crate) enum Attachment {
    /// A connection of a worker.
    Connection { worker: WorkerId, connection: ConnectionId },
    /// A consumer in this process, which takes the messages out itself.
    Consumer(Arc<Consumer>),
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) offer: Offer,
    /// Who must be told, if they do not know yet.
    pub(crate) wake: Option<Attachment>,
    /// What it cost the session; mostly nothing, which is to cost nothing here.
    pub(crate) aftermath: Option<Box<Aftermath>>,
}

/// Why a message of a shared subscription is for another member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForAnother {
    /// The session is over, without connection, or has no room now.
    NoRoom,
    /// The client may not have it.
    Barred,
}

/// What a session lost over a delivery.
#[derive(Debug)]
pub(crate) struct Aftermath {
    /// Messages that made room for it.
    pub(crate) dropped: Vec<Dropped<Message>>,
    /// The session itself, which had no room and ends for that.
    pub(crate) ended: Option<Ended>,
}

impl SharedSession {
    pub(crate) fn new(
        key: SessionKey,
        publisher: Publisher,
        client_id: Arc<str>,
        session: Session<Message>,
        ledger: Ledger,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let state = SessionState {
            session,
            generation: 1,
            attached: None,
            dirty: false,
            ended: false,
            overflowed: false,
            timer: None,
            replays: BTreeMap::new(),
            declined: Vec::new(),
            owner: Owner::Nobody,
            client: None,
            client_bytes: 0,
            is_suspect: false,
            decided: None,
            counted_bytes: 0,
        };
        let generation = AtomicU64::new(state.generation);
        let (state, reading) = (Mutex::new(state), Mutex::new(()));
        let is_stored = AtomicBool::new(false);
        let losses = Losses::default();
        Self {
            key,
            publisher,
            client_id,
            state,
            generation,
            reading,
            ledger,
            journal,
            is_stored,
            losses,
            holder: Mutex::new(None),
        }
    }

    /// Returns what is known of the connection of the client that has the session; of one that ends with it also then.
    pub(crate) fn source(&self) -> Source {
        self.holder.lock().as_deref().map(source_of).unwrap_or_default()
    }

    /// The session has another client, or none. The caller has the lock of the state.
    pub(crate) fn set_holder(&self, client: Option<Arc<Client>>) {
        *self.holder.lock() = client;
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { state: self.state.lock(), shared: self }
    }

    /// Returns what the session holds, and the directory for it. One that is over holds nothing,
    /// however long somebody remembers it.
    pub(crate) fn held_bytes(&self, state: &SessionState) -> usize {
        if state.ended {
            return 0;
        }
        let owner = state.owner.user().map_or(0, |owner| owner.len());
        state.session.held_bytes() + self.client_id.len() + owner + state.client_bytes
    }

    /// Keeps others from taking the session over until the guard is dropped. Taken before all other
    /// locks.
    pub(crate) fn read(&self) -> MutexGuard<'_, ()> {
        self.reading.lock()
    }

    /// Takes the session away from its connection, and returns the generation of the next.
    pub(crate) fn next_generation(&self, state: &mut SessionState) -> u64 {
        state.generation += 1;
        self.generation.store(state.generation, Ordering::Release);
        state.generation
    }

    /// Whether the connection of this generation still has the session. Without the lock the
    /// answer may be late by a moment.
    pub(crate) fn is_held_by(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }

    /// Returns what the platform is told once the client has a message.
    pub(crate) fn delivered(&self, message: &Message, qos: QoS) -> Event {
        let (client_id, topic) = (self.client_id.clone(), message.topic().into());
        Event::Delivered { client_id, topic, qos: qos.as_u8() }
    }

    /// Returns how each of these filters is subscribed to; not at all once the session is over.
    pub(crate) fn options_of(&self, filters: &[TopicFilter]) -> Vec<Option<SubscriptionOptions>> {
        let state = self.lock();
        let options = |filter| state.session.subscription(filter).filter(|_| !state.ended);
        filters.iter().map(options).collect()
    }

    /// Hands a message to the session. `None` when the session is over.
    pub(crate) fn offer(self: &Arc<Self>, now: Timestamp, delivery: Delivery) -> Option<Offered> {
        self.offer_locked(&mut self.lock(), now, delivery)
    }

    fn offer_locked(
        self: &Arc<Self>,
        state: &mut SessionState,
        now: Timestamp,
        delivery: Delivery,
    ) -> Option<Offered> {
        if state.ended {
            return None;
        }
        let offer = state.session.offer(now, delivery);
        let wake = if matches!(offer, Offer::Queued) { state.wake() } else { None };
        let dropped = state.session.take_dropped();
        let aftermath = if dropped.is_empty() && offer != Offer::Overflow {
            None
        } else {
            Some(self.aftermath(state, dropped, offer))
        };
        Some(Offered { offer, wake, aftermath })
    }

    #[cold]
    fn aftermath(
        self: &Arc<Self>,
        state: &mut SessionState,
        dropped: Vec<Dropped<Message>>,
        offer: Offer,
    ) -> Box<Aftermath> {
        state.overflowed = offer == Offer::Overflow;
        let ended = state.overflowed.then(|| clients::end(self, state, SessionEnd::QueueFull));
        Box::new(Aftermath { dropped, ended })
    }

    /// Hands a retained message to the session. `None` when that has enough for now, or is over.
    pub(crate) fn offer_retained(
        self: &Arc<Self>,
        now: Timestamp,
        mut delivery: Delivery,
    ) -> Option<Offered> {
        let mut state = self.lock();
        let queued = state.session.queued();
        let has_enough = queued >= REPLAYED_AHEAD
            || state.session.is_half_full()
            || !state.session.has_room_for(&delivery);
        // What an empty queue has no room for never fits.
        if queued > 0 && has_enough {
            return None;
        }
        delivery.sequence = self.write_delivery(&delivery);
        self.offer_locked(&mut state, now, delivery)
    }

    /// Hands a message of a shared subscription to the session.
    ///
    /// # Errors
    ///
    /// Why it is for another member.
    pub(crate) fn offer_shared(
        &self,
        now: Timestamp,
        share: &Arc<Share>,
        delivery: Delivery,
        authorizer: &dyn Authorizer,
    ) -> Result<Offered, ForAnother> {
        let mut state = self.lock();
        if state.ended {
            return Err(ForAnother::NoRoom);
        }
        if let Some(client) = state.client.as_deref().filter(|_| state.attached.is_some())
            && let Some(filter) = Filter::of(authorizer, client, state.is_suspect, state.decided)
            && !filter.allows(&delivery.message)
        {
            return Err(ForAnother::Barred);
        }
        let taken = state.session.offer_shared(now, delivery);
        let has_room = state.session.queued() == 0 && state.session.has_room_for_shared();
        let offer = match taken {
            Ok(offer) => offer,
            // It never fits, and must not keep the others waiting.
            Err(_) if has_room => Offer::Dropped(DropReason::QueueFull),
            Err(_) => {
                if !state.declined.iter().any(|other| Arc::ptr_eq(other, share)) {
                    state.declined.push(share.clone());
                }
                return Err(ForAnother::NoRoom);
            }
        };
        let wake = if matches!(offer, Offer::Queued) { state.wake() } else { None };
        Ok(Offered { offer, wake, aftermath: None })
    }
}

/// Returns the bytes that a client counts while its session is kept for it, beside itself, which counts with the session.
fn cost_of_client(client: &Client) -> usize {
    let Identity { username, roles, attributes, .. } = &client.identity;
    let roles = roles.iter().map(|role| size_of_val(role) + role.len());
    let attributes =
        attributes.iter().map(|(name, value)| name.len() + value.len() + PAIR_OVERHEAD);
    let name = username.as_ref().map_or(0, |name| name.len());
    name + roles.chain(attributes).sum::<usize>()
}

/// Returns what is known of the connection of a client.
pub(crate) fn source_of(client: &Client) -> Source {
    Source {
        username: client.identity.username.clone(),
        peer: client.peer,
        listener: client.listener.clone(),
    }
}

impl SessionState {
    /// The client is away: who it was is kept if it left something that rights are asked for, without what was found out
    /// about them.
    pub(crate) fn keep_client(&mut self, client: Option<Arc<Client>>) {
        let lasts = self.session.expiry() > SessionExpiry::WITH_CONNECTION;
        let has_left = lasts && self.session.subscriptions().len() > 0;
        let client = client.filter(|_| has_left || self.session.will().is_some());
        self.client_bytes = client.as_deref().map_or(0, cost_of_client);
        self.client = client.map(|client| Arc::new((*client).clone()));
    }

    /// Notes under which rights the subscriptions are decided about. What waits from before may have come by one that is not
    /// there any more, and be looked at by nobody else.
    pub(crate) fn is_decided(&mut self, stamp: Option<Stamp>, had_others: bool) {
        self.is_suspect |= had_others && stamp != self.decided;
        self.decided = stamp;
    }

    /// Returns whether a drain has something to do: to send, or to say that there is room.
    pub(crate) fn has_work(&self) -> bool {
        self.session.has_work() || !self.declined.is_empty() || !self.replays.is_empty()
    }

    /// Takes the shared subscriptions that wait for room, if all that the session had is sent and
    /// there is some.
    pub(crate) fn take_declined(&mut self) -> Vec<Arc<Share>> {
        if self.can_take_declined() { mem::take(&mut self.declined) } else { Vec::new() }
    }

    /// Whether a shared subscription waits for room, and there is some.
    pub(crate) fn can_take_declined(&self) -> bool {
        !self.declined.is_empty()
            && self.session.queued() == 0
            && self.session.has_room_for_shared()
    }

    /// Takes away what is left to replay for these filters. The caller drops it when the session is
    /// not locked any more.
    pub(crate) fn take_replays(&mut self, filters: &[TopicFilter]) -> Vec<Replay> {
        filters.iter().filter_map(|filter| self.replays.remove(filter)).collect()
    }

    /// Whether there are retained messages to replay, and nothing else waits.
    pub(crate) fn can_replay(&self) -> bool {
        !self.replays.is_empty() && self.session.queued() == 0
    }

    /// Marks the session dirty; returns who is to be told, unless they know already.
    pub(crate) fn wake(&mut self) -> Option<Attachment> {
        if self.dirty {
            return None;
        }
        let attached = self.attached.clone()?;
        self.dirty = true;
        Some(attached)
    }
}

/// The bytes that an attribute of a client counts beside its name and its value.
const PAIR_OVERHEAD: usize = 32;

/// How many retained messages wait in a session's queue before the rest stay where they are.
const REPLAYED_AHEAD: usize = 64;

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_whom_it_is_kept_for_cost_no_more_than_is_counted() {
        let cost = size_of::<SharedSession>() + size_of::<Client>() + 4 * size_of::<usize>();
        // What else there is of it stands in the directory, and in the list of those that are due.
        assert!(cost + 48 <= flux_session::SESSION_OVERHEAD, "{cost}");
    }
}
