//! A socket under ntex's `Io`: bytes move when the task of the connection asks for it.
//!
//! ntex's own streams have two more tasks a connection, which wake each other and the one that serves it, and
//! ask the system once more after each read whether there is more.
//! Here a task reads once, then the others have their turn.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut as _;
use ntex::io::{Handle, Io, IoContext, IoRef, IoStream, IoTaskStatus, Readiness};
use ntex::service::cfg::SharedCfg;
use ntex_bytes::{BytePages, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::mailbox::AcceptedSocket;

/// The moving side of an `Io`. Filters (TLS, WebSocket) stack on that as on any other.
pub(super) struct Stream {
    socket: Rc<RefCell<dyn Socket>>,
    io: IoRef,
    context: IoContext,
}

/// A socket of the runtime.
pub(super) trait Socket: AsyncRead + Unpin {
    /// Waits until something can be written.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits until something can be read, or an error.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes what the system takes at once.
    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Says that nothing more is written.
    fn end(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [part] => self.try_write(part),
            parts => self.try_write_vectored(parts),
        }
    }

    fn end(&self) -> io::Result<()> {
        SockRef::from(self).shutdown(Shutdown::Write)
    }
}

impl Socket for UnixStream {
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(parts)
    }

    fn end(&self) -> io::Result<()> {
        SockRef::from(self).shutdown(Shutdown::Write)
    }
}

impl Stream {
    /// Puts an `Io` over an accepted connection.
    pub(super) fn over_accepted(
        socket: AcceptedSocket,
        config: SharedCfg,
    ) -> io::Result<(Io, Self)> {
        match socket {
            AcceptedSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                Self::over(TcpStream::from_std(socket)?, config)
            }
            AcceptedSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                Self::over(UnixStream::from_std(socket)?, config)
            }
        }
    }

    pub(super) fn over(socket: impl Socket + 'static, config: SharedCfg) -> io::Result<(Io, Self)> {
        let socket: Rc<RefCell<dyn Socket>> = Rc::new(RefCell::new(socket));
        let mut context = None;
        let io = Io::new(Start { socket: socket.clone(), context: &mut context }, config);
        let context = context.ok_or_else(|| io::Error::other("the stream was not started"))?;
        let stream = Self { socket, io: io.get_ref(), context };
        Ok((io, stream))
    }

    /// Reads what has come, with one call to the system. Whoever asks takes it out of the buffer before asking
    /// again; at `Pause` there is so much that it is better not left there.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<IoTaskStatus> {
        match ready!(self.context.poll_read_ready(cx)) {
            Readiness::Ready => {}
            Readiness::Shutdown | Readiness::Terminate => return Poll::Ready(IoTaskStatus::Stop),
        }
        ready!(self.poll_readable(cx));
        self.make_room();
        let mut buffer = self.context.get_read_buf();
        let mut socket = self.socket.borrow_mut();
        let read = read(&mut *socket, &mut buffer, cx);
        drop(socket);
        let was_ready = read.is_ready();
        let status = match read {
            Poll::Pending => Ok(0),
            Poll::Ready(Ok(0)) => {
                self.context.stop(None);
                Ok(0)
            }
            Poll::Ready(result) => result,
        };
        let status = self.context.update_read_status(buffer, status);
        if was_ready { Poll::Ready(status) } else { Poll::Pending }
    }

    /// Waits until there is something to read: bytes, an end, or an error.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error comes again from reading.
        self.socket.borrow().poll_read_ready(cx).map(drop)
    }

    /// Moves half a packet to a whole buffer of the worker's, which is lent for one read: it would grow to one of
    /// its own else, each time. A large packet does that.
    fn make_room(&self) {
        self.io.with_read_src_buf(|rest| {
            let pool = self.io.cfg().read_buf();
            let half = pool.high / 2;
            if rest.is_empty() || rest.len() > half || rest.capacity() - rest.len() > half {
                return;
            }
            let mut lent = pool.get();
            lent.extend_from_slice(rest);
            let mut left = std::mem::replace(rest, lent);
            left.clear();
            if left.capacity() >= pool.high {
                pool.release(left);
            }
        });
    }

    /// Writes what waits for the system to take it; mostly that was written when it was sent. Wakes the task
    /// when there is more to do.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>) {
        while let Poll::Ready(Readiness::Ready) = self.context.poll_write_ready(cx) {
            match self.socket.borrow().poll_write_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.context.update_write_status(Err(error));
                    return;
                }
            }
            write(&*self.socket.borrow(), &self.context);
        }
    }

    /// Sends what is left, for as long as the disconnect time-out allows, and ends the connection so that it arrives.
    ///
    /// What the peer sends meanwhile is thrown away, and until it has ended its side, for a second at most: a
    /// socket that is closed with something unread is reset, and what was sent goes lost on the way.
    pub(super) async fn finish(&self) {
        self.io.close();
        let mut has_more = true;
        poll_fn(|cx| {
            self.poll_write(cx);
            // It has the layers say their last words, and keeps the time.
            if let Poll::Ready(Readiness::Shutdown | Readiness::Terminate) =
                self.context.poll_read_ready(cx)
            {
                return Poll::Ready(());
            }
            has_more = has_more && self.poll_discard(cx).is_pending();
            Poll::Pending
        })
        .await;
        if has_more && self.socket.borrow().end().is_ok() {
            let discarded = poll_fn(|cx| self.poll_discard(cx));
            // A peer that goes on was given time enough.
            let _in_time = tokio::time::timeout(LINGER, discarded).await;
        }
    }

    /// Throws away what comes; ready when nothing comes any more.
    fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; DISCARDED];
        let mut socket = self.socket.borrow_mut();
        match ready!(pin!(socket.read(&mut bytes)).poll(cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => {
                wake_after_the_others(cx);
                Poll::Pending
            }
        }
    }

    /// Moves bytes both ways while a future runs that needs them moved: a handshake.
    pub(super) async fn beside<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let mut reads = true;
            loop {
                self.poll_write(cx);
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(output);
                }
                if !reads {
                    return Poll::Pending;
                }
                reads = ready!(self.poll_read(cx)) == IoTaskStatus::Io;
            }
        })
        .await
    }
}

