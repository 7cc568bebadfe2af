//! What clients may do: what a config says of it, and [`Rights`], which may change while they are connected.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use flux_auth::{
    Access, AllowAll, Authorizer, Client, Decision, Otherwise, RoleAuthorizer, Rules, Ruleset,
    Stamp,
};
use flux_config::{AclDefault, Config};
use flux_topic::TopicName;

use crate::acl;

/// Everything, or what roles say; both answer at once.
#[derive(Debug)]
pub(crate) struct Rights {
    /// Those that held last, if any did.
    roles: OnceLock<RoleAuthorizer>,
    /// Whether it holds.
    has_roles: AtomicBool,
}

/// Reads the roles of a config, or makes a set of none by which nothing is allowed. There are none where everything is.
pub(super) fn read(config: &Config) -> Result<Option<Ruleset>> {
    let otherwise = match config.acl_default() {
        AclDefault::Allow => Otherwise::Allow,
        AclDefault::Deny => Otherwise::Deny,
    };
    match (&config.acl.file, otherwise) {
        (Some(file), _) => acl::load(file, otherwise)
            .context("`acl.file` cannot be used (`flux-broker acl check FILE` looks at it)")
            .map(Some),
        (None, Otherwise::Deny) => Ok(Some(Ruleset::compile(&Rules::default(), otherwise)?)),
        (None, Otherwise::Allow) => Ok(None),
    }
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
