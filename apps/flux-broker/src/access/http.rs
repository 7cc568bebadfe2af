//! An address that is asked about clients, and the way to others.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use flux_auth::Link;
use flux_auth_http::{CallbackSettings, HttpCallback};
use flux_http::{HttpClient, HttpClientSettings};

use super::{clock, now};

/// Asks an address who gets in.
pub(super) struct Callback {
    callback: Arc<HttpCallback>,
    /// What the config says of it, and the authorities that are in a file.
    made_of: (flux_config::HttpCallback, Option<Vec<u8>>),
}

impl Callback {
    /// Begins to ask, if the config says whom. The one that held before goes on if nothing is said otherwise, and asks about
    /// everybody anew.
    pub(super) fn open(
        config: &flux_config::HttpCallback,
        before: Option<&Self>,
    ) -> Result<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        let made_of =
            (config.clone(), authorities("auth.http.ca_file", config.ca_file.as_deref())?);
        if let Some(same) = before.filter(|before| before.made_of == made_of) {
            same.callback.forget();
            return Ok(Some(Self { callback: same.callback.clone(), made_of }));
        }
        let settings = HttpClientSettings {
            url: url.clone(),
            headers: config.token.as_deref().map(bearer).into_iter().collect(),
            authorities: made_of.1.clone(),
            timeout: config.timeout.0,
            concurrency: number(config.concurrency),
        };
        let client = HttpClient::start(&settings).context(
            "`auth.http.url` cannot be asked (it is to be https://host/path, with certificates in PEM in auth.http.ca_file if any)",
        )?;
        let settings = CallbackSettings {
            cache_for: config.cache_for.0,
            cached: number(config.cached),
            failures: config.failures,
            pause: config.pause.0,
        };
        let callback = Arc::new(HttpCallback::new(client, settings, clock(), Box::new(now))?);
        Ok(Some(Self { callback, made_of }))
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.callback.clone()
    }
}

/// Returns what fetches the keys of tokens.
pub(super) fn fetches_keys(url: &str, authorities: Option<Vec<u8>>) -> Result<HttpClient> {
    let settings = HttpClientSettings {
        url: url.to_owned(),
        headers: Vec::new(),
        authorities,
        timeout: FETCH_TIMEOUT,
        concurrency: 1,
    };
    HttpClient::start(&settings).context(
        "`auth.jwt.jwks_url` cannot be fetched (it is to be https://host/path, with certificates in PEM in auth.jwt.ca_file if any)",
    )
}

fn bearer(token: &str) -> (String, String) {
    ("authorization".to_owned(), format!("Bearer {token}"))
}

/// Reads the certificates of authorities, if a file of them is named; `key` is what names it.
pub(crate) fn authorities(key: &str, file: Option<&Path>) -> Result<Option<Vec<u8>>> {
    let read = |file: &Path| {
        fs::read(file).with_context(|| {
            format!(
                "`{key}` is to be certificates of authorities in PEM, cannot read {}",
                file.display()
            )
        })
    };
    file.map(read).transpose()
}

fn number(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Nobody waits for it.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
