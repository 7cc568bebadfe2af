//! Who may connect, and what they may do.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{OneOrMore, Period};

/// Who may connect. Where there are several ways to prove it, the first that has an opinion decides: certificate, token,
/// password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// The users and the hashes of their passwords, as `flux-broker passwd` and mosquitto write them. Without it
    /// nobody is asked for a password. The file is read again on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/etc/flux/users"))]
    pub password_file: Option<PathBuf>,
    /// Whether those who give neither name nor password get in all the same, as nobody, where others have to prove who they
    /// are.
    pub allow_anonymous: bool,
    /// Signed tokens (JWT, RFC 7519) in place of passwords: HS256, RS256, ES256 and EdDSA. They are looked at where it is said
    /// where keys are, in one place. The connection of a client ends when its token does.
    pub jwt: Jwt,
}

impl Auth {
    /// Returns whether somebody is asked to prove who it is, by another thing than a certificate.
    #[must_use]
    pub fn asks_for_proof(&self) -> bool {
        self.password_file.is_some() || self.jwt.is_used()
    }
}

/// Signed tokens in place of passwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// Public keys in PEM: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA. Read again on SIGHUP. Without it, or one of the
    /// two below, no token is believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/etc/flux/tokens.pem"))]
    pub key_file: Option<PathBuf>,
    /// The secret of HS256, 32 bytes or more; a line end behind it does not count. Read again on SIGHUP. Without it no token is
    /// signed with a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub secret_file: Option<PathBuf>,
    /// Keys as a set (JWKS, RFC 7517). Read again on SIGHUP. Without it there is no such set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub jwks_file: Option<PathBuf>,
    /// Who must have made a token (`iss`). Without it: whoever has the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "https://id.example.org"))]
    pub issuer: Option<String>,
    /// For whom a token has to be (`aud`): for one of these. Without it only tokens that are for nobody in particular are
    /// believed.
    #[schemars(extend("x-example" = "mqtt"))]
    pub audience: OneOrMore<String>,
    /// How far the clock of whoever makes tokens may be from ours.
    pub clock_skew: Period,
    /// The claim with the user name. What CONNECT says is not looked at.
    pub username_claim: String,
    /// The claim with roles, a text or a list of them. Without it roles are bound by the rules alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "roles"))]
    pub roles_claim: Option<String>,
    /// Further claims that rules may ask about, as `claim.NAME`: texts, or lists of them.
    #[schemars(extend("x-example" = "site"))]
    pub claims: OneOrMore<String>,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            key_file: None,
            secret_file: None,
            jwks_file: None,
            issuer: None,
            audience: OneOrMore::default(),
            clock_skew: Period(Duration::from_secs(60)),
            username_claim: "sub".to_owned(),
            roles_claim: None,
            claims: OneOrMore::default(),
        }
    }
}

impl Jwt {
    /// Returns whether there are keys.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.sources().next().is_some()
    }

    /// Returns the names of the settings that say where keys are.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &'static str> {
        [
            ("key_file", self.key_file.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("jwks_file", self.jwks_file.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
    }
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
