//! Lines that repeat are summed up: who floods the broker does not flood its log.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::line::Subject;

/// What was logged in a while, and what was not because it was too much.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    alike: HashMap<Key, Seen>,
    /// How many different ones there are of each text.
    texts: HashMap<(Subject, &'static str), Seen>,
}

/// Lines with the same key say the same of the same client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) subject: Subject,
    pub(crate) text: &'static str,
    pub(crate) reason: Option<&'static str>,
    /// What to do next.
    pub(crate) help: Option<&'static str>,
    pub(crate) whom: Whom,
}

/// Whom a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    /// This client.
    Client(Arc<str>),
    /// Whoever is at this address.
    Address(IpAddr),
    /// Nobody in particular.
    Nobody,
}

/// What was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Omitted {
    /// So many more of one kind.
    More(Key, u64),
    /// So many of this text, about others than those that were logged.
    Others(Subject, &'static str, u64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    logged: u32,
    omitted: u64,
}

impl Digest {
    /// Returns whether a line is to be logged.
    pub(crate) fn admits(&mut self, key: Key) -> bool {
        let (kind, most) = ((key.subject, key.text), key.subject.most());
        if let Some(seen) = self.alike.get_mut(&key) {
            return seen.admit(most);
        }
        if !self.texts.entry(kind).or_default().admit(DIFFERENT) {
            return false;
        }
        self.alike.entry(key).or_default().admit(most)
    }

    /// Begins a new while; returns what was left out in the last one.
    pub(crate) fn turn(&mut self) -> Vec<Omitted> {
        let more = self.alike.drain().filter(|(_, seen)| seen.omitted > 0);
        let mut omitted: Vec<_> =
            more.map(|(key, seen)| Omitted::More(key, seen.omitted)).collect();
        let others = self.texts.drain().filter(|(_, seen)| seen.omitted > 0);
        omitted.extend(
            others.map(|((subject, text), seen)| Omitted::Others(subject, text, seen.omitted)),
        );
        omitted
    }
}

impl Seen {
    fn admit(&mut self, most: u32) -> bool {
        if self.logged < most {
            self.logged += 1;
            return true;
        }
        self.omitted += 1;
        false
    }
}

/// So many lines with different keys, but one text, are logged in a while.
pub(crate) const DIFFERENT: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: usize) -> Key {
        let whom = Whom::Client(client.to_string().into());
        let subject = Subject::Messages;
        let (text, reason) = ("a message was dropped", Some("queue_full"));
        Key { subject, text, reason, help: None, whom }
    }

    #[test]
    fn the_first_is_logged_and_the_rest_is_summed_up() {
        let mut digest = Digest::default();
        assert!(digest.admits(key(1)));
        assert!(digest.admits(key(2)));
        for _ in 0..1234 {
            assert!(!digest.admits(key(1)));
        }
        assert_eq!(digest.turn(), [Omitted::More(key(1), 1234)]);
        assert!(digest.admits(key(1)), "in a new while");
        assert_eq!(digest.turn(), []);
    }

    #[test]
    fn what_differs_in_one_thing_is_something_else() {
        let mut digest = Digest::default();
        assert!(digest.admits(key(1)));
        assert!(digest.admits(Key { reason: Some("expired"), ..key(1) }));
        assert!(digest.admits(Key { whom: Whom::Nobody, ..key(1) }));
        assert!(digest.admits(Key { text: "a client was refused", ..key(1) }));
    }

    #[test]
    fn a_crowd_is_summed_up_and_takes_no_memory() {
        let mut digest = Digest::default();
        let logged = (0..10_000).filter(|client| digest.admits(key(*client))).count();
        assert_eq!((logged, digest.alike.len()), (1000, 1000));
        assert_eq!(
            digest.turn(),
            [Omitted::Others(Subject::Messages, "a message was dropped", 9000)]
        );
    }
}
