//! The certificates of a running broker.

use std::sync::Arc;

use flux_tls::{CertificateInUse, LoadTlsError, Reloaded, TlsConfig, TlsWarning, WeakTlsConfig};
use parking_lot::Mutex;

use crate::driver::{Mail, Mailboxes};
use crate::listener::{Listener, Transport};
use crate::names::WorkerId;

/// The certificates of all listeners of a broker, and of what is beside it. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub struct Certificates {
    known: Arc<Mutex<Known>>,
    mailboxes: Mailboxes,
}

#[derive(Debug, Default)]
struct Known {
    in_use: Vec<TlsConfig>,
    /// Those that no listener of the broker has to have.
    others: Vec<TlsConfig>,
    /// Those of listeners that are gone: clients that came by them may be connected.
    gone: Vec<WeakTlsConfig>,
}

impl Certificates {
    pub(crate) fn new(listeners: &[Listener], mailboxes: Mailboxes) -> Self {
        let certificates = Self { known: Arc::default(), mailboxes };
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
        let mut known = self.known.lock();
        let before = std::mem::replace(&mut known.in_use, configs);
        let is_in_use = |tls: &TlsConfig| known.in_use.iter().any(|it| it.is_same(tls));
        let gone = before.iter().filter(|tls| !is_in_use(tls)).map(TlsConfig::downgrade).collect();
        let before = std::mem::replace(&mut known.gone, gone);
        known.gone.extend(before.into_iter().filter(|tls| tls.upgrade().is_some()));
    }

    /// Has certificates of something else beside the broker looked after as those of its listeners.
    pub fn add(&self, tls: TlsConfig) {
        self.known.lock().others.push(tls);
    }

    /// Has certificates take the place of others, after a reload of the broker: clients that came by those are looked at with
    /// these from now on, and are disconnected as [`Certificates::reload`] does it.
    pub fn replace(&self, old: &TlsConfig, new: &TlsConfig) {
        let reloaded = old.succeed_by(new);
        self.tell_workers(new, reloaded);
    }

    /// Returns whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_use().is_empty()
    }

    /// Reads the files of all listeners again: see [`TlsConfig::reload`]. One listener does not wait for another.
    ///
    /// Connections stay, but for those of clients whose certificate has been revoked, or whose authority is no longer
    /// trusted: they end with 0x87 (Not authorized), if
    /// [`TlsSettings::ends_revoked_clients`](crate::TlsSettings::ends_revoked_clients) says so.
    #[must_use]
    pub fn reload(&self) -> Vec<Result<Reloaded, LoadTlsError>> {
        let reload = |tls: &TlsConfig| self.settle(tls, tls.reload());
        let mut reloads: Vec<_> = self.in_use().iter().map(reload).collect();
        reloads.extend(self.reload_changed_of(&self.gone()));
        reloads
    }

    /// The same for the listeners whose files have changed since they were last read; call it every few seconds.
    #[must_use]
    pub fn reload_changed(&self) -> Vec<Result<Reloaded, LoadTlsError>> {
        let mut reloads = self.reload_changed_of(&self.in_use());
        reloads.extend(self.reload_changed_of(&self.gone()));
        reloads
    }

    /// Returns the certificates that clients are shown, of all listeners, each with the whole days until it expires:
    /// negative when it has.
    #[must_use]
    pub fn days_left(&self) -> Vec<(CertificateInUse, i64)> {
        self.in_use().iter().flat_map(TlsConfig::days_left).collect()
    }

    /// Returns what an operator should hear of.
    #[must_use]
    pub fn warnings(&self) -> Vec<TlsWarning> {
        self.in_use().iter().flat_map(TlsConfig::warnings).collect()
    }

    fn in_use(&self) -> Vec<TlsConfig> {
        let known = self.known.lock();
        let mut all = known.in_use.clone();
        for other in known.others.iter().map(TlsConfig::latest) {
            if !all.iter().any(|it| it.is_same(&other)) {
                all.push(other);
            }
        }
        all
    }

    /// Returns those of listeners that are gone which clients came by, if nothing took their place.
    fn gone(&self) -> Vec<TlsConfig> {
        let known = self.known.lock();
        let gone = known.gone.iter().filter_map(WeakTlsConfig::upgrade);
        gone.filter(|tls| tls.latest().is_same(tls)).collect()
    }

    fn reload_changed_of(&self, some: &[TlsConfig]) -> Vec<Result<Reloaded, LoadTlsError>> {
        let reload = |tls: &TlsConfig| Some(self.settle(tls, tls.reload_if_changed()?));
        some.iter().filter_map(reload).collect()
    }

    fn settle(
        &self,
        tls: &TlsConfig,
        reloaded: Result<Reloaded, LoadTlsError>,
    ) -> Result<Reloaded, LoadTlsError> {
        let reloaded = reloaded?;
        self.tell_workers(tls, reloaded);
        Ok(reloaded)
    }

    fn tell_workers(&self, tls: &TlsConfig, reloaded: Reloaded) {
        if reloaded.clients_changed && tls.ends_revoked_clients() {
            for worker in 0..self.mailboxes.len() {
                self.mailboxes.post(WorkerId(worker), Mail::ClientsChanged(tls.clone()));
            }
        }
    }
}
