//! MQTT topic names and topic filters: parsing, matching and a subscription tree.
//!
//! A topic name is parsed once, where it enters the program, into a [`TopicName`]; a topic filter
//! into a [`TopicFilter`]. What holds one of them need not ask again whether it is valid. Many
//! subscriptions live in a [`SubscriptionTree`], whose lookup costs what the matching part of the
//! tree costs, however many other subscriptions there are.
//!
//! Filters are compared with each other as access lists need it: [`TopicFilter::covers`] for what is
//! allowed, [`TopicFilter::overlaps`] for what is denied. A [`Scope`] says which topic names a
//! subscription concerns when it comes or goes, for caches of matches.
//!
//! The crate is pure: no clock, no I/O, no lock, no thread. It knows no client, no quality of
//! service and no protocol version: the caller chooses what a subscription's key and value are, and
//! who of a shared subscription's group receives a message (MQTT 5.0 section 4.8.2).
//!
//! The rules are those of MQTT 5.0 section 4.7, which MQTT 3.1.1 section 4.7 shares; only
//! `$share/{name}/` is new in 5.0.
//!
//! ```
//! use flux_topic::{ParseFilterError, SubscriptionTree, TopicFilter, TopicName, matches};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! assert!(matches("sport/tennis/#", "sport/tennis"));
//! assert!(!matches("#", "$SYS/uptime"));
//! assert_eq!(TopicFilter::parse("a/b#"), Err(ParseFilterError::HashNotAlone { at: 3 }));
//!
//! let mut tree = SubscriptionTree::new();
//! tree.insert(&TopicFilter::parse("room/+/light")?, "alice", 1);
//! tree.insert(&TopicFilter::parse("room/#")?, "bob", 0);
//!
//! let mut receivers = Vec::new();
//! tree.for_each_match(TopicName::parse("room/7/light")?, |client, qos| {
//!     receivers.push((*client, *qos));
//! });
//! assert_eq!(receivers, [("bob", 0), ("alice", 1)]);
//! # Ok(())
//! # }
//! ```

mod coverage;
mod filter;
mod level_arena;
mod levels;
mod matching;
mod name;
mod scope;
mod subscription_tree;

pub use coverage::covers;
pub use filter::{ParseFilterError, TopicFilter};
pub use level_arena::{Leaf, LevelArena, NodeId};
pub use levels::{Levels, MAX_TOPIC_BYTES, TooManyLevels};
pub use matching::{TopicMatcher, matches};
pub use name::{ParseTopicError, TopicName, TopicNameBuf};
pub use scope::Scope;
pub use subscription_tree::SubscriptionTree;

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
