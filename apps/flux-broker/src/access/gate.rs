//! [`Gate`]: who gets in, which may change while clients come.

use std::sync::Arc;

use flux_auth::{Authentication, Authenticator, Chain, Credentials, Exchange, SimpleAuthenticator};
use parking_lot::RwLock;

/// The way in. A client is judged by what held when it began to be.
#[derive(Debug)]
pub(crate) struct Gate(RwLock<Arc<Entry>>);

/// Who gets in.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Anybody, under any name.
    Open(SimpleAuthenticator),
    /// Who proves who it is.
    Guarded(Chain),
}

impl Gate {
    pub(super) fn new(entry: Entry) -> Self {
        Self(RwLock::new(Arc::new(entry)))
    }

    pub(super) fn replace(&self, entry: Entry) {
        *self.0.write() = Arc::new(entry);
    }

    fn entry(&self) -> Arc<Entry> {
        self.0.read().clone()
    }
}

impl Authenticator for Gate {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        let entry = self.entry();
        entry.authenticate(credentials).await
    }

    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        self.entry().begin(method, credentials)
    }

    fn admits_anyone(&self) -> bool {
        self.entry().admits_anyone()
    }
}

impl Authenticator for Entry {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        match self {
            Self::Open(simple) => simple.authenticate(credentials).await,
            Self::Guarded(chain) => chain.authenticate(credentials).await,
        }
    }

    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        match self {
            Self::Open(simple) => simple.begin(method, credentials),
            Self::Guarded(chain) => chain.begin(method, credentials),
        }
    }

    fn admits_anyone(&self) -> bool {
        match self {
            Self::Open(simple) => simple.admits_anyone(),
            Self::Guarded(chain) => chain.admits_anyone(),
        }
    }
}
