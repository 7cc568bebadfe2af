//! [`Decoys`]: what stands in for users that are not there.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::file::Users;
use super::hash::{HashPasswordError, PasswordHash};
use crate::ScramKeys;

/// What a password is held against, and what is told to somebody who begins with SCRAM, where the name is that of nobody.
///
/// It is always the same for the same name: over restarts, and when users come and go. As many names as users have each kind
/// of hash, and each number of iterations.
#[derive(Debug)]
pub(super) struct Decoys {
    secret: DecoySecret,
    /// In the order of their costs, so that hardly a name has other costs because a user came or went.
    hashes: Vec<Arc<PasswordHash>>,
    /// The same where there are no users.
    first: Arc<PasswordHash>,
    /// Those of all who have keys for SCRAM, in ascending order.
    iterations: Vec<NonZeroU32>,
}

impl Decoys {
    /// Returns those that look like these users.
    ///
    /// # Errors
    ///
    /// When there are no users, and no hash can be made for those who try all the same.
    pub(super) fn of(users: &Users) -> Result<Self, HashPasswordError> {
        let mut hashes: Vec<_> = users.iter().map(|(_, hash)| hash.clone()).collect();
        hashes.sort_by_key(|hash| hash.costs());
        let first = match hashes.first() {
            Some(first) => first.clone(),
            None => Arc::new(PasswordHash::of(b"")?),
        };
        let keys = hashes.iter().filter_map(|hash| hash.scram());
        let mut iterations: Vec<_> = keys.map(|keys| keys.iterations).collect();
        iterations.sort_unstable();
        Ok(Self { secret: users.decoy_secret(), hashes, first, iterations })
    }

    /// Returns the hash to hold a password against.
    pub(super) fn hash(&self, username: &str) -> &Arc<PasswordHash> {
        self.of_name(&self.hashes, b"hash", username).unwrap_or(&self.first)
    }

    /// Returns whether anybody has keys for SCRAM.
    pub(super) const fn have_scram(&self) -> bool {
        !self.iterations.is_empty()
    }

    /// Returns keys that no password has, for a name whose passwords are held against `hash`: with its iterations, if it has some.
    pub(super) fn scram(&self, username: &str, hash: &PasswordHash) -> ScramKeys {
        let own = hash.scram().map(|keys| keys.iterations);
        let iterations =
            own.or_else(|| self.of_name(&self.iterations, b"scram", username).copied());
        ScramKeys::decoy(username, iterations.unwrap_or(NonZeroU32::MIN), &self.secret.0)
    }

    /// Returns the one of a list that belongs to a name: where in the list is the same for lists of every length.
    fn of_name<'a, T>(&self, list: &'a [T], what: &[u8], username: &str) -> Option<&'a T> {
        let mut context = hmac::Context::with_key(&self.secret.key());
        context.update(what);
        context.update(username.as_bytes());
        let place = u64::from_be_bytes(*context.sign().as_ref().first_chunk()?);
        let place = (u128::from(place) * u128::try_from(list.len()).ok()?) >> 64;
        list.get(usize::try_from(place).ok()?)
    }
}

/// What decoys are made with. Whoever knows it can tell which names are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DecoySecret([u8; SECRET_BYTES]);

impl DecoySecret {
    /// Returns one that nobody has.
    pub(super) fn new() -> Result<Self, HashPasswordError> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut secret).map_err(|_| HashPasswordError::NoRandomness)?;
        Ok(Self(secret))
    }

    /// Returns the one that belongs to the text of a password file without one.
    pub(super) fn derived(text: &str) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, DERIVED), text.as_bytes());
        Self(tag.as_ref().try_into().unwrap_or_default())
    }

    /// Reads what it is printed as.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self(STANDARD.decode(text).ok()?.try_into().ok()?))
    }

    /// Returns how it stands in a file.
    pub(super) fn text(&self) -> String {
        STANDARD.encode(self.0)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for DecoySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecoySecret").finish_non_exhaustive()
    }
}

const SECRET_BYTES: usize = 32;
/// Keeps such secrets apart from whatever else may be made of the same text.
const DERIVED: &[u8] = b"flux-auth decoys";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ARGON2: &str =
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    /// A file with as many users as are said of each kind.
    fn users(argon2: u32, scram: u32, dear: u32) -> Users {
        let mut text = format!("#flux-decoys:{}\n", DecoySecret([7; 32]).text());
        let keys = |iterations| ScramKeys::decoy("x", NonZeroU32::new(iterations).unwrap(), b"x");
        for number in 0..argon2 {
            text += &format!("a{number}:{ARGON2}\n");
        }
        for number in 0..scram {
            text += &format!("b{number}:{}\n", keys(4_096));
        }
        for number in 0..dear {
            text += &format!("c{number}:{}\n", keys(15_000));
        }
        Users::parse(&text).unwrap()
    }

    /// What is shown of a name, whether or not it is there: its costs, iterations and salt.
    fn shown(decoys: &Decoys, name: u32) -> (String, ScramKeys) {
        let name = format!("unknown-{name}");
        let hash = decoys.hash(&name);
        let kind = hash.to_string().chars().take_while(|it| !matches!(it, ':' | ',')).collect();
        (kind, decoys.scram(&name, hash))
    }

    #[test]
    fn a_name_that_is_not_there_looks_the_same_over_restarts_and_other_users() {
        let decoys = Decoys::of(&users(50, 30, 20)).unwrap();
        let again = Decoys::of(&users(50, 30, 20)).unwrap();
        let more = Decoys::of(&users(51, 30, 20)).unwrap();
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        let (mut others, mut dear) = (0, 0);
        for name in 0..1_000 {
            let (kind, keys) = shown(&decoys, name);
            assert_eq!((kind.clone(), keys.clone()), shown(&again, name));
            if kind.starts_with("SCRAM") {
                assert_eq!(
                    kind,
                    format!("SCRAM-SHA-256${}", keys.iterations),
                    "they belong together"
                );
            }
            let other = shown(&more, name);
            others += u32::from((kind.clone(), keys.clone()) != other);
            dear += u32::from(keys.iterations.get() == 15_000);
            *kinds.entry(kind).or_default() += 1;
        }
        assert!(others < 30, "{others} of 1,000 names have other costs");
        assert!((340..460).contains(&dear), "{dear} of 1,000 names, as 20 of 50 users");
        let kinds: Vec<_> = kinds.into_iter().collect();
        let [(argon2, a), (dear, c), (scram, b)] = &kinds[..] else { panic!("{kinds:?}") };
        assert_eq!(argon2, "$argon2id$v=19$m=8");
        assert_eq!((&**dear, &**scram), ("SCRAM-SHA-256$15000", "SCRAM-SHA-256$4096"));
        assert!((440..560).contains(a) && (240..360).contains(b) && (140..260).contains(c));
    }

    #[test]
    fn where_nobody_is_there_a_password_is_held_against_a_hash_all_the_same() {
        let decoys = Decoys::of(&Users::default()).unwrap();
        assert!(decoys.hash("a").is_of_today() && !decoys.have_scram());
        assert!(!Decoys::of(&users(1, 0, 0)).unwrap().have_scram());
        assert!(Decoys::of(&users(1, 1, 0)).unwrap().have_scram());
    }
}
