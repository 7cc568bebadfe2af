//! Publishers and subscribers on one poll.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::frames::FrameCounter;
use super::packets;
use super::scenario::Scenario;

/// All connections of one scenario.
pub(super) struct Engine {
    poll: Poll,
    groups: Vec<Group>,
    buffer: Vec<u8>,
}

/// A publisher and those who subscribe to its topic.
struct Group {
    publisher: TcpStream,
    subscribers: Vec<Subscriber>,
    packet_len: u64,
    /// The packet, as often as the window has room.
    block: Vec<u8>,
    written_bytes: u64,
    is_blocked: bool,
    has_news: bool,
}

struct Subscriber {
    stream: TcpStream,
    frames: FrameCounter,
}

impl Engine {
    /// Connects and subscribes everybody.
    pub(super) fn connect(address: SocketAddr, scenario: Scenario) -> Result<Self> {
        let poll = Poll::new().context("cannot poll")?;
        let mut groups = Vec::new();
        for number in 0..scenario.publishers() {
            groups.push(Group::connect(address, number, scenario.subscribers_each())?);
        }
        let each = scenario.subscribers_each() + 1;
        for (number, group) in groups.iter_mut().enumerate() {
            let token = Token(number * each);
            poll.registry().register(&mut group.publisher, token, Interest::WRITABLE)?;
            for (place, subscriber) in (1..).zip(&mut group.subscribers) {
                let token = Token(number * each + place);
                poll.registry().register(&mut subscriber.stream, token, Interest::READABLE)?;
            }
        }
        Ok(Self { poll, groups, buffer: vec![0; READ_BUFFER] })
    }

    /// Returns how many messages all subscribers have seen.
    pub(super) fn delivered(&self) -> u64 {
        let subscribers = self.groups.iter().flat_map(|group| &group.subscribers);
        subscribers.map(|subscriber| subscriber.frames.published()).sum()
    }

    /// Checks that the packets that arrived are as long as those that were sent.
    ///
    /// # Errors
    ///
    /// When the bytes of a subscriber are no whole number of messages as we sent them.
    pub(super) fn verify(&self) -> Result<()> {
        for group in &self.groups {
            for subscriber in &group.subscribers {
                let (seen, bytes) = (subscriber.frames.published(), subscriber.frames.bytes());
                let sent = group.packet_len;
                ensure!(seen * sent == bytes, "{seen} messages of {sent} bytes came as {bytes}");
            }
        }
        Ok(())
    }

    /// Publishes so many messages more from each publisher, until everybody has seen them or
    /// nothing moves any longer.
    pub(super) fn run(&mut self, messages: u64) -> Result<()> {
        let mut events = Events::with_capacity(256);
        let each = self.groups.first().map_or(1, |group| group.subscribers.len() + 1);
        let totals: Vec<_> = self.groups.iter().map(|group| group.written() + messages).collect();
        for (group, total) in self.groups.iter_mut().zip(&totals) {
            group.has_news = true;
            group.top_up(*total)?;
        }
        while self.groups.iter().zip(&totals).any(|(group, total)| group.slowest() < *total) {
            self.poll.poll(&mut events, Some(STALL)).context("cannot poll")?;
            if events.is_empty() {
                return Ok(());
            }
            for event in &events {
                let Token(token) = event.token();
                let Some(group) = self.groups.get_mut(token / each) else { continue };
                match (token % each).checked_sub(1) {
                    None => group.is_blocked = false,
                    Some(place) => group.read(place, &mut self.buffer)?,
                }
                group.has_news = true;
            }
            for (group, total) in self.groups.iter_mut().zip(&totals) {
                group.top_up(*total)?;
            }
        }
        Ok(())
    }
}

impl Group {
    fn connect(address: SocketAddr, number: usize, subscribers: usize) -> Result<Self> {
        let topic = format!("bench/{number}");
        let packet = packets::publish(&topic, &[b'x'; PAYLOAD]);
        let subscribers = (0..subscribers)
            .map(|place| {
                let mut stream = open(address, &format!("sub-{number}-{place}"))?;
                exchange(&mut stream, &packets::subscribe(&topic), &packets::SUBACK)?;
                Ok(Subscriber { stream: into_polled(stream)?, frames: FrameCounter::default() })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            publisher: into_polled(open(address, &format!("pub-{number}"))?)?,
            subscribers,
            packet_len: packet.len() as u64,
            block: packet.repeat(usize::try_from(WINDOW)?),
            written_bytes: 0,
            is_blocked: false,
            has_news: false,
        })
    }

    /// Returns how many messages were written, at least in part.
    fn written(&self) -> u64 {
        self.written_bytes.div_ceil(self.packet_len)
    }

    /// Returns how many messages the slowest subscriber has seen.
    fn slowest(&self) -> u64 {
        let seen = self.subscribers.iter().map(|subscriber| subscriber.frames.published());
        seen.min().unwrap_or_default()
    }

    /// Writes as much as the window allows.
    fn top_up(&mut self, total: u64) -> Result<()> {
        if self.is_blocked || !std::mem::take(&mut self.has_news) {
            return Ok(());
        }
        let allowed_bytes = total.min(self.slowest() + WINDOW) * self.packet_len;
        while self.written_bytes < allowed_bytes {
            // Every packet is the same, so the block may be entered at any packet boundary.
            let offset = usize::try_from(self.written_bytes % self.packet_len)?;
            let wanted = usize::try_from(allowed_bytes - self.written_bytes)?;
            let bytes = self.block.get(offset..).unwrap_or_default();
            let bytes = bytes.get(..wanted).unwrap_or(bytes);
            match self.publisher.write(bytes) {
                Ok(written) => self.written_bytes += written as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a publisher was cut off"),
            }
        }
        Ok(())
    }

    /// Reads what has arrived for one subscriber.
    fn read(&mut self, place: usize, buffer: &mut [u8]) -> Result<()> {
        let Some(subscriber) = self.subscribers.get_mut(place) else { return Ok(()) };
        loop {
            match subscriber.stream.read(buffer) {
                Ok(0) => bail!("a subscriber was cut off"),
                Ok(length) => {
                    subscriber.frames.feed(buffer.get(..length).unwrap_or_default());
                    // A short read has emptied the socket: the next arrival is a new event.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a subscriber was cut off"),
            }
        }
    }
}

/// Opens a connection and waits for its CONNACK.
fn open(address: SocketAddr, client_id: &str) -> Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(address).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
    stream.set_read_timeout(Some(STALL)).context("cannot set a deadline")?;
    exchange(&mut stream, &packets::connect(client_id), &packets::CONNACK)?;
    Ok(stream)
}

fn exchange(stream: &mut std::net::TcpStream, packet: &[u8], expected: &[u8]) -> Result<()> {
    stream.write_all(packet).context("cannot write to the broker")?;
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).context("no answer from the broker")?;
    ensure!(answer == expected, "the broker answered {answer:02x?}, expected {expected:02x?}");
    Ok(())
}

fn into_polled(stream: std::net::TcpStream) -> Result<TcpStream> {
    stream.set_nonblocking(true).context("cannot set a socket to non-blocking")?;
    Ok(TcpStream::from_std(stream))
}

const PAYLOAD: usize = 64;
/// Messages sent and not yet seen by the slowest subscriber.
const WINDOW: u64 = 100;
const READ_BUFFER: usize = 256 * 1024;
/// When nothing has moved for so long, what is missing is lost.
const STALL: Duration = Duration::from_secs(5);
