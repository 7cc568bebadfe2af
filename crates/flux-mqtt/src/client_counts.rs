//! How many clients are connected, by the listener that they came through and the version that they speak.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::wire::Version;

/// Clients that are connected, counted as they come and go: that is rare enough for a lock.
#[derive(Debug, Default)]
pub(crate) struct ClientCounts(Mutex<BTreeMap<Arc<str>, [usize; 3]>>);

impl ClientCounts {
    pub(crate) fn enter(&self, listener: &Arc<str>, version: Version) {
        self.change(listener, version, |count| count.saturating_add(1));
    }

    pub(crate) fn leave(&self, listener: &Arc<str>, version: Version) {
        self.change(listener, version, |count| count.saturating_sub(1));
    }

    /// Returns how many there are of each version. A listener stays that once had one.
    pub(crate) fn read(&self) -> Vec<(Arc<str>, Version, usize)> {
        let counts = self.0.lock();
        let each = counts.iter().flat_map(|(listener, counts)| {
            let counts = Version::ALL.into_iter().zip(*counts);
            counts.map(|(version, count)| (listener.clone(), version, count))
        });
        each.collect()
    }

    fn change(&self, listener: &Arc<str>, version: Version, by: impl Fn(usize) -> usize) {
        let mut counts = self.0.lock();
        // The name is cloned for the first of its clients only.
        if !counts.contains_key(listener) {
            counts.insert(listener.clone(), [0; 3]);
        }
        let place = Version::ALL.iter().position(|it| *it == version);
        if let (Some(counts), Some(place)) = (counts.get_mut(listener), place)
            && let Some(count) = counts.get_mut(place)
        {
            *count = by(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_not_counted_any_more() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let counts = ClientCounts::default();
        counts.enter(&a, Version::V5);
        counts.enter(&a, Version::V5);
        counts.enter(&b, Version::V31);
        counts.leave(&a, Version::V5);
        counts.leave(&b, Version::V31);
        let one = |listener, version, count| (Arc::clone(listener), version, count);
        let wanted = [
            one(&a, Version::V31, 0),
            one(&a, Version::V311, 0),
            one(&a, Version::V5, 1),
            one(&b, Version::V31, 0),
            one(&b, Version::V311, 0),
            one(&b, Version::V5, 0),
        ];
        assert_eq!(counts.read(), wanted);
    }
}
