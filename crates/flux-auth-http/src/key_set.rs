//! [`keep_keys_fresh`]: the keys of tokens, fetched again and again.

use std::error::Error;
use std::sync::{Arc, Weak};
use std::time::Duration;

use flux_auth::{ParseKeyError, TokenAuthenticator, TokenKeys};
use flux_http::{HttpClient, HttpError};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time;

/// A key set (JWKS, RFC 7517) that is fetched again and again, as long as this is there.
#[derive(Debug)]
pub struct KeySet {
    now: Arc<Notify>,
    _client: Arc<HttpClient>,
}

impl KeySet {
    /// Has it fetched now.
    pub fn fetch_now(&self) {
        self.now.notify_one();
    }
}

/// Fetches the keys of an authenticator at once, and then again and again, each time after `every`.
///
/// Where that fails, the keys that are known hold on, and it is tried again soon; as it is when a token names a key that is not
/// known.
#[must_use = "keys are fetched only as long as this is there"]
pub fn keep_keys_fresh(
    client: HttpClient,
    every: Duration,
    authenticator: &Arc<TokenAuthenticator>,
) -> KeySet {
    let (client, now) = (Arc::new(client), Arc::new(Notify::new()));
    let wanted = Arc::new(Notify::new());
    let notice = wanted.clone();
    authenticator.on_unknown_key(move || notice.notify_one());
    let whom = (Arc::downgrade(&client), Arc::downgrade(authenticator));
    let task = refresh(whom, now.clone(), wanted, every);
    client.spawn(task);
    KeySet { now, _client: client }
}

async fn refresh(
    (client, authenticator): (Weak<HttpClient>, Weak<TokenAuthenticator>),
    now: Arc<Notify>,
    wanted: Arc<Notify>,
    every: Duration,
) {
    loop {
        let Some(asked) = client.upgrade() else { return };
        let fetched = fetch(&asked).await;
        drop(asked);
        let Some(authenticator) = authenticator.upgrade() else { return };
        let pause = match fetched {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "keys for tokens are fetched");
                authenticator.replace_keys(keys);
                every
            }
            Err(error) => {
                let error: &dyn Error = &error;
                match authenticator.has_keys() {
                    true => tracing::warn!(error, "no keys for tokens come, those known hold on"),
                    false => tracing::warn!(error, "no keys for tokens come, none is believed"),
                }
                every.min(SOON)
            }
        };
        drop(authenticator);
        tokio::select! {
            () = time::sleep(pause) => {}
            () = now.notified() => {}
            // Whoever has no key may ask for many.
            () = async { time::sleep(SOON).await; wanted.notified().await } => {}
        }
    }
}

async fn fetch(client: &HttpClient) -> Result<TokenKeys, FetchError> {
    let (status, body) = client.get().await?;
    if status != 200 {
        return Err(FetchError::Status { status });
    }
    Ok(TokenKeys::from_jwks(&body)?)
}

/// Why there are no keys.
#[derive(Debug, Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the answer has status {status} instead of 200")]
    Status { status: u16 },
    #[error(transparent)]
    Keys(#[from] ParseKeyError),
}

/// When it is tried again after a failure, or for a key that is not known.
const SOON: Duration = Duration::from_secs(5);
