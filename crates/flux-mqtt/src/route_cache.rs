//! A worker's memory of who gets what: topic name to routes, for as long as they hold.

use std::sync::Arc;

use flux_topic::TopicName;
use hashbrown::HashMap;

use crate::routes::{Route, Routes};

/// Routes found before. At most [`RouteCache::CAPACITY`] topics; a full cache starts anew.
#[derive(Debug, Default)]
pub(crate) struct RouteCache {
    topics: HashMap<Box<str>, (u64, Arc<[Route]>)>,
}

impl RouteCache {
    const CAPACITY: usize = 8192;

    /// Returns the routes of `topic` as they are now.
    pub(crate) fn find(&mut self, routes: &Routes, topic: TopicName<'_>) -> Arc<[Route]> {
        if let Some((version, found)) = self.topics.get(topic.as_str())
            && *version == routes.version(topic)
        {
            return found.clone();
        }
        let (version, found) = routes.find(topic);
        if self.topics.len() >= Self::CAPACITY {
            self.topics.clear();
        }
        self.topics.insert(topic.as_str().into(), (version, found.clone()));
        found
    }
}
