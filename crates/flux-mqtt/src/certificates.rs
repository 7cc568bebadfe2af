//! The certificates of a running broker.

use std::sync::Arc;

use flux_tls::{CertificateInUse, LoadTlsError, Reloaded, TlsConfig};
use parking_lot::Mutex;

use crate::driver::{Mail, Mailboxes};
use crate::listener::{Listener, Transport};
use crate::names::WorkerId;

/// The certificates of all listeners of a broker. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub struct Certificates {
    configs: Arc<Mutex<Vec<TlsConfig>>>,
    mailboxes: Mailboxes,
}

impl Certificates {
    pub(crate) fn new(listeners: &[Listener], mailboxes: Mailboxes) -> Self {
        let certificates = Self { configs: Arc::default(), mailboxes };
        certificates.set(listeners);
        certificates
    }

    /// Takes those of other listeners.
    pub(crate) fn set(&self, listeners: &[Listener]) {
        let mut configs: Vec<TlsConfig> = Vec::new();
        for listener in listeners {
            match &listener.transport {
                Transport::Tls(tls) if !configs.iter().any(|known| known.is_same(tls)) => {
                    configs.push(tls.clone());
                }
                Transport::Tls(_) | Transport::Tcp => {}
            }
        }
        *self.configs.lock() = configs;
    }

    /// Returns whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configs.lock().is_empty()
    }

    /// Reads the files of all listeners again: see [`TlsConfig::reload`]. One listener does not wait for another.
    ///
    /// Connections stay, but for those of clients whose certificate has been revoked, or whose authority is no longer
    /// trusted: they end with 0x87 (Not authorized), if
    /// [`TlsSettings::ends_revoked_clients`](crate::TlsSettings::ends_revoked_clients) says so.
    #[must_use]
    pub fn reload(&self) -> Vec<Result<Reloaded, LoadTlsError>> {
        let reload = |tls: &TlsConfig| self.settle(tls, tls.reload());
        self.all().iter().map(reload).collect()
    }

    /// The same for the listeners whose files have changed since they were last read; call it every few seconds.
    #[must_use]
    pub fn reload_changed(&self) -> Vec<Result<Reloaded, LoadTlsError>> {
        let reload = |tls: &TlsConfig| Some(self.settle(tls, tls.reload_if_changed()?));
        self.all().iter().filter_map(reload).collect()
    }

    /// Returns the certificates that clients are shown, of all listeners, each with the whole days until it expires:
    /// negative when it has.
    #[must_use]
    pub fn days_left(&self) -> Vec<(CertificateInUse, i64)> {
        self.all().iter().flat_map(TlsConfig::days_left).collect()
    }

    /// Returns what an operator should hear of, in a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.all().iter().flat_map(TlsConfig::warnings).map(|it| it.to_string()).collect()
    }

    fn all(&self) -> Vec<TlsConfig> {
        self.configs.lock().clone()
    }

    fn settle(
        &self,
        tls: &TlsConfig,
        reloaded: Result<Reloaded, LoadTlsError>,
    ) -> Result<Reloaded, LoadTlsError> {
        let reloaded = reloaded?;
        if reloaded.clients_changed && tls.ends_revoked_clients() {
            for worker in 0..self.mailboxes.len() {
                self.mailboxes.post(WorkerId(worker), Mail::ClientsChanged(tls.clone()));
            }
        }
        Ok(reloaded)
    }
}
