//! The HTTP server.

use std::future::{Future as _, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use flux_auth::Bouncer;
use flux_eventbus::{Event, EventKind, Handshake};
use flux_mqtt::BrokerHandle;
use flux_tls::TlsConfig;
use ntex::http::HttpService;
use ntex::http::error::DispatchError;
use ntex::http::header::ACCEPT;
use ntex::io::Io;
use ntex::io::types::PeerAddr;
use ntex::rt::{DefaultRuntime, System};
use ntex::server::{self, Server, SslError};
use ntex::service::{ServiceFactory as _, chain_factory, fn_service};
use ntex::web::{self, App, HttpRequest, HttpResponse};
use prometheus_client::encoding::prometheus_text;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::bans::bans;
use crate::clients::clients;
use crate::compat::Compat;
use crate::export::Exported;
use crate::guard::Guard;
use crate::health::problems;
use crate::log::{self, LogControl};
use crate::losses::losses;
use crate::metrics::Metrics;
use crate::places::{CONNECTIONS, Places};
use crate::tls::shake_hands;

/// Where the server listens, and whom it tells.
#[derive(Clone)]
#[non_exhaustive]
pub struct AdminSettings {
    /// The address; with port 0 the system chooses.
    pub address: SocketAddr,
    /// What all but `/healthz` and `/readyz` ask for, as `Authorization: Bearer TOKEN`.
    pub token: Option<String>,
    /// Certificates, if TLS is spoken. Where they require one of every client, that is enough beyond loopback. What is
    /// read into them later, or takes their place, is used for the connections from then on.
    pub tls: Option<TlsConfig>,
    /// Who bans addresses, if somebody does.
    pub bouncer: Option<Arc<Bouncer>>,
    /// What the program logs, if that can be changed.
    pub log: Option<Arc<dyn LogControl>>,
    /// What the exporter to a collector counts, if there is one.
    pub exported: Option<Arc<Exported>>,
    /// Other brokers under whose names metrics are served as well.
    pub compat: Vec<Compat>,
}

impl fmt::Debug for AdminSettings {
    /// The token stays secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminSettings").field("address", &self.address).finish_non_exhaustive()
    }
}

impl AdminSettings {
    /// Listens there, without a token and without TLS.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            token: None,
            tls: None,
            bouncer: None,
            log: None,
            exported: None,
            compat: Vec::new(),
        }
    }
}

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum StartAdminError {
    /// Anybody could read the numbers.
    #[error(
        "refusing to serve metrics on {address}: it is not loopback, and neither a token nor a certificate is asked for; \
         set admin.token, or admin.tls that requires certificates"
    )]
    NoProof {
        /// The address in question.
        address: SocketAddr,
    },
    /// The token is empty.
    #[error("the token for metrics is empty: write one, or leave admin.token out")]
    EmptyToken,
    /// The address cannot be listened on.
    #[error(
        "cannot serve metrics on {address}: {error}; choose another address (admin.bind, --admin)"
    )]
    Bind {
        /// The address in question.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The server did not come up.
    #[error("cannot start the server of metrics: {0}")]
    Start(io::Error),
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct AdminServer {
    address: SocketAddr,
    has_tls: bool,
    server: Server,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where something is, such as `/metrics`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        // It stops without anybody waiting for the answer.
        drop(self.server.stop(false));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "the server of metrics had panicked"
            );
        }
    }
}

