//! Names and passwords: the file that they are in, and the threads that hash.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use flux_auth::{Bouncer, HashPool, Link, PasswordAuthenticator, Users};

use super::Change;

/// Asks for the passwords of a file.
pub(super) struct Passwords {
    authenticator: Arc<PasswordAuthenticator>,
    path: PathBuf,
}

impl Passwords {
    pub(super) fn open(path: &Path, bouncer: &Arc<Bouncer>) -> Result<Self> {
        // Half of the processors at most: the others go on serving whoever is in.
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN);
        let pool = Arc::new(HashPool::start(threads, WAITING_PASSWORDS)?);
        let users =
            PasswordAuthenticator::new(Users::load(path)?, pool)?.with_bans(bouncer.clone());
        Ok(Self { authenticator: Arc::new(users), path: path.to_owned() })
    }

    pub(super) fn link(&self) -> Arc<dyn Link> {
        self.authenticator.clone()
    }

    /// Reads the file again.
    pub(super) fn read_again(&self) -> Result<Change> {
        let (users, authenticator) = (Users::load(&self.path)?, self.authenticator.clone());
        Ok(Box::new(move || Ok(authenticator.replace(users)?)))
    }
}

/// So many wait at most until their password is hashed; others are told that the server is unavailable.
const WAITING_PASSWORDS: usize = 1_024;
