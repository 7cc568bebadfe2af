//! [`Denials`]: the clients of which the log has said that they were denied something, whichever worker it was.

use std::hash::BuildHasher as _;
use std::time::Duration;

use flux_auth::Client;
use flux_eventbus::Denial;
use flux_session::Timestamp;
use hashbrown::{DefaultHashBuilder, HashSet};

use crate::sync::Mutex;

/// What all workers know of it.
pub(crate) struct Denials {
    named: Mutex<Named>,
    /// Seeded by chance: clients choose their identifiers.
    hasher: DefaultHashBuilder,
}

/// Who was named in this interval, which begins with the first of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Hashes of their identifiers, which may be long; with the user, of those who would have the session of another.
    hashes: HashSet<u64>,
    until: Timestamp,
}

impl Denials {
    pub(crate) fn new() -> Self {
        Self { named: Mutex::new(Named::default()), hasher: DefaultHashBuilder::default() }
    }

    /// Returns whether who is denied something has not been named in this interval, and there is room to name it. What the worker
    /// knows from before is in `here`: who goes on asking for what it may not have costs others no lock.
    pub(crate) fn is_news(
        &self,
        now: Timestamp,
        client: &Client,
        denial: Denial,
        here: &mut Named,
    ) -> bool {
        // A device that is denied something now and then hides nobody who tries to have its session.
        let user = (denial == Denial::Session).then_some(&client.identity.username);
        let hash = self.hasher.hash_one((&client.client_id, user));
        if now < here.until && !here.is_news(hash) {
            return false;
        }
        let mut named = self.named.lock();
        if now >= named.until {
            *named = Named { hashes: HashSet::new(), until: now + INTERVAL };
        }
        let is_news = named.is_news(hash);
        if is_news {
            named.hashes.insert(hash);
        }
        here.clone_from(&named);
        is_news
    }
}

impl Named {
    fn is_news(&self, hash: u64) -> bool {
        self.hashes.len() < MOST_NAMED && !self.hashes.contains(&hash)
    }
}

/// How long a client is not named again.
const INTERVAL: Duration = Duration::from_secs(60);

/// Of so many clients is told in an interval; others are counted. Who makes up client identifiers does not fill the disk.
const MOST_NAMED: usize = 100;

#[cfg(test)]
mod tests {
    use flux_auth::Identity;

    use super::*;

    #[test]
    fn a_client_is_named_once_in_an_interval_by_whichever_worker_and_not_too_many_are() {
        let at = Timestamp::from_millis;
        let client = |id: &str, user: &str| Client::new(id, Identity::user(user));
        let (a, b) = (client("a", "u"), client("b", "u"));
        let denials = Denials::new();
        let (mut workers, mut turn) = ([Named::default(), Named::default()], 0);
        // Each time it is another worker that denies.
        let mut is_news = |now, client: &Client, denial| {
            turn += 1;
            denials.is_news(at(now), client, denial, &mut workers[turn % 2])
        };
        assert!(is_news(1_000, &a, Denial::Publish));
        assert!(!is_news(1_000, &a, Denial::Publish));
        assert!(is_news(2_000, &b, Denial::Publish));
        assert!(!is_news(60_999, &a, Denial::Resume));
        assert!(is_news(61_000, &a, Denial::Publish));
        assert!(!is_news(61_001, &a, Denial::Resume));
        assert!(is_news(61_002, &client("a", "v"), Denial::Session));
        assert!(!is_news(61_003, &client("a", "v"), Denial::Session));
        assert!(is_news(61_004, &client("a", "w"), Denial::Session));
        let made_up = (0..5_000).map(|number| client(&format!("made up {number}"), "u"));
        let named = made_up.filter(|client| is_news(62_000, client, Denial::Session));
        assert_eq!(named.count(), MOST_NAMED - 3);
        assert!(is_news(121_000, &b, Denial::Publish));
        assert!(!is_news(121_000, &b, Denial::Publish));
    }
}
