//! Who subscribed to one filter: mostly nobody (an inner node) or one client.

use std::collections::BTreeMap;
use std::mem;

/// The subscribers of one filter, ordered by their key.
#[derive(Default)]
pub(super) enum Subscribers<K, V> {
    /// Nobody.
    #[default]
    None,
    /// One, without an allocation.
    One(K, V),
    /// Two or more: the last but one to leave makes it `One` again.
    Many(BTreeMap<K, V>),
}

impl<K: Ord, V> Subscribers<K, V> {
    /// Returns the value that the key had before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (all, replaced) = match mem::take(self) {
            Self::None => (Self::One(key, value), None),
            Self::One(held, old) if held == key => (Self::One(held, value), Some(old)),
            Self::One(held, old) => (Self::Many(BTreeMap::from([(held, old), (key, value)])), None),
            Self::Many(mut many) => {
                let replaced = many.insert(key, value);
                (Self::Many(many), replaced)
            }
        };
        *self = all;
        replaced
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (rest, removed) = match mem::take(self) {
            Self::None => (Self::None, None),
            Self::One(held, value) if held == *key => (Self::None, Some(value)),
            Self::One(held, value) => (Self::One(held, value), None),
            Self::Many(mut many) => {
                let removed = many.remove(key);
                (Self::from_map(many), removed)
            }
        };
        *self = rest;
        removed
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::None => None,
            Self::One(held, value) => (held == key).then_some(value),
            Self::Many(many) => many.get(key),
        }
    }

    pub(super) fn for_each(&self, visit: &mut impl FnMut(&K, &V)) {
        match self {
            Self::None => {}
            Self::One(key, value) => visit(key, value),
            Self::Many(many) => many.iter().for_each(|(key, value)| visit(key, value)),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns the subscribers of `map`, in as little room as they need.
    fn from_map(mut map: BTreeMap<K, V>) -> Self {
        if map.len() > 1 {
            return Self::Many(map);
        }
        map.pop_first().map_or(Self::None, |(key, value)| Self::One(key, value))
    }
}
