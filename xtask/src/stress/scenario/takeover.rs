//! Many want to be the same client: exactly one is, at every time and at the end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::probe::Probe;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// Sockets connect with one client identifier, each again as soon as it is displaced.
pub(super) fn takeover(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let probe = Probe::start(address)?;
    let mut crowd = Crowd::new(address)?;
    let (mut admitted, mut last) = (0_u64, 0);
    let watch = Stopwatch::start();
    let mut tell = |_: &mut Crowd, number: usize, happening: Happening| {
        if let Happening::Packet(packet) = happening
            && packet.kind == packets::CONNACK
        {
            admitted += 1;
            last = number;
        }
        Ok(())
    };
    while watch.elapsed() < size.time {
        while crowd.open() < size.rivals {
            crowd.connect(packets::connect("contested"))?;
        }
        crowd.poll(Duration::from_millis(1), &mut tell)?;
    }
    let time = watch.elapsed();
    crowd.poll_until("one is left", |crowd| crowd.open() == 1, &mut tell)?;
    crowd.send(last, &packets::PINGREQ);
    let is_alive = Cell::new(false);
    crowd.poll_until(
        "the last one is served",
        |_| is_alive.get(),
        |_, number, happening| {
            ensure!(number == last, "it is {number} and not the last, {last}");
            if let Happening::Packet(packet) = happening {
                is_alive.set(packet.kind == packets::PINGRESP);
            }
            Ok(())
        },
    )?;
    ensure!(crowd.open() == 1, "the last one was closed");
    crowd.close_all();
    let latency = probe.finish()?;
    Ok(vec![
        format!(
            "{admitted} admissions under one client identifier, {:.0} a second, one left",
            admitted as f64 / time.as_secs_f64()
        ),
        format!("another's messages: {latency}"),
    ])
}
