//! Routes as tests of the workers see them, and sessions for tests of routes.

#[cfg(not(feature = "shuttle"))]
mod waiting;

use std::num::NonZeroU64;
use std::sync::Arc;

use flux_session::{Session, SessionLimits, SubscriptionOptions};
use flux_topic::TopicFilter;

use super::Routes;
use crate::ledger::Ledger;
use crate::names::{Publisher, SessionKey};
use crate::session::SharedSession;

impl Routes {
    /// Keeps everybody else away from the routes until the guard is dropped.
    pub(crate) fn hold(&self) -> impl Drop {
        self.map.write()
    }
}

/// A session without a connection.
pub(crate) fn session(number: u64) -> Arc<SharedSession> {
    let number = NonZeroU64::new(number).unwrap();
    let session = Session::new(SessionLimits::default());
    let client_id = format!("client-{number}").into();
    let (key, publisher) = (SessionKey(number), Publisher(number));
    Arc::new(SharedSession::new(key, publisher, client_id, session, Ledger::new(1), None))
}

/// Subscribes, in the session and the routes.
pub(crate) fn subscribe(routes: &Routes, session: &Arc<SharedSession>, filter: &str) {
    let filter = TopicFilter::parse(filter).unwrap();
    session.lock().session.subscribe(filter.clone(), SubscriptionOptions::default());
    routes.follow(session, &[filter]);
}

/// Unsubscribes, in the session and the routes.
pub(crate) fn unsubscribe(routes: &Routes, session: &Arc<SharedSession>, filter: &str) {
    let filter = TopicFilter::parse(filter).unwrap();
    session.lock().session.unsubscribe(&filter);
    routes.follow(session, &[filter]);
}
