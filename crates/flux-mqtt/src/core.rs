//! The broker as a value: what its workers share, and the workers, for whoever pumps them.
//!
//! [`start_broker`](crate::start_broker) pumps them with sockets and threads; a simulator or a fuzz
//! target with whatever it likes, in one thread and in its own time.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use flux_auth::Authorizer;
use flux_session::Timestamp;
use flux_storage::{ReadError, Store};

use crate::RetainedStore;
use crate::broker::Broker;
use crate::inspect::{SessionView, ShareView};
use crate::ledger::Holdings;
use crate::names::WorkerId;
use crate::restore::{Restored, numbers};
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
        let seed = RandomState::new().hash_one(());
        Self::with_seed(settings, authorizer, seed)
    }

    /// Creates the shared state, in which everything that is drawn by lot follows from `seed`: which
    /// member of a shared subscription is that of a publisher. Peers who know it can aim at collisions.
    #[must_use]
    pub fn with_seed(settings: Settings, authorizer: Arc<dyn Authorizer>, seed: u64) -> Self {
        let broker = Broker::new(&settings, authorizer, seed, None);
        Self { broker: Arc::new(broker), settings: Arc::new(settings) }
    }

    /// Creates the shared state over a store, and takes over what it holds, with [`with_seed`](Self::with_seed)
    /// for the rest. From here on moments count from the Unix epoch. What the broker writes goes through
    /// [`Effects::persist`](crate::Effects), in the end to this store.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn restore(
        settings: Settings,
        authorizer: Arc<dyn Authorizer>,
        seed: u64,
        now: Timestamp,
        store: &mut impl Store,
    ) -> Result<(Self, Restored), ReadError> {
        let broker = Broker::new(&settings, authorizer, seed, Some(numbers(store)));
        let restored = broker.restore(now, &settings, store)?;
        Ok((Self { broker: Arc::new(broker), settings: Arc::new(settings) }, restored))
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

    /// Looks at every session, in the order of the client identifiers, one after the other.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        self.broker.clients.views()
    }

    /// Looks at every shared subscription, in the order of their filters, one after the other.
    #[must_use]
    pub fn shares(&self) -> Vec<ShareView> {
        self.broker.routes.share_views()
    }

    /// Returns how many subscriptions can be found by a message; a shared one counts once.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.broker.routes.len()
    }

    /// Returns how many detached sessions wait for the moment of their will or their end.
    #[must_use]
    pub fn due_sessions(&self) -> usize {
        self.broker.due.len()
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
