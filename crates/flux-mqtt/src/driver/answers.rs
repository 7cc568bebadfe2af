//! Answers to a client, until the end of the turn that its packets came in: then they go out together with what is
//! delivered to it, in one write.

use std::cell::RefCell;

use ntex_bytes::BytePages;

use super::shell::{Link, Shell};
use crate::names::ConnectionId;

/// Which connections have answers that wait. The bytes are with their links.
#[derive(Default)]
pub(super) struct Answers {
    waiting: RefCell<Vec<ConnectionId>>,
    /// Buffers that held some before.
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Answers {
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Has bytes wait, unless there are many: then all are written now.
    pub(super) fn hold(&self, link: &mut Link, id: ConnectionId, bytes: &[u8]) {
        if link.answers.len() + bytes.len() > MOST {
            return self.append_to(link, |pages| pages.extend_from_slice(bytes));
        }
        if link.answers.is_empty() {
            link.answers = self.spare.borrow_mut().pop().unwrap_or_default();
            self.waiting.borrow_mut().push(id);
        }
        link.answers.extend_from_slice(bytes);
    }

    /// Writes to a connection behind its answers, if it has any.
    pub(super) fn append_to(&self, link: &mut Link, append: impl FnOnce(&mut BytePages)) {
        let Link { io, answers, .. } = link;
        let appended = io.with_write_buf(|pages| {
            pages.extend_from_slice(answers);
            append(pages);
        });
        if let Err(error) = appended {
            // What was not acknowledged is sent again when the session resumes.
            tracing::trace!(%error, "connection is going, bytes are lost");
        }
        let mut written = std::mem::take(answers);
        let mut spare = self.spare.borrow_mut();
        if written.capacity() > 0 && spare.len() < SPARE {
            written.clear();
            spare.push(written);
        }
    }

    /// Writes all that wait.
    pub(super) fn write_all(&self, shell: &Shell) {
        let mut waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for id in waiting.drain(..) {
            shell.with_link(id, |link| self.write_of(link));
        }
        *self.waiting.borrow_mut() = waiting;
    }

    /// Writes those of one connection.
    pub(super) fn write_of(&self, link: &mut Link) {
        // They may have gone before something that was delivered.
        if !link.answers.is_empty() {
            self.append_to(link, |_| ());
        }
    }
}

/// How many bytes of one connection wait at most.
const MOST: usize = 4096;

/// How many buffers are kept.
const SPARE: usize = 128;

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};
    use std::pin::Pin;
    use std::rc::Rc;
    use std::task::{Context, Poll};

    use ntex::io::IoConfig;
    use ntex::rt::{DefaultRuntime, System};
    use ntex::service::cfg::SharedCfg;
    use tokio::io::{AsyncRead, ReadBuf};

    use super::*;
    use crate::driver::eras::Era;
    use crate::driver::stream::{Socket, Stream};

    /// Keeps what each call writes.
    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<Vec<u8>>>>);

    impl AsyncRead for Written {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl Socket for Written {
        fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            let written = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<_>>();
            let len = written.len();
            self.0.borrow_mut().push(written);
            Ok(len)
        }

        fn end(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn answers_wait_for_what_is_delivered_and_go_before_it() {
        let written = Written::default();
        let socket = written.clone();
        System::build().name("test").build(DefaultRuntime).block_on(async move {
            let config = SharedCfg::new("test").add(IoConfig::new().set_write_buf_threshold(1));
            let (io, _stream) = Stream::over(socket, config.into()).unwrap();
            let (answers, id) = (Answers::default(), ConnectionId { index: 0, stamp: 1 });
            let mut link = Link::new(1, io.get_ref(), false, Era::default(), None);
            answers.hold(&mut link, id, b"one ");
            answers.hold(&mut link, id, b"two ");
            assert!(answers.are_waiting() && written.0.take().is_empty());
            answers.append_to(&mut link, |pages| pages.extend_from_slice(b"three"));
            assert_eq!(written.0.take(), [b"one two three"]);
            answers.write_of(&mut link);
            assert!(written.0.take().is_empty());
            answers.hold(&mut link, id, b"four");
            answers.write_of(&mut link);
            assert_eq!(written.0.take(), [b"four"]);
            // Many are not kept.
            answers.hold(&mut link, id, b"!");
            answers.hold(&mut link, id, &[b'x'; MOST]);
            assert_eq!(written.0.take().concat().len(), MOST + 1);
        });
    }
}
