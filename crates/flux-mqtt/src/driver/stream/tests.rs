//! What is written comes out whole, however little the system takes at once; filters stack on a stream.

mod finish;

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use ntex::io::{FilterBuf, FilterLayer, IoConfig};
use ntex::rt::{DefaultRuntime, System};
use ntex_bytes::{BytePageSize, Bytes};
use tokio::io::ReadBuf;

use super::*;

/// Takes a few bytes at a time, and nothing every third time.
struct Reluctant {
    most: usize,
    calls: Cell<usize>,
    taken: RefCell<Vec<u8>>,
}

impl AsyncRead for Reluctant {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Socket for Reluctant {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get().is_multiple_of(3) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let all = parts.iter().flat_map(|part| part.iter().copied());
        let before = self.taken.borrow().len();
        self.taken.borrow_mut().extend(all.take(self.most));
        Ok(self.taken.borrow().len() - before)
    }

    fn end(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn pages_are_written_in_order_however_few_bytes_are_taken_at_once() {
    for most in [1, 7, 5_000, 70_000, usize::MAX] {
        let socket = Reluctant { most, calls: Cell::new(0), taken: RefCell::new(Vec::new()) };
        let mut pages = BytePages::new(BytePageSize::Size4);
        let mut expected = Vec::new();
        // More pages than one call writes: shared ones, and what was copied between them.
        for number in 0..100_u8 {
            let shared = vec![number; 30 + usize::from(number) * 5];
            pages.append(Bytes::copy_from_slice(&shared));
            expected.extend(shared);
            if number % 7 == 0 {
                pages.extend_from_slice(&[b'-'; 50]);
                expected.extend([b'-'; 50]);
            }
        }
        while !pages.is_empty() {
            write_pages(&socket, &mut pages).unwrap();
        }
        assert!(*socket.taken.borrow() == expected, "at most {most} at once");
        assert_eq!(pages.num_pages(), 0, "nothing stays with the connection");
    }
}

/// Turns every bit around, both ways.
#[derive(Debug)]
struct Inverted;

impl FilterLayer for Inverted {
    fn process_read_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        buffers.with_read_buffers(|from, to| {
            for byte in from.take().iter().flat_map(|bytes| bytes.iter()) {
                to.extend_from_slice(&[!byte]);
            }
        });
        Ok(())
    }

    fn process_write_buf(&self, buffers: &FilterBuf<'_>) -> io::Result<()> {
        buffers.with_write_buffers(|from, to| {
            while let Some(page) = from.take() {
                let inverted: Vec<u8> = page.iter().map(|byte| !byte).collect();
                to.extend_from_slice(&inverted);
            }
        });
        Ok(())
    }
}

#[test]
fn a_filter_stacks_on_a_stream() {
    const LEN: usize = 1_000_000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(&vec![!b'a'; LEN]).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        answer
    });
    let (accepted, _) = listener.accept().unwrap();
    System::build().name("test").build(DefaultRuntime).block_on(async move {
        let config = SharedCfg::new("test").add(IoConfig::new().set_write_buf_threshold(1)).into();
        let (io, stream) = Stream::over_accepted(AcceptedSocket::Tcp(accepted), config).unwrap();
        let io = io.add_filter(Inverted);
        let mut received = Vec::new();
        while received.len() < LEN {
            let read = poll_fn(|cx| stream.poll_read(cx)).await;
            assert_ne!(read, IoTaskStatus::Stop);
            io.with_read_buf(|buffer| received.extend_from_slice(&buffer.split_to(buffer.len())));
        }
        assert!(received.iter().all(|byte| *byte == b'a'));
        io.encode_slice(&received).unwrap();
        stream.finish().await;
    });
    let answer = client.join().unwrap();
    assert_eq!(answer.len(), LEN);
    assert!(answer.iter().all(|byte| *byte == !b'a'));
}
