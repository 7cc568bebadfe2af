//! [`Gate`]: who gets in, which may change while clients come.

use std::sync::Arc;

use flux_auth::{Authentication, Authenticator, Chain, Credentials, Exchange, SimpleAuthenticator};
use parking_lot::RwLock;

/// The way in. A client is judged by what held when it began to be.
#[derive(Debug)]
pub(crate) struct Gate(RwLock<Arc<Entry>>);

/// Who gets in.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) way: Way,
    /// Whether somebody can be a user: who is none then is nobody for good.
    pub(super) has_users: bool,
}

/// How one gets in.
#[derive(Debug)]
pub(super) enum Way {
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
        let mut authentication = match &self.way {
            Way::Open(simple) => simple.authenticate(credentials).await,
            Way::Guarded(chain) => chain.authenticate(credentials).await,
        };
        if let Authentication::Accepted(identity) = &mut authentication {
            identity.may_be_a_user = !self.has_users;
        }
        authentication
    }

    fn begin(&self, method: &str, credentials: &Credentials) -> Option<Box<dyn Exchange>> {
        match &self.way {
            Way::Open(simple) => simple.begin(method, credentials),
            Way::Guarded(chain) => chain.begin(method, credentials),
        }
    }

    fn admits_anyone(&self) -> bool {
        match &self.way {
            Way::Open(simple) => simple.admits_anyone(),
            Way::Guarded(chain) => chain.admits_anyone(),
        }
    }
}
