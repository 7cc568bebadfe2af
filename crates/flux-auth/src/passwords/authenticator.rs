//! [`PasswordAuthenticator`]: asks a password file.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::decoys::Decoys;
use super::file::Users;
use super::hash::{HashPasswordError, PasswordHash};
use super::pool::HashPool;
use crate::scram::{METHOD, ScramLogin};
use crate::{Bouncer, Credentials, Exchange, Identity, Link, LinkFuture, Opinion, Refusal};

/// Accepts users whose password is right. Of all others it says that nothing is proven, and whether it knows the user.
///
/// A name that it does not know costs the same as one that it does: the password is held against the hash of
/// some user, always the same one for the same name, so the time tells nothing even where hashes of several
/// kinds stand in one file.
pub struct PasswordAuthenticator {
    known: RwLock<Arc<Known>>,
    pool: Arc<HashPool>,
    bouncer: Option<Arc<Bouncer>>,
}

#[derive(Debug)]
struct Known {
    users: Users,
    decoys: Decoys,
}

impl PasswordAuthenticator {
    /// Returns an authenticator for these users, whose hashes are computed by `pool`.
    ///
    /// # Errors
    ///
    /// When there are no users and no hash can be made for those who try all the same.
    pub fn new(users: Users, pool: Arc<HashPool>) -> Result<Self, HashPasswordError> {
        let known = RwLock::new(Arc::new(Known::new(users)?));
        Ok(Self { known, pool, bouncer: None })
    }

    /// Hashes nothing for whoever was banned while it waited in line; the [`Chain`](crate::Chain) turns away who is
    /// banned when it comes, and bans.
    #[must_use]
    pub fn with_bans(mut self, bouncer: Arc<Bouncer>) -> Self {
        self.bouncer = Some(bouncer);
        self
    }

    /// Knows these users from now on. Who is connected stays so.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then nothing changes.
    pub fn replace(&self, users: Users) -> Result<(), HashPasswordError> {
        let known = Arc::new(Known::new(users)?);
        *self.known.write() = known;
        Ok(())
    }

    async fn opinion(&self, credentials: &Credentials) -> Opinion {
        let Some(username) = &credentials.username else { return Opinion::PassesOn };
        let (hash, is_known) = self.known.read().hash(username);
        let Some(password) = &credentials.password else {
            // Whoever comes without one has not shown that it is this user.
            return if is_known { Opinion::NotProven { is_known } } else { Opinion::PassesOn };
        };
        match (self.is_right(credentials, hash, password.clone()).await, is_known) {
            (Ok(true), true) => Opinion::Accepts(Identity::user(username.clone())),
            (Ok(_), _) => Opinion::NotProven { is_known },
            (Err(refusal), _) => Opinion::Refuses(refusal),
        }
    }

    /// Returns whether a password is the one that was hashed, or why nobody looked.
    async fn is_right(
        &self,
        credentials: &Credentials,
        hash: Arc<PasswordHash>,
        password: Bytes,
    ) -> Result<bool, Refusal> {
        let (bouncer, peer) = (self.bouncer.clone(), credentials.peer.map(|peer| peer.ip()));
        let turn = move || match (bouncer, peer) {
            (Some(bouncer), Some(peer)) if bouncer.turns_away(peer) => Err(Refusal::Banned),
            (Some(_) | None, Some(_) | None) => Ok(hash.verify(&password)),
        };
        self.pool.run(peer, turn).await.unwrap_or(Err(Refusal::ServerUnavailable))
    }
}

impl Link for PasswordAuthenticator {
    fn consider<'a>(&'a self, credentials: &'a Credentials) -> LinkFuture<'a> {
        Box::pin(self.opinion(credentials))
    }

    fn knows(&self, username: &str) -> bool {
        self.known.read().users.hash(username).is_some()
    }

    /// SCRAM-SHA-256, if somebody has keys for it.
    fn begin(&self, method: &str) -> Option<Box<dyn Exchange>> {
        let known = self.known.read().clone();
        if method != METHOD || !known.decoys.have_scram() {
            return None;
        }
        let keys_of = move |username: &str| {
            let (hash, is_known) = known.hash(username);
            match hash.scram() {
                Some(keys) if is_known => keys.clone(),
                _ => known.decoys.scram(username, &hash),
            }
        };
        Some(Box::new(ScramLogin { keys_of }))
    }
}

