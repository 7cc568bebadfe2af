//! [`Guesses`]: what was shown in vain while nobody could say whether it is right.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use crate::party_of;

/// Remembers which password was shown last for a name at an address, to tell a device that comes again from who tries one password
/// after the other. What is shown stays secret: it is kept as a number that means nothing elsewhere.
///
/// There is room for so many names; when it is full, the one that came first is forgotten.
#[derive(Debug)]
pub(crate) struct Guesses {
    last: HashMap<Key, Key>,
    /// The same names, the first first.
    order: VecDeque<Key>,
    most: usize,
    /// Makes keys.
    hasher: RandomState,
}

/// What somebody shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The first password for this name.
    First,
    /// The same as the last time, from which nothing is learned.
    Same,
    /// Another one than the last time.
    Other,
}

/// Stands for a name at an address, or for a password.
type Key = u64;

impl Guesses {
    /// Returns a memory for so many names.
    pub(crate) fn new(most: usize) -> Self {
        let (last, order) = (HashMap::new(), VecDeque::new());
        Self { last, order, most: most.max(1), hasher: RandomState::new() }
    }

    /// Notes what is shown, and returns what it is. Of an IPv6 address the first 64 bits count, as for [`Bans`](crate::Bans).
    pub(crate) fn note(
        &mut self,
        address: IpAddr,
        username: Option<&str>,
        password: &[u8],
    ) -> Guess {
        let name = self.hasher.hash_one((party_of(address), username));
        let password = self.hasher.hash_one(password);
        if let Some(last) = self.last.get_mut(&name) {
            let is_same = std::mem::replace(last, password) == password;
            return if is_same { Guess::Same } else { Guess::Other };
        }
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.last.remove(&oldest);
        }
        self.order.push_back(name);
        self.last.insert(name, password);
        Guess::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_comes_again_is_told_from_who_tries_one_after_the_other() {
        let mut guesses = Guesses::new(2);
        let mut note = |address: &str, username, password: &str| {
            guesses.note(address.parse().unwrap(), Some(username), password.as_bytes())
        };
        assert_eq!(note("2001:db8::1", "alice", "a"), Guess::First);
        assert_eq!(note("2001:db8::2", "alice", "a"), Guess::Same);
        assert_eq!(note("2001:db8::1", "alice", "b"), Guess::Other);
        assert_eq!(note("2001:db8::1", "alice", "a"), Guess::Other);
        assert_eq!(note("192.0.2.1", "alice", "a"), Guess::First);
        assert_eq!(note("2001:db8::1", "alice", "a"), Guess::Same);
        // There is room for two.
        assert_eq!(note("192.0.2.1", "bob", "a"), Guess::First);
        assert_eq!(note("2001:db8::1", "alice", "a"), Guess::First);
        assert_eq!((guesses.last.len(), guesses.order.len()), (2, 2));
    }
}
