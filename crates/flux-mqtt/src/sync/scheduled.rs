//! Shuttle's locks with the names and the manners of parking_lot's: nothing is ever poisoned.

use std::sync::PoisonError;

pub(crate) use shuttle::sync::MutexGuard;
use shuttle::sync::{RwLockReadGuard, RwLockWriteGuard};
pub(crate) use shuttle::{
    sync::atomic::{AtomicBool, AtomicU64},
    thread_local,
};

#[derive(Debug)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom shuttle lets go on first is the schedule's choice, a reader before a waiting writer too.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn read_recursive(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
