//! MQTT retained messages: the last message of every topic, found by name or by topic filter.
//!
//! [`RetainedTree`] is the pure data structure: one value per topic name, a lookup by filter that
//! walks only what can match, no lock. [`RetainedStore`] shares one tree between threads.
//! [`RetainedMessage`] is what a store holds unless a broker brings a type of its own.
//!
//! The crate knows no subscription: when retained messages are sent (Retain Handling, MQTT 5.0
//! section 3.8.3.1), whether they have expired and how many there may be is up to the caller. It
//! does no I/O and reads no clock.
//!
//! ```
//! use bytes::Bytes;
//! use flux_retained::{RetainedMessage, RetainedStore};
//!
//! let store: RetainedStore = RetainedStore::new();
//! store.set("room/1/light".to_owned(), Bytes::from_static(b"on"), 1);
//! store.set("room/2/light".to_owned(), Bytes::from_static(b"off"), 0);
//! assert_eq!(store.get_matching("room/+/light").len(), 2);
//!
//! // An empty payload removes.
//! store.set("room/1/light".to_owned(), Bytes::new(), 1);
//! assert_eq!(store.get("room/1/light"), None);
//! assert_eq!(
//!     store.get("room/2/light"),
//!     Some(RetainedMessage {
//!         topic: "room/2/light".to_owned(),
//!         payload: Bytes::from_static(b"off"),
//!         qos: 0,
//!     })
//! );
//! ```

mod message;
mod store;
mod tree;

pub use message::{RetainedMessage, SetRetainedError};
pub use store::RetainedStore;
pub use tree::RetainedTree;

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
