//! Tokens in place of passwords: where their keys are, files or an address.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use flux_auth::{Link, TokenAuthenticator, TokenKeys, TokenSettings};
use flux_auth_http::{KeySet, keep_keys_fresh};
use flux_config::Jwt;

use super::http::fetches_keys;
use super::{Change, now};

/// Believes tokens, by the keys of a file or of an address.
pub(super) struct Tokens {
    authenticator: Arc<TokenAuthenticator>,
    source: Source,
}

/// Where keys are.
enum Source {
    File(KeyFile),
    Address(KeySet),
}

enum KeyFile {
    Pem(PathBuf),
    Secret(PathBuf),
    Set(PathBuf),
}

impl Tokens {
    /// Reads the keys, or begins to fetch them, if the config says where there are some.
    pub(super) fn open(jwt: &Jwt) -> Result<Option<Self>> {
        let settings = TokenSettings {
            issuer: jwt.issuer.clone(),
            audience: jwt.audience.0.clone(),
            leeway: jwt.clock_skew.0,
            username_claim: jwt.username_claim.clone(),
            roles_claim: jwt.roles_claim.clone(),
            claims: jwt.claims.0.clone(),
        };
        let authenticator = |keys| Arc::new(TokenAuthenticator::new(keys, settings, Box::new(now)));
        if let Some(file) = KeyFile::of(jwt) {
            let authenticator = authenticator(file.read()?);
            return Ok(Some(Self { authenticator, source: Source::File(file) }));
        }
        let Some(url) = &jwt.jwks_url else { return Ok(None) };
        let client = fetches_keys(url, jwt.ca_file.as_deref())?;
        let authenticator = authenticator(TokenKeys::default());
        let keys = keep_keys_fresh(client, jwt.refresh.0, &authenticator);
        Ok(Some(Self { authenticator, source: Source::Address(keys) }))
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.authenticator.clone()
    }

    /// Reads the keys again, or has them fetched soon.
    pub(super) fn read_again(&self) -> Result<Change> {
        let file = match &self.source {
            Source::File(file) => file,
            Source::Address(keys) => {
                keys.fetch_now();
                return Ok(Box::new(|| Ok(())));
            }
        };
        let (keys, authenticator) = (file.read()?, self.authenticator.clone());
        Ok(Box::new(move || {
            authenticator.replace_keys(keys);
            Ok(())
        }))
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
