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

    use flux_time::Timestamp;

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
}
