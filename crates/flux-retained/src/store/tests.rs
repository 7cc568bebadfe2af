//! The shared store: what it accepts, and that handles share it.

mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use flux_topic::ParseTopicError;

use super::*;
use crate::tree::Progress;

/// A value of a broker; even numbers expire a second after the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u64);

impl Retain for Number {
    fn size(&self) -> usize {
        8
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.0.is_multiple_of(2).then_some(Timestamp::from_millis(1_000))
    }
}

fn payload(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn message(topic: &str, text: &'static str, qos: u8) -> RetainedMessage {
    RetainedMessage { topic: topic.to_owned(), payload: payload(text), qos }
}

/// Checks what storing a message says, and that only a stored one is there afterwards.
#[track_caller]
fn check_set(topic: &str, qos: u8, expected: Result<(), SetRetainedError>) {
    let store: RetainedStore = RetainedStore::new();
    assert_eq!(store.try_set(topic, payload("p"), qos), expected);
    assert_eq!(store.get(topic), expected.is_ok().then(|| message(topic, "p", qos)));

    let ignoring: RetainedStore = RetainedStore::new();
    ignoring.set(topic.to_owned(), payload("p"), qos);
    assert_eq!(ignoring.len(), store.len());
}

#[test]
fn only_valid_messages_are_stored() {
    check_set("a/b", 0, Ok(()));
    check_set("$SYS/up", 2, Ok(()));
    check_set("a", 3, Err(SetRetainedError::Qos { qos: 3 }));
    check_set("", 0, Err(ParseTopicError::Empty.into()));
    check_set("a/+", 0, Err(ParseTopicError::Wildcard { wildcard: '+', at: 2 }.into()));
}

#[test]
fn an_error_names_the_value_and_the_limit() {
    assert_eq!(
        SetRetainedError::Qos { qos: 3 }.to_string(),
        "quality of service is 3, the limit is 2: use 0, 1 or 2"
    );
}

#[test]
fn an_empty_payload_removes() {
    let store: RetainedStore = RetainedStore::new();
    store.set("a".to_owned(), payload("1"), 1);
    store.set("a".to_owned(), payload("2"), 0);
    assert_eq!(store.get("a"), Some(message("a", "2", 0)));
    store.set("a".to_owned(), Bytes::new(), 0);
    store.set("never".to_owned(), Bytes::new(), 0);
    assert_eq!(store.get("a"), None);
    assert!(store.is_empty());
}

#[test]
fn a_filter_finds_messages_in_the_order_of_the_tree() {
    let store: RetainedStore = RetainedStore::new();
    for topic in ["b/x", "a/x", "$SYS/x", "b"] {
        store.set(topic.to_owned(), payload("p"), 0);
    }
    let topics = |filter: &str| {
        store.get_matching(filter).into_iter().map(|message| message.topic).collect::<Vec<_>>()
    };
    assert_eq!(topics("#"), ["b", "b/x", "a/x"]);
    assert_eq!(topics("+/x"), ["b/x", "a/x"]);
    assert!(topics("a#").is_empty());
}

#[test]
fn clones_share_their_messages() {
    let store: RetainedStore = RetainedStore::new();
    let writer = store.clone();
    thread::scope(|scope| {
        scope.spawn(move || writer.set("a".to_owned(), payload("p"), 0));
    });
    assert_eq!(store.len(), 1);
}

#[test]
fn a_broker_stores_what_it_likes() {
    let store: RetainedStore<Number> = RetainedStore::new();
    let (now, name) = (Timestamp::from_millis(0), TopicName::parse("a/b").unwrap());
    let replace = |value| store.replace(now, name, value).unwrap().replaced;
    assert_eq!(replace(Some(Number(1))), None);
    assert_eq!(replace(Some(Number(2))), Some(Number(1)));
    assert_eq!(store.with_tree(|tree| tree.get(now, name).copied()), Some(Number(2)));
    assert_eq!(replace(None), Some(Number(2)));
    assert!(store.is_empty());
}

#[test]
fn an_expired_value_goes_when_somebody_asks_for_it() {
    let store: RetainedStore<Number> = RetainedStore::new();
    for (topic, number) in [("a", 1), ("b", 2), ("c", 4)] {
        let name = TopicName::parse(topic).unwrap();
        store.replace(TIMELESS, name, Some(Number(number))).unwrap();
    }
    let moment = Timestamp::from_millis(1_000);
    assert_eq!(store.next_expiry(), Some(moment));
    assert_eq!(store.remove_expired(TIMELESS, 5), []);
    assert_eq!(store.remove_expired(moment, 1), [Number(2)]);
    assert_eq!(store.remove_expired(moment, 5), [Number(4)]);
    assert_eq!((store.len(), store.next_expiry()), (1, None));
}

#[test]
fn a_cursor_that_is_dropped_leaves_nothing() {
    let store: RetainedStore = RetainedStore::new();
    store.set("a/b".to_owned(), payload("p"), 0);
    let mut cursor = store.cursor(&TopicFilter::parse("#").unwrap());
    let mut found = 0;
    while found == 0 {
        assert_eq!(cursor.advance(TIMELESS, 1, |_| found += 1), Progress::More);
    }
    store.set("a/b".to_owned(), Bytes::new(), 0);
    assert_eq!(store.bytes(), crate::LEVEL_OVERHEAD, "it stands on the way back at a");
    drop(cursor);
    assert_eq!(store.bytes(), 0);
}

/// So nobody can store a newer value before the visitor is done with an old one.
#[test]
fn a_visit_happens_while_the_store_is_locked() {
    let store: RetainedStore = RetainedStore::new();
    store.set("a".to_owned(), payload("p"), 0);
    let mut cursor = store.cursor(&TopicFilter::parse("a").unwrap());
    let mut is_locked = false;
    let progress = cursor.advance(TIMELESS, 10, |_| is_locked = store.tree.try_read().is_err());
    assert_eq!((progress, is_locked), (Progress::Done, true));
    assert!(store.tree.try_read().is_ok());
}

#[test]
fn a_full_store_refuses() {
    let limits = RetainedLimits { messages: 1, ..RetainedLimits::default() };
    let store: RetainedStore = RetainedStore::with_limits(limits);
    store.set("a".to_owned(), payload("p"), 0);
    store.set("b".to_owned(), payload("p"), 0);
    let error = RetainedLimitError::Messages { messages: 2, limit: 1 };
    assert_eq!(store.try_set("b", payload("p"), 0), Err(error.into()));
    assert_eq!(store.get_matching("#"), [message("a", "p", 0)]);
    assert_eq!(store.bytes(), crate::LEVEL_OVERHEAD + 2);
}

#[test]
fn a_panic_under_the_lock_does_not_close_the_store() {
    let store: RetainedStore = RetainedStore::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = store.tree.write().unwrap();
        panic!("while the lock is held");
    }));
    assert!(panicked.is_err() && store.tree.is_poisoned());
    store.set("a".to_owned(), payload("p"), 0);
    assert_eq!(store.get("a"), Some(message("a", "p", 0)));
}
