//! [`Rights`]: what rules say about one client.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use flux_topic::TopicName;
use parking_lot::Mutex;

use super::judgement::Judgement;
use super::ruleset::Ruleset;
use super::template::Placeholder;
use super::tree::Asker;
use crate::stamp::Stamp;
use crate::{Access, Client, Verdict};

/// The roles of one client under one [`Ruleset`], and its values of the placeholders.
///
/// Working them out takes longer than a decision, so they are kept with the [`Client`].
pub struct Rights {
    pub(super) ruleset: Arc<Ruleset>,
    /// In ascending order, each once.
    roles: Box<[usize]>,
    values: Box<[Option<Box<str>>]>,
    stamp: Stamp,
}

impl Rights {
    /// Returns the rights of a client.
    #[must_use]
    pub fn of(client: &Client, ruleset: Arc<Ruleset>) -> Self {
        let mut roles = BTreeSet::new();
        ruleset.bindings.roles_of(client, |role| {
            roles.insert(role);
        });
        let vouched_for = client.identity.roles.iter();
        roles.extend(vouched_for.filter_map(|name| ruleset.roles.binary_search(name).ok()));
        let fill = |it: &Placeholder| it.fill(client).map(Box::from);
        let values = ruleset.placeholders.iter().map(fill).collect();
        let roles = roles.into_iter().collect();
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
        self.ruleset.denied_filters.matching(topic, self.asker(), &mut |_| is_denied = true);
        !is_denied
    }

    /// Returns the names of the client's roles, in alphabetical order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().filter_map(|role| self.ruleset.roles.get(*role)).map(|name| &**name)
    }

    /// Returns what stands for these rights: nobody else has the same, nor this client under other rules.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(super) fn first_role(&self) -> Option<usize> {
        self.roles.first().copied()
    }

    pub(super) fn asker(&self) -> Asker<'_> {
        Asker { roles: &self.roles, values: &self.values }
    }

    /// Returns the placeholders that the client does not fill.
    pub(super) fn unfilled(&self) -> impl Iterator<Item = &Placeholder> {
        let placeholders = self.ruleset.placeholders.iter().zip(&self.values);
        placeholders.filter(|(_, value)| value.is_none()).map(|(placeholder, _)| placeholder)
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
