//! Many connections on one poll.

use std::cell::Cell;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::packets::{Packet, take_packet};
use crate::clock::Stopwatch;

/// Connections to one broker, each known by its number.
pub(crate) struct Crowd {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    peers: Vec<Option<Peer>>,
    open: usize,
    /// Connections that may have more to read.
    unread: Vec<usize>,
    buffer: Vec<u8>,
}

struct Peer {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// The beginning of a packet.
    received: Vec<u8>,
    reads: bool,
}

/// What came of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Packet(Packet),
    /// The broker has closed it, or it broke.
    Closed,
}

impl Crowd {
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            address,
            poll: Poll::new().context("cannot poll")?,
            events: Events::with_capacity(1024),
            peers: Vec::new(),
            open: 0,
            unread: Vec::new(),
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Returns how many connections are open.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Opens a connection that sends these bytes first; returns its number.
    pub(crate) fn connect(&mut self, bytes: Vec<u8>) -> Result<usize> {
        self.connect_to(self.address, bytes)
    }

    /// The same somewhere else.
    pub(super) fn connect_to(&mut self, address: SocketAddr, bytes: Vec<u8>) -> Result<usize> {
        let mut stream = TcpStream::connect(address).context("cannot connect")?;
        let number = self.peers.len();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest)?;
        self.peers.push(Some(Peer { stream, unsent: bytes, received: Vec::new(), reads: true }));
        self.open += 1;
        Ok(number)
    }

    /// Sends bytes, now or when the socket takes them.
    pub(crate) fn send(&mut self, number: usize, bytes: &[u8]) {
        if let Some(Some(peer)) = self.peers.get_mut(number) {
            peer.unsent.extend_from_slice(bytes);
            peer.flush();
        }
    }

    /// Returns how many bytes of a connection the socket has not taken.
    pub(crate) fn unsent(&self, number: usize) -> usize {
        self.peers.get(number).and_then(Option::as_ref).map_or(0, |peer| peer.unsent.len())
    }

    /// Reads from a connection or does not.
    pub(crate) fn set_reads(&mut self, number: usize, reads: bool) {
        if let Some(Some(peer)) = self.peers.get_mut(number) {
            peer.reads = reads;
            self.unread.push(number);
        }
    }

    /// Drops a connection.
    pub(crate) fn close(&mut self, number: usize) {
        if let Some(peer) = self.peers.get_mut(number).and_then(Option::take) {
            // Fails only for a connection that has ended already.
            let _ = peer.stream.shutdown(Shutdown::Both);
            self.open -= 1;
        }
    }

    /// Drops all connections.
    pub(crate) fn close_all(&mut self) {
        (0..self.peers.len()).for_each(|number| self.close(number));
    }

    /// Waits a moment for what happens and tells it, in order for each connection.
    pub(crate) fn poll(
        &mut self,
        wait: Duration,
        mut tell: impl FnMut(&mut Self, usize, Happening) -> Result<()>,
    ) -> Result<()> {
        let wait = if self.unread.is_empty() { wait } else { Duration::ZERO };
        self.poll.poll(&mut self.events, Some(wait)).context("cannot poll")?;
        let mut ready = std::mem::take(&mut self.unread);
        ready.extend(self.events.iter().map(|event| event.token().0));
        for number in ready {
            for happening in self.look_at(number) {
                if happening == Happening::Closed {
                    self.close(number);
                }
                tell(self, number, happening)?;
            }
        }
        Ok(())
    }

    /// Polls until `is_done`, which must be before the deadline.
    pub(crate) fn poll_until(
        &mut self,
        what: &str,
        mut is_done: impl FnMut(&Self) -> bool,
        mut tell: impl FnMut(&mut Self, usize, Happening) -> Result<()>,
    ) -> Result<()> {
        let watch = Stopwatch::start();
        while !is_done(self) {
            ensure!(watch.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
            self.poll(Duration::from_millis(100), &mut tell)?;
        }
        Ok(())
    }

    /// Begins with one client after the other, at most so many at once, and waits until each has got so many
    /// packets of a type.
    ///
    /// # Errors
    ///
    /// When one is refused or closed, or nothing comes.
    pub(crate) fn each(
        &mut self,
        mut clients: Range<usize>,
        at_once: usize,
        (kind, answers): (u8, usize),
        mut begin: impl FnMut(&mut Self, usize) -> Result<()>,
    ) -> Result<()> {
        let all = clients.len() * answers;
        let (mut begun, got) = (0, Cell::new(0));
        while got.get() < all {
            while begun * answers < got.get() + at_once * answers
                && let Some(client) = clients.next()
            {
                begin(self, client)?;
                begun += 1;
            }
            let before = got.get();
            self.poll_until(
                "the next client is answered",
                |_| got.get() > before,
                |_, number, happening| match happening {
                    Happening::Packet(packet) => {
                        ensure!(!packet.refuses(), "connection {number} got {packet:02x?}");
                        got.update(|count| count + usize::from(packet.kind == kind));
                        Ok(())
                    }
                    Happening::Closed => bail!("connection {number} was closed"),
                },
            )?;
        }
        Ok(())
    }

    /// Reads what a connection's socket has, and the rest of it next time.
    fn look_at(&mut self, number: usize) -> Vec<Happening> {
        let mut happenings = Vec::new();
        let Some(Some(peer)) = self.peers.get_mut(number) else { return happenings };
        peer.flush();
        if !peer.reads {
            return happenings;
        }
        match peer.stream.read(&mut self.buffer) {
            Ok(0) => happenings.push(Happening::Closed),
            Ok(len) => {
                peer.received.extend_from_slice(self.buffer.get(..len).unwrap_or_default());
                while let Some(packet) = take_packet(&mut peer.received) {
                    happenings.push(Happening::Packet(packet));
                }
                self.unread.push(number);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.unread.push(number),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
            Err(_) => happenings.push(Happening::Closed),
        }
        happenings
    }
}

impl Peer {
    /// What goes wrong is seen by reading.
    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// For what must happen: far more than it takes.
const DEADLINE: Duration = Duration::from_secs(120);
