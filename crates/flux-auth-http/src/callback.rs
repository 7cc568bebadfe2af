//! [`HttpCallback`]: an address decides who gets in.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flux_auth::{Clock, Credentials, Link, LinkFuture, Opinion, Refusal, WallClock};
use flux_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::breaker::{Asker, Breaker, Closed, Failure};
use crate::cache::{Cache, Digest};
use crate::question::{Question, opinion};
use crate::turns::Turns;

/// Asks an address about each client that shows something, and does as it says.
///
/// The question is a POST with JSON: `client_id`, `username`, `password` (or `password_hex`, where it is no text), `peer`,
/// `listener`, `protocol`, `certificate`. The answer is 200 with `{"result": "allow"}`, `"deny"` or `"ignore"`, and with
/// `allow` a `username`, `roles`, `attributes` and `expire_at`, if there are any; or 204 for allow, 401 or 403 for deny.
/// With anything else, as with no answer in time, the client does not get in
/// ([`ServerUnavailable`](Refusal::ServerUnavailable)).
///
/// What was answered holds for a while. After some failures in a row (no answer, 408, 429, 500 and above) a client is not asked
/// about for a while, and after those of so many clients nobody at their address is. Where no answer comes at all for so many
/// addresses nobody is but those whose clients were let in lately. So those who come are refused at once.
///
/// As many questions are under way as the client [allows](HttpClient::concurrency); 1,024 more wait, in a [`Line`](flux_auth::Line), as long as an
/// answer may take.
pub struct HttpCallback {
    client: HttpClient,
    turns: Arc<Turns>,
    clock: Clock,
    wall_clock: WallClock,
    /// Makes digests of questions worth nothing elsewhere.
    salt: [u8; 32],
    breaker: Mutex<Breaker>,
    cache: Mutex<Cache>,
}

/// How long answers hold, and when nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackSettings {
    /// For how long an answer holds for the same question; zero for no longer than it takes.
    pub cache_for: Duration,
    /// How many answers are remembered. With one more the oldest is forgotten.
    pub cached: usize,
    /// After so many failures in a row a client is not asked about, after those of so many clients nobody at their address is, and
    /// after so many addresses for which no answer came nobody new is...
    pub failures: u32,
    /// ...for so long. Then one is, and those who failed wait as long again for another to be it.
    pub pause: Duration,
}

