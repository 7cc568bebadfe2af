//! What the tree ought to hold: a map, counted anew every time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The values by topic; their numbers are the order in which they were set.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) limits: RetainedLimits,
    pub(super) values: BTreeMap<String, Value>,
    /// What had expired and made room, and was not told yet.
    pub(super) removed: Vec<Value>,
}

impl Plain {
    /// Sets a value while cursors stand on the paths `pinned`.
    pub(super) fn set(
        &mut self,
        now: Timestamp,
        value: &Value,
        pinned: &BTreeSet<String>,
    ) -> Result<Displaced<Value>, RetainedLimitError> {
        let RetainedLimits { message_bytes: limit, when_full, .. } = self.limits;
        if value.size > limit {
            return Err(RetainedLimitError::MessageBytes { bytes: value.size, limit });
        }
        let nothing = Self { values: BTreeMap::new(), ..self.clone() };
        let mut dropped = Vec::new();
        while let Err(error) = self.check_with(value, pinned) {
            if let Some(value) = self.remove_expired(now) {
                self.removed.push(value);
                continue;
            }
            if when_full == WhenFull::Refuse {
                return Err(error);
            }
            nothing.check_with(value, &BTreeSet::new())?;
            let others = self.values.values().filter(|other| other.topic != value.topic);
            let Some(oldest) = others.min_by_key(|other| other.number) else { break };
            let topic = oldest.topic.clone();
            dropped.extend(self.values.remove(&topic));
        }
        let replaced = self.values.insert(value.topic.clone(), value.clone());
        Ok(Displaced { replaced, dropped })
    }

    /// Removes the value that expired first.
    pub(super) fn remove_expired(&mut self, now: Timestamp) -> Option<Value> {
        let expired = self.values.values().filter(|value| value.has_expired(now));
        let topic = expired.min_by_key(|value| (value.expires_at, value.number))?.topic.clone();
        self.values.remove(&topic)
    }

    /// Checks the limits as if `value` were there.
    fn check_with(
        &self,
        value: &Value,
        pinned: &BTreeSet<String>,
    ) -> Result<(), RetainedLimitError> {
        let mut with = self.clone();
        with.values.insert(value.topic.clone(), value.clone());
        let (messages, bytes) = (with.values.len(), with.bytes(pinned));
        if messages > self.limits.messages {
            return Err(RetainedLimitError::Messages { messages, limit: self.limits.messages });
        }
        if bytes > self.limits.bytes {
            return Err(RetainedLimitError::Bytes { bytes, limit: self.limits.bytes });
        }
        Ok(())
    }

    /// Returns the bytes of all values and of the nodes that they and `pinned` need.
    pub(super) fn bytes(&self, pinned: &BTreeSet<String>) -> usize {
        let sizes: usize = self.values.values().map(|value| value.size).sum();
        sizes + self.paths(pinned).len() * LEVEL_OVERHEAD
    }

    /// Returns the paths of all nodes that the values and `pinned` need, without the root.
    pub(super) fn paths(&self, pinned: &BTreeSet<String>) -> BTreeSet<String> {
        self.values.keys().chain(pinned).flat_map(|topic| prefixes(topic)).collect()
    }
}

/// Returns the path of the node of `topic` and of all nodes above it.
fn prefixes(topic: &str) -> impl Iterator<Item = String> {
    let above = topic.match_indices('/').filter_map(|(at, _)| topic.get(..at));
    above.chain([topic]).map(str::to_owned)
}
