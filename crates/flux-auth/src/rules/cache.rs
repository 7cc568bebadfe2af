//! [`VerdictCache`]: verdicts about PUBLISH packets, remembered.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::stamp::Stamp;
use crate::{Access, Authorizer, Client, Decision};

/// What an [`Authorizer`] said of topics, for one worker.
///
/// It holds so many bytes at most, and begins anew when it is full. An answer is used again only while the
/// client's [`Stamp`] is the same: a change of the rules, and another client, get another.
pub struct VerdictCache {
    table: HashTable<Remembered>,
    hasher: DefaultHashBuilder,
    bytes: usize,
    max_bytes: usize,
}

impl VerdictCache {
    /// Returns an empty cache that takes `max_bytes` of memory at most, or thereabouts.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let (table, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        Self { table, hasher, bytes: 0, max_bytes }
    }

    /// Returns the decision about an access, remembered or from the authorizer.
    ///
    /// Only what is decided about PUBLISH is remembered, and only if the authorizer gives a stamp.
    pub fn decide<A: Authorizer + ?Sized>(
        &mut self,
        authorizer: &A,
        client: &Client,
        access: Access<'_>,
    ) -> Decision {
        let Access::Publish { topic, qos, retain } = access else {
            return authorizer.decide(client, access);
        };
        let Some(stamp) = authorizer.stamp(client) else {
            return authorizer.decide(client, access);
        };
        let flags = qos << 1 | u8::from(retain);
        let hash = self.hasher.hash_one((stamp, flags, topic));
        let is_same =
            |it: &Remembered| it.stamp == stamp && it.flags == flags && *it.topic == *topic;
        if let Some(remembered) = self.table.find(hash, is_same) {
            return remembered.decision;
        }
        let decision = authorizer.decide(client, access);
        if decision != Decision::Ask {
            self.remember(hash, Remembered { stamp, flags, topic: topic.into(), decision });
        }
        decision
    }

    fn remember(&mut self, hash: u64, remembered: Remembered) {
        let bytes = size_of::<Remembered>() + 1 + remembered.topic.len();
        if self.bytes + bytes > self.max_bytes {
            self.table.clear();
            self.bytes = 0;
        }
        if bytes <= self.max_bytes {
            self.bytes += bytes;
            let hasher = &self.hasher;
            let rehash = |it: &Remembered| hasher.hash_one((it.stamp, it.flags, &*it.topic));
            self.table.insert_unique(hash, remembered, rehash);
        }
    }
}

impl std::fmt::Debug for VerdictCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, hasher: _, bytes, max_bytes } = self;
        f.debug_struct("VerdictCache")
            .field("verdicts", &table.len())
            .field("bytes", bytes)
            .field("max_bytes", max_bytes)
            .finish()
    }
}

struct Remembered {
    stamp: Stamp,
    flags: u8,
    topic: Box<str>,
    decision: Decision,
}
