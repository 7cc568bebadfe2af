//! Who may connect, and what they may do.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The users and the hashes of their passwords, as `flux-broker passwd` and mosquitto write them. Without it
    /// nobody is asked for a password. The file is read again on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/etc/flux/users"))]
    pub password_file: Option<PathBuf>,
    /// Whether those who give neither name nor password get in all the same, as nobody, where there is a `password_file`.
    pub allow_anonymous: bool,
}

/// What clients may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acl {
    /// Roles and rules, as `flux-broker acl check` reads them. What no rule allows is denied. Without it clients may do
    /// everything. The file is read again on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/etc/flux/roles.toml"))]
    pub file: Option<PathBuf>,
}
