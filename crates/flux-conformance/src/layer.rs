//! What clients lay over their sockets: TLS, WebSocket, or nothing.

use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;

use crate::Duplex;

/// Lays something over the socket of each client. A clone does the same.
#[derive(Clone)]
pub struct Layer(Arc<dyn Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync>);

impl Layer {
    /// A layer that is laid by this function.
    pub fn new(lay: impl Fn(TcpStream) -> Box<dyn Duplex> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lay))
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
