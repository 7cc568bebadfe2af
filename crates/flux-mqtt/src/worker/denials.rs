//! Denials are told: counted, an event each, and in the log once per client and interval.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use flux_auth::Client;
use flux_eventbus::{Denial, Event, EventKind, excerpt};
use flux_session::Timestamp;
use hashbrown::HashSet;

use super::Worker;
use crate::counters::Count;
use crate::effects::Effects;

/// The clients that were named in the log in this interval, which begins with the first of them.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// Hashes of their identifiers, which may be long.
    named: HashSet<u64>,
    hasher: RandomState,
    until: Timestamp,
}

impl Worker {
    /// A client may not do what it wanted to do.
    pub(super) fn tell_denied(
        &mut self,
        now: Timestamp,
        client: &Client,
        denial: Denial,
        topic: &str,
        fx: &mut impl Effects,
    ) {
        fx.count(Count::Denied(denial));
        if fx.wants(EventKind::Denied) {
            let (client_id, username) =
                (client.client_id.clone(), client.identity.username.clone());
            fx.event(Event::Denied { client_id, username, denial, topic: topic.into() });
        }
        if self.denials.is_news(now, &client.client_id) {
            log(client, denial, topic);
        }
    }
}

impl Denials {
    /// Returns whether this client has not been named in this interval, and there is room to name it.
    fn is_news(&mut self, now: Timestamp, client_id: &str) -> bool {
        if now >= self.until {
            self.named.clear();
            self.until = now + INTERVAL;
        }
        self.named.len() < MOST_NAMED && self.named.insert(self.hasher.hash_one(client_id))
    }
}

#[cold]
fn log(client: &Client, denial: Denial, topic: &str) {
    let client_id = excerpt(&client.client_id);
    let username = excerpt(client.identity.username.as_deref().unwrap_or_default());
    let (client_id, username, topic) = (&*client_id, &*username, &*excerpt(topic));
    let access = denial.name();
    if denial == Denial::Session {
        return tracing::warn!(
            client_id,
            username,
            access,
            help = "flux-broker clients show CLIENT says whose it is; clients kick --session CLIENT ends its session",
            "denied: the session with this client identifier belongs to another user"
        );
    }
    tracing::warn!(
        client_id,
        username,
        access,
        topic,
        "denied; what else this client may not do is counted only, for a minute"
    );
}

/// How long a client is not named again.
const INTERVAL: Duration = Duration::from_secs(60);

/// Of so many clients a worker tells in an interval; others are counted. Who makes up client identifiers does not
/// fill the disk.
const MOST_NAMED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_once_in_an_interval_and_not_too_many_are() {
        let at = Timestamp::from_millis;
        let (a, b) = ("a", "b");
        let mut denials = Denials::default();
        assert!(denials.is_news(at(1_000), a));
        assert!(denials.is_news(at(2_000), b));
        assert!(!denials.is_news(at(60_999), a));
        assert!(denials.is_news(at(61_000), a));
        assert!(!denials.is_news(at(61_001), a));
        let named =
            (0..5_000).filter(|number| denials.is_news(at(62_000), &format!("made up {number}")));
        assert_eq!(named.count(), MOST_NAMED - 1);
        assert!(denials.is_news(at(121_000), b));
    }
}
