//! The shared store: what it accepts, and that handles share it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use flux_topic::ParseTopicError;

use super::*;

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
    let store: RetainedStore<u32> = RetainedStore::new();
    let name = TopicName::parse("a/b").unwrap();
    assert_eq!(store.replace(name, Some(1)), None);
    assert_eq!(store.replace(name, Some(2)), Some(1));
    assert_eq!(store.with_tree(|tree| tree.get(name).copied()), Some(2));
    assert_eq!(store.replace(name, None), Some(2));
    assert!(store.is_empty());
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
