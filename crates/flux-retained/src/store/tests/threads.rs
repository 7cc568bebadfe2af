//! Writers and cursors at the same time, on several threads.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;

/// Values that grow, topic by topic: what a session is offered.
type Session = Mutex<Vec<(usize, u64)>>;

/// A value that says its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    /// Which of the topics of the writer; [`STABLE`] and above are set once.
    topic: usize,
    number: u64,
}

impl Retain for Reading {
    fn size(&self) -> usize {
        16
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

const WRITERS: usize = 2;
const TOPICS: usize = 8;
const STABLE: usize = WRITERS * TOPICS;
const STABLE_TOPICS: usize = 200;
const ROUNDS: u64 = 300;
const CURSORS: usize = 40;

fn set(store: &RetainedStore<Reading>, topic: usize, number: Option<u64>) {
    // The topics that stay are siblings of those that come and go.
    let text = format!("{}/{topic}", topic % 3);
    let value = number.map(|number| Reading { topic, number });
    store.replace(TIMELESS, TopicName::parse(&text).unwrap(), value).unwrap();
}

/// Sets and removes the topics of one writer, as PUBLISH does: the value is stored first, and then
/// the sessions are offered it.
fn write(store: &RetainedStore<Reading>, writer: usize, sessions: &[Session]) {
    for number in 1..=ROUNDS {
        for topic in writer * TOPICS..(writer + 1) * TOPICS {
            if (number + topic as u64).is_multiple_of(3) {
                set(store, topic, None);
            } else {
                set(store, topic, Some(number));
                for session in sessions {
                    session.lock().unwrap().push((topic, number));
                }
            }
        }
    }
}

/// Reads all topics over and over, as SUBSCRIBE does; every cursor finds what stays, exactly once.
fn read(store: &RetainedStore<Reading>, session: &Session) {
    for round in 0..CURSORS {
        let mut cursor = store.cursor(&TopicFilter::parse("+/#").unwrap());
        let mut found: BTreeMap<usize, u32> = BTreeMap::new();
        let mut visit = |reading: &Reading| {
            *found.entry(reading.topic).or_default() += 1;
            session.lock().unwrap().push((reading.topic, reading.number));
        };
        // Every third one leaves early.
        let mut calls = if round % 3 == 2 { 5 } else { usize::MAX };
        let mut progress = Progress::More;
        while progress == Progress::More && calls > 0 {
            progress = cursor.advance(TIMELESS, 7, &mut visit);
            calls -= 1;
        }
        assert!(found.values().all(|times| *times == 1), "{found:?}");
        if progress == Progress::Done {
            assert_eq!(found.range(STABLE..).count(), STABLE_TOPICS);
        }
    }
}

#[test]
fn no_old_value_follows_a_newer_one_and_what_stays_is_found() {
    let store: RetainedStore<Reading> = RetainedStore::new();
    for topic in STABLE..STABLE + STABLE_TOPICS {
        set(&store, topic, Some(0));
    }
    let sessions: [Session; 3] = Default::default();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, sessions) = (&store, &sessions);
            scope.spawn(move || write(store, writer, sessions));
        }
        for session in &sessions {
            let store = &store;
            scope.spawn(move || read(store, session));
        }
    });

    for session in sessions {
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for (topic, number) in session.into_inner().unwrap() {
            let before = last.insert(topic, number);
            assert!(before <= Some(number), "{number} of topic {topic} follows {before:?}");
        }
    }
    for topic in 0..STABLE + STABLE_TOPICS {
        set(&store, topic, None);
    }
    assert_eq!((store.len(), store.bytes()), (0, 0));
}
