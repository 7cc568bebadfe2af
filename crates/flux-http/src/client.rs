//! [`HttpClient`]: a thread that asks other machines over HTTP.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;
use tokio::runtime::{self, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{self, Instant};

/// Asks one address over HTTP/1.1, with or without TLS, from a thread of its own.
///
/// So many questions are under way at a time; so many more wait. The time that one takes includes its wait. Whoever does
/// not want the answer any more drops the future. The thread ends with the client and those [below](Self::below) it, and so does what it is at.
#[derive(Debug)]
pub struct HttpClient {
    address: Uri,
    headers: HeaderMap,
    timeout: Duration,
    concurrency: usize,
    runtime: Handle,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// How many may be under way.
    under_way: Arc<Semaphore>,
    /// How many may be under way or wait.
    admitted: Arc<Semaphore>,
    /// Ends the thread when the last is dropped.
    life: Arc<oneshot::Sender<()>>,
}

/// Whom to ask, and how patiently.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpClientSettings {
    /// The address: `http://` or `https://`.
    pub url: String,
    /// What is sent with each question, names and values. The values are secret.
    pub headers: Vec<(String, String)>,
    /// The authorities, in PEM, that the certificate is held against; without them those of the system.
    pub authorities: Option<Vec<u8>>,
    /// How long one question may take.
    pub timeout: Duration,
    /// How many are under way at a time.
    pub concurrency: usize,
}

impl HttpClient {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the address is none, a header is none, there are no authorities, or the system has no thread left.
    pub fn start(settings: &HttpClientSettings) -> Result<Self, StartHttpClientError> {
        let address = address(&settings.url)?;
        let headers = headers(&settings.headers)?;
        let tls = tls(&address, settings.authorities.as_deref())?;
        let https = HttpsConnectorBuilder::new().with_tls_config(tls);
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = https.https_or_http().enable_http1().wrap_connector(tcp);
        let concurrency = settings.concurrency.max(1);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(concurrency)
            .build(connector);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, (life, is_over)) = (runtime.handle().clone(), oneshot::channel::<()>());
        thread::Builder::new().name("flux-http".to_owned()).spawn(move || {
            let _dropped = runtime.block_on(is_over);
            // What asks for a name in the network may hang longer than anybody waits.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            address,
            headers,
            timeout: settings.timeout,
            concurrency,
            runtime: handle,
            client,
            under_way: Arc::new(Semaphore::new(concurrency)),
            admitted: Arc::new(Semaphore::new(concurrency.saturating_add(WAITING))),
            life: Arc::new(life),
        })
    }

    /// Returns a client of the same server, with the same thread and limits, that asks for a path below this address.
    ///
    /// # Errors
    ///
    /// When that is no address.
    pub fn below(&self, path: &str) -> Result<Self, ParseAddressError> {
        let address = self.address.to_string();
        let address = self::address(&format!("{}/{path}", address.trim_end_matches('/')))?;
        Ok(Self {
            address,
            headers: self.headers.clone(),
            timeout: self.timeout,
            concurrency: self.concurrency,
            runtime: self.runtime.clone(),
            client: self.client.clone(),
            under_way: self.under_way.clone(),
            admitted: self.admitted.clone(),
            life: self.life.clone(),
        })
    }

    /// Returns what the address answers when it is sent this, of that media type: the status and the body.
    ///
    /// # Errors
    ///
    /// When there is no answer, in time, of a size that makes sense.
    pub async fn post(
        &self,
        media_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Bytes), HttpError> {
        self.send(Method::POST, Some(media_type), body.into()).await
    }

    /// Returns what is at the address: the status and the body.
    ///
    /// # Errors
    ///
    /// As [`post`](Self::post).
    pub async fn get(&self) -> Result<(u16, Bytes), HttpError> {
        self.send(Method::GET, None, Bytes::new()).await
    }

    /// Returns how many questions may be under way at a time.
    #[must_use]
    pub const fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Waits for something else, as long as one question may take; `None` when it does not come in time.
    pub async fn wait_for<T>(&self, event: impl Future<Output = T>) -> Option<T> {
        let in_time = {
            let _timers = self.runtime.enter();
            time::timeout(self.timeout, event)
        };
        in_time.await.ok()
    }

    /// Runs something on the thread, until that ends or the client does.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    async fn send(
        &self,
        method: Method,
        media_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<(u16, Bytes), HttpError> {
        let Ok(admitted) = self.admitted.clone().try_acquire_owned() else {
            return Err(HttpError::Busy);
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.address.clone();
        request.headers_mut().clone_from(&self.headers);
        if let Some(media_type) = media_type {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        let (client, under_way, timeout) =
            (self.client.clone(), self.under_way.clone(), self.timeout);
        let (mut reply, answer) = oneshot::channel();
        self.runtime.spawn(async move {
            let end = Instant::now() + timeout;
            let exchange = async {
                let turn = time::timeout_at(end, under_way.acquire()).await;
                let _turn = turn.map_err(|_| HttpError::Busy)?.map_err(|_| HttpError::Gone)?;
                let answer = time::timeout_at(end, exchange(&client, request)).await;
                answer.unwrap_or(Err(HttpError::Timeout { timeout }))
            };
            let answer = tokio::select! {
                answer = exchange => answer,
                () = reply.closed() => return,
            };
            drop(admitted);
            let _nobody_waits = reply.send(answer);
        });
        answer.await.unwrap_or(Err(HttpError::Gone))
    }
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// It took too long.
    #[error("no answer within {timeout:?}")]
    Timeout {
        /// How long it might have taken.
        timeout: Duration,
    },
    /// Too many wait already, or none of those under way ended in time.
    #[error("too many questions wait")]
    Busy,
    /// Nobody could be reached, or what came is not HTTP.
    #[error("the exchange failed")]
    Exchange(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off or is too long.
    #[error("the answer breaks off, or is longer than {MAX_BODY} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client has ended.
    #[error("the client has ended")]
    Gone,
}

impl HttpError {
    /// Returns whether what was sent may have reached somebody.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Body(_) => true,
            Self::Exchange(error) => !error.is_connect(),
            Self::Busy | Self::Gone => false,
        }
    }
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum StartHttpClientError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// A header cannot be sent.
    #[error("the header `{name}` has characters that no header may have")]
    Header {
        /// Its name; the value may be a secret.
        name: String,
    },
    /// The authorities are no certificates.
    #[error("the authorities are no certificates in PEM")]
    Authorities,
    /// The system has no authorities.
    #[error("this system has no certificates of authorities: name a file with those to believe")]
    NoAuthorities,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// There is no thread left.
    #[error("cannot start a thread for HTTP")]
    Thread(#[from] io::Error),
}

/// Why an address is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{url}` is no address: write `https://` or `http://`, a name, and what is asked for there"
)]
pub struct ParseAddressError {
    /// What was written, without a password or a token.
    url: String,
}

