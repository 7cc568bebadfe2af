//! The future of an answer, where its type has to be forgotten.

use std::future::Future;
use std::pin::Pin;

/// An answer that is still being worked out, on the heap.
///
/// Whoever holds it owns it alone, may move it to another thread, and gives the question up by
/// dropping it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
