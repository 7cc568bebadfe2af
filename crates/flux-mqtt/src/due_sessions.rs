//! Detached sessions by the moment at which something happens to them: the will is sent, or
//! the session ends.
//!
//! They belong to no worker, so all workers share the list, and whichever is awake first takes
//! what is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_session::Timestamp;
use parking_lot::Mutex;

use crate::names::DueId;
use crate::session::SharedSession;

/// Invariant: a session is in the list at most once, at the moment in its
/// `SessionState::timer`, give or take a thread that is between the two.
#[derive(Debug)]
pub(crate) struct DueSessions {
    /// The first moment in milliseconds, or `u64::MAX`: what each turn of each worker reads.
    next: AtomicU64,
    list: Mutex<BTreeMap<DueId, Arc<SharedSession>>>,
}

impl DueSessions {
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(u64::MAX), list: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        let next = self.next.load(Ordering::Acquire);
        (next < u64::MAX).then(|| Timestamp::from_millis(next))
    }

    /// Enters a session, whose lock the caller does not hold.
    pub(crate) fn set(&self, id: DueId, session: &Arc<SharedSession>) {
        let mut list = self.list.lock();
        list.insert(id, session.clone());
        self.publish_next(&list);
    }

    pub(crate) fn cancel(&self, id: DueId) {
        let mut list = self.list.lock();
        list.remove(&id);
        self.publish_next(&list);
    }

    pub(crate) fn pop_due(&self, now: Timestamp) -> Option<Arc<SharedSession>> {
        if self.next().is_none_or(|moment| moment > now) {
            return None;
        }
        let mut list = self.list.lock();
        let entry = list.first_entry()?;
        let session = (entry.key().moment <= now).then(|| entry.remove());
        self.publish_next(&list);
        session
    }

    pub(crate) fn len(&self) -> usize {
        self.list.lock().len()
    }

    fn publish_next(&self, list: &BTreeMap<DueId, Arc<SharedSession>>) {
        let next = list.first_key_value().map_or(u64::MAX, |(id, _)| id.moment.as_millis());
        self.next.store(next, Ordering::Release);
    }
}
