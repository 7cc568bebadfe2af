//! Remembered routes, and subscriptions that change while they are looked for.

use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use flux_session::SubscriptionOptions;
use flux_topic::{TopicFilter, TopicName};
use shuttle::thread;

use super::{exhaust, sample};
use crate::ledger::Ledger;
use crate::route_cache::RouteCache;
use crate::routes::Routes;
use crate::routes::tests::{session, subscribe, unsubscribe};
use crate::session::SharedSession;
use crate::settings::SharedSettings;

/// A worker that looks for the routes of one topic.
struct Reader {
    routes: Arc<Routes>,
    /// With the same hashes in every schedule: whether a topic seems to be known is to be the same as well.
    cache: RouteCache<BuildHasherDefault<DefaultHasher>>,
}

impl Reader {
    fn new() -> Self {
        let routes = Arc::new(Routes::new(SharedSettings::default(), Ledger::new(1), None, 0));
        Self { routes, cache: RouteCache::default() }
    }

    fn found(&mut self) -> usize {
        self.cache.find(&self.routes, TopicName::parse("a/b").unwrap()).len()
    }

    /// Another thread makes the routes what the session's subscription is.
    fn follow(&self, session: &Arc<SharedSession>, filter: &TopicFilter) -> thread::JoinHandle<()> {
        let (routes, session, filter) = (self.routes.clone(), session.clone(), filter.clone());
        thread::spawn(move || {
            routes.follow(&session, &[filter]);
        })
    }
}

fn subscribe_in(session: &SharedSession, filter: &TopicFilter) {
    session.lock().session.subscribe(filter.clone(), SubscriptionOptions::default());
}

fn unsubscribe_in(session: &SharedSession, filter: &TopicFilter) {
    session.lock().session.unsubscribe(filter);
}

/// Looks for the routes while a subscription comes, or goes, and once that is acknowledged.
#[track_caller]
fn check(filter: &'static str, comes: bool, is_remembered: bool) {
    exhaust(move || {
        let (mut reader, session) = (Reader::new(), session(1));
        let filter = TopicFilter::parse(filter).unwrap();
        if !comes {
            subscribe(&reader.routes, &session, filter.as_str());
        }
        // From the second time on it is remembered.
        reader.found();
        if is_remembered {
            reader.found();
        }
        if comes {
            subscribe_in(&session, &filter);
        } else {
            unsubscribe_in(&session, &filter);
        }
        let change = reader.follow(&session, &filter);
        // Before, between or after: whatever it remembers of that must not outlive the change.
        reader.found();
        change.join().unwrap();
        assert_eq!(reader.found(), usize::from(comes), "{filter} came: {comes}");
    });
}

#[test]
fn no_route_is_remembered_beyond_the_change_of_a_subscription() {
    for comes in [true, false] {
        check("a/b", comes, true);
        check("#", comes, true);
        check("$share/g/a/+", comes, true);
    }
    check("a/b", true, false);
}

#[test]
fn no_route_is_remembered_beyond_two_changes_at_once() {
    sample(1_000, || {
        let mut reader = Reader::new();
        let filters = ["a/b", "+/b"].map(|filter| TopicFilter::parse(filter).unwrap());
        let sessions = [session(1), session(2)];
        subscribe(&reader.routes, &sessions[0], "a/b");
        unsubscribe_in(&sessions[0], &filters[0]);
        subscribe_in(&sessions[1], &filters[1]);
        reader.found();
        let goes = reader.follow(&sessions[0], &filters[0]);
        let comes = reader.follow(&sessions[1], &filters[1]);
        reader.found();
        goes.join().unwrap();
        assert!(reader.found() <= 1, "who has left gets it");
        comes.join().unwrap();
        assert_eq!(reader.found(), 1);
        unsubscribe(&reader.routes, &sessions[1], "+/b");
        assert_eq!(reader.found(), 0);
    });
}
