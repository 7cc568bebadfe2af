//! [`RoleAuthorizer`]: decides by rules, which may change while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use flux_topic::TopicName;
use parking_lot::RwLock;

use super::explanation::Explanation;
use super::rights::Rights;
use super::ruleset::Ruleset;
use crate::stamp::Stamp;
use crate::{Access, Authorizer, Client, Decision};

/// An [`Authorizer`] that decides by a [`Ruleset`].
///
/// It answers everything at once. What it works out about a client is kept with the [`Client`] until the
/// rules change, so a decision looks only for the rules that concern the topic.
///
/// ```
/// use flux_auth::{Access, Authorizer, Client, Decision, Identity, Otherwise, RoleAuthorizer, Ruleset};
///
/// let rules = toml::from_str(r#"
///     roles.device.publish = ["dev/{username}/#"]
///     bind = [{ user = "meter-*", roles = ["device"] }]
/// "#)?;
/// let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, Otherwise::Deny)?);
/// let client = Client::new("a", Identity::user("meter-7"));
/// let own = Access::Publish { topic: "dev/meter-7/state", qos: 0, retain: false };
/// assert_eq!(authorizer.decide(&client, own), Decision::Allow);
/// let other = Access::Publish { topic: "dev/meter-8/state", qos: 0, retain: false };
/// assert_eq!(authorizer.decide(&client, other), Decision::Deny);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RoleAuthorizer {
    ruleset: RwLock<Arc<Ruleset>>,
    /// Where the current ruleset is, to be compared only: whoever has rights under it keeps it alive, so no
    /// other can be there. It spares every decision the lock that all workers share.
    current: AtomicPtr<Ruleset>,
    /// Whether the current rules hold deliveries back.
    filters: AtomicBool,
}

impl RoleAuthorizer {
    /// Returns an authorizer that decides by these rules.
    #[must_use]
    pub fn new(ruleset: Ruleset) -> Self {
        let filters = AtomicBool::new(ruleset.filters_deliveries());
        let ruleset = Arc::new(ruleset);
        let current = AtomicPtr::new(Arc::as_ptr(&ruleset).cast_mut());
        Self { ruleset: RwLock::new(ruleset), current, filters }
    }

    /// Decides by other rules from now on. Rights of clients are worked out again when they are asked for.
    ///
    /// The broker has to ask again about what it has granted: subscriptions above all.
    pub fn replace(&self, ruleset: Ruleset) {
        let ruleset = Arc::new(ruleset);
        let mut kept = self.ruleset.write();
        let (filters, current) = (ruleset.filters_deliveries(), Arc::as_ptr(&ruleset));
        // Who finds that nothing is to be held back finds that the rules are others, if it looks at the stamp then.
        self.filters.fetch_or(filters, Ordering::AcqRel);
        self.current.store(current.cast_mut(), Ordering::Release);
        self.filters.store(filters, Ordering::Release);
        *kept = ruleset;
    }

    /// Returns the rights of a client under the current rules.
    #[must_use]
    pub fn rights(&self, client: &Client) -> Arc<Rights> {
        self.with_rights(client, Arc::clone)
    }

    /// Returns what is decided about an access, by which rule and why.
    #[must_use]
    pub fn explain(&self, client: &Client, access: Access<'_>) -> Explanation {
        Explanation::of(&self.rights(client), client, access)
    }

    fn with_rights<T>(&self, client: &Client, use_rights: impl FnOnce(&Arc<Rights>) -> T) -> T {
        let current = self.current.load(Ordering::Acquire);
        let is_current = |rights: &Rights| std::ptr::eq(Arc::as_ptr(&rights.ruleset), current);
        let work_out = || Rights::of(client, self.ruleset.read().clone());
        client.rights.with(is_current, work_out, use_rights)
    }
}

impl Authorizer for RoleAuthorizer {
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
        self.with_rights(client, |rights| rights.decide(access).into())
    }

    fn filters_deliveries(&self) -> bool {
        self.filters.load(Ordering::Acquire)
    }

    fn may_receive(&self, client: &Client, topic: TopicName<'_>) -> bool {
        self.with_rights(client, |rights| rights.may_receive(topic))
    }

    fn stamp(&self, client: &Client) -> Option<Stamp> {
        Some(self.with_rights(client, |rights| rights.stamp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, OnOverlap, Otherwise, Role, Rules};

    fn rules(on_overlap: OnOverlap) -> Ruleset {
        let mut role = Role { subscribe: vec!["#".to_owned()], ..Role::default() };
        role.deny.subscribe = vec!["a/b".to_owned()];
        let bind = toml::from_str("bind = [{ everyone = true, roles = ['r'] }]");
        let Rules { bind, .. } = bind.unwrap();
        let roles = std::iter::once(("r".to_owned(), role)).collect();
        Ruleset::compile(&Rules { default: None, on_overlap, roles, bind }, Otherwise::Deny)
            .unwrap()
    }

    /// Whoever asks in this order holds something back under the one rules or under the others.
    #[test]
    fn who_finds_that_nothing_is_held_back_any_more_finds_another_stamp() {
        const CHANGES: usize = 5_000;
        let authorizer = RoleAuthorizer::new(rules(OnOverlap::Filter));
        let client = Client::new("c", Identity::anonymous());
        let asked = Access::Resume { filter: "a/#", qos: 0 };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..CHANGES {
                    authorizer.replace(rules(OnOverlap::Refuse));
                    authorizer.replace(rules(OnOverlap::Filter));
                }
            });
            for _ in 0..CHANGES {
                let stamp = authorizer.stamp(&client);
                // Only where messages are held back.
                let is_granted = authorizer.decide(&client, asked) == Decision::Allow;
                let was_current = authorizer.stamp(&client) == stamp;
                let filters = authorizer.filters_deliveries();
                let is_current = authorizer.stamp(&client) == stamp;
                assert!(filters || !(is_granted && was_current && is_current));
            }
        });
    }
}
