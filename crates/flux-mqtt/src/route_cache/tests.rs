//! What a change of a subscription makes the cache forget, and what not.

use std::sync::Arc;

use flux_auth::{Stamp, Verdict};
use flux_topic::TopicName;

use super::{CAPACITY, Remembered, RouteCache};
use crate::ledger::Ledger;
use crate::routes::tests::{session, subscribe, unsubscribe};
use crate::routes::{Found, Routes};
use crate::settings::SharedSettings;

/// Routes, and what a worker remembers of them.
struct Remembering {
    routes: Routes,
    cache: RouteCache,
}

impl Remembering {
    /// Somebody gets everything: what is found is never the same for that it is nothing.
    fn new() -> Self {
        let routes = Routes::new(SharedSettings::default(), Ledger::new(1), None, 0);
        subscribe(&routes, &session(u64::MAX >> 1), "#");
        Self { routes, cache: RouteCache::default() }
    }

    fn find(&mut self, topic: &str) -> Arc<Found> {
        self.cache.find(&self.routes, TopicName::parse(topic).unwrap())
    }

    /// The same for a topic that came before.
    fn find_again(&mut self, topic: &str) -> Arc<Found> {
        self.find(topic);
        self.find(topic)
    }
}

/// Checks whether a subscription that comes, and one that goes, makes the topic be found anew.
#[track_caller]
fn check(filter: &str, topic: &str, is_forgotten: bool) {
    let mut r = Remembering::new();
    let session = session(1);
    let before = r.find_again(topic);
    subscribe(&r.routes, &session, filter);
    let with = r.find(topic);
    assert_eq!(!Arc::ptr_eq(&before, &with), is_forgotten, "{filter} came, {topic}");
    unsubscribe(&r.routes, &session, filter);
    let after = r.find(topic);
    assert_eq!(!Arc::ptr_eq(&with, &after), is_forgotten, "{filter} went, {topic}");
    assert_eq!(after.len(), 1);
}

#[test]
fn a_device_that_comes_or_goes_leaves_the_routes_of_the_others() {
    check("fleet/17/cmd", "fleet/18/state", false);
    check("fleet/17/cmd", "fleet/18/cmd", false);
    check("fleet/17/#", "fleet/18/cmd", false);
    check("$share/g/fleet/17/cmd", "fleet/18/cmd", false);
    check("fleet/17/cmd", "fleet/17/cmd", true);
    check("$share/g/fleet/17/cmd", "fleet/17/cmd", true);
    check("fleet/+/cmd", "fleet/18/state", true);
    check("#", "fleet/18/state", true);
}

#[test]
fn what_changes_nothing_leaves_all() {
    let mut r = Remembering::new();
    let session = session(1);
    subscribe(&r.routes, &session, "a/b");
    let before = r.find_again("a/b");
    subscribe(&r.routes, &session, "a/b");
    unsubscribe(&r.routes, &session, "a/+");
    assert!(Arc::ptr_eq(&before, &r.find("a/b")));
}

#[test]
fn a_topic_is_remembered_when_it_comes_a_second_time() {
    let mut r = Remembering::new();
    let first = r.find("a");
    assert!(r.cache.topics.is_empty());
    let second = r.find("a");
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &r.find("a")));
}

#[test]
fn a_full_cache_forgets_as_many_as_it_must() {
    let mut r = Remembering::new();
    let long = "x".repeat(60_000);
    let fit = CAPACITY / long.len() - 1;
    for number in 0..2 * fit {
        r.find_again(&format!("{number}{long}"));
        assert!(r.cache.bytes <= CAPACITY);
        assert!(r.cache.topics.len() >= number.min(fit - 1));
    }
    let held: usize = r.cache.topics.iter().map(Remembered::bytes).sum();
    assert_eq!(r.cache.bytes, held);
}

#[test]
fn what_takes_much_room_is_found_each_time() {
    let mut r = Remembering::new();
    let before = r.find_again("a");
    for number in 1..=40_000 {
        subscribe(&r.routes, &session(number), "b");
    }
    assert_eq!(r.find_again("b").len(), 40_001);
    assert_eq!(r.cache.topics.len(), 1);
    assert!(Arc::ptr_eq(&before, &r.find("a")));
}

#[test]
fn what_was_decided_stands_beside_the_routes_for_one_client_under_the_same_rules() {
    let mut r = Remembering::new();
    let [alice, bob] = [Stamp::next(), Stamp::next()];
    let [a, b] = ["a", "b"].map(|topic| TopicName::parse(topic).unwrap());
    // Of a topic that is not remembered nothing is.
    assert_eq!(r.cache.verdict(a, alice, 0), None);
    r.cache.note_verdict(alice, 0, Verdict::Deny);
    assert_eq!(r.cache.verdict(a, alice, 0), None);

    let found = r.find_again("a");
    r.find_again("b");
    for verdict in [Verdict::Deny, Verdict::Allow] {
        assert_eq!(r.cache.verdict(a, bob, 2), None);
        r.cache.note_verdict(alice, 2, verdict);
        assert_eq!(r.cache.verdict(a, alice, 2), Some(verdict));
        assert_eq!(r.cache.verdict(a, alice, 3), None, "retained");
        assert_eq!(r.cache.verdict(b, alice, 2), None);
        assert_eq!(r.cache.verdict(a, bob, 2), None);
        // The topic that was asked about is the one whose routes are found.
        assert!(Arc::ptr_eq(&r.find("a"), &found));
        r.cache.verdict(a, alice, 2);
        assert!(!Arc::ptr_eq(&r.find("b"), &found));
    }
    // Others come and go, what was decided stays.
    r.cache.verdict(a, alice, 2);
    subscribe(&r.routes, &session(1), "+");
    assert_eq!(r.find("a").len(), 2);
    assert_eq!(r.cache.verdict(a, alice, 2), Some(Verdict::Allow));
}
