//! [`Rights`]: what rules say about one client.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use flux_topic::TopicName;
use parking_lot::Mutex;

use super::judgement::Judgement;
use super::ruleset::Ruleset;
use crate::stamp::Stamp;
use crate::{Access, Client, Verdict};

/// The roles of one client under one [`Ruleset`], and its values of the placeholders.
///
/// Working them out takes longer than a decision, so they are kept with the [`Client`].
pub struct Rights {
    pub(super) ruleset: Arc<Ruleset>,
    /// One bit for each role.
    roles: Box<[u64]>,
    pub(super) values: Box<[Option<Box<str>>]>,
    stamp: Stamp,
}

impl Rights {
    /// Returns the rights of a client.
    #[must_use]
    pub fn of(client: &Client, ruleset: Arc<Ruleset>) -> Self {
        let mut roles = vec![0_u64; ruleset.roles.len().div_ceil(64)].into_boxed_slice();
        let mut add = |role: usize| {
            if let Some(word) = roles.get_mut(role / 64) {
                *word |= 1 << (role % 64);
            }
        };
        ruleset.bindings.roles_of(client, &mut add);
        for name in &client.identity.roles {
            if let Ok(role) = ruleset.roles.binary_search_by(|other| (**other).cmp(name)) {
                add(role);
            }
        }
        let fill = |it: &super::template::Placeholder| it.fill(client).map(Box::from);
        let values = ruleset.placeholders.iter().map(fill).collect();
        Self { ruleset, roles, values, stamp: Stamp::next() }
    }

    /// Returns whether the client may do this.
    pub fn decide(&self, access: Access<'_>) -> Verdict {
        Judgement::of(self, access).verdict()
    }

    /// Returns whether a message published to `topic` may be delivered to the client: nothing that it has is
    /// denied to subscribe to. See [`OnOverlap::Filter`](crate::OnOverlap::Filter).
    #[must_use]
    pub fn may_receive(&self, topic: TopicName<'_>) -> bool {
        let mut is_denied = false;
        self.ruleset.denied_filters.matching(topic, &self.values, &mut |entry| {
            is_denied |= self.has_role(entry.role);
        });
        !is_denied
    }

    /// Returns the names of the client's roles, in alphabetical order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let roles = self.ruleset.roles.iter().enumerate();
        roles.filter(|(role, _)| self.has_role(*role)).map(|(_, name)| &**name)
    }

    /// Returns what stands for these rights: nobody else has the same, nor this client under other rules.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(super) fn has_role(&self, role: usize) -> bool {
        self.roles.get(role / 64).is_some_and(|word| word >> (role % 64) & 1 == 1)
    }

    pub(super) fn first_role(&self) -> Option<usize> {
        (0..self.ruleset.roles.len()).find(|role| self.has_role(*role))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<_> = self.roles().collect();
        f.debug_struct("Rights").field("roles", &roles).finish_non_exhaustive()
    }
}

/// Where a client keeps its rights. It is no part of who the client is: a clone begins with none, and two are
/// always equal.
#[derive(Default)]
pub(crate) struct KeptRights(Mutex<Option<Arc<Rights>>>);

impl KeptRights {
    /// Calls `use_rights` with the rights under `ruleset()`, which are worked out if `is_current` says that
    /// those kept are not.
    ///
    /// The client belongs to one worker: nobody waits for the lock.
    pub(super) fn with<T>(
        &self,
        is_current: impl FnOnce(&Rights) -> bool,
        work_out: impl FnOnce() -> Rights,
        use_rights: impl FnOnce(&Arc<Rights>) -> T,
    ) -> T {
        let mut kept = self.0.lock();
        match &*kept {
            Some(rights) if is_current(rights) => use_rights(rights),
            _ => use_rights(kept.insert(Arc::new(work_out()))),
        }
    }
}

impl Clone for KeptRights {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for KeptRights {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KeptRights {}

impl Hash for KeptRights {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for KeptRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRights").finish_non_exhaustive()
    }
}