/// Wakes this task when the runtime has asked the system what has come for the other connections.
///
/// Woken at once, it would have dozens of turns before that: with something to do, the runtime asks only now
/// and then.
pub(super) fn wake_after_the_others(cx: &mut Context<'_>) {
    let woken = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(woken.is_pending(), "yielding takes until the next turn");
}

/// Starts an `Io`, which gives the context away only then.
struct Start<'a> {
    socket: Rc<RefCell<dyn Socket>>,
    context: &'a mut Option<IoContext>,
}

impl IoStream for Start<'_> {
    fn start(self, context: IoContext) -> Box<dyn Handle> {
        *self.context = Some(context);
        Box::new(Direct(self.socket))
    }
}

/// Writes at once what is sent.
struct Direct(Rc<RefCell<dyn Socket>>);

impl Handle for Direct {
    fn write(&self, context: &IoContext) {
        write(&*self.0.borrow(), context);
    }
}

/// Reads into what is free of the buffer, but for its last byte: a full one would count as one that nobody
/// empties.
///
/// Less than that is all that there was, and the system is not asked again until it says that there is more.
fn read(
    socket: &mut (dyn Socket + '_),
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let free = buffer.capacity() - buffer.len();
    let mut free = buffer.limit(free.saturating_sub(1).max(1));
    pin!(socket.read_buf(&mut free)).poll(cx)
}

/// Writes until everything is written or the system takes no more.
fn write(socket: &dyn Socket, context: &IoContext) {
    loop {
        let mut was_taken = false;
        let result = context.with_write_buf(|pages| {
            let waited = pages.len();
            let written = write_pages(socket, pages)?;
            was_taken = written == waited;
            Ok(written > 0)
        });
        let goes_on = matches!(result, Ok(true)) && !was_taken;
        let status = context.update_write_status(result);
        if status != IoTaskStatus::Io || !goes_on {
            return;
        }
    }
}

/// Writes what one call to the system takes, and returns how much that was.
fn write_pages(socket: &dyn Socket, pages: &mut BytePages) -> io::Result<usize> {
    let mut parts = [IoSlice::new(&[]); PARTS];
    let mut count = 0;
    for (part, page) in parts.iter_mut().zip(pages.iter()) {
        *part = IoSlice::new(page);
        count += 1;
    }
    if count == 0 {
        return Ok(0);
    }
    match socket.try_write(parts.get(..count).unwrap_or_default()) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(written) if written == pages.len() => {
            // An empty page would stay with the connection.
            pages.clear();
            Ok(written)
        }
        Ok(written) => {
            pages.advance_to(written);
            Ok(written)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error),
    }
}

/// How many parts one call to the system writes.
const PARTS: usize = 64;

/// Bytes that are thrown away in one go.
const DISCARDED: usize = 4096;

/// How long a peer that was told that nothing more comes may go on.
const LINGER: Duration = Duration::from_secs(1);
