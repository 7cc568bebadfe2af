//! Everybody is there, and hears one message.

use std::cell::Cell;
use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// Connects and subscribes everybody, publishes one message, and waits until all have it.
pub(in super::super) fn connections(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let mut crowd = Crowd::new(address)?;
    let watch = Stopwatch::start();
    crowd.each(0..size.connections, AT_ONCE, (packets::SUBACK, 1), |crowd, number| {
        let mut hello = packets::connect(&format!("crowd-{number}"));
        hello.extend(packets::subscribe(&["to/all"], 0));
        crowd.connect(hello).map(drop)
    })?;
    let connected = watch.elapsed();

    let watch = Stopwatch::start();
    let mut publisher = packets::connect("crowd-publisher");
    publisher.extend(packets::publish("to/all", b"everybody"));
    crowd.connect(publisher)?;
    let heard = Cell::new(0);
    crowd.poll_until(
        "everybody has the message",
        |_| heard.get() == size.connections,
        |_, number, happening| match happening {
            Happening::Packet(packet) => {
                heard.update(|count| count + usize::from(packet.kind == packets::PUBLISH));
                Ok(())
            }
            Happening::Closed => bail!("connection {number} was closed"),
        },
    )?;
    let told = watch.elapsed();
    ensure!(crowd.open() == size.connections + 1, "only {} are left", crowd.open());
    crowd.close_all();
    Ok(vec![format!(
        "{} connected and subscribed in {:.2} s; one message to all in {:.0} ms",
        size.connections,
        connected.as_secs_f64(),
        told.as_secs_f64() * 1000.0,
    )])
}

/// Connections that wait for their answer: less than a backlog.
const AT_ONCE: usize = 500;