fn headers(written: &[(String, String)]) -> Result<HeaderMap, StartHttpClientError> {
    let mut headers = HeaderMap::with_capacity(written.len());
    for (name, value) in written {
        let error = || StartHttpClientError::Header { name: name.clone() };
        let mut value = HeaderValue::from_str(value).map_err(|_| error())?;
        value.set_sensitive(true);
        headers.append(name.parse::<HeaderName>().map_err(|_| error())?, value);
    }
    Ok(headers)
}

fn address(url: &str) -> Result<Uri, ParseAddressError> {
    // What precedes an `@` may be a password, and what follows a question mark a token.
    let shown =
        url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("..@{rest}"));
    let shown = shown.split_once('?').map_or_else(|| shown.clone(), |(it, _)| format!("{it}?.."));
    let error = || ParseAddressError { url: shown.clone() };
    let address: Uri = url.parse().map_err(|_| error())?;
    let scheme = address.scheme_str();
    let is_one = matches!(scheme, Some("http" | "https"))
        && address.host().is_some_and(|host| !host.is_empty())
        && !address.authority().is_some_and(|it| it.as_str().contains('@'));
    if is_one { Ok(address) } else { Err(error()) }
}

fn tls(address: &Uri, pem: Option<&[u8]>) -> Result<ClientConfig, StartHttpClientError> {
    let mut roots = RootCertStore::empty();
    match pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| StartHttpClientError::Authorities)?;
                roots.add(certificate).map_err(|_| StartHttpClientError::Authorities)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() && address.scheme_str() == Some("https") {
        return Err(match pem {
            Some(_) => StartHttpClientError::Authorities,
            None => StartHttpClientError::NoAuthorities,
        });
    }
    let provider = Arc::new(ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn exchange(
    client: &Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), HttpError> {
    let response = client.request(request).await.map_err(HttpError::Exchange)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    Ok((status, body.map_err(HttpError::Body)?.to_bytes()))
}

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);
/// So many wait at most until they have a turn.
const WAITING: usize = 1_024;
const MAX_BODY: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_name_and_no_password() {
        for right in ["http://localhost", "https://a.example:8443/b?c=d", "http://[::1]:1/"] {
            assert!(address(right).is_ok(), "{right}");
        }
        for wrong in ["", "localhost", "/a", "ftp://a", "http://", "http:///a", "http://a b"] {
            assert_eq!(address(wrong), Err(ParseAddressError { url: wrong.to_owned() }));
        }
        for (wrong, shown) in [
            ("https://u:p@a/", "..@a/"),
            ("ftp://a/b?token=c", "ftp://a/b?.."),
            ("https://u:p@a/?token=c", "..@a/?.."),
        ] {
            assert_eq!(address(wrong), Err(ParseAddressError { url: shown.to_owned() }));
        }
    }

    #[test]
    fn a_client_below_asks_for_a_longer_path() {
        let start = |url: &str| {
            HttpClient::start(&HttpClientSettings {
                url: url.to_owned(),
                headers: Vec::new(),
                authorities: None,
                timeout: Duration::from_secs(1),
                concurrency: 1,
            })
        };
        for (url, below) in [
            ("http://localhost:1", "http://localhost:1/v1/a"),
            ("http://localhost/b/", "http://localhost/b/v1/a"),
        ] {
            let client = start(url).unwrap().below("v1/a").unwrap();
            assert_eq!(client.address.to_string(), below);
        }
    }

    #[test]
    fn what_are_no_authorities_or_no_headers_is_told() {
        let mut settings = HttpClientSettings {
            url: "https://localhost".to_owned(),
            headers: Vec::new(),
            authorities: Some(b"none".to_vec()),
            timeout: Duration::from_secs(1),
            concurrency: 1,
        };
        let start = |settings: &_| HttpClient::start(settings).map(|_| ()).unwrap_err().to_string();
        assert!(start(&settings).contains("no certificates in PEM"));
        settings.authorities = None;
        for (name, value) in [("authorization", "a\nb"), ("a b", "c")] {
            settings.headers = vec![(name.to_owned(), value.to_owned())];
            assert!(start(&settings).contains(&format!("the header `{name}` has characters")));
        }
    }
}
