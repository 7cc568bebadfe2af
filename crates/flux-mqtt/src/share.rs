//! A shared subscription as several workers see it: the pure group behind one lock.
//!
//! Invariant: nobody holds this lock and a session's, nor takes that of the routes while holding it.
//! The group says whom to ask, the worker asks (`worker/share.rs`), and tells the group.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use flux_session::{
    Group, GroupLimits, QoS, Sequence, ShareId, Strategy, SubscriptionOptions, Timestamp,
};
use flux_storage::Record;
use flux_topic::TopicFilter;

use crate::journal::Journal;
use crate::ledger::{Account, Ledger};
use crate::message::Message;
use crate::names::SessionKey;
use crate::session::SharedSession;
use crate::settings::SharedStrategy;
use crate::storage::{group, sequence};
use crate::sync::{Mutex, MutexGuard};

/// A shared subscription: one for each `$share/{name}/{filter}` (section 4.8.2).
pub(crate) struct Share {
    pub(crate) id: ShareId,
    /// The whole filter, with its share name.
    pub(crate) filter: TopicFilter,
    strategy: SharedStrategy,
    members: Mutex<Members>,
    /// What the ledger knows of the bytes that wait here; changed under the lock only.
    counted_bytes: AtomicUsize,
    ledger: Ledger,
    /// Where its messages are written down, if there is a store.
    journal: Option<Arc<Journal>>,
    /// The first number that a message may have which the store has as one of this group; zero while it has none,
    /// for no member may outlive its connection.
    stored_from: AtomicU64,
}

/// A locked shared subscription. What has changed of the bytes that wait is written down at the end.
pub(crate) struct Locked<'a> {
    members: MutexGuard<'a, Members>,
    share: &'a Share,
}

impl Deref for Locked<'_> {
    type Target = Members;

    fn deref(&self) -> &Members {
        &self.members
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Members {
        &mut self.members
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.share.write_down(self.members.queued_bytes());
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.write_down(0);
    }
}

/// The sessions that share a subscription.
pub(crate) type Members = Group<SessionKey, Member, Waiting>;

/// A message for one of them.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Message,
    /// Its number for the group, if there is a store that has something of it.
    pub(crate) sequence: Option<Sequence>,
}

impl flux_session::Message for Waiting {
    fn size(&self) -> usize {
        self.message.size()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.message.expires_at()
    }
}

/// One of the sessions that share a subscription, and how it wants to receive.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) session: Arc<SharedSession>,
    pub(crate) options: SubscriptionOptions,
}

impl Share {
    pub(crate) fn new(
        id: ShareId,
        filter: &TopicFilter,
        strategy: SharedStrategy,
        limits: GroupLimits,
        ledger: Ledger,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        let choice = match strategy {
            SharedStrategy::RoundRobin => Strategy::RoundRobin,
            SharedStrategy::Random => Strategy::Random,
            SharedStrategy::Sticky => Strategy::Sticky,
            SharedStrategy::HashClient | SharedStrategy::HashTopic => Strategy::Affine,
        };
        let members = Mutex::new(Group::new(choice, limits));
        let counted_bytes = AtomicUsize::new(0);
        let (filter, stored_from) = (filter.clone(), AtomicU64::new(0));
        Self { id, filter, strategy, members, counted_bytes, ledger, journal, stored_from }
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { members: self.members.lock(), share: self }
    }

    fn write_down(&self, held: usize) {
        let mut counted = self.counted_bytes.load(Ordering::Relaxed);
        if counted != held {
            self.ledger.change(Account::Shared, &mut counted, held);
            self.counted_bytes.store(held, Ordering::Relaxed);
        }
    }

    /// Whether what is for its members is written down.
    pub(crate) fn is_stored(&self) -> bool {
        self.stored_from.load(Ordering::Acquire) > 0
    }

    /// Has all be written down from now on that is for its members: one of them may outlive its connection. It
    /// stays so until there are none.
    pub(crate) fn store(&self) {
        let Some(journal) = self.journal.as_ref().filter(|_| !self.is_stored()) else { return };
        journal.group(group(self.id), self.filter.as_str(), |next| {
            self.stored_from.store(next.0.get(), Ordering::Release);
        });
    }

    /// Notes that the store knows it already.
    pub(crate) fn is_from_store(&self) {
        self.stored_from.store(1, Ordering::Release);
    }

    /// Writes a message down that may go to a member, unless that was done before it was routed: it may have come
    /// before all members that outlive their connections.
    pub(crate) fn write_asked(&self, waiting: &mut Waiting) {
        let from = self.stored_from.load(Ordering::Acquire);
        let is_stored = waiting.sequence.is_some_and(|number| number.0.get() >= from);
        let Some(journal) = &self.journal else { return };
        if from > 0 && !is_stored && waiting.message.qos() > QoS::AtMostOnce {
            let target = crate::storage::waiting(self.id, &waiting.message, 0);
            waiting.sequence = Some(journal.message(&waiting.message, false, None, vec![target]));
        }
    }

    /// Writes down that no member gets this any more.
    pub(crate) fn write_done(&self, waiting: &Waiting) {
        if let (Some(number), Some(journal)) = (waiting.sequence, &self.journal)
            && self.is_stored()
        {
            let (session, sequence) = (group(self.id), sequence(number));
            journal.write(&Record::Done { session, sequence });
        }
    }

    /// Writes down that it is over, with all that waits.
    pub(crate) fn write_end(&self) {
        if let Some(journal) = self.journal.as_ref().filter(|_| self.is_stored()) {
            journal.write(&Record::SessionEnded { session: group(self.id) });
        }
    }

    /// Returns the number that decides who gets this message, as far as the strategy leaves it to
    /// one; `random` where that is chance.
    pub(crate) fn draw(&self, message: &Message, random: impl FnOnce() -> u64) -> u64 {
        match self.strategy {
            SharedStrategy::RoundRobin | SharedStrategy::Sticky => 0,
            SharedStrategy::Random => random(),
            SharedStrategy::HashClient => message.publisher().map_or(0, |name| name.0.get()),
            SharedStrategy::HashTopic => {
                let mut hasher = DefaultHasher::new();
                message.topic_bytes().hash(&mut hasher);
                hasher.finish()
            }
        }
    }
}

/// Members hold sessions, which may hold the share: names only.
impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("filter", &self.filter).finish_non_exhaustive()
    }
}
