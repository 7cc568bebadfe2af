//! A broker on real sockets, and a collector that decodes what it is sent.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod collector;
mod metrics;
mod site;
mod traces;
