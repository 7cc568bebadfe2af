//! Peers that are no longer there: nothing comes from them, and nothing says that they left.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// Connects clients with a Keep Alive of one second that say nothing more; all must be closed. One that
/// goes on must not.
pub(super) fn silent(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let mut crowd = Crowd::new(address)?;
    let lively = crowd.connect(packets::connect_keep_alive("lively", KEEP_ALIVE))?;
    let watch = Stopwatch::start();
    for number in 0..size.silent {
        crowd.connect(packets::connect_keep_alive(&format!("silent-{number}"), KEEP_ALIVE))?;
    }
    let (mut inside, mut gone) = (0, 0);
    crowd.poll_until(
        "the silent are found",
        |crowd| crowd.open() == 1,
        |crowd, number, happening| {
            match happening {
                Happening::Packet(packet) if packet.kind == packets::CONNACK => inside += 1,
                Happening::Packet(_) => {}
                Happening::Closed if number == lively => bail!("the lively one was closed"),
                Happening::Closed => gone += 1,
            }
            crowd.send(lively, &packets::PINGREQ);
            Ok(())
        },
    )?;
    ensure!(inside == size.silent + 1 && gone == size.silent, "{inside} inside, {gone} gone");
    crowd.close_all();
    Ok(vec![format!("{gone} silent clients gone after {:.2} s", watch.elapsed().as_secs_f64())])
}

/// In seconds.
const KEEP_ALIVE: u8 = 1;
