//! Publishers and subscribers on one poll.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::client::Client;
use super::packets::{Stamp, Version};
use super::peer::STALL;
use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::traffic::{Shape, Traffic};
use crate::clock::Stopwatch;

/// All connections of one traffic.
pub(super) struct Flow {
    poll: Poll,
    traffic: Traffic,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    ledger: Ledger,
    buffer: Vec<u8>,
    watch: Stopwatch,
}

/// What has arrived.
struct Ledger {
    is_shared: bool,
    delivered: u64,
    /// From when a message was due until it arrived, in nanoseconds.
    latency: Histogram<u64>,
}

impl Flow {
    /// Connects and subscribes everybody.
    pub(super) fn connect(address: SocketAddr, version: Version, traffic: Traffic) -> Result<Self> {
        let poll = Poll::new().context("cannot poll")?;
        if let Shape::Away(_) = traffic.shape {
            let mut away = Client::connect(address, &version.connect_kept("away"), STALL)?;
            away.subscribe(version, &traffic.filter(0), traffic.qos)?;
        }
        let mut subscribers = (0..traffic.subscribers())
            .map(|number| Subscriber::connect(address, version, traffic, number))
            .collect::<Result<Vec<_>>>()?;
        let mut publishers = (0..traffic.publishers())
            .map(|number| Publisher::connect(address, version, traffic, number))
            .collect::<Result<Vec<_>>>()?;
        let peers = publishers
            .iter_mut()
            .map(|publisher| &mut publisher.peer)
            .chain(subscribers.iter_mut().map(|subscriber| &mut subscriber.peer));
        for (number, peer) in peers.enumerate() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut peer.stream, Token(number), interest)?;
        }
        let ledger = Ledger {
            is_shared: matches!(traffic.shape, Shape::Shared(..)),
            delivered: 0,
            latency: Histogram::new_with_bounds(1, LONGEST, 3).context("no histogram")?,
        };
        let buffer = vec![0; READ_BUFFER];
        let watch = Stopwatch::start();
        Ok(Self { poll, traffic, publishers, subscribers, ledger, buffer, watch })
    }

    /// Returns how many messages have arrived, by all subscribers together.
    pub(super) fn delivered(&self) -> u64 {
        self.ledger.delivered
    }

    /// Returns the latencies since this was last asked.
    pub(super) fn take_latency(&mut self) -> Histogram<u64> {
        let empty = Histogram::new_from(&self.ledger.latency);
        std::mem::replace(&mut self.ledger.latency, empty)
    }

    /// Publishes so many messages more from each publisher, until all have arrived or nothing moves any
    /// longer.
    pub(super) fn run(&mut self, messages: u64) -> Result<()> {
        let totals: Vec<_> =
            self.publishers.iter().map(|publisher| publisher.sent + messages).collect();
        let began = self.watch.elapsed();
        let interval = self.traffic.interval();
        let first: Vec<_> = self.publishers.iter().map(|publisher| publisher.sent).collect();
        let mut events = Events::with_capacity(1024);
        let mut moved = began;
        loop {
            match interval {
                None => self.top_up(&totals)?,
                Some(interval) => self.keep_pace(&totals, &first, began, interval)?,
            }
            let is_over = |(publisher, total): (&Publisher, &u64)| {
                publisher.sent == *total && publisher.is_idle()
            };
            if self.publishers.iter().zip(&totals).all(is_over) {
                return Ok(());
            }
            // With a rate there is no time to sleep in steps of milliseconds.
            let patience = if interval.is_some() { Duration::ZERO } else { STALL };
            self.poll.poll(&mut events, Some(patience)).context("cannot poll")?;
            let now = self.watch.elapsed();
            if !events.is_empty() {
                moved = now;
            } else if now - moved >= STALL {
                return Ok(());
            }
            for event in &events {
                self.attend(event.token().0)?;
            }
        }
    }

    /// Publishes as much as the window allows.
    fn top_up(&mut self, totals: &[u64]) -> Result<()> {
        let window = self.traffic.window();
        let due = if self.is_timed() { self.now()? } else { 0 };
        for (publisher, total) in self.publishers.iter_mut().zip(totals) {
            if publisher.sent == *total || publisher.peer.unwritten() > 0 {
                continue;
            }
            let allowed = publisher.slowest().saturating_add(window).min(*total);
            if publisher.sent < allowed {
                while publisher.sent < allowed {
                    publisher.publish(due);
                }
                publisher.peer.flush()?;
            }
        }
        Ok(())
    }

    /// Publishes what is due by now, however late it is.
    fn keep_pace(
        &mut self,
        totals: &[u64],
        first: &[u64],
        began: Duration,
        interval: Duration,
    ) -> Result<()> {
        let now = self.watch.elapsed();
        let count = u32::try_from(self.publishers.len().max(1))?;
        let limits = totals.iter().zip(first);
        for ((place, publisher), (total, first)) in (0..).zip(&mut self.publishers).zip(limits) {
            let start = began + interval * place / count;
            while publisher.sent < *total {
                let due = start + interval * u32::try_from(publisher.sent - first)?;
                if due > now {
                    break;
                }
                publisher.publish(u64::try_from(due.as_nanos())?);
            }
            publisher.peer.flush()?;
        }
        Ok(())
    }

    /// Whether it is noted how long each message takes.
    fn is_timed(&self) -> bool {
        self.traffic.interval().is_some() || matches!(self.traffic.shape, Shape::Away(_))
    }

    /// Returns the time since the start, in nanoseconds.
    fn now(&self) -> Result<u64> {
        Ok(u64::try_from(self.watch.elapsed().as_nanos())?)
    }

    /// Serves one connection that has news.
    fn attend(&mut self, token: usize) -> Result<()> {
        let is_timed = self.is_timed();
        let now = if is_timed { self.now()? } else { 0 };
        if let Some(publisher) = self.publishers.get_mut(token) {
            publisher.read(&mut self.buffer)?;
            publisher.peer.flush()?;
            let ledger = &mut self.ledger;
            publisher.count_acknowledged(|due| {
                ledger.delivered += 1;
                ledger.latency.saturating_record(now.saturating_sub(due));
            });
            return Ok(());
        }
        let number = token - self.publishers.len();
        let Some(subscriber) = self.subscribers.get_mut(number) else { return Ok(()) };
        let (publishers, ledger) = (&mut self.publishers, &mut self.ledger);
        let mut wrong = None;
        subscriber.read(&mut self.buffer, |stamp| {
            if is_timed {
                ledger.latency.saturating_record(now.saturating_sub(stamp.due));
            }
            if let Err(message) = ledger.note(publishers, number, stamp) {
                wrong = Some(message);
            }
        })?;
        wrong.map_or(Ok(()), |stamp| bail!("subscriber {number} got a wrong message: {stamp:?}"))
    }
}

