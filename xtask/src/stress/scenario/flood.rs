//! Publishers as fast as they can, and what it does to somebody else.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::probe::Probe;
use super::super::size::Size;
use crate::clock::{Stopwatch, settle};

/// Measures a client alone, beside one flood, and beside several.
pub(super) fn flood(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    [0, 1, 8].into_iter().map(|floods| beside(address, floods, size.time / 3)).collect()
}

fn beside(address: SocketAddr, floods: usize, time: Duration) -> Result<String> {
    let mut crowd = Crowd::new(address)?;
    for number in 0..floods {
        crowd.connect(packets::connect(&format!("flood-{number}")))?;
    }
    let block = packets::publish("flood/nobody", &[b'x'; 64]).repeat(BLOCK);
    let probe = Probe::start(address)?;
    let watch = Stopwatch::start();
    let mut blocks = 0_usize;
    while watch.elapsed() < time {
        if floods == 0 {
            settle(time.saturating_sub(watch.elapsed()));
        }
        for number in 0..floods {
            if crowd.unsent(number) == 0 {
                crowd.send(number, &block);
                blocks += 1;
            }
        }
        crowd.poll(Duration::from_millis(1), |_, number, happening| match happening {
            Happening::Packet(_) => Ok(()),
            Happening::Closed => bail!("publisher {number} was closed"),
        })?;
    }
    let latency = probe.finish()?;
    crowd.close_all();
    let rate = (blocks * BLOCK) as f64 / watch.elapsed().as_secs_f64() / 1e6;
    Ok(format!("beside {floods} floods ({rate:.2} million messages a second): {latency}"))
}

/// Messages in one write.
const BLOCK: usize = 1_000;
