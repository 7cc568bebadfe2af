//! Tokens in place of passwords: where their keys are, files or an address.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use flux_auth::{HashPool, Link, TokenAuthenticator, TokenKeys, TokenSettings};
use flux_auth_http::{KeySet, keep_keys_fresh};
use flux_config::Jwt;

use super::http::{authorities, fetches_keys};
use super::now;

/// Believes tokens, by the keys of a file or of an address.
pub(super) struct Tokens {
    authenticator: Arc<TokenAuthenticator>,
    pool: Arc<HashPool>,
    /// If they are at an address.
    fetched: Option<Fetched>,
}

/// Keys that are fetched, again and again.
struct Fetched {
    keys: Arc<KeySet>,
    /// What the config says of tokens, and the authorities that are in a file.
    made_of: (Jwt, Option<Vec<u8>>),
}

/// Where keys are.
enum KeyFile {
    Pem(PathBuf),
    Secret(PathBuf),
    Set(PathBuf),
}

impl Tokens {
    /// Reads the keys, or has them fetched, if the config says where there are some. What fetched them before goes on if nothing
    /// is said otherwise.
    pub(super) fn open(jwt: &Jwt, before: Option<&Self>) -> Result<Option<Self>> {
        let settings = TokenSettings {
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.0.clone(),
            leeway: jwt.clock_skew.0,
            username_claim: jwt.username_claim.clone(),
            roles_claim: jwt.roles_claim.clone(),
            claims: jwt.claims.0.clone(),
        };
        if !jwt.is_used() {
            return Ok(None);
        }
        let pool = match before {
            Some(before) => before.pool.clone(),
            None => Arc::new(HashPool::start(NonZeroUsize::MIN, WAITING_TOKENS)?),
        };
        let authenticator = |keys| {
            let pool = pool.clone();
            Arc::new(TokenAuthenticator::new(keys, settings, Box::new(now), pool))
        };
        if let Some(file) = KeyFile::of(jwt) {
            let authenticator = authenticator(file.read()?);
            return Ok(Some(Self { authenticator, pool, fetched: None }));
        }
        let Some(url) = &jwt.jwks_url else { return Ok(None) };
        let made_of = (jwt.clone(), authorities("auth.jwt.ca_file", jwt.ca_file.as_deref())?);
        let known = before.and_then(|it| Some((it, it.fetched.as_ref()?)));
        if let Some((same, fetched)) = known.filter(|(_, fetched)| fetched.made_of == made_of) {
            fetched.keys.fetch_now();
            let (authenticator, keys) = (same.authenticator.clone(), fetched.keys.clone());
            return Ok(Some(Self {
                authenticator,
                pool,
                fetched: Some(Fetched { keys, made_of }),
            }));
        }
        let client = fetches_keys(url, made_of.1.clone())?;
        // Nobody is turned away while those of the same address are on their way.
        let same_address = known.filter(|(_, fetched)| fetched.made_of.0.jwks_url == jwt.jwks_url);
        let keys = same_address.map(|(before, _)| TokenKeys::clone(&before.authenticator.keys()));
        let authenticator = authenticator(keys.unwrap_or_default());
        let keys = Arc::new(keep_keys_fresh(client, jwt.refresh.0, &authenticator));
        Ok(Some(Self { authenticator, pool, fetched: Some(Fetched { keys, made_of }) }))
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.authenticator.clone()
    }
}

impl KeyFile {
    fn of(jwt: &Jwt) -> Option<Self> {
        let pem = jwt.key_file.clone().map(Self::Pem);
        let secret = || jwt.secret_file.clone().map(Self::Secret);
        pem.or_else(secret).or_else(|| jwt.jwks_file.clone().map(Self::Set))
    }

    fn read(&self) -> Result<TokenKeys> {
        let (Self::Pem(path) | Self::Secret(path) | Self::Set(path)) = self;
        let cannot_read = || format!("`{}, cannot use {}", self.wanted(), path.display());
        let text = fs::read(path).with_context(cannot_read)?;
        let keys = match self {
            Self::Pem(_) => TokenKeys::from_pem(&text),
            Self::Secret(_) => TokenKeys::from_secret(without_line_end(&text)),
            Self::Set(_) => TokenKeys::from_jwks(&text),
        };
        keys.with_context(cannot_read)
    }

    /// Says which key names it, and what is to be in it.
    const fn wanted(&self) -> &'static str {
        match self {
            Self::Pem(_) => "auth.jwt.key_file` is to be public keys in PEM",
            Self::Secret(_) => "auth.jwt.secret_file` is to be a secret of 32 bytes or more",
            Self::Set(_) => "auth.jwt.jwks_file` is to be a JSON Web Key Set",
        }
    }
}

/// Editors end a file with one, which nobody means.
fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// So many wait at most until a signature is verified; others are told that the server is unavailable.
const WAITING_TOKENS: usize = 1_024;
