//! A network breaks and comes back: everybody's session is there, and what came meanwhile.

use std::cell::Cell;
use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// Connects clients with persistent sessions, cuts them off, publishes a message of QoS 1 to all,
/// and has all come back at once; ends their sessions at last.
pub(super) fn reconnect(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let mut crowd = Crowd::new(address)?;
    let all = |crowd: &mut Crowd, hello: &dyn Fn(usize) -> Vec<u8>| -> Result<()> {
        (0..size.sessions).try_for_each(|number| crowd.connect(hello(number)).map(drop))
    };
    let name = |number: usize| format!("session-{number}");

    all(&mut crowd, &|number| {
        let mut hello = packets::connect_persistent(&name(number));
        hello.extend(packets::subscribe(&["to/all"], 1));
        hello
    })?;
    wait(&mut crowd, "everybody is subscribed", size.sessions, packets::SUBACK, None)?;
    crowd.close_all();

    let mut hello = packets::connect("publisher");
    hello.extend(packets::publish_qos_1("to/all", b"meanwhile"));
    crowd.connect(hello)?;
    wait(&mut crowd, "the message is taken", 1, packets::PUBACK, None)?;
    crowd.close_all();

    let watch = Stopwatch::start();
    all(&mut crowd, &|number| packets::connect_persistent(&name(number)))?;
    wait(&mut crowd, "everybody has the message", size.sessions, packets::PUBLISH, Some(1))?;
    let back = watch.elapsed();
    ensure!(crowd.open() == size.sessions, "only {} are left", crowd.open());
    // The last acknowledgements are read before the sessions end.
    (0..size.sessions).for_each(|place| {
        let first = size.sessions + 1;
        crowd.send(first + place, &packets::PINGREQ);
    });
    wait(&mut crowd, "everybody is answered", size.sessions, packets::PINGRESP, None)?;
    crowd.close_all();

    all(&mut crowd, &|number| packets::connect(&name(number)))?;
    wait(&mut crowd, "the sessions end", size.sessions, packets::CONNACK, Some(0))?;
    crowd.close_all();
    let sessions = size.sessions;
    Ok(vec![format!(
        "{sessions} came back at once, each with its session and one message, in {:.2} s",
        back.as_secs_f64()
    )])
}

/// Waits for so many packets of a type, and acknowledges what comes. Every CONNACK must say this of the
/// session, if it must say anything.
fn wait(
    crowd: &mut Crowd,
    what: &str,
    number: usize,
    kind: u8,
    session_present: Option<u8>,
) -> Result<()> {
    let counted = Cell::new(0);
    crowd.poll_until(
        what,
        |_| counted.get() == number,
        |crowd, number, happening| {
            let packet = match happening {
                Happening::Packet(packet) => packet,
                Happening::Closed => bail!("connection {number} was closed"),
            };
            counted.update(|count| count + usize::from(packet.kind == kind));
            if packet.kind == packets::CONNACK
                && let Some(expected) = session_present
            {
                ensure!(packet.body == [expected, 0], "client {number} got {packet:?}");
            }
            if packet.kind == packets::PUBLISH
                && packet.qos == 1
                && let Some(puback) = packets::puback_for(&packet.body)
            {
                crowd.send(number, &puback);
            }
            Ok(())
        },
    )
}
