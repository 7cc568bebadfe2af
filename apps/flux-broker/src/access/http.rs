//! An address that is asked about clients, and the way to others.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use flux_auth::Link;
use flux_auth_http::{CallbackSettings, HttpCallback, HttpClient, HttpClientSettings};

use super::{Change, clock, now};

/// Asks an address who gets in.
pub(super) struct Callback(Arc<HttpCallback>);

impl Callback {
    /// Begins to ask, if the config says whom.
    pub(super) fn open(config: &flux_config::HttpCallback) -> Result<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        let settings = HttpClientSettings {
            url: url.clone(),
            token: config.token.clone(),
            authorities: authorities(config.ca_file.as_deref())?,
            timeout: config.timeout.0,
            concurrency: number(config.concurrency),
        };
        let client = HttpClient::start(&settings).context("cannot ask `auth.http.url`")?;
        let settings = CallbackSettings {
            cache_for: config.cache_for.0,
            cached: number(config.cached),
            failures: config.failures,
            pause: config.pause.0,
        };
        let callback = HttpCallback::new(client, settings, clock(), Box::new(now))?;
        Ok(Some(Self(Arc::new(callback))))
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.0.clone()
    }

    /// Has everybody asked about anew.
    pub(super) fn read_again(&self) -> Result<Change> {
        let callback = self.0.clone();
        Ok(Box::new(move || {
            callback.forget();
            Ok(())
        }))
    }
}

/// Returns what fetches the keys of tokens.
pub(super) fn fetches_keys(url: &str, ca_file: Option<&Path>) -> Result<HttpClient> {
    let settings = HttpClientSettings {
        url: url.to_owned(),
        token: None,
        authorities: authorities(ca_file)?,
        timeout: FETCH_TIMEOUT,
        concurrency: 1,
    };
    HttpClient::start(&settings).context("cannot fetch from `auth.jwt.jwks_url`")
}

fn authorities(file: Option<&Path>) -> Result<Option<Vec<u8>>> {
    let read = |file: &Path| {
        fs::read(file).with_context(|| {
            format!("cannot read certificates of authorities from {}", file.display())
        })
    };
    file.map(read).transpose()
}

fn number(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Nobody waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
