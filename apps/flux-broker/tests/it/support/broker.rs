//! A broker in this process, on a port that the system chose.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use flux_auth::Authenticator;
use flux_conformance::{Layer, Server};
use flux_mqtt::{
    BrokerHandle, EventBus, Listen, Listener, Settings, SimpleAuthenticator, Store,
    start_broker_with, start_broker_with_store,
};
use flux_storage::{Durability, Log, LogSettings, SimulatedDisk};
use rustls::ClientConfig;

use super::certificates::open_tls;
use super::rights::Rights;
use super::{Client, Version};

/// A running broker; it stops when this is dropped.
pub(crate) struct Broker {
    pub(crate) handle: BrokerHandle,
    pub(crate) events: Arc<EventBus>,
    /// How clients connect; over TCP if it is not said.
    pub(crate) over_tls: Option<Arc<ClientConfig>>,
    /// What clients lay over their sockets, if that is not said.
    pub(crate) layer: Layer,
}

impl Broker {
    /// Starts a broker with so many workers and the default settings, after `change`. Nobody may
    /// do anything below `denied/`, and everything below `asked/` after a question.
    ///
    /// With `FLUX_TEST_STORE` in the environment it is over a store in memory: the scenarios hold there too.
    pub(crate) fn start(workers: usize, change: impl FnOnce(&mut Settings)) -> Self {
        if std::env::var_os("FLUX_TEST_STORE").is_some() {
            let settings =
                LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
            let (log, _) = Log::open(SimulatedDisk::default(), settings).unwrap();
            return Self::over(log, workers, change);
        }
        Self::start_with(workers, SimpleAuthenticator::new(), change)
    }

    /// The same with an authenticator.
    pub(crate) fn start_with(
        workers: usize,
        authenticator: impl Authenticator,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = loopback_settings();
        settings.workers = NonZeroUsize::new(workers).unwrap();
        change(&mut settings);
        let authenticator = Arc::new(authenticator);
        let events = Arc::new(EventBus::new());
        let handle =
            start_broker_with(settings, events.clone(), authenticator, Arc::new(Rights)).unwrap();
        Self { handle, events, over_tls: None, layer: Layer::default() }
    }

    /// Starts a broker over a store.
    pub(crate) fn over(
        store: impl Store + 'static,
        workers: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = loopback_settings();
        settings.workers = NonZeroUsize::new(workers).unwrap();
        change(&mut settings);
        let authenticator = Arc::new(SimpleAuthenticator::new());
        let events = Arc::new(EventBus::new());
        let rights = Arc::new(Rights);
        let handle =
            start_broker_with_store(settings, events.clone(), authenticator, rights, store);
        Self { handle: handle.unwrap(), events, over_tls: None, layer: Layer::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addrs()[0]
    }

    /// Disconnects a client as an administrator does.
    pub(crate) fn kick(&self, client_id: &str) {
        block_on(self.handle.manager().kick(client_id)).unwrap();
    }
}

impl Server for Broker {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn open(&self, version: Version) -> Client {
        match &self.over_tls {
            None => Client::open_over(self.address(), version, |socket| self.layer.over(socket)),
            Some(config) => open_tls(self.address(), version, config),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.handle.stop();
        self.handle.wait();
    }
}

/// The default settings, on a port of 127.0.0.1 that the system chooses.
pub(crate) fn loopback_settings() -> Settings {
    let mut settings = Settings::default();
    settings.listeners =
        vec![Listener::tcp(Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]))];
    settings
}

/// Waits for a future of the library, which needs no runtime, only somebody who polls.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
