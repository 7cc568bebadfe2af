//! Clients come and go, others work.

use std::net::SocketAddr;

use anyhow::Result;

use super::super::probe::Probe;
use super::super::size::Size;
use super::super::visitors::{Visit, Visitors};
use crate::clock::Stopwatch;
use crate::load::packets::Version;

/// So many clients a second connect, subscribe to five filters, publish to one of them at QoS 1,
/// get the message and its acknowledgement, and leave.
pub(super) fn churn(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let probe = Probe::start(address)?;
    let visit = Visit { version: Version::V311, filters: 5, publish: Some(1) };
    let mut visitors = Visitors::new(address, visit)?;
    let watch = Stopwatch::start();
    visitors.come_at(size.arrivals_per_second, |_| watch.elapsed() >= size.time)?;
    let time = watch.elapsed();
    let latency = probe.finish()?;
    Ok(vec![
        format!(
            "{} came and left, {:.0} a second, {} inside at most",
            visitors.left(),
            visitors.left() as f64 / time.as_secs_f64(),
            visitors.most()
        ),
        format!("another's messages: {latency}"),
    ])
}
