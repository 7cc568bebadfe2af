//! A connection that breaks when its broker is killed, and says so.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use flux_conformance::{Connect, Version};

use super::stage::Stage;

/// The connection ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the broker closed the connection")
    }
}

impl std::error::Error for Gone {}

/// A network connection of one client.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    bytes: Vec<u8>,
    read: usize,
}

/// What CONNACK said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    New,
    Present,
}

impl Link {
    /// Connects and waits for CONNACK.
    pub(super) fn connect(stage: &Stage, connect: &Connect) -> Result<(Self, Session)> {
        let stream = TcpStream::connect(stage.address).map_err(|_| Gone)?;
        stream.set_nodelay(true).map_err(|_| Gone)?;
        let mut link = Self { stream, bytes: Vec::new(), read: 0 };
        link.send(&connect.bytes())?;
        let connack = link.expect(0x20)?;
        ensure!(connack.get(3) == Some(&0), "CONNECT is refused: {connack:02x?}");
        let is_present = connack.get(2) == Some(&1);
        Ok((link, if is_present { Session::Present } else { Session::New }))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).map_err(|_| Gone)?)
    }

    /// Returns the next packet, if one comes within this time.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<Vec<u8>>> {
        loop {
            let rest = self.bytes.get(self.read..).unwrap_or_default();
            if let Some(len) = packet_len(rest)
                && let Some(packet) = rest.get(..len)
            {
                let packet = packet.to_vec();
                self.read += len;
                return Ok(Some(packet));
            }
            self.bytes.drain(..self.read);
            self.read = 0;
            self.stream.set_read_timeout(Some(wait)).map_err(|_| Gone)?;
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Gone.into()),
                Ok(len) => self.bytes.extend_from_slice(buffer.get(..len).unwrap_or_default()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(_) => return Err(Gone.into()),
            }
        }
    }

    /// The next packet must be of this kind.
    pub(super) fn expect(&mut self, first: u8) -> Result<Vec<u8>> {
        let packet = self.next(STALL)?;
        let packet = packet.ok_or_else(|| anyhow::anyhow!("no {first:#04x} within {STALL:?}"))?;
        ensure!(packet.first() == Some(&first), "expected {first:#04x}, got {packet:02x?}");
        Ok(packet)
    }
}

/// Returns the identifier of an acknowledgement, and its reason code.
pub(super) fn ack(packet: &[u8]) -> Option<(u16, u8)> {
    let id = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]);
    Some((id, packet.get(4).copied().unwrap_or(0)))
}

/// Half of the clients speak either version.
pub(super) const fn version(number: u32) -> Version {
    if (number / 2).is_multiple_of(2) { Version::V5 } else { Version::V311 }
}

fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (place, digit) in bytes.get(1..)?.iter().take(4).enumerate() {
        len |= usize::from(digit & 0x7F) << (7 * place);
        if digit & 0x80 == 0 {
            return Some(place + 2 + len);
        }
    }
    None
}

/// What has not come after so long will not come.
pub(super) const STALL: Duration = Duration::from_secs(20);
/// How long to wait for a packet when there is something else to do.
pub(super) const BREATH: Duration = Duration::from_millis(5);
