//! WebSocket as a layer of ntex's `Io`.
//!
//! ntex has one of its own, which keeps each frame until it is whole, up to a limit, and frames each page. This one passes on
//! what comes, and frames each write.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::Poll;

use flux_websocket::{CLOSE_NORMAL, Frames, Heard, write_binary_header, write_close, write_pong};
use ntex::io::{FilterBuf, FilterLayer};
use ntex_bytes::BytePages;

/// Takes frames apart, and makes some.
#[derive(Debug, Default)]
pub(super) struct WebSocketFilter {
    frames: RefCell<Frames>,
    /// A close frame was sent: nothing follows it.
    is_closed: Cell<bool>,
}

impl WebSocketFilter {
    fn close(&self, code: u16, buf: &FilterBuf<'_>) {
        if !self.is_closed.replace(true) {
            let mut frame = Vec::new();
            write_close(code, &mut frame);
            buf.with_write_buffers(|_, into| into.extend_from_slice(&frame));
        }
    }
}

impl FilterLayer for WebSocketFilter {
    fn process_read_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        let read = buf.with_read_buffers(|from, into| {
            let Some(from) = from else { return Ok(Heard::default()) };
            // More than that does not come out.
            into.reserve(from.len());
            let heard = self.frames.borrow_mut().read(from, into);
            from.clear();
            heard
        });
        match read {
            _ if self.is_closed.get() => {}
            Ok(Heard { ping, is_closed }) => {
                if let Some(ping) = ping {
                    let mut pong = Vec::new();
                    write_pong(&ping, &mut pong);
                    // Under TLS, that has taken all that was in between.
                    let unsent = buf.io().with_write_dst_buf(|pages| pages.len());
                    buf.with_write_buffers(|_, into| {
                        // Whoever reads no answers gets no more of them.
                        if unsent.max(into.len()) < MAX_UNSENT {
                            into.extend_from_slice(&pong);
                        }
                    });
                }
                if is_closed {
                    // What was sent goes out before the answer.
                    self.process_write_buf(buf)?;
                    self.close(CLOSE_NORMAL, buf);
                    buf.io().close();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a client breaks the rules of WebSocket");
                self.close(error.close_code(), buf);
                buf.io().close();
            }
        }
        Ok(())
    }

    fn process_write_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        buf.with_write_buffers(|from, into| {
            if self.is_closed.get() {
                from.clear();
            } else if !from.is_empty() {
                write_frame(from, into);
            }
        });
        Ok(())
    }

    fn shutdown(&self, buf: &FilterBuf<'_>) -> io::Result<Poll<()>> {
        self.process_write_buf(buf)?;
        self.close(CLOSE_NORMAL, buf);
        Ok(Poll::Ready(()))
    }
}

/// Moves everything into one frame.
fn write_frame(from: &mut BytePages, into: &mut BytePages) {
    let len = from.len();
    let mut header = [0; LONGEST_HEADER];
    let mut free = &mut header[..];
    write_binary_header(len, &mut free);
    let written = LONGEST_HEADER - free.len();
    into.extend_from_slice(header.get(..written).unwrap_or_default());
    if len <= MAX_COPIED {
        for page in from.iter() {
            into.extend_from_slice(page);
        }
        from.clear();
    } else {
        from.move_to(into);
    }
}

/// Bytes that may wait unsent before a ping is not answered.
const MAX_UNSENT: usize = 64 * 1024;
/// Bytes that are copied behind the header; of more, the pages are moved.
const MAX_COPIED: usize = 4096;
/// Two bytes and eight of length.
const LONGEST_HEADER: usize = 10;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::IoSlice;
    use std::pin::Pin;
    use std::task::Context;

    use ntex::io::IoConfig;
    use ntex::rt::{DefaultRuntime, System};
    use ntex::service::cfg::SharedCfg;
    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;
    use crate::driver::stream::{Socket, Stream};

    /// Sends one ping after the other, and takes no answer.
    struct Pings;

    impl AsyncRead for Pings {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&[&b"\x89\xFD\0\0\0\0"[..], &[7; 125]].concat());
            Poll::Ready(Ok(()))
        }
    }

    impl Socket for Pings {
        fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn try_write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }

        fn end(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// As TLS does, it takes all that it is given.
    #[derive(Debug)]
    struct Between;

    impl FilterLayer for Between {
        fn process_read_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
            buf.with_read_buffers(|from, into| {
                for byte in from.take().iter().flat_map(|bytes| bytes.iter()) {
                    into.extend_from_slice(&[*byte]);
                }
            });
            Ok(())
        }

        fn process_write_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
            buf.with_write_buffers(BytePages::move_to);
            Ok(())
        }
    }

    #[test]
    fn pings_of_a_peer_that_takes_no_answers_are_not_answered_for_ever() {
        System::build().name("test").build(DefaultRuntime).block_on(async {
            let config = SharedCfg::new("test").add(IoConfig::new().set_write_buf_threshold(1));
            let (io, stream) = Stream::over(Pings, config.into()).unwrap();
            let io = io.add_filter(Between).add_filter(WebSocketFilter::default());
            for _ in 0..10 * MAX_UNSENT / 125 {
                poll_fn(|cx| stream.poll_read(cx)).await;
            }
            let unsent = io.with_write_dst_buf(|pages| pages.len());
            assert!((MAX_UNSENT..MAX_UNSENT + 127).contains(&unsent), "{unsent} bytes unsent");
        });
    }
}