impl fmt::Debug for PasswordAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordAuthenticator").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Known {
    fn new(users: Users) -> Result<Self, HashPasswordError> {
        let decoys = Decoys::of(&users)?;
        Ok(Self { users, decoys })
    }

    /// Returns the hash to hold a password against, and whether it is the user's.
    fn hash(&self, username: &str) -> (Arc<PasswordHash>, bool) {
        match self.users.hash(username) {
            Some(hash) => (hash.clone(), true),
            None => (self.decoys.hash(username).clone(), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use flux_time::Timestamp;
    use ring::{digest, pbkdf2};

    use super::*;
    use crate::BanSettings;

    fn credentials(username: &str, password: &'static str) -> Credentials {
        let mut credentials = Credentials::new("c");
        credentials.username = Some(username.into());
        credentials.password = Some(password.into());
        credentials
    }

    fn authenticator(names: &[&str]) -> PasswordAuthenticator {
        let mut users = Users::default();
        for name in names {
            users.set(name, PasswordHash::of(b"secret").unwrap()).unwrap();
        }
        let pool = HashPool::start(NonZeroUsize::MIN, 16).unwrap();
        PasswordAuthenticator::new(users, Arc::new(pool)).unwrap()
    }

    #[tokio::test]
    async fn a_user_is_accepted_with_the_password_and_refused_with_another() {
        let authenticator = authenticator(&["alice"]);
        let accepts = Opinion::Accepts(Identity::user("alice"));
        assert_eq!(authenticator.consider(&credentials("alice", "secret")).await, accepts);
        let refuses = Opinion::NotProven { is_known: true };
        assert_eq!(authenticator.consider(&credentials("alice", "wrong")).await, refuses);
        assert_eq!(authenticator.consider(&credentials("alice", "")).await, refuses);
        assert!(authenticator.knows("alice") && !authenticator.knows("eve"));
        let without = Credentials { password: None, ..credentials("alice", "") };
        assert_eq!(authenticator.consider(&without).await, refuses);
        let unknown = Credentials { password: None, ..credentials("eve", "") };
        assert_eq!(authenticator.consider(&unknown).await, Opinion::PassesOn);
    }

    #[tokio::test]
    async fn nothing_is_hashed_for_whoever_was_banned_meanwhile() {
        let clock = Box::new(|| Timestamp::from_millis(0));
        let settings = BanSettings { failures: 1, ..BanSettings::default() };
        let bouncer = Arc::new(Bouncer::new(settings, clock));
        let authenticator = authenticator(&["alice"]).with_bans(bouncer.clone());
        let mut client = credentials("alice", "secret");
        client.peer = Some("192.0.2.1:1".parse().unwrap());
        let answer = authenticator.consider(&client);
        bouncer.note_failure("192.0.2.1".parse().unwrap());
        assert_eq!(answer.await, Opinion::Refuses(Refusal::Banned));
        client.peer = Some("192.0.2.2:1".parse().unwrap());
        let accepts = Opinion::Accepts(Identity::user("alice"));
        assert_eq!(authenticator.consider(&client).await, accepts);
    }

    #[tokio::test]
    async fn whom_it_does_not_know_proves_nothing_whatever_the_password() {
        let authenticator = authenticator(&["alice"]);
        let unknown = Opinion::NotProven { is_known: false };
        assert_eq!(authenticator.consider(&credentials("eve", "secret")).await, unknown);
        assert_eq!(authenticator.consider(&Credentials::new("c")).await, Opinion::PassesOn);
        authenticator.replace(Users::default()).unwrap();
        assert_eq!(authenticator.consider(&credentials("alice", "secret")).await, unknown);
    }

    /// Lines of a file as mosquitto writes them, each hash of a password that is the name of its kind.
    fn hash_of(kind: &str) -> String {
        const SALT: &[u8] = b"twelve bytes";
        let (salt, password) = (STANDARD.encode(SALT), kind.as_bytes());
        let mut output = [0; 64];
        if kind == "$6$" {
            let digest = digest::digest(&digest::SHA512, &[password, SALT].concat());
            return format!("$6${salt}${}", STANDARD.encode(digest));
        }
        if let Some(iterations) = kind.strip_prefix("$7$") {
            let times = iterations.parse().unwrap();
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, times, SALT, password, &mut output);
            return format!("$7${iterations}${salt}${}", STANDARD.encode(output));
        }
        let costs = kind.strip_prefix("$argon2id$m=8,t=").unwrap();
        let params = argon2::Params::new(8, costs.parse().unwrap(), 1, Some(output.len())).unwrap();
        let argon2 =
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_into(password, SALT, &mut output).unwrap();
        format!("$argon2id$v=19$m=8,t={costs},p=1${salt}${}", STANDARD.encode(output))
    }

    /// Not the time is looked at, but what is done in it: only whoever computes with the salt and the costs of a kind finds that the
    /// password of that kind is right.
    #[tokio::test]
    async fn as_much_is_done_for_names_that_are_not_there_as_for_those_that_are() {
        let kinds = [
            ("$6$", 4),
            ("$7$5", 3),
            ("$7$50", 1),
            ("$argon2id$m=8,t=1", 1),
            ("$argon2id$m=8,t=3", 1),
        ];
        let mut text = format!("#flux-decoys:{}\n", STANDARD.encode([7; 32]));
        for (number, (kind, users)) in kinds.into_iter().enumerate() {
            for user in 0..users {
                text += &format!("known-{number}-{user}:{}\n", hash_of(kind));
            }
        }
        let pool = Arc::new(HashPool::start(NonZeroUsize::MIN, 16).unwrap());
        let authenticator = PasswordAuthenticator::new(Users::parse(&text).unwrap(), pool).unwrap();
        let done_for = async |name: &str| {
            let (hash, is_known) = authenticator.known.read().hash(name);
            let mut done = Vec::new();
            for (kind, _) in kinds {
                let shown = credentials(name, "");
                if authenticator.is_right(&shown, hash.clone(), kind.into()).await.unwrap() {
                    done.push(kind);
                }
            }
            let [kind] = done[..] else { panic!("{name}: {done:?}") };
            // Whatever it is held against, and however that comes out, nobody learns which it was.
            let opinion = authenticator.consider(&credentials(name, "wrong")).await;
            assert_eq!(opinion, Opinion::NotProven { is_known }, "{name}");
            kind
        };
        for (number, (kind, _)) in kinds.into_iter().enumerate() {
            assert_eq!(done_for(&format!("known-{number}-0")).await, kind);
        }
        let mut found = kinds.map(|(kind, _)| (kind, 0));
        for name in 0..1_000 {
            let kind = done_for(&format!("unknown-{name}")).await;
            found.iter_mut().filter(|it| it.0 == kind).for_each(|it| it.1 += 1);
        }
        for ((kind, users), (_, names)) in kinds.into_iter().zip(found) {
            assert!((80 * users..120 * users).contains(&names), "{kind}: {names} of 1,000 names");
        }
    }
}
