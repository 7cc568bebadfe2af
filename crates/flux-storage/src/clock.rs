//! The clock of this crate: how long a disk takes is reported, and an attempt that failed is made again. Nothing that is
//! stored depends on it.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "a store is an edge: it retries, and reports for how long something lasts"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
