//! One connection as a task: what was read goes to the worker, what it wishes is done.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use ntex::io::Io;
use ntex_bytes::BytesMut;

use super::shell::{Counted, Shell};

use crate::counters::Count;
use crate::names::ConnectionId;

/// Serves a connection until it ends. Generic over the filter: plain TCP, TLS, WebSocket.
///
/// The stream is driven by hand, not with `Io::recv`, which stops reading while writes stall:
/// then a client that publishes to itself and reads only afterwards would never be served.
pub(super) async fn serve<F>(
    io: Io<F>,
    shell: Rc<Shell>,
    peer: Option<SocketAddr>,
    counted: Counted,
) {
    let open = Open { id: shell.open(io.get_ref(), peer), shell };
    poll_fn(|cx| poll(&io, &open.shell, open.id, cx)).await;
    drop(open);
    // Sends what is left, for as long as the disconnect time-out allows.
    if let Err(error) = io.shutdown().await {
        tracing::trace!(%error, "connection was gone before everything was sent");
    }
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
            tracing::error!(connection = ?self.id, "the task of a connection panicked");
            self.shell.outfit.tally.count(self.shell.outfit.id, Count::Panicked);
        }
        self.shell.close(self.id);
    }
}

fn poll<F>(io: &Io<F>, shell: &Rc<Shell>, id: ConnectionId, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        let wish = shell.wish(id);
        if wish.close {
            return Poll::Ready(());
        }
        if wish.notify_writable
            && let Poll::Ready(flushed) = io.poll_flush(cx, false)
        {
            shell.writable(id, flushed.is_err());
            // A peer that takes everything at once must not keep the others waiting.
            wake_after_the_others(cx);
            io.poll_dispatch(cx);
            return Poll::Pending;
        }
        if wish.pause {
            // Whoever paused resumes or closes, and wakes this task. What the peer sent before
            // it left is still handled then.
            io.pause();
            io.poll_dispatch(cx);
            return Poll::Pending;
        }
        match receive(io, shell, id) {
            Progress::TurnIsOver => {
                // Else the buffer would grow by all that arrives between two turns.
                io.pause();
                wake_after_the_others(cx);
                io.poll_dispatch(cx);
                return Poll::Pending;
            }
            Progress::Handled => continue,
            Progress::NeedsMore => {}
        }
        match io.poll_read_ready(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Some(()))) => {}
            Poll::Ready(Ok(None) | Err(_)) => return Poll::Ready(()),
        }
    }
}

/// Wakes this task when the runtime has asked the system what has come for the other connections.
///
/// Woken at once, it would have dozens of turns before that: with something to do, the runtime asks only now
/// and then.
fn wake_after_the_others(cx: &mut Context<'_>) {
    let woken = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(woken.is_pending(), "yielding takes until the next turn");
}

enum Progress {
    /// Frames were handled; the worker may wish something else now.
    Handled,
    /// There is no complete frame.
    NeedsMore,
    /// There may be more frames, but it is the turn of others.
    TurnIsOver,
}

/// Takes the read buffer out, lets the worker have the frames in it, and puts the rest back.
fn receive<F>(io: &Io<F>, shell: &Rc<Shell>, id: ConnectionId) -> Progress {
    let io = io.as_ref();
    let mut bytes = io.with_read_buf(|buffer| {
        if buffer.is_empty() {
            None
        } else {
            Some(std::mem::replace(buffer, BytesMut::with_capacity(0)))
        }
    });
    let Some(bytes) = &mut bytes else { return Progress::NeedsMore };
    let received = shell.receive(id, bytes);
    bytes.advance_to(received.consumed);
    let mut rest = std::mem::replace(bytes, BytesMut::with_capacity(0));
    if rest.len() < rest.capacity() / 4 {
        // Half a packet may wait for long: it keeps no more than it needs.
        let few = BytesMut::copy_from_slice(&rest);
        io.cfg().read_buf().release(std::mem::replace(&mut rest, few));
    }
    if !rest.is_empty() {
        // Nothing was read meanwhile: reading is a task of this thread.
        io.with_read_buf(|buffer| {
            let pooled = std::mem::replace(buffer, rest);
            io.cfg().read_buf().release(pooled);
        });
    }
    match received {
        _ if received.again => Progress::TurnIsOver,
        _ if received.consumed > 0 => Progress::Handled,
        _ => Progress::NeedsMore,
    }
}
