//! Listening sockets, and the tasks that accept from them.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::entrance::Entrance;
use super::mailbox::{Accepted, AcceptedSocket};
use super::unix::UnixDoor;
use crate::counters::Count;
use crate::listener::{Listen, Listener, Place};

/// An address that the broker cannot listen on, or a Unix socket.
#[derive(Debug, Error)]
#[error("cannot listen on {place}: {}", hint(place, source))]
pub struct BindError {
    /// Where.
    pub place: Place,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

fn hint(place: &Place, error: &io::Error) -> String {
    match error.kind() {
        _ if matches!(place, Place::Unix(_)) => error.to_string(),
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it or choose another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges; choose a higher one or grant them".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// A listening socket, and what its listener says of it.
pub(crate) struct Door {
    socket: DoorSocket,
    listener: Arc<Listener>,
}

enum DoorSocket {
    Tcp(TcpListener),
    Unix(UnixDoor),
}

impl Door {
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Returns where it is, if the system says so.
    pub(crate) fn place(&self) -> Option<Place> {
        match &self.socket {
            DoorSocket::Tcp(socket) => socket.local_addr().ok().map(Place::Address),
            DoorSocket::Unix(door) => Some(Place::Unix(door.path().into())),
        }
    }
}

/// Binds every address of every listener, or says which ones cannot be bound, all of them.
pub(crate) fn bind(listeners: &[Listener]) -> Result<Vec<Door>, Vec<BindError>> {
    let (mut doors, mut errors) = (Vec::new(), Vec::new());
    for listener in listeners {
        let listener = Arc::new(listener.clone());
        let mut door = |socket| doors.push(Door { socket, listener: listener.clone() });
        if let Listen::Unix(socket) = &listener.listen {
            match UnixDoor::bind(socket, BACKLOG) {
                Ok(socket) => door(DoorSocket::Unix(socket)),
                Err(source) => {
                    let place = Place::Unix(socket.path.as_path().into());
                    errors.push(BindError { place, source });
                }
            }
        }
        for (address, is_optional) in listener.listen.addresses() {
            match bind_one(address) {
                Ok(socket) => door(DoorSocket::Tcp(socket)),
                Err(error) if is_optional && is_missing(&error) => {
                    tracing::debug!(%address, %error, "this machine lacks the address");
                }
                Err(source) => {
                    errors.push(BindError { place: Place::Address(address), source });
                }
            }
        }
    }
    if errors.is_empty() { Ok(doors) } else { Err(errors) }
}

/// The address family or the address does not exist here.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(AF_NOT_SUPPORTED)
}

/// `EAFNOSUPPORT` on Linux.
const AF_NOT_SUPPORTED: i32 = 97;

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// Accepts from these sockets, in tasks of this thread, until nobody holds `open` any more.
pub(super) fn open(doors: Vec<Door>, entrance: Entrance, open: &watch::Receiver<()>) {
    let entrance = Rc::new(entrance);
    for door in doors {
        let (entrance, mut open) = (entrance.clone(), open.clone());
        tokio::task::spawn_local(async move {
            let (mut accepting, mut closed) = (pin!(accept(door, entrance)), pin!(open.changed()));
            let lost = poll_fn(|cx| match closed.as_mut().poll(cx) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => accepting.as_mut().poll(cx).map(Some),
            });
            if let Some(Err(error)) = lost.await {
                tracing::error!(%error, "a listener is lost");
            }
        });
    }
}

/// A door, as the runtime sees it.
enum Doorway {
    Tcp(AsyncFd<TcpListener>),
    /// With the file, which is removed when nobody accepts any more.
    Unix {
        listener: AsyncFd<UnixListener>,
        _file: UnixDoor,
    },
}

impl Doorway {
    // The runtime's own listeners would tell the system to watch each connection here, and then not to.
    #[expect(
        deprecated,
        reason = "a listener keeps its descriptor; the way that is left is unsafe"
    )]
    fn new(socket: DoorSocket) -> io::Result<Self> {
        Ok(match socket {
            DoorSocket::Tcp(socket) => {
                Self::Tcp(AsyncFd::with_interest(socket, Interest::READABLE)?)
            }
            DoorSocket::Unix(door) => {
                let listener = AsyncFd::with_interest(door.socket()?, Interest::READABLE)?;
                Self::Unix { listener, _file: door }
            }
        })
    }

    async fn accept(&self) -> io::Result<(AcceptedSocket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let accepted = listener.async_io(Interest::READABLE, TcpListener::accept);
                let (stream, peer) = accepted.await?;
                Ok((AcceptedSocket::Tcp(stream), Some(peer)))
            }
            Self::Unix { listener, .. } => {
                let accepted = listener.async_io(Interest::READABLE, UnixListener::accept);
                let (stream, _) = accepted.await?;
                Ok((AcceptedSocket::Unix(stream), None))
            }
        }
    }
}

/// Accepts connections and hands each to the worker that serves the fewest.
async fn accept(door: Door, entrance: Rc<Entrance>) -> io::Result<()> {
    let Door { socket, listener } = door;
    let doorway = Doorway::new(socket)?;
    let mut warned = false;
    loop {
        match doorway.accept().await {
            Ok((socket, peer)) => {
                warned = false;
                entrance.count(Count::Accepted);
                entrance.wait_for_turn(&listener, peer).await;
                entrance.admit(Accepted { socket, peer, by: listener.clone(), place: None });
            }
            Err(error) if is_for_the_peer(&error) => {
                entrance.count(Count::AcceptError);
            }
            Err(error) => {
                entrance.count(Count::AcceptError);
                // Most likely EMFILE: the connection stays in the backlog, and trying again
                // at once would only spin.
                if !warned {
                    tracing::warn!(%error, "cannot accept connections, pausing");
                    warned = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// How long to leave the backlog alone when the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(250);

/// The peer gave up before it was accepted; the next may be fine.
fn is_for_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
