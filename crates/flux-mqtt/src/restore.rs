//! From what is stored to a broker that goes on where an earlier process stopped.
//!
//! What is in memory afterwards is bounded by sessions, subscriptions, what was in flight, and retained
//! messages: a queue stays in the store until its client takes it.

use std::num::NonZeroU32;
use std::sync::Arc;

use flux_auth::Client;
use flux_eventbus::{SessionEnd, excerpt};
use flux_session::{Session, ShareId, Timestamp, Will};
use flux_storage::{ReadError, ReadLimit, Record, Store, StoredGroup, StoredSession, StoredWill};
use flux_topic::{TopicFilter, TopicName};

use crate::broker::Broker;
use crate::clients;
use crate::message::Delivery;
use crate::names::{DueId, SessionKey};
use crate::session::SharedSession;
use crate::settings::Settings;
use crate::share::Waiting;
use crate::storage::{key, message, number};
use crate::testator::{self, ReadTestatorError};

/// What a broker found in its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Sessions that go on.
    pub sessions: u64,
    /// Messages that wait for them, or are in flight.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
    /// Parts of what is stored that mean nothing to this broker: topics and filters that it does not know, or
    /// more than its limits allow.
    pub left_out: u64,
}

impl Broker {
    /// Takes over all that is stored. Before anything else is done with the broker.
    pub(crate) fn restore(
        &self,
        now: Timestamp,
        settings: &Settings,
        store: &mut impl Store,
    ) -> Result<Restored, ReadError> {
        let mut restored = Restored::default();
        let groups = store.groups()?;
        for stored in &groups {
            let filter = TopicFilter::parse(&stored.filter).ok();
            if let (Some(filter), Some(id)) = (filter, share_id(stored)) {
                self.routes.expect_share(filter, id);
            }
        }
        self.restore_sessions(now, settings, store, &mut restored)?;
        self.routes.expect_no_share();
        for stored in &groups {
            self.restore_group(store, stored, &mut restored)?;
        }
        self.restore_retained(now, store, &mut restored)?;
        Ok(restored)
    }

    /// Takes over what waits in a shared subscription, up to its limits in memory as before. One whose members are
    /// all gone is over: the process ended before that was written down.
    fn restore_group(
        &self,
        store: &mut impl Store,
        stored: &StoredGroup,
        restored: &mut Restored,
    ) -> Result<(), ReadError> {
        let Some(share) = share_id(stored).and_then(|id| self.routes.share(id)) else {
            self.write(&Record::SessionEnded { session: stored.group });
            return Ok(());
        };
        let mut after = None;
        loop {
            let messages = store.queue(stored.group, after, MESSAGES_AT_ONCE)?;
            let Some(last) = messages.last() else { return Ok(()) };
            after = Some(last.sequence);
            let waiting = messages.into_iter().filter_map(|queued| {
                let message = message(&queued.content?)?;
                Some(Waiting { message, sequence: Some(number(queued.sequence)) })
            });
            let waiting: Vec<_> = waiting.collect();
            restored.queued += u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            share.lock().restore(waiting);
        }
    }

    fn restore_sessions(
        &self,
        now: Timestamp,
        settings: &Settings,
        store: &mut impl Store,
        restored: &mut Restored,
    ) -> Result<(), ReadError> {
        let mut after = None;
        loop {
            let sessions = store.sessions(after, SESSIONS_AT_ONCE)?;
            let Some(last) = sessions.last() else { return Ok(()) };
            after = Some(last.session);
            for session in &sessions {
                self.restore_session(now, settings, store, session, restored)?;
            }
        }
    }

    fn restore_session(
        &self,
        now: Timestamp,
        settings: &Settings,
        store: &mut impl Store,
        stored: &StoredSession,
        restored: &mut Restored,
    ) -> Result<(), ReadError> {
        let in_flight = store.in_flight(stored.session)?;
        let will = stored.will.as_ref().and_then(|will| {
            let message = message(&will.content)?;
            Some(Will { message, delay: will.delay, expiry: will.expiry })
        });
        let client_id: Arc<str> = stored.client_id.as_ref().into();
        let (will, testator) = match testator_of(&client_id, stored.will.as_ref()) {
            Ok(testator) => (will, testator),
            Err(error) => {
                tracing::warn!(
                    client_id = &*excerpt(&client_id),
                    %error,
                    help = "it has a will again once it connects; a newer version of the broker may have written the old one",
                    "its will is left out"
                );
                // Whoever can read it later has no use for it.
                self.write(&Record::WillCleared { session: stored.session });
                (None, None)
            }
        };
        restored.left_out += u64::from(will.is_none() && stored.will.is_some());
        let since = stored.detached_since.unwrap_or(now);
        let elsewhere = stored.queued.saturating_sub(in_flight.len());
        let mut session =
            Session::restored(settings.session, stored.expiry, since, will, elsewhere);
        for queued in in_flight {
            let number = number(queued.sequence);
            let state = match queued.content {
                None => Err(number),
                Some(content) => match message(&content) {
                    None => continue,
                    Some(message) => Ok(Delivery {
                        message,
                        qos: queued.qos,
                        retain: queued.retain,
                        subscription_ids: queued.subscription_ids,
                        share: None,
                        sequence: Some(number),
                    }),
                },
            };
            let is_known = queued.packet_id.is_some_and(|id| session.restore_exchange(id, state));
            restored.left_out += u64::from(!is_known);
        }
        for packet_id in &stored.receipts {
            restored.left_out += u64::from(session.receive_qos2(*packet_id).is_err());
        }
        let mut filters = Vec::with_capacity(stored.subscriptions.len());
        for (filter, options) in &stored.subscriptions {
            match TopicFilter::parse(filter) {
                Ok(filter) => {
                    session.subscribe(filter.clone(), *options);
                    filters.push(filter);
                }
                Err(_) => restored.left_out += 1,
            }
        }
        restored.sessions += 1;
        restored.queued += u64::try_from(stored.queued).unwrap_or(u64::MAX);
        let session = self.enter_restored(stored, &client_id, session);
        let followed = self.routes.follow(&session, &filters);
        let mut state = session.lock();
        // They hear of it when its client is back.
        state.declined = followed.joined;
        state.keep_client(testator);
        drop(state);
        self.watch_restored(stored, &session);
        Ok(())
    }

