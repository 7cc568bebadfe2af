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
    let asked = Arc::downgrade(&client);
    let again = move || asked.upgrade().map(|client| async move { fetch(&client).await });
    client.spawn(refresh(again, Arc::downgrade(authenticator), now.clone(), wanted, every));
    KeySet { now, _client: client }
}

/// Runs until there is nothing left to fetch with, or for.
async fn refresh<F: Future<Output = Result<TokenKeys, FetchError>>>(
    fetch: impl Fn() -> Option<F>,
    authenticator: Weak<TokenAuthenticator>,
    now: Arc<Notify>,
    wanted: Arc<Notify>,
    every: Duration,
) {
    loop {
        let Some(fetching) = fetch() else { return };
        let fetched = fetching.await;
        let Some(authenticator) = authenticator.upgrade() else { return };
        let pause = match fetched {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "keys for tokens are fetched");
                authenticator.replace_keys(keys);
                every
            }
            Err(error) => {
                let error: &dyn Error = &error;
                let help = "see what auth.jwt.jwks_url answers; it is asked again soon";
                match authenticator.has_keys() {
                    true => {
                        tracing::warn!(error, help, "no keys for tokens come, those known hold on");
                    }
                    false => {
                        tracing::warn!(error, help, "no keys for tokens come, none is believed");
                    }
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use flux_auth::{HashPool, TokenSettings};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Has keys fetched, each time one more; or nothing, after so many times.
    struct Fetching {
        authenticator: Arc<TokenAuthenticator>,
        times: Arc<AtomicUsize>,
        now: Arc<Notify>,
        wanted: Arc<Notify>,
    }

    impl Fetching {
        fn start(every: Duration, fails_after: usize) -> Self {
            let pool = Arc::new(HashPool::start(NonZeroUsize::MIN, 1).unwrap());
            let clock = Box::new(|| SystemTime::UNIX_EPOCH);
            let keys = TokenKeys::default();
            let authenticator =
                TokenAuthenticator::new(keys, TokenSettings::default(), clock, pool);
            let fetching = Self {
                authenticator: Arc::new(authenticator),
                times: Arc::default(),
                now: Arc::default(),
                wanted: Arc::default(),
            };
            let times = fetching.times.clone();
            let fetch = move || {
                let time = times.fetch_add(1, Ordering::Relaxed) + 1;
                let key = r#"{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
                let set = format!(r#"{{"keys":[{}]}}"#, vec![key; time].join(","));
                let fetched = TokenKeys::from_jwks(set.as_bytes()).map_err(FetchError::from);
                let fails = FetchError::Status { status: 500 };
                Some(async move { if time > fails_after { Err(fails) } else { fetched } })
            };
            let whom = Arc::downgrade(&fetching.authenticator);
            let (now, wanted) = (fetching.now.clone(), fetching.wanted.clone());
            tokio::spawn(refresh(fetch, whom, now, wanted, every));
            fetching
        }

        /// Lets time pass, and returns how often there was fetched.
        async fn after(&self, pass: Duration) -> usize {
            time::sleep(pass).await;
            self.times.load(Ordering::Relaxed)
        }
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_for_one_that_is_not_known_but_not_for_each() {
        let fetching = Fetching::start(HOUR, usize::MAX);
        assert_eq!(fetching.after(10 * SOON).await, 1);
        fetching.wanted.notify_one();
        assert_eq!(fetching.after(MOMENT).await, 2);
        assert_eq!(fetching.authenticator.keys().len(), 2);
        // Whoever makes tokens up names one key after the other.
        let mut times = 2;
        for _ in 0..1_000 {
            fetching.wanted.notify_one();
            times = fetching.after(SOON / 100).await;
        }
        assert!((2 + 9..=2 + 10).contains(&times), "{times} in ten times {SOON:?}");
        // One of them may be left, and then there is nothing to fetch for until the hour is over.
        let times = fetching.after(2 * SOON).await;
        assert_eq!(fetching.after(HOUR / 2).await, times);
        assert_eq!(fetching.after(HOUR).await, times + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_on_demand_at_once_and_soon_again_after_a_failure() {
        let fetching = Fetching::start(HOUR, 2);
        assert_eq!(fetching.after(MOMENT).await, 1);
        fetching.now.notify_one();
        assert_eq!(fetching.after(MOMENT).await, 2);
        fetching.now.notify_one();
        assert_eq!(fetching.after(MOMENT).await, 3);
        assert_eq!(fetching.after(3 * SOON).await, 6);
        assert_eq!(fetching.authenticator.keys().len(), 2, "those known hold on");
    }
}
