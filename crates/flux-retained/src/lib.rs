//! MQTT retained messages: the last message of every topic, found by name or by topic filter.
//!
//! [`RetainedTree`] is the pure data structure: one value per topic name, a lookup by filter that
//! walks only what can match, no lock. A [`Cursor`] makes such a lookup in pieces, while the tree
//! changes. [`RetainedLimits`] bound what the tree holds. [`RetainedStore`] shares one tree between
//! threads. [`RetainedMessage`] is what a store holds unless a broker brings a type of its own,
//! which is [`Retain`].
//!
//! The crate knows no subscription: when retained messages are sent (Retain Handling, MQTT 5.0
//! section 3.8.3.1) is up to the caller. It does no I/O and reads no clock: the time is an argument,
//! and who wants the room of expired messages back calls `remove_expired`.
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

mod limits;
mod message;
mod retain;
mod store;
mod tree;

pub use flux_time::Timestamp;

pub use self::limits::{LEVEL_OVERHEAD, RetainedLimitError, RetainedLimits, WhenFull};
pub use self::message::{RetainedMessage, SetRetainedError};
pub use self::retain::Retain;
pub use self::store::{RetainedCursor, RetainedStore};
pub use self::tree::{Cursor, Displaced, Progress, RetainedTree};

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
