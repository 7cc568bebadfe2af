//! A client on one side, the broker on the other.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use rustls::{ClientConnection, HandshakeKind};

use super::websocket::WebSocket;

/// Two sockets, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Link {
    near: TcpStream,
    far: TcpStream,
    tls: Option<ClientConnection>,
    websocket: Option<WebSocket>,
    /// For the client.
    to_near: Vec<u8>,
    /// For the broker, before it is encrypted or when it need not be.
    to_far: Vec<u8>,
    has_told: bool,
    is_over: bool,
}

impl Link {
    pub(super) fn new(
        near: TcpStream,
        far: TcpStream,
        tls: Option<ClientConnection>,
        is_websocket: bool,
    ) -> Self {
        let mut to_far = Vec::new();
        let websocket = is_websocket.then(|| WebSocket::ask(&mut to_far));
        let has_told = tls.is_none();
        Self { near, far, tls, websocket, to_near: Vec::new(), to_far, has_told, is_over: false }
    }

    /// Moves bytes both ways until neither socket has or takes any; says whether there will be more.
    pub(super) fn advance(&mut self) -> bool {
        // An error is the end like any other: whoever is left notices.
        while !self.is_over && self.step().unwrap_or(false) {}
        !self.is_over
    }

    /// Returns once, after the handshake, whether a session was resumed.
    pub(super) fn take_handshake(&mut self) -> Option<bool> {
        let kind = self.tls.as_ref()?.handshake_kind()?;
        let is_news = !std::mem::replace(&mut self.has_told, true);
        is_news.then_some(kind == HandshakeKind::Resumed)
    }

    /// Moves some bytes; says whether there were any.
    fn step(&mut self) -> io::Result<bool> {
        let mut moved = false;
        if self.to_near.len() < MOST {
            moved |= self.read_far()?;
        }
        let is_open = self.websocket.as_ref().is_none_or(WebSocket::is_open);
        if is_open && self.to_far.len() < MOST {
            moved |= self.read_near()?;
        }
        moved |= write(&mut self.near, &mut self.to_near)?;
        moved |= self.write_far()?;
        Ok(moved)
    }

    fn read_far(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let moved = match &mut self.tls {
            None => read(&mut self.far, &mut bytes, &mut self.is_over)?,
            Some(tls) => match tls.read_tls(&mut self.far) {
                Ok(0) => {
                    self.is_over = true;
                    false
                }
                Ok(_) => {
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    bytes.resize(state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut bytes)?;
                    true
                }
                Err(error) => would_block(error)?,
            },
        };
        match &mut self.websocket {
            Some(websocket) => websocket.read(&bytes, &mut self.to_near)?,
            None => self.to_near.extend(bytes),
        }
        Ok(moved)
    }

    fn read_near(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let moved = read(&mut self.near, &mut bytes, &mut self.is_over)?;
        match &mut self.websocket {
            Some(websocket) => websocket.write(&bytes, &mut self.to_far),
            None => self.to_far.extend(bytes),
        }
        Ok(moved)
    }

    fn write_far(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return write(&mut self.far, &mut self.to_far) };
        if !self.to_far.is_empty() {
            // What it has no room for waits.
            let taken = tls.writer().write(&self.to_far)?;
            drop(self.to_far.drain(..taken));
        }
        let mut moved = false;
        while tls.wants_write() {
            match tls.write_tls(&mut self.far) {
                Ok(_) => moved = true,
                Err(error) => {
                    would_block(error)?;
                    break;
                }
            }
        }
        Ok(moved)
    }
}

/// Reads once; at the end of the stream it is over.
fn read(socket: &mut TcpStream, into: &mut Vec<u8>, is_over: &mut bool) -> io::Result<bool> {
    into.resize(READ_BUFFER, 0);
    let read = socket.read(into);
    into.truncate(*read.as_ref().unwrap_or(&0));
    match read {
        Ok(0) => {
            *is_over = true;
            Ok(false)
        }
        Ok(_) => Ok(true),
        Err(error) => would_block(error),
    }
}

fn write(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    if bytes.is_empty() {
        return Ok(false);
    }
    match socket.write(bytes) {
        Ok(written) => {
            drop(bytes.drain(..written));
            Ok(true)
        }
        Err(error) => would_block(error),
    }
}

/// Says that nothing was moved, unless something else went wrong.
fn would_block(error: io::Error) -> io::Result<bool> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted => Ok(false),
        _ => Err(error),
    }
}

const READ_BUFFER: usize = 16 * 1024;
/// Bytes that may wait for a socket before the other one is not read.
const MOST: usize = 256 * 1024;
