//! [`Stamp`]: how long an answer may be remembered.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for all that an [`Authorizer`](crate::Authorizer)'s answers about one client depend on, besides the
/// access: the client and the rules.
///
/// As long as the stamp is the same, the answer to the same access is. No two are equal by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// Returns a stamp that nobody has had before in this process.
    #[must_use]
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}
