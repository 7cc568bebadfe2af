//! [`Rights`]: what clients may do, which may change while they are connected.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_auth::{Access, AllowAll, Authorizer, Client, Decision, RoleAuthorizer, Ruleset, Stamp};
use flux_topic::TopicName;

/// Everything, or what roles say; both answer at once.
#[derive(Debug)]
pub(crate) struct Rights {
    /// Those of the last file of roles, if there was one.
    roles: OnceLock<RoleAuthorizer>,
    /// Whether it holds.
    has_roles: AtomicBool,
}

impl Rights {
    pub(super) fn new(roles: Option<Ruleset>) -> Self {
        let rights = Self { roles: OnceLock::new(), has_roles: AtomicBool::new(false) };
        rights.replace(roles);
        rights
    }

    /// Has these roles hold from now on, or none.
    pub(super) fn replace(&self, roles: Option<Ruleset>) {
        let has_roles = roles.is_some();
        if let Some(ruleset) = roles {
            // Rights under rules from before are never current again, also when nothing asked for them meanwhile.
            match self.roles.get() {
                Some(roles) => roles.replace(ruleset),
                None => drop(self.roles.set(RoleAuthorizer::new(ruleset))),
            }
        }
        self.has_roles.store(has_roles, Ordering::Release);
    }

    /// Returns whether roles hold.
    pub(super) fn has_roles(&self) -> bool {
        self.has_roles.load(Ordering::Acquire)
    }

    fn roles(&self) -> Option<&RoleAuthorizer> {
        if self.has_roles() { self.roles.get() } else { None }
    }
}

impl Authorizer for Rights {
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
        match self.roles() {
            Some(roles) => roles.decide(client, access),
            None => AllowAll.decide(client, access),
        }
    }

    fn filters_deliveries(&self) -> bool {
        self.roles().is_some_and(Authorizer::filters_deliveries)
    }

    fn may_receive(&self, client: &Client, topic: TopicName<'_>) -> bool {
        self.roles().is_none_or(|roles| roles.may_receive(client, topic))
    }

    fn stamp(&self, client: &Client) -> Option<Stamp> {
        self.roles()?.stamp(client)
    }
}
