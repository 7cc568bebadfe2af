//! A broker that sends to a collector.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flux_admin::Exported;
use flux_conformance::{Client, Connect, Version};
use flux_mqtt::{
    AllowAll, BrokerHandle, EventBus, Listen, Listener, Settings, SimpleAuthenticator,
    start_broker_with,
};
use flux_otlp::{Otlp, OtlpSettings};

/// A running broker and what sends its numbers; both end when this is dropped.
pub(crate) struct Site {
    pub(crate) broker: BrokerHandle,
    pub(crate) exported: Arc<Exported>,
    sends: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Site {
    /// Starts a broker that sends to this address, only when it ends unless `change` says otherwise.
    pub(crate) fn start(endpoint: &str, change: impl FnOnce(&mut OtlpSettings)) -> Self {
        let mut otlp = OtlpSettings {
            endpoint: endpoint.to_owned(),
            headers: Vec::new(),
            authorities: None,
            timeout: Duration::from_secs(30),
            interval: Duration::from_secs(3600),
            sample_ratio: None,
            service_name: "flux".to_owned(),
            attributes: Vec::new(),
        };
        change(&mut otlp);
        let otlp = Otlp::open(otlp).unwrap();
        let exported = otlp.exported();
        let mut settings = Settings::default();
        settings.workers = NonZeroUsize::new(2).unwrap();
        settings.tracer = otlp.tracer();
        settings.listeners = vec![Listener::tcp(Listen::Loopback(0))];
        let authenticator = Arc::new(SimpleAuthenticator::new());
        let events = Arc::new(EventBus::new());
        let broker =
            start_broker_with(settings, events, authenticator, Arc::new(AllowAll)).unwrap();
        let (over, is_over) = sync_channel(0);
        let told = broker.clone();
        let thread = thread::spawn(move || otlp.run(&told, &is_over));
        Self { broker, exported, sends: Some((over, thread)) }
    }

    pub(crate) fn connect(&self, version: Version, client_id: &str) -> Client {
        Client::connect_to(self.address(), &Connect::new(version, client_id))
    }

    fn address(&self) -> SocketAddr {
        self.broker.local_addrs()[0]
    }

    /// Ends what sends, which sends once more before, while the broker goes on.
    pub(crate) fn end_sending(&mut self) {
        let (over, thread) = self.sends.take().unwrap();
        drop(over);
        thread.join().unwrap();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.broker.stop();
        self.broker.wait();
        if self.sends.is_some() && !thread::panicking() {
            self.end_sending();
        }
    }
}
