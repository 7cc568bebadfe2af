//! User names and passwords: hashes, the file that holds them, and the authenticator that asks it.
//!
//! The file is one that mosquitto reads and writes as well: a line `name:hash` for each user.

mod authenticator;
mod decoys;
mod file;
mod hash;
mod pool;

pub use self::authenticator::PasswordAuthenticator;
pub use self::file::{ParseUsersError, UserNameError, Users, UsersFileError, UsersLock};
pub use self::hash::{HashPasswordError, ParseHashError, PasswordHash};
#[cfg(test)]
pub(crate) use self::pool::Threadless;
pub use self::pool::{HashPool, StartPoolError};
