//! Statements of the MQTT standards, as tests that talk raw bytes to any broker.
//!
//! The crate knows sockets and bytes and nothing of our broker: packets are written down from the
//! standards, not with a codec. What a broker does wrong is a panic, as in any test, with a sentence
//! that says what should have come; whoever runs a case catches it.
//!
//! It is for development only: end-to-end tests of the broker use its client as well.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use flux_conformance::{Judge, cases};
//!
//! let judge = Judge::new(([127, 0, 0, 1], 1883).into(), Duration::from_secs(5));
//! let cases: Vec<_> = cases().copied().collect();
//! for verdict in judge.run(&cases) {
//!     println!("{:?} {:?}: {:?}", verdict.case, verdict.version, verdict.outcome);
//! }
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]

#[macro_use]
mod case;
mod client;
mod clock;
mod connect;
mod layer;
mod packet;
mod property;
mod publish;
mod run;
mod suite;
mod websocket;

pub use case::{Case, Chapter, Level, Trial};
pub use client::{Client, Duplex, Server};
pub use clock::{DEADLINE, Stopwatch};
pub use connect::{Connect, Will};
pub use layer::Layer;
pub use packet::{
    PINGREQ, PINGRESP, Version, integer, packet, puback, pubcomp, pubrec, pubrel, string,
};
pub use property::{Properties, u16_property, u32_property};
pub use publish::{Publish, Received};
pub use run::{Judge, Outcome, Verdict};
pub use suite::{CHAPTERS, cases};
