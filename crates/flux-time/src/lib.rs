//! A moment as an argument: [`Timestamp`]. And how long something took, counted: [`Histogram`].
//!
//! The pure crates of this workspace never read a clock. They are given moments, compare them and
//! add durations to them; who drives them chooses the start: the epoch, the start of the process,
//! or zero in a test and in a simulator.
//!
//! ```
//! use std::time::Duration;
//!
//! use flux_time::Timestamp;
//!
//! let sent = Timestamp::from_millis(1_000);
//! let expires = sent + Duration::from_secs(30);
//! assert!(Timestamp::from_millis(31_000) >= expires);
//! ```

mod histogram;
mod timestamp;

/// Runs the example of the README as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use self::histogram::{Histogram, Timings};
pub use self::timestamp::Timestamp;
