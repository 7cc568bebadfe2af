//! Names and passwords: the file that they are in, and the threads that hash.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};
use flux_auth::{Bouncer, HashPool, Link, PasswordAuthenticator, StartPoolError, Users};

/// Asks for the passwords of a file.
pub(super) struct Passwords {
    authenticator: Arc<PasswordAuthenticator>,
    pool: Arc<HashPool>,
}

impl Passwords {
    /// Reads the file. The threads of those that held before go on.
    pub(super) fn open(path: &Path, before: Option<&Self>, bouncer: &Arc<Bouncer>) -> Result<Self> {
        let users = Users::load(path).context(
            "`auth.password_file` cannot be used (`flux-broker passwd add FILE USER` makes one, `passwd check FILE` looks at it)",
        )?;
        let pool = match before {
            Some(before) => before.pool.clone(),
            None => Arc::new(pool()?),
        };
        let users = PasswordAuthenticator::new(users, pool.clone())?.with_bans(bouncer.clone());
        Ok(Self { authenticator: Arc::new(users), pool })
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.authenticator.clone()
    }
}

fn pool() -> Result<HashPool, StartPoolError> {
    // Half of the processors at most: the others go on serving whoever is in.
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN);
    HashPool::start(threads, WAITING_PASSWORDS)
}

/// So many wait at most until their password is hashed; others are told that the server is unavailable.
const WAITING_PASSWORDS: usize = 1_024;
