//! Tables of what roles mean, and properties against a naive reading of the same rules.

mod naive;
mod properties;
mod tables;

use super::{Otherwise, RoleAuthorizer, Rules, Ruleset};

/// Reads rules as a file has them.
pub(super) fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

pub(super) fn authorizer(text: &str) -> RoleAuthorizer {
    RoleAuthorizer::new(Ruleset::compile(&rules(text), Otherwise::Deny).unwrap())
}