impl HttpCallback {
    /// Returns the link.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn new(
        client: HttpClient,
        settings: CallbackSettings,
        clock: Clock,
        wall_clock: WallClock,
    ) -> std::io::Result<Self> {
        let mut salt = [0; 32];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| std::io::Error::other("the system has no random numbers"))?;
        let CallbackSettings { cache_for, cached, failures, pause } = settings;
        Ok(Self {
            turns: Arc::new(Turns::new(client.concurrency(), WAITING)),
            client,
            clock,
            wall_clock,
            salt,
            breaker: Mutex::new(Breaker::new(failures, pause)),
            cache: Mutex::new(Cache::new(cache_for, cached)),
        })
    }

    /// Forgets what was answered.
    pub fn forget(&self) {
        self.cache.lock().clear();
    }

    async fn opinion(&self, credentials: &Credentials) -> Opinion {
        let Ok(question) = serde_json::to_vec(&Question::about(credentials)) else {
            return Opinion::Refuses(Refusal::ServerUnavailable);
        };
        let digest = self.digest(&question);
        if let Some(known) = self.cache.lock().get((self.clock)(), &digest) {
            return known;
        }
        let asker = {
            let mut breaker = self.breaker.lock();
            let asker = breaker.asker(credentials);
            if !breaker.may_ask((self.clock)(), asker) {
                return Opinion::Refuses(Refusal::ServerUnavailable);
            }
            asker
        };
        let mut unanswered = Unanswered { callback: Some(self), asker };
        let answer = self.ask(question, credentials).await;
        unanswered.callback = None;
        match answer {
            Ok(opinion) => {
                let mut breaker = self.breaker.lock();
                let was_closed = breaker.succeeded(asker);
                let holds_for = self.holds_for(&opinion);
                let is_over = holds_for.is_some_and(|it| it.is_zero());
                if matches!(opinion, Opinion::Accepts(_)) && !is_over {
                    breaker.let_in(asker);
                }
                drop(breaker);
                if was_closed {
                    tracing::info!("who may connect can be asked again");
                }
                if is_over {
                    let client_id = &*credentials.client_id;
                    tracing::debug!(
                        client_id,
                        "who may connect was allowed to until a moment that is over"
                    );
                    return Opinion::Refuses(Refusal::NotAuthorized);
                }
                self.cache.lock().put((self.clock)(), digest, opinion.clone(), holds_for);
                opinion
            }
            Err(error) => {
                self.note(&error, asker, credentials);
                Opinion::Refuses(Refusal::ServerUnavailable)
            }
        }
    }

    async fn ask(&self, question: Vec<u8>, credentials: &Credentials) -> Result<Opinion, AskError> {
        let address = credentials.peer.map(|peer| peer.ip());
        let turn = self.client.wait_for(self.turns.wait(address)).await.flatten();
        let _turn = turn.ok_or(AskError::NoTurn)?;
        let (status, body) = self.client.post("application/json", question).await?;
        let opinion = opinion(status, &body, credentials.username.as_deref());
        opinion.ok_or(AskError::NoAnswer { status })
    }

    fn note(&self, error: &AskError, asker: Asker, credentials: &Credentials) {
        let now = (self.clock)();
        let mut breaker = self.breaker.lock();
        let closed = match error.says() {
            Says::Failed(failure) => breaker.failed(now, asker, failure),
            Says::Answers => {
                breaker.succeeded(asker);
                None
            }
            Says::Nothing => {
                breaker.abandoned(now, asker);
                None
            }
        };
        drop(breaker);
        let (error, peer): (&dyn Error, _) = (error, credentials.peer);
        match closed {
            Some(Closed::All) => {
                tracing::warn!(
                    error,
                    help = HELP,
                    "who may connect cannot be asked: nobody new gets in"
                );
            }
            Some(Closed::Address) => {
                tracing::warn!(
                    error,
                    ?peer,
                    help = HELP,
                    "who may connect cannot be asked: nobody new from there gets in"
                );
            }
            Some(Closed::Client) => {
                tracing::warn!(
                    error,
                    ?peer,
                    help = HELP,
                    "who may connect cannot be asked about one client: it does not get in"
                );
            }
            None => tracing::debug!(error, "who may connect cannot be asked"),
        }
    }

    /// Returns for how long somebody is let in, if that has an end; zero where it is over.
    fn holds_for(&self, opinion: &Opinion) -> Option<Duration> {
        match opinion {
            Opinion::Accepts(identity) => {
                let left = identity.expires_at?.duration_since((self.wall_clock)());
                Some(left.unwrap_or_default())
            }
            Opinion::Refuses(_) | Opinion::NotProven { .. } | Opinion::PassesOn => None,
        }
    }

    fn digest(&self, question: &[u8]) -> Digest {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.salt);
        context.update(question);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }
}

impl Link for HttpCallback {
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a> {
        Box::pin(async move {
            let shows_something = credentials.username.is_some()
                || credentials.password.is_some()
                || credentials.certificate.is_some();
            match shows_something {
                true => self.opinion(credentials).await,
                false => Opinion::PassesOn,
            }
        })
    }
}

impl fmt::Debug for HttpCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCallback").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A question whose answer is not there. Whoever does not wait for it any more drops this.
struct Unanswered<'a> {
    callback: Option<&'a HttpCallback>,
    asker: Asker,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(callback) = self.callback {
            callback.breaker.lock().gave_up((callback.clock)(), self.asker);
        }
    }
}

/// Why there is no opinion.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("too many questions wait, or none of those under way ended in time")]
    NoTurn,
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the answer, of status {status}, says neither yes nor no")]
    NoAnswer { status: u16 },
}

/// What an error says of the address.
enum Says {
    /// It may be down.
    Failed(Failure),
    /// It is there, and does not understand us.
    Answers,
    /// It is us who ask too much.
    Nothing,
}