    /// Enters a session into the directory. Keys grow, so of two of one client the later one holds.
    fn enter_restored(
        &self,
        stored: &StoredSession,
        client_id: &Arc<str>,
        session: Session<crate::message::Message>,
    ) -> Arc<SharedSession> {
        if let Some(older) = self.clients.get(client_id) {
            let ended = clients::end(&older, &mut older.lock(), SessionEnd::CleanStart);
            let _nobody_waits = self.clear(&ended);
        }
        let key = SessionKey(number(flux_storage::Sequence(stored.session.0)).0);
        let owner = stored.owner.map(|owner| Arc::from(&**owner));
        self.clients.restore(key, client_id, owner, session)
    }

    /// Has the session looked at when its will or its end is due.
    fn watch_restored(&self, stored: &StoredSession, session: &Arc<SharedSession>) {
        let mut state = session.lock();
        if stored.detached_since.is_none() {
            // Its connection ended with the process: else it would begin anew with each start.
            session.write_standing(&state);
        }
        let moment = state.session.deadline();
        let (key, generation) = (session.key, state.generation);
        state.timer = moment.map(|moment| DueId { moment, key, generation });
        let timer = state.timer;
        drop(state);
        if let Some(id) = timer {
            self.due.set(id, session);
        }
    }

    fn write(&self, record: &Record<'_>) {
        if let Some(journal) = &self.journal {
            journal.write(record);
        }
    }

    fn restore_retained(
        &self,
        now: Timestamp,
        store: &mut impl Store,
        restored: &mut Restored,
    ) -> Result<(), ReadError> {
        let mut after: Option<String> = None;
        loop {
            let messages = store.retained(after.as_deref(), MESSAGES_AT_ONCE)?;
            if messages.is_empty() {
                return Ok(());
            }
            for stored in messages {
                let name = String::from_utf8_lossy(&stored.content.topic).into_owned();
                let expired = stored.content.expires_at.is_some_and(|moment| moment <= now);
                let message = message(&stored.content).filter(|_| !expired);
                let is_kept = message.as_ref().is_some_and(|message| {
                    let topic = TopicName::parse(message.topic());
                    topic.is_ok_and(|topic| self.retain(now, topic, message).is_ok())
                });
                restored.retained += u64::from(is_kept);
                restored.left_out += u64::from(!is_kept && !expired);
                if expired && let Some(journal) = &self.journal {
                    journal.clear_retained(&name);
                }
                after = Some(name);
            }
        }
    }
}

/// Returns the numbers with which a broker over this store goes on.
pub(crate) fn numbers(store: &impl Store) -> crate::broker::Numbers {
    let session = SessionKey(number(flux_storage::Sequence(store.next_session().0)).0);
    debug_assert!(key(session).0 >= store.next_session().0, "no key comes twice");
    let (sequence, group) = (number(store.next_sequence()), store.next_group());
    crate::broker::Numbers { sequence, session, group }
}

/// Returns who left a will, as far as an earlier process wrote it down.
fn testator_of(
    client_id: &Arc<str>,
    will: Option<&StoredWill>,
) -> Result<Option<Arc<Client>>, ReadTestatorError> {
    let Some(will) = will else { return Ok(None) };
    Ok(testator::read(client_id, &will.testator)?.map(Arc::new))
}

/// Returns what a shared subscription is called, as it was before.
fn share_id(stored: &StoredGroup) -> Option<ShareId> {
    NonZeroU32::new(stored.group.group()?).map(ShareId)
}

const SESSIONS_AT_ONCE: usize = 256;
const MESSAGES_AT_ONCE: ReadLimit = ReadLimit { messages: 256, bytes: 1 << 20 };
