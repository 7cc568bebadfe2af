//! One connection as a task: what was read goes to the worker, what it wishes is done.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ntex::io::{Filter, Io, IoTaskStatus};
use ntex_bytes::BytesMut;

use super::shell::{Counted, Peer, Shell};
use super::stream::{Stream, wake_after_the_others};
use super::tls;
use crate::counters::Count;
use crate::names::ConnectionId;

/// Serves a connection until it ends. Generic over the filter: plain TCP, TLS, WebSocket.
///
/// The stream is driven by hand, not with `Io::recv`, which stops reading while writes stall:
/// then a client that publishes to itself and reads only afterwards would never be served.
pub(super) async fn serve<F: Filter>(
    io: Io<F>,
    stream: Stream,
    shell: Rc<Shell>,
    mut peer: Peer,
    counted: Counted,
) {
    let shook_with = peer.shook_with.take();
    let open = Open { id: shell.open(&io, peer), shell };
    if let Some(shook_with) = shook_with {
        tls::admit_again(&open.shell, open.id, &shook_with);
    }
    let mut connection = Connection { io: &io, stream: &stream, open: &open, has_unread: true };
    poll_fn(|cx| connection.poll(cx)).await;
    drop(open);
    // On the heap: a connection that is served has no room for it.
    Box::pin(stream.finish()).await;
    drop(counted);
}

/// A connection that the worker knows; it learns that it is gone also when this task panics.
struct Open {
    shell: Rc<Shell>,
    id: ConnectionId,
}

impl Drop for Open {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(help = "report this bug, with the panic that is told before", connection = ?self.id, "the task of a connection panicked");
            self.shell.outfit.tally.count(self.shell.outfit.id, Count::Panicked);
        }
        self.shell.close(self.id);
    }
}

/// A connection while it is served.
struct Connection<'a, F> {
    io: &'a Io<F>,
    stream: &'a Stream,
    open: &'a Open,
    /// There may be frames in the read buffer that nobody has looked at.
    has_unread: bool,
}

impl<F> Connection<'_, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Open { shell, id } = self.open;
        self.stream.poll_write(cx);
        let mut has_read = false;
        loop {
            let wish = shell.wish(*id, cx.waker());
            if wish.close {
                return Poll::Ready(());
            }
            if wish.notify_writable
                && let Poll::Ready(flushed) = self.io.poll_flush(cx, false)
            {
                shell.writable(*id, flushed.is_err());
                // A peer that takes everything at once must not keep the others waiting.
                wake_after_the_others(cx);
                return Poll::Pending;
            }
            if wish.pause {
                // Whoever paused resumes or closes, and wakes this task. What the peer sent before
                // it left is still handled then.
                self.has_unread = true;
                return Poll::Pending;
            }
            if self.has_unread {
                self.has_unread = self.receive();
                if self.has_unread {
                    // Nothing is read meanwhile: else the buffer would grow by all that arrives
                    // between two turns.
                    wake_after_the_others(cx);
                    return Poll::Pending;
                }
                // The worker may wish something else now.
                continue;
            }
            if has_read {
                // What came is handed on before more is read: else a flood would wait here, all of it.
                ready!(self.stream.poll_readable(cx));
                wake_after_the_others(cx);
                return Poll::Pending;
            }
            has_read = true;
            match self.stream.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(IoTaskStatus::Io) => self.has_unread = true,
                Poll::Ready(IoTaskStatus::Pause) => {
                    // However long a packet is: the worker says how much of one is read.
                    let _ = self.io.poll_read_ready(cx);
                    self.has_unread = true;
                }
                Poll::Ready(IoTaskStatus::Stop) => return Poll::Ready(()),
            }
        }
    }

    /// Lets the worker have the frames in the read buffer. Returns whether there may be more, but it is the
    /// turn of others.
    fn receive(&self) -> bool {
        let io = self.io.as_ref();
        io.with_read_buf(|buffer| {
            if buffer.is_empty() {
                return false;
            }
            let capacity = buffer.capacity();
            let received = self.open.shell.receive(self.open.id, buffer);
            buffer.advance_to(received.consumed);
            if buffer.is_empty() {
                // Whole again, for whoever is lent it next.
                buffer.clear();
            } else if buffer.len() < capacity / 4 {
                // Half a packet may wait for long: it keeps no more than it needs.
                let few = BytesMut::copy_from_slice(&*buffer);
                let mut lent = std::mem::replace(buffer, few);
                lent.clear();
                io.cfg().read_buf().release(lent);
            }
            received.again
        })
    }
}
