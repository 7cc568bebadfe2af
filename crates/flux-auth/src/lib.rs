//! Who may connect to an MQTT broker, and what they may do there.
//!
//! A broker asks two questions, and this crate is their vocabulary:
//!
//! - *Who are you?* An [`Authenticator`] is shown the [`Credentials`] of a CONNECT packet and
//!   answers with an [`Identity`] or a [`Refusal`]. It is asked once per connection and may take
//!   its time: reading from the client is paused meanwhile.
//! - *May you do this?* An [`Authorizer`] is shown a [`Client`] and an [`Access`]. It is asked on
//!   the path of every message, so it answers at once; when it cannot, it says [`Decision::Ask`]
//!   and is asked again where waiting is allowed.
//!
//! The crate deliberately knows no packets, sockets or clocks. Which code a refusal becomes
//! in which protocol version, how long an answer may take and what is logged are the broker's
//! decisions. Of the exchange of AUTH packets (MQTT 5.0 section 4.12) there is
//! what a mechanism does with their contents, an [`Exchange`]: [`ScramExchange`] is what one does for SCRAM-SHA-256.
//!
//! # Example
//!
//! ```
//! use flux_auth::{Access, Authentication, Authenticator, Authorizer, Client};
//! use flux_auth::{Credentials, Decision, Identity, Refusal};
//!
//! /// Admits the devices it can find in the register.
//! struct Fleet;
//!
//! impl Authenticator for Fleet {
//!     async fn authenticate(&self, credentials: &Credentials) -> Authentication {
//!         let (Some(name), Some(password)) = (&credentials.username, &credentials.password) else {
//!             return Authentication::Refused(Refusal::NotAuthorized);
//!         };
//!         if register_knows(name, password).await {
//!             Authentication::Accepted(Identity::user(name.clone()))
//!         } else {
//!             Authentication::Refused(Refusal::BadUserNameOrPassword)
//!         }
//!     }
//! }
//!
//! /// Lets a device publish below its own name, and nothing else.
//! struct OwnTopics;
//!
//! impl Authorizer for OwnTopics {
//!     fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
//!         match access {
//!             Access::Connect => Decision::Allow,
//!             Access::Publish { topic, .. } | Access::Will { topic, .. } => {
//!                 let user = client.identity.owner().map(|user| &**user);
//!                 let own = topic.split('/').next() == user;
//!                 if own { Decision::Allow } else { Decision::Deny }
//!             }
//!             Access::Subscribe { .. } | Access::Resume { .. } => Decision::Deny,
//!         }
//!     }
//! }
//!
//! # async fn register_knows(name: &str, _password: &[u8]) -> bool { name == "truck-7" }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut credentials = Credentials::new("cab");
//! credentials.username = Some("truck-7".into());
//! credentials.password = Some("a secret".into());
//!
//! let Authentication::Accepted(identity) = Fleet.authenticate(&credentials).await else {
//!     panic!("the register knows this device");
//! };
//! let client = Client::new(credentials.client_id, identity);
//!
//! let own = Access::Publish { topic: "truck-7/speed", qos: 0, retain: false };
//! let other = Access::Publish { topic: "truck-8/speed", qos: 0, retain: false };
//! assert_eq!(OwnTopics.decide(&client, own), Decision::Allow);
//! assert_eq!(OwnTopics.decide(&client, other), Decision::Deny);
//! # }
//! ```

mod access;
mod allow_all;
mod attributes;
mod authentication;
mod authenticator;
mod authorizer;
mod bans;
mod bouncer;
mod chain;
mod client_ids;
mod credentials;
mod exchange;
mod future;
mod guesses;
mod line;
mod passwords;
mod rules;
mod scram;
mod simple;
mod stamp;
mod tokens;

pub use access::{Access, AccessRequest};
pub use allow_all::AllowAll;
pub use attributes::{Attributes, CERTIFICATE_FIELDS};
pub use authentication::{Authentication, Identity, Refusal};
pub use authenticator::{Authenticator, DynAuthenticator};
pub use authorizer::{Authorizer, Client, Decision, Verdict};
pub use bans::{Ban, BanSettings, Bans, party_of};
pub use bouncer::{Bouncer, Clock, Tell};
pub use chain::{Anonymous, Chain, ClientCertificate, Link, LinkFuture, Opinion};
pub use client_ids::{ClientIdRule, ClientIdRules};
pub use credentials::Credentials;
pub use exchange::{Exchange, Step};
pub use future::BoxFuture;
pub use line::Line;
pub use passwords::{
    HashPasswordError, HashPool, ParseHashError, ParseUsersError, PasswordAuthenticator,
    PasswordHash, StartPoolError, UserNameError, Users, UsersFileError, UsersLock,
};
pub use rules::{
    Binding, Denied, Explanation, NamePattern, OnOverlap, Otherwise, ParsePatternError, Reason,
    Rights, Role, RoleAuthorizer, RuleError, RuleErrors, Rules, Ruleset,
};
pub use scram::{ParseScramKeysError, ScramError, ScramExchange, ScramKeys, ScramKeysError};
pub use simple::SimpleAuthenticator;
pub use stamp::Stamp;
pub use tokens::{
    ClaimError, ParseKeyError, TokenAuthenticator, TokenError, TokenKeys, TokenSettings, WallClock,
};
