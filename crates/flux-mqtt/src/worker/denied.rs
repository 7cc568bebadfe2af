//! [`DeniedPublishes`]: what was denied lately, so that whoever goes on costs no decision each time.

use std::hash::BuildHasher as _;

use flux_auth::Stamp;
use hashbrown::DefaultHashBuilder;

/// PUBLISH packets that were denied lately: hashes of whom the stamp stands for, of QoS and retain flag, and of the topic. Who
/// publishes to many topics that it may not takes the places of others who do, and of nobody else.
///
/// Two have the same hash once in 2^63; then a client that is denied something is denied one thing more.
#[derive(Debug, Default)]
pub(super) struct DeniedPublishes {
    /// Each at the place that its lowest bits say; zero where there is none. Empty before the first.
    hashes: Vec<u64>,
    /// Seeded by chance: clients choose the topics.
    hasher: DefaultHashBuilder,
}

/// A PUBLISH that may be among them.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeniedPublish(u64);

impl DeniedPublishes {
    /// Returns what stands for a PUBLISH here.
    pub(super) fn of(&self, stamp: Stamp, flags: u8, topic: &str) -> DeniedPublish {
        // None is zero.
        DeniedPublish(self.hasher.hash_one((stamp, flags, topic)) | 1 << 63)
    }

    pub(super) fn contain(&self, publish: DeniedPublish) -> bool {
        self.hashes.get(place(publish)) == Some(&publish.0)
    }

    pub(super) fn note(&mut self, publish: DeniedPublish) {
        if self.hashes.is_empty() {
            self.hashes = vec![0; PLACES];
        }
        if let Some(hash) = self.hashes.get_mut(place(publish)) {
            *hash = publish.0;
        }
    }
}

fn place(publish: DeniedPublish) -> usize {
    // Fewer than there are bits on any machine.
    usize::try_from(publish.0 % PLACES as u64).unwrap_or_default()
}

/// 32 KiB for a worker.
const PLACES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_who_was_denied_what_and_nothing_else() {
        let mut denied = DeniedPublishes::default();
        let [alice, bob] = [Stamp::next(), Stamp::next()];
        let known = denied.of(alice, 0, "a/b");
        assert!(!denied.contain(known));
        denied.note(known);
        assert!(denied.contain(denied.of(alice, 0, "a/b")));
        for (stamp, flags, topic) in [(bob, 0, "a/b"), (alice, 1, "a/b"), (alice, 0, "a/c")] {
            assert!(!denied.contain(denied.of(stamp, flags, topic)));
        }
    }

    #[test]
    fn many_find_room_and_no_more_than_there_is() {
        let mut denied = DeniedPublishes::default();
        let stamp = Stamp::next();
        let topics: Vec<String> = (0..100_000).map(|number| format!("t/{number}")).collect();
        for topic in &topics {
            denied.note(denied.of(stamp, 0, topic));
        }
        let left = topics.iter().filter(|topic| denied.contain(denied.of(stamp, 0, topic)));
        assert!((PLACES / 2..=PLACES).contains(&left.count()));
        assert_eq!(denied.hashes.len(), PLACES);
    }
}