/// Starts the server on a thread of its own.
///
/// # Errors
///
/// See [`StartAdminError`]; nothing runs then.
pub fn start_admin(
    settings: AdminSettings,
    broker: BrokerHandle,
) -> Result<AdminServer, StartAdminError> {
    let AdminSettings { address, token, tls, bouncer, log, exported, compat } = settings;
    if token.as_deref() == Some("") {
        return Err(StartAdminError::EmptyToken);
    }
    let has_tls = tls.is_some();
    let guard = Guard::new(token, tls);
    if !guard.asks() && !address.ip().is_loopback() {
        return Err(StartAdminError::NoProof { address });
    }
    let bind = |error| StartAdminError::Bind { address, error };
    let listener = TcpListener::bind(address).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let metrics = Metrics::of(broker.clone(), exported, compat);
    let office = Arc::new(Office { metrics, broker, bouncer, log });
    let (started, starting) = oneshot::channel();
    let serve = move || {
        System::build().name("flux-admin").build(DefaultRuntime).block_on(async move {
            match listen(listener, office, guard) {
                Ok(server) => {
                    let hand_over = |server| started.send(Ok(server)).is_ok();
                    if let Err(error) = run(server, hand_over).await {
                        tracing::error!(%error, help = "restart the broker to have metrics again", "the server of metrics ended");
                    }
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        });
    };
    let thread = thread::Builder::new().name("flux-admin".to_owned()).spawn(serve);
    let thread = thread.map_err(StartAdminError::Start)?;
    let gone = || io::Error::other("its thread ended");
    let server = starting.blocking_recv().map_err(|_| StartAdminError::Start(gone()))?;
    let server = server.map_err(StartAdminError::Start)?;
    Ok(AdminServer { address, has_tls, server, thread: Some(thread) })
}

/// What requests are answered from.
pub(crate) struct Office {
    metrics: Metrics,
    pub(crate) broker: BrokerHandle,
    pub(crate) bouncer: Option<Arc<Bouncer>>,
    pub(crate) log: Option<Arc<dyn LogControl>>,
}

fn listen(listener: TcpListener, office: Arc<Office>, guard: Guard) -> io::Result<Server> {
    let (tls, broker) = (guard.tls.clone(), office.broker.clone());
    let app = move || {
        App::new()
            .state(office.clone())
            .middleware(guard.clone())
            .service(web::resource("/metrics").route(web::get().to(metrics)))
            .service(web::resource("/healthz").route(web::get().to(healthy)))
            .service(web::resource("/readyz").route(web::get().to(ready)))
            .service(web::resource("/version").route(web::get().to(version)))
            .service(
                web::resource("/api/v1/log")
                    .route(web::get().to(log::log))
                    .route(web::put().to(log::log)),
            )
            .service(
                web::resource("/api/v1/clients")
                    .route(web::get().to(clients))
                    .route(web::delete().to(clients)),
            )
            .service(web::resource("/api/v1/losses").route(web::get().to(losses)))
            .service(
                web::resource("/api/v1/bans")
                    .route(web::get().to(bans))
                    .route(web::delete().to(bans)),
            )
    };
    let server = server::build().workers(1).maxconn(CONNECTIONS).disable_signals();
    let places = Places::default();
    let server = match tls {
        None => server.listen("admin", listener, async move |_config| {
            let (places, broker) = (places.clone(), broker.clone());
            let admit = async move |io: Io| {
                let peer = io.query::<PeerAddr>().get().map(|PeerAddr(peer)| peer);
                places.admit(io, peer).map_err(|error| told(&broker, peer, error))
            };
            chain_factory(fn_service(admit))
                .and_then(HttpService::new(app()).map_err(SslError::Service))
        }),
        Some(tls) => server.listen("admin", listener, async move |_config| {
            let (places, tls, broker) = (places.clone(), tls.clone(), broker.clone());
            let shake_hands = async move |io: Io| {
                let peer = io.query::<PeerAddr>().get().map(|PeerAddr(peer)| peer);
                let served = match places.admit(io, peer) {
                    Ok(io) => shake_hands(io, &tls).await,
                    Err(error) => Err(error),
                };
                served.map_err(|error| told(&broker, peer, error))
            };
            chain_factory(fn_service(shake_hands))
                .and_then(HttpService::new(app()).map_err(SslError::Service))
        }),
    };
    Ok(server?.run())
}

/// Runs a server until somebody stops it, who may do so as soon as it is handed over.
async fn run(server: Server, hand_over: impl FnOnce(Server) -> bool) -> io::Result<()> {
    let mut running = pin!(server.clone());
    // The first poll asks to be told of the end. Whoever asks for that behind a stop is never told.
    let is_over = poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx).is_ready())).await;
    if is_over || !hand_over(server) {
        return Ok(());
    }
    running.await
}

/// Tells why a client is not served.
fn told(
    broker: &BrokerHandle,
    peer: Option<SocketAddr>,
    error: io::Error,
) -> SslError<DispatchError> {
    if let Some(events) = broker.events()
        && events.wants(EventKind::HandshakeFailed)
    {
        let (handshake, error) = (Handshake::Admin, error.to_string().into());
        events.publish(Event::HandshakeFailed { handshake, peer, listener: None, error });
    }
    SslError::Ssl(Box::new(error))
}

async fn metrics(request: HttpRequest, office: web::types::State<Arc<Office>>) -> HttpResponse {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let (kind, text) =
        if accepted.is_some_and(|kinds| kinds.contains("application/openmetrics-text")) {
            (OPEN_METRICS, office.metrics.open_metrics())
        } else {
            (prometheus_text::CONTENT_TYPE, office.metrics.text())
        };
    match text {
        Ok(text) => HttpResponse::Ok().content_type(kind).body(text),
        Err(error) => {
            tracing::error!(%error, help = "report this bug", "metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Whoever can ask is answered by a process that runs; the broker's control thread is the rest of it.
async fn healthy(office: web::types::State<Arc<Office>>) -> HttpResponse {
    if office.broker.has_stopped() {
        return HttpResponse::ServiceUnavailable().body("the broker has stopped\n");
    }
    HttpResponse::Ok().body("ok\n")
}

async fn ready(office: web::types::State<Arc<Office>>) -> HttpResponse {
    let problems = problems(&office.broker).await;
    if problems.is_empty() {
        return HttpResponse::Ok().body("ok\n");
    }
    HttpResponse::ServiceUnavailable().body(format!("{}\n", problems.join("\n")))
}

async fn version() -> HttpResponse {
    HttpResponse::Ok().body(concat!("flux-broker ", env!("CARGO_PKG_VERSION"), "\n"))
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use ntex::time::{Millis, timeout};

    use super::*;

    #[test]
    fn a_server_that_is_stopped_as_soon_as_it_runs_ends() {
        let stopped_at_once = |server: Server| {
            drop(server.stop(false));
            true
        };
        let ended = System::build().name("test").build(DefaultRuntime).block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let server = server::build().workers(1).disable_signals().listen(
                "test",
                listener,
                async |_config| fn_service(async |_: Io| Ok::<_, io::Error>(())),
            );
            let run = run(server.unwrap().run(), stopped_at_once);
            timeout(Millis(20_000), run).await.is_ok()
        });
        assert!(ended);
    }
}
