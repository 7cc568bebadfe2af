//! One connection of the load: what it has to write, and what it reads.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mio::net::TcpStream;

use super::client::Client;
use super::frames::Frames;
use super::packets::Version;

/// A client that is connected.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    out: Vec<u8>,
    written: usize,
    frames: Frames,
}

impl Peer {
    /// Connects, and subscribes to a filter if there is one.
    pub(super) fn connect(
        address: SocketAddr,
        version: Version,
        client_id: &str,
        subscription: Option<(&str, u8)>,
    ) -> Result<Self> {
        let mut client = Client::connect(address, &version.connect(client_id), STALL)?;
        if let Some((filter, qos)) = subscription {
            client.subscribe(version, filter, qos)?;
        }
        let stream = client.into_stream();
        stream.set_nonblocking(true).context("cannot set a socket to non-blocking")?;
        let stream = TcpStream::from_std(stream);
        Ok(Self { stream, out: Vec::new(), written: 0, frames: Frames::default() })
    }

    /// Returns how many bytes wait to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len() - self.written
    }

    /// Appends bytes; [`Self::flush`] writes them. Returns where they can still be changed.
    pub(super) fn push(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.out.len();
        self.out.extend_from_slice(bytes);
        self.out.split_at_mut(start).1
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> Result<()> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a client was cut off"),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what has arrived. `see` gets each packet, and where answers go.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut see: impl FnMut(u8, &[u8], &mut Vec<u8>),
    ) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("a client was cut off"),
                Ok(length) => {
                    let out = &mut self.out;
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.frames.feed(bytes, |first, body| see(first, body, out));
                    // A short read has emptied the socket: the next arrival is a new event.
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a client was cut off"),
            }
        }
    }
}

/// When nothing has moved for so long, what is missing is lost.
pub(super) const STALL: Duration = Duration::from_secs(5);
