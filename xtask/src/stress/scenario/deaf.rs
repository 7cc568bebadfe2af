//! A subscriber that does not read: bounded, alive, and served when it reads at last.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::super::crowd::{Crowd, Happening};
use super::super::footprint::Footprint;
use super::super::packets;
use super::super::probe::Probe;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// A subscriber reads nothing for the whole time but goes on to ping, while somebody publishes to it as fast
/// as it goes, in turn at QoS 0 and 1.
pub(super) fn deaf(address: SocketAddr, broker: u32, size: &Size) -> Result<Vec<String>> {
    let before = Footprint::of(broker)?;
    let mut crowd = Crowd::new(address)?;
    let mut hello = packets::connect_keep_alive("deaf", KEEP_ALIVE);
    hello.extend(packets::subscribe(&["to/deaf"], 1));
    let deaf = crowd.connect(hello)?;
    let is_subscribed = Cell::new(false);
    crowd.poll_until(
        "it is subscribed",
        |_| is_subscribed.get(),
        |_, _, happening| {
            if let Happening::Packet(packet) = happening {
                is_subscribed.set(packet.kind == packets::SUBACK);
            }
            Ok(())
        },
    )?;
    crowd.set_reads(deaf, false);
    let publisher = crowd.connect(packets::connect("publisher"))?;
    let probe = Probe::start(address)?;

    let mut block = packets::publish("to/deaf", &[b'0'; PAYLOAD]);
    block.extend(packets::publish_qos_1("to/deaf", &[b'1'; PAYLOAD]));
    let block = block.repeat(BLOCK);
    let (mut sent, mut acknowledged, mut grown) = (0_usize, 0_usize, 0);
    let (watch, mut pinged) = (Stopwatch::start(), Stopwatch::start());
    let mut tell = |_: &mut Crowd, number: usize, happening: Happening| match happening {
        Happening::Packet(packet) => {
            acknowledged += usize::from(packet.kind == packets::PUBACK);
            Ok(())
        }
        Happening::Closed => bail!("connection {number} was closed"),
    };
    while watch.elapsed() < size.time {
        if crowd.unsent(publisher) == 0 {
            crowd.send(publisher, &block);
            sent += BLOCK;
        }
        if pinged.elapsed() > PING {
            pinged = Stopwatch::start();
            crowd.send(deaf, &packets::PINGREQ);
            grown = grown.max(Footprint::of(broker)?.grown_mib(&before));
        }
        crowd.poll(Duration::from_millis(1), &mut tell)?;
    }
    ensure!(grown <= BOUND_MIB, "the broker grew by {grown} MiB for one session of 64");
    let latency = probe.finish()?;
    let served = serve(&mut crowd, deaf, publisher)?;
    crowd.close_all();
    Ok(vec![
        format!(
            "{sent} published at QoS 0 and as many at QoS 1 ({acknowledged} acknowledged in time); \
             the broker grew by {grown} MiB"
        ),
        format!("reading at last it got {} at QoS 0 and {} at QoS 1", served[0], served[1]),
        format!("another's messages: {latency}"),
    ])
}

/// Reads and acknowledges everything, up to a message that is published when there is room again;
/// returns how many came at QoS 0 and 1.
fn serve(crowd: &mut Crowd, deaf: usize, publisher: usize) -> Result<[usize; 2]> {
    let (mut served, mut is_last, mut asked) = ([0; 2], false, Stopwatch::start());
    crowd.set_reads(deaf, true);
    let watch = Stopwatch::start();
    while !is_last {
        ensure!(watch.elapsed() < DEADLINE, "the last message does not come: {served:?}");
        let tell = |crowd: &mut Crowd, number: usize, happening: Happening| {
            let packet = match happening {
                Happening::Packet(packet) => packet,
                Happening::Closed => bail!("connection {number} was closed"),
            };
            if packet.kind != packets::PUBLISH {
                return Ok(());
            }
            is_last |= packet.body.ends_with(LAST);
            if let Some(count) = served.get_mut(usize::from(packet.qos)) {
                *count += 1;
            }
            if packet.qos == 1
                && let Some(puback) = packets::puback_for(&packet.body)
            {
                crowd.send(number, &puback);
            }
            Ok(())
        };
        crowd.poll(Duration::from_millis(10), tell)?;
        // Where the queue is still full it is dropped, and sent again.
        if asked.elapsed() > PING {
            asked = Stopwatch::start();
            crowd.send(publisher, &packets::publish_qos_1("to/deaf", LAST));
        }
    }
    Ok(served)
}

/// In seconds: several pings are sent in this time.
const KEEP_ALIVE: u8 = 2;
const PING: Duration = Duration::from_millis(500);
const PAYLOAD: usize = 200;
const BLOCK: usize = 100;
const LAST: &[u8] = b"the last message";
/// The limit of a session is 64 MiB; beside it there are places in the queue and buffers.
const BOUND_MIB: u64 = 192;
const DEADLINE: Duration = Duration::from_secs(60);
