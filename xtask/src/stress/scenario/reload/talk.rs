//! Publishers and subscribers who are connected all the while, and what must come of what they say.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::super::super::crowd::{Crowd, Happening};
use super::super::super::packets::{self, Packet};
use crate::clock::Stopwatch;

/// What is published, and what has come.
#[derive(Default)]
pub(super) struct Talk {
    /// Which connection each is.
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    is_over: bool,
    /// Somebody is waited for: a connection, a type of packets, and the body once it has come.
    awaited: Option<(usize, u8, Option<Vec<u8>>)>,
}

struct Publisher {
    connection: usize,
    sent: u32,
    acknowledged: u32,
}

struct Subscriber {
    connection: usize,
    /// How many have come of each publisher.
    got: Vec<u32>,
}

impl Talk {
    /// Connects everybody, evenly at all addresses, and has the publishers begin.
    pub(super) fn begin(&mut self, crowd: &mut Crowd, addresses: [SocketAddr; 2]) -> Result<()> {
        let mut addresses = addresses.into_iter().cycle();
        let mut come = |crowd: &mut Crowd, hello| {
            crowd.connect_to(addresses.next().context("no address")?, hello)
        };
        for number in 0..SUBSCRIBERS {
            let mut hello = packets::connect(&format!("subscriber-{number}"));
            hello.extend(packets::subscribe(&["talk/+"], 1));
            let connection = come(crowd, hello)?;
            self.wait_for(crowd, connection, packets::SUBACK)?;
            self.subscribers.push(Subscriber { connection, got: vec![0; PUBLISHERS] });
        }
        for number in 0..PUBLISHERS {
            let connection = come(crowd, packets::connect(&format!("publisher-{number}")))?;
            self.wait_for(crowd, connection, packets::CONNACK)?;
            self.publishers.push(Publisher { connection, sent: 0, acknowledged: 0 });
        }
        for number in 0..PUBLISHERS {
            (0..WINDOW).try_for_each(|_| self.publish(crowd, number))?;
        }
        Ok(())
    }

    /// Has the publishers end, and waits until all has come.
    pub(super) fn end(&mut self, crowd: &mut Crowd) -> Result<()> {
        self.is_over = true;
        let watch = Stopwatch::start();
        while !self.has_come() {
            ensure!(watch.elapsed() < DEADLINE, "not all has come after {DEADLINE:?}");
            self.poll(crowd)?;
        }
        Ok(())
    }

    /// Returns how many messages were published.
    pub(super) fn messages(&self) -> u64 {
        self.publishers.iter().map(|publisher| u64::from(publisher.sent)).sum()
    }

    /// Goes on until a packet of this type has come on a connection; returns its body.
    pub(super) fn wait_for(
        &mut self,
        crowd: &mut Crowd,
        connection: usize,
        kind: u8,
    ) -> Result<Vec<u8>> {
        self.awaited = Some((connection, kind, None));
        let watch = Stopwatch::start();
        loop {
            if let Some((_, _, Some(body))) = &mut self.awaited {
                return Ok(std::mem::take(body));
            }
            ensure!(watch.elapsed() < DEADLINE, "connection {connection}: no packet {kind}");
            self.poll(crowd)?;
        }
    }

    fn has_come(&self) -> bool {
        let all_sent = self.publishers.iter().map(|publisher| publisher.sent);
        self.publishers.iter().all(|publisher| publisher.sent == publisher.acknowledged)
            && self.subscribers.iter().all(|it| it.got.iter().copied().eq(all_sent.clone()))
    }

    fn poll(&mut self, crowd: &mut Crowd) -> Result<()> {
        crowd.poll(Duration::from_millis(100), |crowd, number, happening| match happening {
            Happening::Packet(packet) => self.take(crowd, number, packet),
            // Somebody new leaves by itself, and is closed once it has its answer.
            Happening::Closed if self.is_answered(number) => Ok(()),
            Happening::Closed => bail!("connection {number} was cut off"),
        })
    }

    fn is_answered(&self, number: usize) -> bool {
        matches!(&self.awaited, Some((connection, _, Some(_))) if *connection == number)
    }

    fn take(&mut self, crowd: &mut Crowd, number: usize, packet: Packet) -> Result<()> {
        ensure!(!packet.refuses(), "connection {number} got {packet:02x?}");
        if packet.kind == packets::PUBLISH {
            let ack = packets::puback_for(&packet.body).context("PUBLISH without an identifier")?;
            crowd.send(number, &ack);
        }
        if let Some(subscriber) = self.subscribers.iter_mut().find(|it| it.connection == number) {
            return subscriber.take(&packet);
        }
        if let Some(place) = self.publishers.iter().position(|it| it.connection == number) {
            ensure!(packet.kind == packets::PUBACK, "a publisher got {packet:02x?}");
            return self.acknowledged(crowd, place, &packet.body);
        }
        match &mut self.awaited {
            Some((connection, kind, body)) if (*connection, *kind) == (number, packet.kind) => {
                *body = Some(packet.body);
            }
            _ => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self, crowd: &mut Crowd, place: usize, id: &[u8]) -> Result<()> {
        let publisher = self.publishers.get_mut(place).context("nobody published")?;
        let wanted = id_of(publisher.acknowledged);
        ensure!(id == wanted.to_be_bytes(), "publisher {place} got {id:02x?}, not {wanted}");
        publisher.acknowledged += 1;
        if self.is_over { Ok(()) } else { self.publish(crowd, place) }
    }

    fn publish(&mut self, crowd: &mut Crowd, place: usize) -> Result<()> {
        let publisher = self.publishers.get_mut(place).context("nobody publishes")?;
        let [high, low] = id_of(publisher.sent).to_be_bytes();
        let mut payload = vec![u8::try_from(place)?];
        payload.extend(publisher.sent.to_be_bytes());
        let topic = format!("talk/{place}");
        let mut packet = packets::publish_qos_1(&topic, &payload);
        // Behind the header and the topic.
        let id = 2 + 2 + topic.len();
        packet.get_mut(id..id + 2).context("a short packet")?.copy_from_slice(&[high, low]);
        publisher.sent += 1;
        crowd.send(publisher.connection, &packet);
        Ok(())
    }
}

impl Subscriber {
    fn take(&mut self, packet: &Packet) -> Result<()> {
        ensure!(packet.kind == packets::PUBLISH, "a subscriber got {packet:02x?}");
        let (_, payload) = packet.body.split_at(packet.body.len().saturating_sub(5));
        let (place, number) = payload.split_first().context("a message without content")?;
        let got = self.got.get_mut(usize::from(*place)).context("from no publisher")?;
        ensure!(number == got.to_be_bytes(), "message {number:?} after {got} of {place}");
        *got += 1;
        Ok(())
    }
}

/// The packet identifier of a publisher's message.
fn id_of(number: u32) -> u16 {
    u16::try_from(number % 65_535).unwrap_or_default() + 1
}

const PUBLISHERS: usize = 4;
pub(super) const SUBSCRIBERS: usize = 4;
/// Messages of a publisher that are not acknowledged.
const WINDOW: usize = 8;
const DEADLINE: Duration = Duration::from_secs(60);
