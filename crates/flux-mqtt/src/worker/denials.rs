//! Denials are told: counted, an event each, and in the log once per client and interval.

use std::hash::BuildHasher as _;
use std::time::Duration;

use flux_auth::Client;
use flux_eventbus::{Denial, Event, EventKind, excerpt};
use flux_session::Timestamp;
use hashbrown::{DefaultHashBuilder, HashSet};
use tracing::field::display;

use super::Worker;
use crate::counters::Count;
use crate::effects::Effects;
use crate::reason::ReasonCode;

/// The clients that were named in the log in this interval, which begins with the first of them.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// Hashes of their identifiers, which may be long; with the user, of those who would have the session of another.
    named: HashSet<u64>,
    /// Seeded by chance: clients choose their identifiers.
    hasher: DefaultHashBuilder,
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
        if self.denials.is_news(now, client, denial) {
            log(client, denial, topic);
        }
    }
}

impl Denials {
    /// Returns whether who is denied something has not been named in this interval, and there is room to name it.
    fn is_news(&mut self, now: Timestamp, client: &Client, denial: Denial) -> bool {
        if now >= self.until {
            self.named.clear();
            self.until = now + INTERVAL;
        }
        if self.named.len() >= MOST_NAMED {
            return false;
        }
        // A device that is denied something now and then hides nobody who tries to have its session.
        let user = (denial == Denial::Session).then_some(&client.identity.username);
        let named = self.hasher.hash_one((&client.client_id, user));
        self.named.insert(named)
    }
}

#[cold]
fn log(client: &Client, denial: Denial, topic: &str) {
    let client_id = excerpt(&client.client_id);
    let username = excerpt(client.identity.username.as_deref().unwrap_or_default());
    let (client_id, username, topic) = (&*client_id, &*username, &*excerpt(topic));
    let (peer, listener) = (client.peer.map(display), client.listener.as_deref());
    let told = match denial {
        Denial::Session => ReasonCode::ClientIdentifierNotValid,
        _something_else => ReasonCode::NotAuthorized,
    };
    let (code, reason) = (format!("0x{:02X}", told.as_u8()), told.description());
    let access = denial.name();
    if denial == Denial::Session {
        return tracing::warn!(
            client_id,
            username,
            peer,
            listener,
            access,
            code,
            reason,
            help = "flux-broker clients show CLIENT says whose it is; clients kick --session CLIENT ends its session",
            "denied: the session with this client identifier belongs to another user"
        );
    }
    tracing::warn!(
        client_id,
        username,
        peer,
        listener,
        access,
        topic,
        code,
        reason,
        help = "`flux-broker acl explain` says which rule of acl.file decides, and why; where none does, acl.default decides: add a rule, \
                or set it to allow",
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
    use flux_auth::Identity;

    use super::*;

    #[test]
    fn a_client_is_named_once_in_an_interval_and_not_too_many_are() {
        let at = Timestamp::from_millis;
        let client = |id: &str, user: &str| Client::new(id, Identity::user(user));
        let (a, b) = (client("a", "u"), client("b", "u"));
        let mut denials = Denials::default();
        let mut is_news = |now, client: &Client, denial| denials.is_news(at(now), client, denial);
        assert!(is_news(1_000, &a, Denial::Publish));
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
    }
}
