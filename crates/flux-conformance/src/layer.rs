//! What clients lay over their sockets: TLS, WebSocket, or nothing.

use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::Duplex;
use crate::websocket::WebSocketStream;

/// Lays something over the socket of each client. A clone does the same.
#[derive(Clone)]
pub struct Layer(Arc<dyn Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync>);

impl Layer {
    /// A layer that is laid by this function.
    pub fn new(lay: impl Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lay))
    }

    /// TLS; the broker must show a certificate for the address that is connected to. The handshake comes with the
    /// first bytes.
    #[must_use]
    pub fn tls(config: Arc<ClientConfig>) -> Self {
        Self::new(move |socket| Box::new(begin_tls(config.clone(), socket)))
    }

    /// WebSocket, at the path `/mqtt`.
    #[must_use]
    pub fn ws() -> Self {
        Self::new(|socket| Box::new(WebSocketStream::open(socket)))
    }

    /// WebSocket over TLS.
    #[must_use]
    pub fn wss(config: Arc<ClientConfig>) -> Self {
        Self::new(move |socket| Box::new(WebSocketStream::open(begin_tls(config.clone(), socket))))
    }

    /// Lays it over a socket.
    #[must_use]
    pub fn over(&self, socket: TcpStream) -> Box<dyn Duplex> {
        (self.0)(socket)
    }
}

/// Nothing: MQTT over TCP.
impl Default for Layer {
    fn default() -> Self {
        Self::new(|socket| Box::new(socket))
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

fn begin_tls(
    config: Arc<ClientConfig>,
    socket: TcpStream,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::from(socket.peer_addr().unwrap().ip());
    StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket)
}
