//! The locks and counters of what several workers share.
//!
//! Tests with the feature `shuttle` replace them by those of the crate of that name, and decide at
//! each of them which thread goes on (`worker/tests/schedules`).

#[cfg(all(test, feature = "shuttle"))]
mod scheduled;

#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64},
    thread_local,
};

#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use self::scheduled::{AtomicBool, AtomicU64, Mutex, MutexGuard, RwLock, thread_local};
