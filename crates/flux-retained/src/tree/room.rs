//! Room for a value: what the limits allow, what expires, and what has to go.

use std::hash::BuildHasher;
use std::{iter, mem};

use flux_time::Timestamp;
use flux_topic::NodeId;

use super::{Retain, RetainedTree};
use crate::limits::{LEVEL_OVERHEAD, RetainedLimitError, WhenFull};

impl<V: Retain, S: BuildHasher> RetainedTree<V, S> {
    /// Returns the first moment at which a value expires, or expired that is still there; none when
    /// no value expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let ((moment, _), _) = self.expiry.first_key_value()?;
        Some(*moment)
    }

    /// Removes and returns values that have expired at `now`, those that expired first in front, and
    /// `at_most` of them, which bounds the time it takes. Before them stand those that were removed
    /// already, since room was needed.
    ///
    /// That many values mean that there may be more: [`next_expiry`](Self::next_expiry) says it.
    pub fn remove_expired(&mut self, now: Timestamp, at_most: usize) -> Vec<V> {
        let mut removed = mem::take(&mut self.expired);
        removed.extend(iter::from_fn(|| self.remove_first_expired(now)).take(at_most));
        removed
    }

    fn remove_first_expired(&mut self, now: Timestamp) -> Option<V> {
        let ((moment, _), id) = self.expiry.first_key_value()?;
        if *moment > now {
            return None;
        }
        self.remove_at(*id)
    }

    /// Makes room for a value of `size` bytes at `id`, a node that stays, in place of the one that
    /// it may have; returns what was removed for it, besides what had expired.
    pub(super) fn make_room(
        &mut self,
        now: Timestamp,
        id: NodeId,
        size: usize,
    ) -> Result<Vec<V>, RetainedLimitError> {
        while self.check_room(id, size).is_err()
            && let Some(value) = self.remove_first_expired(now)
        {
            self.expired.push(value);
        }
        let Err(error) = self.check_room(id, size) else { return Ok(Vec::new()) };
        match self.limits.when_full {
            WhenFull::Refuse => Err(error),
            WhenFull::DropOldest => {
                self.check_alone(id, size)?;
                let mut dropped = Vec::new();
                // What is over then is what cursors stand on: a path each at the most.
                while self.check_room(id, size).is_err()
                    && let Some(oldest) = self.oldest_but(id)
                {
                    dropped.extend(self.remove_at(oldest));
                }
                Ok(dropped)
            }
        }
    }

    /// Checks whether the limits allow a value of `size` bytes at `id` beside all others.
    fn check_room(&self, id: NodeId, size: usize) -> Result<(), RetainedLimitError> {
        let (others, others_bytes) = match &self.arena[id].value {
            Some(replaced) => (self.len - 1, self.bytes() - replaced.size()),
            None => (self.len, self.bytes()),
        };
        self.limits.check(others + 1, others_bytes.saturating_add(size))
    }

    /// Checks whether the limits allow a value of `size` bytes at `id` without any other.
    fn check_alone(&self, id: NodeId, size: usize) -> Result<(), RetainedLimitError> {
        let levels = iter::successors(self.arena.parent(id), |at| self.arena.parent(*at)).count();
        self.limits.check(1, size.saturating_add(levels * LEVEL_OVERHEAD))
    }

    /// Returns the node whose value was set longest ago, leaving out `id`.
    fn oldest_but(&self, id: NodeId) -> Option<NodeId> {
        let oldest = self.oldest()?;
        if oldest == id { self.newer_than(id) } else { Some(oldest) }
    }
}
