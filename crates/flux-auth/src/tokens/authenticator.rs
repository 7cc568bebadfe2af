//! [`TokenAuthenticator`]: a token in place of the password.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;

use super::claims;
use super::keys::{TokenError, TokenKeys};
use crate::{Credentials, HashPool, Link, LinkFuture, Opinion, Refusal};

/// Accepts clients whose password is a token that is signed and holds, refuses those whose is not, and passes on
/// those whose password is no token. As long as there is no key, nobody can be told from a forger:
/// [`Refusal::ServerUnavailable`].
///
/// Who the client is stands in the token; the user name of the CONNECT packet is not looked at. The identity ends
/// when the token does ([`Identity::expires_at`](crate::Identity::expires_at)).
pub struct TokenAuthenticator {
    keys: RwLock<Arc<TokenKeys>>,
    settings: TokenSettings,
    clock: WallClock,
    pool: Arc<HashPool>,
    /// Told when a token names a key that is not known.
    on_unknown_key: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Tells the time of day.
pub type WallClock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// What a token has to say, and what is taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Who must have made it (`iss`); `None` if anyone with a key may have.
    pub issuer: Option<String>,
    /// Names of which it has to be for one (`aud`). With none, only tokens that are for nobody in particular are
    /// accepted.
    pub audience: Vec<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// The claim with the user name.
    pub username_claim: String,
    /// The claim with roles, a text or a list of them, if there is one.
    pub roles_claim: Option<String>,
    /// Further claims that rules may ask about: texts or lists of them. They become attributes, `claim.site`.
    pub claims: Vec<String>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::from_secs(60),
            username_claim: "sub".into(),
            roles_claim: None,
            claims: Vec::new(),
        }
    }
}

impl TokenAuthenticator {
    /// Returns an authenticator that believes these keys; what they have signed is looked at by `pool`.
    #[must_use]
    pub fn new(
        keys: TokenKeys,
        settings: TokenSettings,
        clock: WallClock,
        pool: Arc<HashPool>,
    ) -> Self {
        let keys = RwLock::new(Arc::new(keys));
        Self { keys, settings, clock, pool, on_unknown_key: OnceLock::new() }
    }

    /// Has this called whenever a token names a key that is not known. It is called from where clients are judged, and must
    /// not wait. Only the first that is given counts.
    pub fn on_unknown_key(&self, notice: impl Fn() + Send + Sync + 'static) {
        let _first_stays = self.on_unknown_key.set(Box::new(notice));
    }

    /// Believes these keys from now on. Who is connected stays so, until its token ends.
    pub fn replace_keys(&self, keys: TokenKeys) {
        *self.keys.write() = Arc::new(keys);
    }

    /// Returns the keys that it believes.
    #[must_use]
    pub fn keys(&self) -> Arc<TokenKeys> {
        self.keys.read().clone()
    }

    /// Returns whether there are keys, without which no token can be believed.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.read().is_empty()
    }

    async fn opinion(&self, credentials: &Credentials) -> Opinion {
        let Some(password) = credentials.password.clone() else { return Opinion::PassesOn };
        if !str::from_utf8(&password).is_ok_and(TokenKeys::is_meant) {
            return Opinion::PassesOn;
        }
        let keys = self.keys();
        if keys.is_empty() {
            return Opinion::Refuses(Refusal::ServerUnavailable);
        }
        let peer = credentials.peer.map(|peer| peer.ip());
        let verify = move || {
            let token = str::from_utf8(&password).map_err(|_| TokenError::NoToken)?;
            keys.verify(token)
        };
        let Some(claims) = self.pool.run(peer, verify).await else {
            return Opinion::Refuses(Refusal::ServerUnavailable);
        };
        let identity = claims
            .and_then(|claims| Ok(claims::identity(&claims, &self.settings, (self.clock)())?));
        if let Err(error) = &identity {
            tracing::debug!(client_id = &*credentials.client_id, %error, "a token is not believed");
        }
        match identity {
            Ok(identity) => Opinion::Accepts(identity),
            // Its bearer had a right to it once, or elsewhere: no reason for a ban.
            Err(TokenError::Claim(_)) => Opinion::Refuses(Refusal::NotAuthorized),
            // Nor is one that we are late to hear of.
            Err(TokenError::UnknownKey) => {
                if let Some(notice) = self.on_unknown_key.get() {
                    notice();
                }
                Opinion::Refuses(Refusal::NotAuthorized)
            }
            Err(
                TokenError::TooLong { .. }
                | TokenError::NoToken
                | TokenError::Critical
                | TokenError::NotSigned
                | TokenError::NoClaims,
            ) => Opinion::Refuses(Refusal::BadUserNameOrPassword),
        }
    }
}

impl Link for TokenAuthenticator {
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a> {
        Box::pin(self.opinion(credentials))
    }
}

impl fmt::Debug for TokenAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, settings, clock: _, pool: _, on_unknown_key: _ } = self;
        f.debug_struct("TokenAuthenticator")
            .field("keys", keys)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}
