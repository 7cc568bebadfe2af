//! Sockets that somebody else listens with, who gives them to the broker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Sockets that listen already, as a service manager passes them on: it binds ports that the broker has no right to, and connections
/// wait while the broker is started anew. A listener takes the one that listens where it would; a clone is a reference to the same.
#[derive(Clone, Debug, Default)]
pub struct InheritedSockets(Arc<[TcpListener]>);

impl InheritedSockets {
    /// Returns where they listen.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().filter_map(|socket| socket.local_addr().ok())
    }

    /// Returns the one that listens there, if one does. It stays here as well: a reload may take a listener away and bring it back.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<io::Result<TcpListener>> {
        let is_there = |socket: &&TcpListener| socket.local_addr().ok() == Some(address);
        let socket = self.0.iter().find(is_there)?;
        // Whoever made it may want to wait for connections.
        Some(socket.set_nonblocking(true).and_then(|()| socket.try_clone()))
    }
}

impl FromIterator<TcpListener> for InheritedSockets {
    fn from_iter<I: IntoIterator<Item = TcpListener>>(sockets: I) -> Self {
        Self(sockets.into_iter().collect())
    }
}
