//! What the scenarios want of a client library, whatever its version.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::support::DEADLINE;

/// A connected client.
pub(crate) trait Peer: Sized {
    async fn connect(address: SocketAddr, options: Options) -> Self;

    fn session_present(&self) -> bool;

    /// Returns once SUBACK has come.
    async fn subscribe(&mut self, filter: &str, qos: u8);

    /// Returns once the last acknowledgement has come; at QoS 0, once it is sent.
    async fn publish(&mut self, topic: &str, qos: u8, retain: bool, payload: &str);

    async fn receive(&mut self) -> Message;

    /// Returns once the broker has closed the connection.
    async fn disconnect(self);
}

/// How a client connects.
pub(crate) struct Options {
    pub(crate) client_id: &'static str,
    /// Keeps its session, and resumes it.
    pub(crate) is_persistent: bool,
    /// Topic and payload of a will at QoS 1.
    pub(crate) will: Option<(&'static str, &'static str)>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Options {
    pub(crate) const fn new(client_id: &'static str) -> Self {
        Self { client_id, is_persistent: false, will: None, tls: None }
    }
}

/// A message as the library hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

impl Message {
    pub(crate) fn new(topic: &str, payload: &str, qos: u8) -> Self {
        Self { topic: topic.to_owned(), payload: payload.to_owned(), qos, retain: false }
    }
}

/// Runs a scenario on this thread.
pub(crate) fn block_on<T>(scenario: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scenario)
}

/// Waits for what must come.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("nothing comes")
}
