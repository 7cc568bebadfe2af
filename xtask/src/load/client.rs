//! One connection that waits for its answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::frames::Frames;
use super::packets::{CONNACK, SUBACK, Version};

/// A client that is connected.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    frames: Frames,
    buffer: Vec<u8>,
}

impl Client {
    /// Sends this CONNECT and waits until it is accepted. What does not come within `patience`, now and later,
    /// is taken for lost.
    pub(super) fn connect(address: SocketAddr, connect: &[u8], patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        stream.set_read_timeout(Some(patience)).context("cannot set a deadline")?;
        let mut client = Self { stream, frames: Frames::default(), buffer: Vec::new() };
        let connack = client.exchange(connect, CONNACK)?;
        // The first byte says whether there was a session.
        ensure!(connack.get(1) == Some(&0), "refused: CONNACK {connack:02x?}");
        Ok(client)
    }

    /// Subscribes to a filter and waits until that is granted; nothing else may come before.
    pub(super) fn subscribe(&mut self, version: Version, filter: &str, qos: u8) -> Result<()> {
        let suback = self.exchange(&version.subscribe(&[filter], qos), SUBACK)?;
        ensure!(suback.last() == Some(&qos), "not granted: SUBACK {suback:02x?}");
        Ok(())
    }

    /// Sends bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("cannot write to the broker")
    }

    /// Reads what is there, or waits for it. `see` gets each packet. Says whether anything came in time.
    pub(super) fn read(&mut self, see: impl FnMut(u8, &[u8])) -> Result<bool> {
        self.buffer.resize(READ_BUFFER, 0);
        match self.stream.read(&mut self.buffer) {
            Ok(0) => bail!("a client was cut off"),
            Ok(length) => {
                self.frames.feed(self.buffer.get(..length).unwrap_or_default(), see);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(false)
            }
            Err(error) => Err(error).context("a client was cut off"),
        }
    }

    /// Returns its socket; only answers may have been read so far.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends a packet and returns the body of the answer.
    fn exchange(&mut self, packet: &[u8], kind: u8) -> Result<Vec<u8>> {
        self.send(packet)?;
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).context("no answer from the broker")?;
        let [first, length] = header;
        ensure!(first >> 4 == kind && length < 128, "the broker answered {header:02x?}");
        let mut body = vec![0; length.into()];
        self.stream.read_exact(&mut body).context("half an answer from the broker")?;
        Ok(body)
    }
}

const READ_BUFFER: usize = 256 * 1024;