impl AskError {
    fn says(&self) -> Says {
        match self {
            Self::NoTurn | Self::Http(HttpError::Busy | HttpError::Gone) => Says::Nothing,
            Self::Http(HttpError::Timeout { .. } | HttpError::Exchange(_)) => {
                Says::Failed(Failure::NobodyThere)
            }
            // Whatever it says to one client, it may say something else to the next.
            Self::Http(HttpError::Body(_)) | Self::NoAnswer { status: 408 | 429 | 500.. } => {
                Says::Failed(Failure::BadAnswer)
            }
            Self::NoAnswer { .. } => Says::Answers,
        }
    }
}

/// So many questions wait at most until they have a turn.
const WAITING: usize = 1_024;
/// What to do about one that does not answer.
const HELP: &str = "see that what is at auth.http.url answers; it is asked again after a pause";

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::time::SystemTime;

    use flux_http::HttpClientSettings;
    use flux_time::Timestamp;

    use super::*;

    /// Answers questions. Ends with the test.
    fn server(answer: impl Fn(&str) -> String + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut length, mut line) = (0, String::new());
                while stream.read_line(&mut line).unwrap() > 2 {
                    let value = line.to_ascii_lowercase();
                    if let Some(value) = value.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let answer = answer(str::from_utf8(&body).unwrap());
                let answer = format!("HTTP/1.1 {answer}");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        url
    }

    /// Asks it at this time of day.
    fn callback(url: String, cache_for: Duration, now: SystemTime) -> HttpCallback {
        let client = HttpClient::start(&HttpClientSettings {
            url,
            headers: Vec::new(),
            authorities: None,
            timeout: Duration::from_secs(60),
            concurrency: 1,
        });
        let pause = Duration::from_secs(3_600);
        let settings = CallbackSettings { cache_for, cached: 1, failures: 3, pause };
        let clock: Clock = Box::new(|| Timestamp::from_millis(0));
        HttpCallback::new(client.unwrap(), settings, clock, Box::new(move || now)).unwrap()
    }

    /// Whom it says so of was let in, and its connection ended at once.
    #[tokio::test]
    async fn who_was_allowed_to_connect_until_a_moment_that_is_over_is_refused() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (seconds, is_over) in [(0, true), (999, true), (1_000, true), (1_001, false)] {
            let url = server(move |_| {
                let answer = format!("{{\"result\":\"allow\",\"expire_at\":{seconds}}}");
                format!(
                    "200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
                    answer.len()
                )
            });
            let callback = callback(url, Duration::from_secs(60), now);
            let mut credentials = Credentials::new("c");
            credentials.username = Some("alice".into());
            for _ in 0..2 {
                let opinion = callback.consider(&credentials).await;
                if is_over {
                    assert_eq!(opinion, Opinion::Refuses(Refusal::NotAuthorized), "{seconds}");
                } else {
                    assert!(matches!(opinion, Opinion::Accepts(_)), "{seconds}: {opinion:?}");
                }
            }
        }
    }

    /// It shut the door for everybody, for as long as it went on.
    #[tokio::test]
    async fn names_that_fail_shut_out_nobody_else_from_however_many_addresses_they_come() {
        let url = server(|question| {
            let is_bad = question.contains("\"username\":\"bad");
            let status = if is_bad { "500 Error" } else { "204 No Content" };
            let end = if is_bad { "Content-Length: 0\r\n\r\n" } else { "\r\n" };
            format!("{status}\r\nConnection: close\r\n{end}")
        });
        let callback = callback(url, Duration::ZERO, SystemTime::UNIX_EPOCH);
        let consider = async |address: String, name: &str| {
            let mut credentials = Credentials::new("c");
            credentials.peer = Some(address.parse().unwrap());
            credentials.username = Some(name.into());
            callback.consider(&credentials).await
        };
        for number in 0..50 {
            let opinion = consider(format!("192.0.2.{number}:1"), &format!("bad-{number}")).await;
            assert!(matches!(opinion, Opinion::Refuses(Refusal::ServerUnavailable)));
        }
        let opinion = consider("198.51.100.1:1".to_owned(), "alice").await;
        assert!(matches!(opinion, Opinion::Accepts(_)), "{opinion:?}");
    }
}
