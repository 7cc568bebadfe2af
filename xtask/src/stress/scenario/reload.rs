//! The config is read again and again while clients publish and subscribe.

mod talk;

use std::collections::VecDeque;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::talk::Talk;
use super::super::crowd::Crowd;
use super::super::probe::Probe;
use super::super::size::Size;
use super::super::{LoadOptions, packets};
use crate::clock::Stopwatch;
use crate::load::packets::Version;
use crate::repository;

/// Has the broker read its config again and again. Each time one listener is there or not, and others say something
/// else; whoever comes next must be told so. Meanwhile messages at QoS 1 must come to everybody, each once and in
/// order, and nobody who is connected may be cut off: neither those who came through the listener that goes.
pub(super) fn reload(options: &LoadOptions, size: &Size) -> Result<Vec<String>> {
    let path = options.config.as_deref().context("the broker has no config file")?;
    let file = File { base: fs::read_to_string(path)?, path, broker: options.broker };
    let side = SocketAddr::from((SIDE, options.addr.port()));
    let probe = Probe::start(options.addr)?;
    let mut stage = Stage {
        crowd: Crowd::new(options.addr)?,
        talk: Talk::default(),
        file,
        side,
        guests: VecDeque::new(),
        newcomers: 0,
    };
    stage.switch(1, Side::Open)?;
    stage.talk.begin(&mut stage.crowd, [options.addr, side])?;
    let watch = Stopwatch::start();
    for number in 0..size.reloads {
        let is_open = if number % 2 == 0 { Side::Closed } else { Side::Open };
        stage.switch(2 + number, is_open)?;
        if is_open == Side::Open {
            stage.welcome(number)?;
        }
    }
    let time = watch.elapsed().as_secs_f64();
    stage.talk.end(&mut stage.crowd)?;
    let latency = probe.finish()?;
    stage.switch(2 + size.reloads, Side::Closed)?;
    // For who comes after us: the broker has what it says.
    fs::write(path, &stage.file.base)?;
    stage.crowd.close_all();
    let (messages, clients) = (stage.talk.messages(), stage.newcomers);
    Ok(vec![
        format!(
            "{} reloads in {time:.1} s, {:.2} ms each; {clients} clients came, none was cut off",
            size.reloads,
            time * 1000.0 / f64::from(size.reloads)
        ),
        format!(
            "{messages} messages, each once and in order at {} subscribers; one more client: {latency}",
            talk::SUBSCRIBERS
        ),
    ])
}

/// The broker, and everybody who is connected to it.
struct Stage<'a> {
    crowd: Crowd,
    talk: Talk,
    file: File<'a>,
    /// Where the listener is that comes and goes.
    side: SocketAddr,
    /// Those who came through it last, and are still there.
    guests: VecDeque<usize>,
    newcomers: usize,
}

/// Whether the listener is there that comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Open,
    Closed,
}

impl Stage<'_> {
    /// Has the broker take over a config with this number in it, and waits until somebody new is told it.
    fn switch(&mut self, number: u32, side: Side) -> Result<()> {
        self.file.write(number, side, self.side)?;
        let watch = Stopwatch::start();
        loop {
            let connack = self.come(&format!("newcomer-{}", self.newcomers))?;
            if tells(&connack, number) {
                return Ok(());
            }
            ensure!(watch.elapsed() < DEADLINE, "reload {number} is not there after {DEADLINE:?}");
        }
    }

    /// Connects somebody who asks what holds and goes; returns the body of its CONNACK.
    fn come(&mut self, name: &str) -> Result<Vec<u8>> {
        self.newcomers += 1;
        let hello = [Version::V5.connect(name), packets::DISCONNECT.to_vec()].concat();
        let number = self.crowd.connect(hello)?;
        let answer = self.talk.wait_for(&mut self.crowd, number, packets::CONNACK)?;
        self.crowd.close(number);
        Ok(answer)
    }

    /// Connects somebody through the listener that comes and goes, who stays while it goes several times; who came first
    /// has a message to itself, and leaves.
    fn welcome(&mut self, number: u32) -> Result<()> {
        self.newcomers += 1;
        let name = format!("guest-{number}");
        let mut hello = packets::connect(&name);
        hello.extend(packets::subscribe(&[&name], 1));
        let guest = self.crowd.connect_to(self.side, hello)?;
        self.talk.wait_for(&mut self.crowd, guest, packets::SUBACK)?;
        self.guests.push_back(guest);
        if self.guests.len() <= GUESTS {
            return Ok(());
        }
        let Some(oldest) = self.guests.pop_front() else { return Ok(()) };
        let came = number + 2 - 2 * u32::try_from(GUESTS + 1)?;
        self.crowd.send(oldest, &packets::publish_qos_1(&format!("guest-{came}"), b"to myself"));
        self.talk.wait_for(&mut self.crowd, oldest, packets::PUBLISH)?;
        self.crowd.send(oldest, &packets::DISCONNECT);
        self.crowd.close(oldest);
        Ok(())
    }
}

/// The broker's config.
struct File<'a> {
    path: &'a Path,
    /// What it says at first; what is said last there is a listener.
    base: String,
    broker: u32,
}

impl File<'_> {
    fn write(&self, number: u32, side: Side, address: SocketAddr) -> Result<()> {
        let mut text = format!(
            "{}inbound_receive_maximum = {}\n[session]\nqueued_messages = {}\n",
            self.base,
            receive_maximum(number),
            1_000_000 + number
        );
        if side == Side::Open {
            text += &format!("[[listener]]\nname = \"side\"\nbind = \"{address}\"\n");
        }
        fs::write(self.path, text).context("cannot write the broker's configuration")?;
        let mut kill = Command::new("kill");
        repository::run(kill.args(["-HUP", &self.broker.to_string()]))
    }
}

/// A number that is another than that of the reload before.
fn receive_maximum(number: u32) -> u16 {
    u16::try_from(1000 + number % 50_000).unwrap_or(u16::MAX)
}

/// Says whether a CONNACK has the Receive Maximum of a reload (MQTT 5.0 section 3.2.2.3.3).
fn tells(connack: &[u8], number: u32) -> bool {
    let [high, low] = receive_maximum(number).to_be_bytes();
    connack.windows(3).any(|bytes| bytes == [0x21, high, low])
}

/// Another loopback address: ports of connections to the first are never in its way.
const SIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How many stay.
const GUESTS: usize = 16;
/// For what must happen: far more than it takes.
const DEADLINE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connack_tells_its_number() {
        let connack = [0, 0, 6, 0x21, 3, 0xE9, 0x22, 0, 16];
        assert!(tells(&connack, 1) && !tells(&connack, 2));
        assert!(!tells(&[0, 0, 0], 1));
    }
}
