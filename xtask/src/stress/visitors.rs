//! Clients that come, do something, and leave.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::crowd::{Crowd, Happening};
use super::packets;
use crate::clock::Stopwatch;
use crate::load::packets::{Retain, Version};

/// What each visitor does: it connects, subscribes, may publish one message that it gets itself, and leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    pub(crate) version: Version,
    /// To how many filters it subscribes, of five.
    pub(crate) filters: usize,
    /// The QoS of its message, 0 or 1; nothing if it does not publish.
    pub(crate) publish: Option<u8>,
}

/// All visitors of one kind. Whoever is cut off before it leaves is an error.
pub(crate) struct Visitors {
    crowd: Crowd,
    guests: Guests,
}

struct Guests {
    visit: Visit,
    /// One for each connection that ever was.
    all: Vec<Guest>,
    left: u64,
    most: usize,
}

/// What a visitor has got.
#[derive(Clone, Copy, Debug, Default)]
struct Guest {
    subscribed: bool,
    acknowledged: bool,
    received: bool,
    leaves: bool,
}

impl Visitors {
    pub(crate) fn new(address: SocketAddr, visit: Visit) -> Result<Self> {
        let guests = Guests { visit, all: Vec::new(), left: 0, most: 0 };
        Ok(Self { crowd: Crowd::new(address)?, guests })
    }

    /// Returns how many have come and left.
    pub(crate) const fn left(&self) -> u64 {
        self.guests.left
    }

    /// Returns how many there were at once at most.
    pub(super) const fn most(&self) -> usize {
        self.guests.most
    }

    /// So many come, at most so many at once, and leave.
    ///
    /// # Errors
    ///
    /// When one is refused, is cut off, or does not get its message.
    pub(crate) fn come(&mut self, count: usize, at_once: usize) -> Result<()> {
        let all = self.guests.all.len() + count;
        while self.guests.all.len() < all {
            while self.guests.all.len() < all && self.crowd.open() < at_once {
                self.arrive()?;
            }
            self.poll(Duration::from_millis(100))?;
        }
        self.see_off()
    }

    /// So many come each second, until it is over; then the last leave.
    ///
    /// # Errors
    ///
    /// As [`Self::come`].
    pub(crate) fn come_at(
        &mut self,
        per_second: u64,
        mut is_over: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let (watch, before) = (Stopwatch::start(), self.guests.all.len() as u64);
        while !is_over(self) {
            let elapsed = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
            let due = before + elapsed * per_second / 1000;
            while (self.guests.all.len() as u64) < due && self.crowd.open() < INSIDE {
                self.arrive()?;
            }
            self.poll(Duration::from_millis(1))?;
        }
        self.see_off()
    }

    fn arrive(&mut self) -> Result<()> {
        let number = self.guests.all.len();
        let filters = [
            topic(number),
            format!("churn/{number}/+"),
            format!("churn/{number}/#"),
            "churn/all".to_owned(),
            "churn/+/all".to_owned(),
        ];
        let Visit { version, filters: count, .. } = self.guests.visit;
        let mut hello = version.connect(&format!("churn-{number}"));
        hello.extend(version.subscribe(filters.get(..count).unwrap_or(&filters), 0));
        self.crowd.connect(hello)?;
        self.guests.all.push(Guest::default());
        self.guests.most = self.guests.most.max(self.crowd.open());
        Ok(())
    }

    fn poll(&mut self, wait: Duration) -> Result<()> {
        let Self { crowd, guests } = self;
        crowd.poll(wait, |crowd, number, happening| guests.attend(crowd, number, &happening))
    }

    fn see_off(&mut self) -> Result<()> {
        let Self { crowd, guests } = self;
        crowd.poll_until(
            "the last leave",
            |crowd| crowd.open() == 0,
            |crowd, number, happening| guests.attend(crowd, number, &happening),
        )
    }
}

impl Guests {
    fn attend(&mut self, crowd: &mut Crowd, number: usize, happening: &Happening) -> Result<()> {
        let Visit { version, publish, .. } = self.visit;
        let Some(guest) = self.all.get_mut(number) else { return Ok(()) };
        match happening {
            Happening::Packet(packet) => {
                ensure!(!packet.refuses(), "visitor {number} got {packet:02x?}");
                match packet.kind {
                    packets::CONNACK => {}
                    packets::SUBACK => {
                        guest.subscribed = true;
                        let topic = topic(number);
                        match publish {
                            None => {}
                            Some(0) => crowd.send(number, &version.publish(&topic, 0, PAYLOAD)),
                            Some(_) => crowd.send(
                                number,
                                &version.publish_qos_1(&topic, Retain::No, 1, PAYLOAD),
                            ),
                        }
                    }
                    packets::PUBACK => guest.acknowledged = true,
                    packets::PUBLISH => guest.received = true,
                    other => bail!("visitor {number} got a packet of type {other}"),
                }
            }
            Happening::Closed if guest.leaves => self.left += 1,
            Happening::Closed => bail!("visitor {number} was cut off with {guest:?}"),
        }
        if !guest.leaves && guest.has_all(publish) {
            guest.leaves = true;
            crowd.send(number, &packets::DISCONNECT);
        }
        Ok(())
    }
}

impl Guest {
    const fn has_all(self, publish: Option<u8>) -> bool {
        match publish {
            None => self.subscribed,
            Some(0) => self.received,
            Some(_) => self.received && self.acknowledged,
        }
    }
}

fn topic(number: usize) -> String {
    format!("churn/{number}")
}

const PAYLOAD: &[u8] = b"once";
/// Visitors that are inside at once when they come at a rate; beyond that the next wait.
const INSIDE: usize = 4_000;