impl Ledger {
    /// Notes a message of a publisher; says if it came twice or out of order.
    fn note(
        &mut self,
        publishers: &mut [Publisher],
        subscriber: usize,
        stamp: Stamp,
    ) -> Result<(), Stamp> {
        let publisher = usize::try_from(stamp.publisher).unwrap_or(usize::MAX);
        let seen = publishers.get_mut(publisher).map(|publisher| &mut publisher.seen);
        let place = if seen.as_ref().is_some_and(|seen| seen.len() > 1) { subscriber } else { 0 };
        let seen = seen.and_then(|seen| seen.get_mut(place)).ok_or(stamp)?;
        self.delivered += 1;
        if self.is_shared {
            // Who gets which is the broker's business, so only their number is known.
            *seen += 1;
            return Ok(());
        }
        let number = u64::from(stamp.number);
        let missing = number.checked_sub(*seen & u64::from(u32::MAX)).ok_or(stamp)?;
        *seen += missing + 1;
        Ok(())
    }
}

const READ_BUFFER: usize = 256 * 1024;
/// An hour in nanoseconds: a histogram that saturates must know beforehand where.
const LONGEST: u64 = 3_600_000_000_000;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::thread;

    use super::super::outcome::Latency;
    use super::super::traffic::Pace;
    use super::*;

    const MESSAGES: u16 = 100;
    const PACE: Pace = Pace::PerSecond(10_000);

    fn answer(stream: &mut TcpStream, request: &[u8], answer: &[u8]) {
        let mut bytes = vec![0; request.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, request);
        stream.write_all(answer).unwrap();
    }

    /// Lets one subscriber and one publisher in, and forwards nothing before the last message has come.
    fn stall(listener: &TcpListener, length: usize) -> TcpStream {
        let version = Version::V311;
        let (mut subscriber, _) = listener.accept().unwrap();
        answer(&mut subscriber, &version.connect("sub-0"), b"\x20\x02\0\0");
        answer(&mut subscriber, &version.subscribe(&["bench/0"], 0), b"\x90\x03\0\x01\0");
        let (mut publisher, _) = listener.accept().unwrap();
        answer(&mut publisher, &version.connect("pub-0"), b"\x20\x02\0\0");
        let mut messages = vec![0; length * usize::from(MESSAGES)];
        publisher.read_exact(&mut messages).unwrap();
        subscriber.write_all(&messages).unwrap();
        publisher
    }

    #[test]
    fn latency_counts_from_when_a_message_was_due() {
        let traffic = Traffic { shape: Shape::Pairs(1), qos: 0, payload: 64, pace: PACE };
        let length = Version::V311.publish("bench/0", 0, &[0; 64]).len();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let broker = thread::spawn(move || stall(&listener, length));
        let mut flow = Flow::connect(address, Version::V311, traffic).unwrap();
        flow.run(MESSAGES.into()).unwrap();
        drop(broker.join().unwrap());
        assert_eq!(flow.delivered(), u64::from(MESSAGES));
        // The last is due 9.9 ms after the first: half of them have waited for 4.9 ms at least.
        let latency = Latency::of(&flow.take_latency());
        assert!(latency.half >= 4_900 && latency.of_1000 >= 9_800, "{latency:?}");
    }
}
