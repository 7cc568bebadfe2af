//! A worker's memory of who gets what: topic name to routes, for as long as they hold.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use flux_topic::TopicName;
use hashbrown::HashMap;

use crate::routes::{Found, Route, Routes, Scopes};

/// Routes found before, as many as fit; a full cache starts anew.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    topics: HashMap<Box<str>, Remembered>,
    /// Bytes held by topics and routes, roughly.
    bytes: usize,
}

#[derive(Debug)]
struct Remembered {
    /// Those of the topic: its version is asked for each time, and costs no look at the levels.
    scopes: Scopes,
    version: u64,
    found: Arc<Found>,
}

impl RouteCache {
    const CAPACITY: usize = 16 * 1024 * 1024;

    /// Returns the routes of `topic` as they are now.
    pub(crate) fn find(&mut self, routes: &Routes, topic: TopicName<'_>) -> Arc<Found> {
        if let Some(Remembered { scopes, version, found }) = self.topics.get(topic.as_str())
            && *version == routes.version(scopes)
        {
            return found.clone();
        }
        let scopes = topic.scopes();
        let (version, found) = routes.find(topic, &scopes);
        let bytes = ENTRY + topic.as_str().len() + found.len() * size_of::<Route>();
        // One that takes much room is found again rather than remembered.
        if bytes <= Self::CAPACITY / 8 {
            self.remember(topic, Remembered { scopes, version, found: found.clone() }, bytes);
        }
        found
    }

    fn remember(&mut self, topic: TopicName<'_>, remembered: Remembered, bytes: usize) {
        if self.bytes + bytes > Self::CAPACITY {
            self.topics.clear();
            self.bytes = 0;
        }
        // Of what is replaced the bytes count on: the cache only starts anew a little earlier.
        self.bytes += bytes;
        self.topics.insert(topic.as_str().into(), remembered);
    }
}

/// What an entry takes beside its topic and its routes.
const ENTRY: usize = 128;
