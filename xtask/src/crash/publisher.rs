//! A client that publishes numbers, and sends again what was not acknowledged.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Result, bail, ensure};
use flux_conformance::{Connect, Publish, Version, pubrel};

use super::link::{BREATH, Link, STALL, Session, ack, version};
use super::stage::Stage;
use crate::clock::Stopwatch;

/// Publishes 1, 2, 3 and so on to a topic of its own.
#[derive(Debug)]
pub(super) struct Publisher {
    number: u32,
    version: Version,
    pub(super) qos: u8,
    /// The last number that was sent.
    pub(super) sent: u64,
    /// What is not acknowledged to its end, oldest first.
    open: VecDeque<Open>,
    /// Numbers that the broker would not take.
    pub(super) refused: BTreeSet<u64>,
    had_session: bool,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
struct Open {
    id: u16,
    number: u64,
    /// Whether PUBREC came.
    is_received: bool,
}

impl Publisher {
    pub(super) fn new(number: u32) -> Self {
        let qos = if number.is_multiple_of(2) { 1 } else { 2 };
        Self {
            number,
            version: version(number),
            qos,
            sent: 0,
            open: VecDeque::new(),
            refused: BTreeSet::new(),
            had_session: false,
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.sent - (self.open.len() + self.refused.len()) as u64
    }

    /// Publishes as fast as the window allows, until the broker is gone.
    pub(super) fn load(&mut self, stage: &Stage) -> Result<()> {
        let mut link = self.resume(stage)?;
        loop {
            let mut packets = Vec::new();
            while self.open.len() < WINDOW {
                self.sent += 1;
                let id = u16::try_from(self.sent % 65_535 + 1)?;
                let open = Open { id, number: self.sent, is_received: false };
                self.open.push_back(open);
                packets.extend(self.publish(open).bytes(self.version));
            }
            link.send(&packets)?;
            let mut wait = BREATH;
            while let Some(packet) = link.next(wait)? {
                self.take(&packet, &mut link)?;
                wait = std::time::Duration::from_nanos(1);
            }
        }
    }

    /// Has all acknowledged that was sent.
    pub(super) fn settle(&mut self, stage: &Stage) -> Result<()> {
        let mut link = self.resume(stage)?;
        let watch = Stopwatch::start();
        while !self.open.is_empty() {
            let Some(packet) = link.next(STALL)?.filter(|_| watch.elapsed() < STALL) else {
                bail!("publisher {} waits for {:?}", self.number, self.open.front());
            };
            self.take(&packet, &mut link)?;
        }
        Ok(())
    }

    /// Connects and sends again what is open, in the order in which it was sent first.
    fn resume(&mut self, stage: &Stage) -> Result<Link> {
        let connect = Connect::persistent(self.version, &format!("publisher-{}", self.number));
        let (mut link, session) = Link::connect(stage, &connect)?;
        let is_kept = session == Session::Present || !self.had_session;
        ensure!(is_kept, "the session of publisher {} is lost", self.number);
        self.had_session = true;
        let mut packets = Vec::new();
        for open in &self.open {
            if open.is_received {
                packets.extend(pubrel(open.id));
            } else {
                packets.extend(self.publish(*open).dup().bytes(self.version));
            }
        }
        link.send(&packets)?;
        Ok(link)
    }

    fn publish(&self, open: Open) -> Publish {
        let payload = format!("{} {}", open.number, "x".repeat(usize::from(open.id % 97)));
        Publish::new(&format!("c/{}", self.number), payload).qos(self.qos, open.id)
    }

    fn take(&mut self, packet: &[u8], link: &mut Link) -> Result<()> {
        let Some((id, code)) = ack(packet) else { bail!("unexpected packet {packet:02x?}") };
        let place = self.open.iter().position(|open| open.id == id);
        let Some((place, open)) = place.and_then(|at| Some((at, *self.open.get(at)?))) else {
            bail!("publisher {} got {packet:02x?}, which it did not wait for", self.number);
        };
        // No matching subscribers: but there are some, and they are to outlive the broker.
        ensure!(code != 0x10, "the subscriptions to c/{} are lost", self.number);
        let kind = packet.first().map_or(0, |first| first >> 4);
        match (kind, self.qos) {
            (4, 1) | (5, 2) if code >= 0x80 => {
                self.open.remove(place);
                self.refused.insert(open.number);
            }
            (4, 1) | (7, 2) => drop(self.open.remove(place)),
            (5, 2) => {
                if let Some(open) = self.open.get_mut(place) {
                    open.is_received = true;
                }
                link.send(&pubrel(id))?;
            }
            _ => bail!("publisher {} got {packet:02x?}", self.number),
        }
        Ok(())
    }
}

/// Mosquitto allows so many.
const WINDOW: usize = 20;
