//! The broker as a value: what its workers share, and the workers, for whoever pumps them.
//!
//! [`start_broker`](crate::start_broker) pumps them with sockets and threads; a simulator or a fuzz
//! target with whatever it likes, in one thread and in its own time.

use std::fmt;
use std::sync::Arc;

use flux_auth::Authorizer;

use crate::RetainedStore;
use crate::broker::Broker;
use crate::ledger::Holdings;
use crate::names::WorkerId;
use crate::settings::Settings;
use crate::worker::Worker;

/// What the workers of a broker share, before anything drives them.
pub struct Core {
    pub(crate) broker: Arc<Broker>,
    pub(crate) settings: Arc<Settings>,
}

impl Core {
    /// Creates the shared state. Of the settings, those about listeners mean nothing here;
    /// `workers` says how many [`worker`](Self::worker)s there will be.
    #[must_use]
    pub fn new(settings: Settings, authorizer: Arc<dyn Authorizer>) -> Self {
        Self { broker: Arc::new(Broker::new(&settings, authorizer)), settings: Arc::new(settings) }
    }

    /// Creates the worker of this name; [`Letter`](crate::Letter)s to it are to be handed to it as
    /// inputs, in the order in which each worker wrote them. `seed` makes assigned client identifiers
    /// unguessable: random in production, chosen in a simulator.
    #[must_use]
    pub fn worker(&self, id: WorkerId, seed: u64) -> Worker {
        Worker::new(id, self.broker.clone(), self.settings.clone(), seed)
    }

    /// Returns how many bytes are held for clients, all together.
    #[must_use]
    pub fn ledger(&self) -> Holdings {
        self.broker.holdings()
    }

    /// Returns how many sessions there are, whether or not their clients are connected.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.broker.clients.count()
    }

    /// Returns the retained messages.
    #[must_use]
    pub fn retained(&self) -> &RetainedStore {
        &self.broker.retained
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("ledger", &self.ledger()).finish_non_exhaustive()
    }
}
