//! A client of WebSocket that we did not write, as a stream of bytes.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message, WebSocket};

use crate::Duplex;

/// What is written goes into a binary frame each time, what is read comes from such.
pub(crate) struct WebSocketStream<S> {
    socket: WebSocket<S>,
    unread: Bytes,
}

impl<S: Duplex> WebSocketStream<S> {
    /// Asks for WebSocket. A connection that ends meanwhile is one that ends.
    pub(crate) fn open(stream: S) -> Self {
        let mut request = "ws://127.0.0.1/mqtt".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
        let (socket, response) = tungstenite::client(request, stream).unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
        Self { socket, unread: Bytes::new() }
    }
}

impl<S: Duplex> Read for WebSocketStream<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(payload)) => self.unread = payload,
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return Ok(0);
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("the broker sent {other:?}"),
                Err(Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::new(io::ErrorKind::ConnectionReset, error)),
            }
        }
        let len = into.len().min(self.unread.len());
        self.unread.copy_to_slice(&mut into[..len]);
        Ok(len)
    }
}

impl<S: Duplex> Write for WebSocketStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.send(Message::binary(bytes.to_vec())) {
            Ok(()) => Ok(bytes.len()),
            Err(Error::Io(error)) => Err(error),
            Err(error) => Err(io::Error::new(io::ErrorKind::BrokenPipe, error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
