//! What all workers share: the directory, the routes, the retained messages, who may do what.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_auth::Authorizer;
use flux_retained::{RetainedLimitError, RetainedLimits};
use flux_session::{Sequence, Timestamp};
use flux_topic::{TopicFilter, TopicName};

use crate::RetainedStore;
use crate::client_counts::ClientCounts;
use crate::clients::{Clients, Ended};
use crate::counters::Tally;
use crate::denials::Denials;
use crate::departed::Departed;
use crate::due_sessions::DueSessions;
use crate::gauge::Gauge;
use crate::inspect::{Census, SessionView};
use crate::journal::Journal;
use crate::latency::Latencies;
use crate::ledger::{Account, Holdings, Ledger};
use crate::message::Message;
use crate::meters::Meters;
use crate::names::SessionKey;
use crate::routes::{Followed, Routes};
use crate::settings::Settings;

/// The numbers that a store goes on with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) sequence: Sequence,
    pub(crate) session: SessionKey,
    pub(crate) group: u32,
}

/// The shared state of a broker. Each part has its own lock; none is held while another is
/// taken, except that retained messages are read while they are offered (see `replay`), and that
/// members join and leave a group under the lock of the routes.
pub(crate) struct Broker {
    pub(crate) clients: Clients,
    pub(crate) routes: Routes,
    pub(crate) retained: RetainedStore,
    /// When a retained message expires next, in milliseconds, or `u64::MAX`: what each turn of each
    /// worker reads.
    retained_expiry: AtomicU64,
    pub(crate) due: DueSessions,
    pub(crate) departed: Departed,
    pub(crate) tally: Tally,
    pub(crate) client_counts: ClientCounts,
    pub(crate) latencies: Latencies,
    pub(crate) ledger: Ledger,
    /// CONNECTs that somebody is asked about.
    pub(crate) pending_connects: Gauge,
    /// How fast who publishes may.
    pub(crate) meters: Meters,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// Of whom the log has told that it was denied something.
    pub(crate) denials: Denials,
    /// What is to outlive the process is written here, if there is a store.
    pub(crate) journal: Option<Arc<Journal>>,
}

impl Broker {
    /// `seed` is a secret where clients choose their identifiers: it names publishers.
    /// `stored` says what the store holds, if there is one.
    pub(crate) fn new(
        settings: &Settings,
        authorizer: Arc<dyn Authorizer>,
        seed: u64,
        stored: Option<Numbers>,
    ) -> Self {
        let ledger = Ledger::new(settings.workers.get());
        let journal = stored.as_ref().map(|numbers| Arc::new(Journal::new(numbers.sequence)));
        let first = stored.map_or(SessionKey(NonZeroU64::MIN), |numbers| numbers.session);
        let first_group = stored.map_or(0, |numbers| numbers.group);
        Self {
            clients: Clients::new(seed, ledger.clone(), journal.clone(), first),
            routes: Routes::new(settings.shared, ledger.clone(), journal.clone(), first_group),
            retained: RetainedStore::with_limits(retained_limits(settings)),
            retained_expiry: AtomicU64::new(u64::MAX),
            due: DueSessions::new(),
            departed: Departed::new(),
            tally: Tally::new(settings.workers.get()),
            client_counts: ClientCounts::default(),
            latencies: Latencies::new(settings.workers.get()),
            ledger,
            pending_connects: Gauge::default(),
            meters: Meters::default(),
            authorizer,
            denials: Denials::new(),
            journal,
        }
    }

    /// Returns how many bytes are held for clients. It locks the retained messages for a moment.
    pub(crate) fn holdings(&self) -> Holdings {
        Holdings {
            sessions: self.ledger.sum(Account::Sessions),
            shared: self.ledger.sum(Account::Shared),
            retained: u64::try_from(self.retained.bytes()).unwrap_or(u64::MAX),
            unsent: self.ledger.sum(Account::Unsent),
            unread: self.ledger.sum(Account::Unread),
        }
    }

    /// Looks at every session and shared subscription, and remembers the `most` that are furthest behind.
    pub(crate) fn census(&self, now: Timestamp, most: usize) -> Census {
        let mut census = Census { taken_at: now, ..Census::default() };
        self.clients.for_each(|session| census.count(SessionView::of(session), most));
        self.routes.share_views().iter().for_each(|share| census.count_share(share));
        census
    }

    /// Keeps a message for later subscribers, or forgets the topic's if the payload is empty
    /// [MQTT-3.3.1-6]. Returns what had to go for it.
    pub(crate) fn retain(
        &self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
    ) -> Result<Vec<Message>, RetainedLimitError> {
        let value = (!message.payload().is_empty()).then(|| message.clone());
        let displaced = self.retained.replace(now, topic, value)?;
        if let Some(moment) = message.expires_at() {
            self.retained_expiry.fetch_min(moment.as_millis(), Ordering::AcqRel);
        }
        Ok(displaced.dropped)
    }

    /// Returns when a retained message expires next; it may have been replaced meanwhile.
    pub(crate) fn retained_expiry(&self) -> Option<Timestamp> {
        let next = self.retained_expiry.load(Ordering::Acquire);
        (next < u64::MAX).then(|| Timestamp::from_millis(next))
    }

    /// Removes retained messages that have expired, a bounded number at a time, and returns them.
    pub(crate) fn remove_expired(&self, now: Timestamp) -> Vec<Message> {
        if self.retained_expiry().is_none_or(|moment| moment > now) {
            return Vec::new();
        }
        // Whoever stores one from here on says so after this.
        self.retained_expiry.store(u64::MAX, Ordering::Release);
        let expired = self.retained.remove_expired(now, EXPIRED_AT_ONCE);
        if let Some(moment) = self.retained.next_expiry() {
            self.retained_expiry.fetch_min(moment.as_millis(), Ordering::AcqRel);
        }
        expired
    }

    /// Clears away what an ended session left in the shared state. Returns what waited in shared
    /// subscriptions for it, or for any member where it was the last.
    pub(crate) fn clear(&self, ended: &Ended) -> Followed {
        let filters: Vec<TopicFilter> = ended.remains.filters().cloned().collect();
        let followed = self.routes.follow(&ended.session, &filters);
        self.clients.remove(&ended.session);
        if let Some(id) = ended.timer {
            self.due.cancel(id);
        }
        followed
    }
}

/// Returns the limits that hold for the retained messages: they do not go by themselves, so half of all
/// bytes is for the others.
fn retained_limits(settings: &Settings) -> RetainedLimits {
    let half = usize::try_from(settings.limits.bytes / 2).unwrap_or(usize::MAX);
    let wanted = settings.retained.bytes;
    if wanted > half {
        tracing::warn!(
            help = "lower retained.bytes, or raise limits.bytes",
            "retained.bytes is {wanted}, more than half of limits.bytes, {}: {half} holds instead",
            settings.limits.bytes
        );
    }
    RetainedLimits { bytes: wanted.min(half), ..settings.retained }
}

/// How many expired messages are removed while the store is locked.
const EXPIRED_AT_ONCE: usize = 256;
