//! Who waits for whom; routes as tests of the workers see them, and sessions for tests of routes.

use std::num::NonZeroU64;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use flux_session::{Session, SessionLimits, SubscriptionOptions};
use flux_topic::{TopicFilter, TopicName};

use super::{FILTERS_AT_ONCE, Routes};
use crate::names::{Publisher, SessionKey};
use crate::session::SharedSession;
use crate::settings::SharedSettings;

impl Routes {
    /// Returns how many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.map.read_recursive().tree.len()
    }

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
    Arc::new(SharedSession::new(SessionKey(number), Publisher(number), client_id, session))
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

fn found(routes: &Routes, topic: &str) -> usize {
    let topic = TopicName::parse(topic).unwrap();
    routes.find(topic, &topic.scopes()).1.len()
}

#[test]
fn a_reader_does_not_wait_for_a_writer_that_waits_for_a_reader() {
    let routes = Routes::new(SharedSettings::default());
    let (tell, told) = mpsc::sync_channel(1);
    let reader = routes.map.read_recursive();
    let second = thread::scope(|scope| {
        scope.spawn(|| subscribe(&routes, &session(1), "a"));
        scope.spawn(|| {
            // The writer takes its place before it waits for the readers in front of it.
            while !routes.map.is_locked_exclusive() {
                thread::yield_now();
            }
            tell.send(found(&routes, "a")).unwrap();
        });
        let second = told.recv_timeout(Duration::from_secs(10));
        drop(reader);
        second
    });
    assert_eq!(second, Ok(0), "the second reader reads what is, before the writer");
    assert_eq!(found(&routes, "a"), 1);
}

#[test]
fn more_filters_than_change_at_once_all_change() {
    let routes = Routes::new(SharedSettings::default());
    let session = session(1);
    let filters: Vec<_> = (0..=2 * FILTERS_AT_ONCE)
        .map(|number| TopicFilter::parse(&format!("t/{number}")).unwrap())
        .collect();
    for filter in &filters {
        session.lock().session.subscribe(filter.clone(), SubscriptionOptions::default());
    }
    routes.follow(&session, &filters);
    assert_eq!(routes.len(), filters.len());
    session.lock().ended = true;
    routes.follow(&session, &filters);
    assert_eq!(routes.len(), 0);
}
