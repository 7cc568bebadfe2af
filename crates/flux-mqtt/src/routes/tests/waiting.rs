//! Who waits for whom at the lock of the routes, and for how much.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use flux_session::SubscriptionOptions;
use flux_topic::{TopicFilter, TopicName};

use super::{session, subscribe};
use crate::ledger::Ledger;
use crate::routes::{FILTERS_AT_ONCE, Routes};
use crate::settings::SharedSettings;

fn found(routes: &Routes, topic: &str) -> usize {
    let topic = TopicName::parse(topic).unwrap();
    routes.find(topic).len()
}

#[test]
fn a_reader_does_not_wait_for_a_writer_that_waits_for_a_reader() {
    let routes = Routes::new(SharedSettings::default(), Ledger::new(1), None, 0);
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
    let routes = Routes::new(SharedSettings::default(), Ledger::new(1), None, 0);
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
