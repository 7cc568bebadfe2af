//! Who may connect, and what they may do.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{AddressRange, OneOrMore, Period, Secret};

/// Who may connect. Where there are several ways to prove it, the first that has an opinion decides: certificate, token,
/// password, an address that is asked.
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
    /// An address that is asked about each client that shows something, and whom nothing above lets in or refuses. What it is
    /// asked and may answer is in the guide, security.md.
    pub http: HttpCallback,
    /// Ties users to client identifiers, so that nobody takes over the session of another. Users that no entry is for may have
    /// any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_ids: Vec<ClientIds>,
    /// Addresses that fail to prove who they are again and again are left outside for a while.
    pub bans: Bans,
}

impl Auth {
    /// Returns whether somebody is asked to prove who it is, by another thing than a certificate.
    #[must_use]
    pub fn asks_for_proof(&self) -> bool {
        self.password_file.is_some() || self.jwt.is_used() || self.http.url.is_some()
    }
}

/// The client identifiers that some users may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientIds {
    /// The users: a name, or a pattern with `*` and `?`.
    #[schemars(extend("x-example" = "meter-*", "x-required" = true))]
    pub user: String,
    /// What they may have: patterns, in which `{username}` stands for the name of the user.
    #[schemars(extend("x-example" = "{username}", "x-required" = true))]
    pub client_id: OneOrMore<String>,
}

/// When an address is banned, and for how long. Of an IPv6 address the first 64 bits count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bans {
    /// So many failures lead to a ban. With 0 nobody is banned.
    pub failures: u32,
    /// In this time so many are forgotten, one after the other: who fails more often is banned, who fails less often never is.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub within: Period,
    /// How long a ban lasts.
    pub ban_for: Period,
    /// For how many addresses there is room. With one more the one that failed longest ago is forgotten.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub addresses: u32,
    /// Addresses and ranges that are never banned, such as one behind which a whole fleet hides.
    pub exempt: OneOrMore<AddressRange>,
}

impl Default for Bans {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|range| range.parse().ok());
        Self {
            failures: 10,
            within: Period(Duration::from_secs(60)),
            ban_for: Period(Duration::from_secs(300)),
            addresses: 65_536,
            exempt: OneOrMore(loopback.collect()),
        }
    }
}

/// Signed tokens in place of passwords.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// Public keys in PEM: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA. Read again on SIGHUP. Without it, or one of the
    /// three below, no token is believed.
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
    /// The address of such a set, which is fetched at the start, each time `refresh` is over, and on SIGHUP. Without it none is
    /// fetched. Where it does not answer, the keys that are known hold on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub jwks_url: Option<String>,
    /// How often keys are fetched.
    #[schemars(extend("x-minimum" = "1s"))]
    pub refresh: Period,
    /// Certificates of the authorities that the address is held against. Without it: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub ca_file: Option<PathBuf>,
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
            jwks_url: None,
            refresh: Period(Duration::from_secs(300)),
            ca_file: None,
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
            ("jwks_url", self.jwks_url.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
    }
}

/// An address that is asked about clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpCallback {
    /// The address, `https://` or `http://`. Without it none is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "https://id.example.org/mqtt"))]
    pub url: Option<String>,
    /// What it is sent as `Authorization: Bearer`. Without it nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "a long secret", "x-secret" = true))]
    pub token: Option<Secret>,
    /// Certificates of the authorities that it is held against. Without it: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub ca_file: Option<PathBuf>,
    /// How long an answer may take, and a question wait for its turn before. Then the client is refused as if the server were not
    /// available.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub timeout: Period,
    /// How many questions are under way at a time. Further ones wait, up to 1024, and each address has its turn.
    #[schemars(range(min = 1, max = 10_000))]
    pub concurrency: u32,
    /// For how long an answer holds for the same client with the same name and password.
    pub cache_for: Period,
    /// How many answers are remembered. With one more the oldest is forgotten.
    #[schemars(range(max = 10_000_000))]
    pub cached: u32,
    /// After so many failures in a row it is not asked about a client for a `pause`; after those of so many clients (64 at most) about
    /// nobody at their address, and after so many addresses for which no answer came at all about nobody but those whose clients were
    /// let in lately. Whoever comes is refused at once. Then one question shows whether it answers again.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// How long it is not asked. Whoever failed waits twice as long, unless another is answered before.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub pause: Period,
}

impl Default for HttpCallback {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            ca_file: None,
            timeout: Period(Duration::from_secs(2)),
            concurrency: 64,
            cache_for: Period(Duration::from_secs(60)),
            cached: 10_000,
            failures: 5,
            pause: Period(Duration::from_secs(5)),
        }
    }
}

/// What clients may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acl {
    /// Roles and rules, told in the guide, roles.md. Without it there are none, and `default` decides. The file is
    /// read again on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf", extend("x-example" = "/etc/flux/roles.toml"))]
    pub file: Option<PathBuf>,
    /// What is decided where no rule says anything, unless the file has a `default` of its own. Without it: `deny` where there
    /// is a file, or where anything says who a client is (a proof in `[auth]`, `username_from`), else `allow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AclDefault", extend("x-example" = "deny"))]
    pub default: Option<AclDefault>,
}

/// What is decided where no rule says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AclDefault {
    /// What no rule denies is allowed.
    Allow,
    /// What no rule allows is denied; who has no role may not even connect.
    Deny,
}
