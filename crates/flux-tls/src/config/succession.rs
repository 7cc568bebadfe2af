//! Certificates in place of others, which clients that came by those are looked at with from then on.

use std::sync::{Arc, Weak};

use super::{Inner, Reloaded, TlsConfig};

/// Certificates as long as somebody else has a use for them.
#[derive(Clone, Debug)]
pub struct WeakTlsConfig(Weak<Inner>);

impl TlsConfig {
    /// Has others take its place. Who came by it is looked at with those from now on, by [`TlsConfig::admit`] and at the end of a
    /// handshake that began before.
    ///
    /// Returns whether other clients may come by those.
    pub fn succeed_by(&self, other: &Self) -> Reloaded {
        let (before, after) = (self.latest(), other.latest());
        if before.is_same(&after) {
            return Reloaded { clients_changed: false };
        }
        let clients_changed = {
            let authorities = after.inner.current.read().authorities.clone();
            before.inner.current.read().admits_others_than(authorities.as_ref())
        };
        *before.inner.successor.write() = Some(after);
        Reloaded { clients_changed }
    }

    /// Returns what is in its place now: itself, if nothing else is.
    #[must_use]
    pub fn latest(&self) -> Self {
        let mut latest = self.clone();
        while let Some(next) = latest.successor() {
            latest = next;
        }
        if self.successor().is_some() {
            // Those in between are kept for nobody, and the next one has a short way.
            *self.inner.successor.write() = Some(latest.clone());
        }
        latest
    }

    /// Returns what does not keep it.
    #[must_use]
    pub fn downgrade(&self) -> WeakTlsConfig {
        WeakTlsConfig(Arc::downgrade(&self.inner))
    }

    pub(super) fn successor(&self) -> Option<Self> {
        self.inner.successor.read().clone()
    }
}

impl WeakTlsConfig {
    /// Returns them, if somebody else still has them.
    #[must_use]
    pub fn upgrade(&self) -> Option<TlsConfig> {
        self.0.upgrade().map(|inner| TlsConfig { inner })
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}
