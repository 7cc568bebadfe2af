//! Tokens in place of passwords: where their keys are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use flux_auth::{Link, TokenAuthenticator, TokenKeys, TokenSettings};
use flux_config::Jwt;

use super::Change;

/// Believes tokens, by the keys of a file.
pub(super) struct Tokens {
    authenticator: Arc<TokenAuthenticator>,
    source: Source,
}

/// Where keys are.
enum Source {
    Pem(PathBuf),
    Secret(PathBuf),
    Set(PathBuf),
}

impl Tokens {
    /// Reads the keys, if the config says that there are some.
    pub(super) fn open(jwt: &Jwt) -> Result<Option<Self>> {
        let Some(source) = Source::of(jwt) else { return Ok(None) };
        let settings = TokenSettings {
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.0.clone(),
            leeway: jwt.clock_skew.0,
            username_claim: jwt.username_claim.clone(),
            roles_claim: jwt.roles_claim.clone(),
            claims: jwt.claims.0.clone(),
        };
        let authenticator = TokenAuthenticator::new(source.read()?, settings, Box::new(now));
        Ok(Some(Self { authenticator: Arc::new(authenticator), source }))
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.authenticator.clone()
    }

    /// Reads the keys again.
    pub(super) fn read_again(&self) -> Result<Change> {
        let (keys, authenticator) = (self.source.read()?, self.authenticator.clone());
        Ok(Box::new(move || {
            authenticator.replace_keys(keys);
            Ok(())
        }))
    }
}

impl Source {
    fn of(jwt: &Jwt) -> Option<Self> {
        let pem = jwt.key_file.clone().map(Self::Pem);
        let secret = || jwt.secret_file.clone().map(Self::Secret);
        pem.or_else(secret).or_else(|| jwt.jwks_file.clone().map(Self::Set))
    }

    fn read(&self) -> Result<TokenKeys> {
        let (Self::Pem(path) | Self::Secret(path) | Self::Set(path)) = self;
        let text = fs::read(path).with_context(|| cannot_read(path))?;
        let keys = match self {
            Self::Pem(_) => TokenKeys::from_pem(&text),
            Self::Secret(_) => TokenKeys::from_secret(without_line_end(&text)),
            Self::Set(_) => TokenKeys::from_jwks(&text),
        };
        keys.with_context(|| cannot_read(path))
    }
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read keys for tokens from {}", path.display())
}

/// Editors end a file with one, which nobody means.
fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[expect(clippy::disallowed_methods, reason = "tokens begin and end at a time of day")]
fn now() -> SystemTime {
    SystemTime::now()
}
