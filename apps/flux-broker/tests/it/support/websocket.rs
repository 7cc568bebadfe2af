//! A client of WebSocket that we did not write, as a stream of bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use flux_conformance::{Duplex, Layer};
use flux_mqtt::{Listen, Listener, WebSocketSettings};
use rustls::{ClientConfig, StreamOwned};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderValue, Request};
use tungstenite::{Error, Message, WebSocket};

use super::begin_tls;

/// Returns a listener for WebSocket, on a port of 127.0.0.1 that the system chooses.
pub(crate) fn ws_listener() -> Listener {
    let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
    Listener::ws(listen, WebSocketSettings::default())
}

/// Returns the request of a client of MQTT.
pub(crate) fn ws_request() -> Request<()> {
    let mut request = "ws://127.0.0.1/mqtt".into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    request
}

/// WebSocket over TCP.
pub(crate) fn ws_layer() -> Layer {
    Layer::new(|socket| Box::new(WebSocketStream::open(socket)))
}

/// WebSocket over TLS.
pub(crate) fn wss_layer(config: Arc<ClientConfig>) -> Layer {
    Layer::new(move |socket: TcpStream| {
        let tls = StreamOwned::new(begin_tls(&config), socket);
        Box::new(WebSocketStream::open(tls))
    })
}

/// What is written goes into a binary frame each time, what is read comes from such.
struct WebSocketStream<S> {
    socket: WebSocket<S>,
    unread: Bytes,
}

impl<S: Duplex> WebSocketStream<S> {
    /// Asks for WebSocket. A connection that ends meanwhile is one that ends.
    fn open(stream: S) -> Self {
        let (socket, response) = tungstenite::client(ws_request(), stream).unwrap();
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
