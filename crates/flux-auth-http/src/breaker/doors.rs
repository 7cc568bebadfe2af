//! [`Doors`]: as many doors as are remembered.

use std::collections::{BTreeSet, HashMap};

use flux_time::Timestamp;

use super::{Door, Key};

/// Doors of clients, or of addresses. When there is no room for one more the one goes of which least is lost: those that are open
/// go before those that are shut, of the open ones whoever's last failure is longest ago, and of the shut ones that which may be tried first. So
/// who fails with any number of names opens no door that others have shut.
#[derive(Debug, Default)]
pub(super) struct Doors {
    by_key: HashMap<Key, Remembered>,
    /// By what they are remembered for.
    order: BTreeSet<(Timestamp, Key)>,
}

#[derive(Debug)]
struct Remembered {
    door: Door,
    /// Until when it was shut when somebody failed there last, or when that was.
    rank: Timestamp,
}

impl Doors {
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Door> {
        Some(&mut self.by_key.get_mut(&key)?.door)
    }

    /// Notes a failure at a door, and returns what the door says to that.
    pub(super) fn fail(
        &mut self,
        now: Timestamp,
        key: Key,
        fail: impl FnOnce(&mut Door) -> bool,
    ) -> bool {
        let mut door = self.remove(key).unwrap_or_default();
        let closes = fail(&mut door);
        if self.by_key.len() >= MOST_DOORS
            && let Some((_, first)) = self.order.first().copied()
        {
            self.remove(first);
        }
        let rank = door.closed_until.unwrap_or(now);
        self.by_key.insert(key, Remembered { door, rank });
        self.order.insert((rank, key));
        closes
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Door> {
        let Remembered { door, rank } = self.by_key.remove(&key)?;
        self.order.remove(&(rank, key));
        Some(door)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.by_key.len(), self.order.len());
        self.by_key.len()
    }
}

/// So many doors of addresses are remembered, and as many of clients.
pub(super) const MOST_DOORS: usize = 4_096;
