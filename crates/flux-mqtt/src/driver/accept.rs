//! Listening sockets, and the tasks that accept from them.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::doors::{Doors, NewDoor, Trouble};
use super::entrance::Entrance;
use super::mailbox::{Accepted, AcceptedSocket};
use super::unix::UnixDoor;
use crate::counters::Count;
use crate::listener::{Listen, Listener, Place};
use crate::settings::Settings;

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
    let is_unix = matches!(place, Place::Unix(_));
    match error.kind() {
        io::ErrorKind::NotFound if is_unix => {
            "its directory is not there; make it or choose another path".to_owned()
        }
        io::ErrorKind::PermissionDenied if is_unix => {
            "this user may not make a socket in its directory; let it, or choose another path"
                .to_owned()
        }
        _ if is_unix => error.to_string(),
        io::ErrorKind::AddrInUse => {
            "another program listens there; stop it or choose another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need privileges; choose a higher one or grant them".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; choose one that it has, or 0.0.0.0 for all"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// A listening socket, and what its listener says of it.
pub(crate) struct Door {
    pub(super) socket: DoorSocket,
    pub(super) spot: Spot,
    pub(super) listener: Arc<Listener>,
}

pub(super) enum DoorSocket {
    Tcp(TcpListener),
    Unix(UnixDoor),
}

impl DoorSocket {
    /// Returns a second handle of the socket, if it is one of TCP.
    pub(super) fn handle(&self) -> Option<TcpListener> {
        match self {
            Self::Tcp(socket) => socket.try_clone().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Returns where it is, if the system says so.
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(Place::Address),
            Self::Unix(door) => Some(Place::Unix(door.path().into())),
        }
    }
}

/// Where a listener wants to listen. A port that the system chose is found again by the name of its listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Address(SocketAddr),
    AnyPort(IpAddr, Arc<str>),
    Unix(PathBuf),
}

/// Returns where a listener wants to listen.
pub(super) fn spots(listener: &Listener) -> Vec<Spot> {
    let spot = |(address, _): (SocketAddr, bool)| spot(listener, address);
    match &listener.listen {
        Listen::Unix(socket) => vec![Spot::Unix(socket.path.clone())],
        Listen::Loopback(_) | Listen::Addresses(_) => {
            listener.listen.addresses().into_iter().map(spot).collect()
        }
    }
}

fn spot(listener: &Listener, address: SocketAddr) -> Spot {
    match address.port() {
        0 => Spot::AnyPort(address.ip(), listener.name.clone()),
        _ => Spot::Address(address),
    }
}

/// Binds every address of every listener, but for those that are open, and those where a socket that was inherited listens; or
/// says which ones cannot be bound, all of them. `given_up` are sockets that will be closed once all is bound: an address may
/// be among what they listen on.
pub(super) fn bind(
    settings: &Settings,
    is_open: impl Fn(&Spot) -> bool,
    given_up: &[TcpListener],
) -> Result<Vec<Door>, Vec<BindError>> {
    let (mut doors, mut errors) = (Vec::new(), Vec::new());
    for listener in &settings.listeners {
        let listener = Arc::new(listener.clone());
        let mut door = |socket, spot| doors.push(Door { socket, spot, listener: listener.clone() });
        if let Listen::Unix(socket) = &listener.listen {
            let spot = Spot::Unix(socket.path.clone());
            match (!is_open(&spot)).then(|| UnixDoor::bind(socket, BACKLOG)) {
                Some(Ok(socket)) => door(DoorSocket::Unix(socket), spot),
                Some(Err(source)) => {
                    let place = Place::Unix(socket.path.as_path().into());
                    errors.push(BindError { place, source });
                }
                None => {}
            }
        }
        for (address, is_optional) in listener.listen.addresses() {
            let spot = spot(&listener, address);
            if is_open(&spot) {
                continue;
            }
            let inherited = settings.inherited.at(address);
            match inherited.unwrap_or_else(|| bind_beside(address, given_up)) {
                Ok(socket) => door(DoorSocket::Tcp(socket), spot),
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

/// Binds every address of every listener, or says which ones cannot be bound, all of them.
pub(crate) fn bind_all(settings: &Settings) -> Result<Vec<Door>, Vec<BindError>> {
    bind(settings, |_| false, &[])
}

/// The address family or the address does not exist here.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(AF_NOT_SUPPORTED)
}

/// `EAFNOSUPPORT` on Linux.
const AF_NOT_SUPPORTED: i32 = 97;

/// Binds an address that a socket listens on which is given up: all addresses instead of one of them, or the other way round. Both
/// listen until that closes, so nobody finds the port closed. No other program can join them: only for the moment in which
/// it is bound may a port be shared.
fn bind_beside(address: SocketAddr, given_up: &[TcpListener]) -> io::Result<TcpListener> {
    let overlaps = |socket: &&TcpListener| {
        let other = socket.local_addr().ok();
        other.is_some_and(|other| {
            other.port() == address.port()
                && other.is_ipv4() == address.is_ipv4()
                && (other.ip().is_unspecified() || address.ip().is_unspecified())
        })
    };
    let others: Vec<SockRef<'_>> = given_up.iter().filter(overlaps).map(SockRef::from).collect();
    others.iter().try_for_each(|other| other.set_reuse_port(true))?;
    let bound = bind_one(address, !others.is_empty());
    for socket in others.into_iter().chain(bound.as_ref().ok().map(SockRef::from)) {
        socket.set_reuse_port(false)?;
    }
    bound
}

fn bind_one(address: SocketAddr, shares_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares_port)?;
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

/// Accepts from all doors, in tasks of this thread, until there will be no more.
pub(super) async fn run(doors: Doors, entrance: Entrance) {
    let entrance = Rc::new(entrance);
    while let Some(new) = doors.next().await {
        for door in new {
            tokio::task::spawn_local(open(door, entrance.clone()));
        }
    }
}

/// Accepts from a door until it is closed.
async fn open(door: NewDoor, entrance: Rc<Entrance>) {
    let (socket, listener, trouble, _guard) = door.open();
    let mut changes = listener.clone();
    let closed = async move { while changes.changed().await.is_ok() {} };
    let (mut accepting, mut closed) =
        (pin!(accept(socket, listener, &trouble, entrance)), pin!(closed));
    let lost = poll_fn(|cx| match closed.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => accepting.as_mut().poll(cx).map(Some),
    });
    if let Some(Err(error)) = lost.await {
        trouble.begin(&error);
        tracing::error!(%error, help = "reload the config (SIGHUP) to open it again", "a listener is lost");
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
async fn accept(
    socket: DoorSocket,
    listener: watch::Receiver<Arc<Listener>>,
    trouble: &Trouble,
    entrance: Rc<Entrance>,
) -> io::Result<()> {
    let doorway = Doorway::new(socket)?;
    trouble.end();
    let mut warned = false;
    loop {
        match doorway.accept().await {
            Ok((socket, peer)) => {
                if warned {
                    trouble.end();
                    warned = false;
                }
                entrance.count(Count::Accepted);
                // In this order: what comes by a listener of before is of an era of before.
                let era = entrance.era();
                let by = listener.borrow().clone();
                entrance.wait_for_turn(&by, peer).await;
                entrance.admit(Accepted { socket, peer, by, era, place: None });
            }
            Err(error) if is_for_the_peer(&error) => {
                entrance.count(Count::AcceptError);
            }
            Err(error) => {
                entrance.count(Count::AcceptError);
                // Most likely EMFILE: the connection stays in the backlog, and trying again
                // at once would only spin.
                if !warned {
                    tracing::warn!(
                        %error,
                        help = "where files are too many: let the process have more (LimitNOFILE), or lower limits.connections",
                        "cannot accept connections, pausing"
                    );
                    trouble.begin(&error);
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
