//! A shared subscription as several workers see it: the pure group behind one lock.
//!
//! Invariant: nobody holds this lock and a session's, nor takes that of the routes while holding it.
//! The group says whom to ask, the worker asks (`worker/share.rs`), and tells the group.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flux_session::{Group, GroupLimits, ShareId, Strategy, SubscriptionOptions};
use flux_topic::TopicFilter;

use crate::ledger::{Account, Ledger};
use crate::message::Message;
use crate::names::SessionKey;
use crate::session::SharedSession;
use crate::settings::SharedStrategy;
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
pub(crate) type Members = Group<SessionKey, Member, Message>;

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
    ) -> Self {
        let choice = match strategy {
            SharedStrategy::RoundRobin => Strategy::RoundRobin,
            SharedStrategy::Random => Strategy::Random,
            SharedStrategy::Sticky => Strategy::Sticky,
            SharedStrategy::HashClient | SharedStrategy::HashTopic => Strategy::Affine,
        };
        let members = Mutex::new(Group::new(choice, limits));
        let counted_bytes = AtomicUsize::new(0);
        Self { id, filter: filter.clone(), strategy, members, counted_bytes, ledger }
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
