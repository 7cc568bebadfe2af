//! A worker's memory of who gets what: topic name to routes, for as long as they hold, and beside them what was decided
//! about whoever published there last.

#[cfg(feature = "bench")]
pub(crate) mod remembered;
mod sightings;
#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::Arc;

use flux_auth::{Stamp, Verdict};
use flux_topic::TopicName;
use hashbrown::{DefaultHashBuilder, HashTable};

use self::sightings::Sightings;
use crate::routes::{Found, Route, Routes, Scopes};

/// Routes found before, as many as fit. A topic is remembered when it comes a second time: of fleets that
/// use each topic once nothing is kept, and nothing has to go for them.
#[derive(Debug, Default)]
pub(crate) struct RouteCache<S = DefaultHashBuilder> {
    topics: HashTable<Remembered>,
    sightings: Sightings,
    /// Clients choose the topics: seeded by chance. No answer depends on it.
    hasher: S,
    /// What is found for a topic that nobody subscribed to.
    nobody: Arc<Found>,
    /// Bytes held by topics and routes, roughly.
    bytes: usize,
    /// The bucket that was last looked at for one to forget.
    hand: usize,
    /// The bucket of the topic that was asked about last, whose routes are looked for next: it may be another's by then.
    asked: Option<usize>,
}

#[derive(Debug)]
struct Remembered {
    hash: u64,
    topic: Box<str>,
    /// Those of the topic: its version is asked for each time, and costs no look at the levels.
    scopes: Scopes,
    version: u64,
    found: Arc<Found>,
    decided: Option<Decided>,
}

/// What was decided about a PUBLISH to a topic. It holds for the same client under the same rules, which is what the stamp
/// stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decided {
    stamp: Stamp,
    /// QoS and retain flag.
    flags: u8,
    verdict: Verdict,
}

impl<S: BuildHasher> RouteCache<S> {
    /// Returns what was decided about a PUBLISH with these flags to `topic`, if it was for whom the stamp stands for.
    pub(crate) fn verdict(
        &mut self,
        topic: TopicName<'_>,
        stamp: Stamp,
        flags: u8,
    ) -> Option<Verdict> {
        let hash = self.hasher.hash_one(topic.as_str());
        self.asked = self.topics.find_bucket_index(hash, |known| *known.topic == *topic.as_str());
        let decided = self.topics.get_bucket(self.asked?)?.decided?;
        (decided.stamp == stamp && decided.flags == flags).then_some(decided.verdict)
    }

    /// Remembers the verdict that [`verdict`](Self::verdict) did not know, if the topic is remembered.
    pub(crate) fn note_verdict(&mut self, stamp: Stamp, flags: u8, verdict: Verdict) {
        if let Some(known) = self.asked.and_then(|bucket| self.topics.get_bucket_mut(bucket)) {
            known.decided = Some(Decided { stamp, flags, verdict });
        }
    }

    /// Returns the routes of `topic` as they are now.
    pub(crate) fn find(&mut self, routes: &Routes, topic: TopicName<'_>) -> Arc<Found> {
        if let Some(known) = self.asked.take().and_then(|bucket| self.topics.get_bucket(bucket))
            && *known.topic == *topic.as_str()
            && known.version == routes.version(&known.scopes)
        {
            return known.found.clone();
        }
        let hash = self.hasher.hash_one(topic.as_str());
        let mut decided = None;
        match self.topics.find_entry(hash, |known| *known.topic == *topic.as_str()) {
            Ok(known) => {
                let Remembered { scopes, version, found, .. } = known.get();
                if *version == routes.version(scopes) {
                    return found.clone();
                }
                let (outdated, _) = known.remove();
                self.bytes -= outdated.bytes();
                decided = outdated.decided;
            }
            Err(_) if self.sightings.is_first(hash) => {
                return self.counted(routes.find(topic));
            }
            Err(_) => {}
        }
        let scopes = topic.scopes();
        let (version, found) = routes.find_version(topic, &scopes);
        let found = self.counted(found);
        let topic = topic.as_str().into();
        self.remember(Remembered { hash, topic, scopes, version, found: found.clone(), decided });
        found
    }

    fn counted(&self, found: Found) -> Arc<Found> {
        if found.len() > 0 { Arc::new(found) } else { self.nobody.clone() }
    }

    fn remember(&mut self, remembered: Remembered) {
        let bytes = remembered.bytes();
        // One that takes much room is found again rather than remembered.
        if bytes > CAPACITY / 8 {
            return;
        }
        while self.bytes + bytes > CAPACITY {
            self.forget_one();
        }
        self.bytes += bytes;
        self.topics.insert_unique(remembered.hash, remembered, |known| known.hash);
    }

    /// Forgets whichever comes next in the order of the hashes, which is to say any.
    fn forget_one(&mut self) {
        self.hand = (self.hand + 1) % self.topics.num_buckets().max(1);
        if let Ok(known) = self.topics.get_bucket_entry(self.hand) {
            let (forgotten, _) = known.remove();
            self.bytes -= forgotten.bytes();
        }
    }
}

impl Remembered {
    fn bytes(&self) -> usize {
        ENTRY + self.topic.len() + self.found.len() * size_of::<Route>()
    }
}

/// How many bytes of topics and routes are remembered.
const CAPACITY: usize = 16 * 1024 * 1024;

/// What an entry takes beside its topic and its routes.
const ENTRY: usize = 128;
