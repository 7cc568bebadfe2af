//! The end of a connection: what was sent arrives, and what a peer does meanwhile costs next to nothing.

use tokio::task::yield_now;

use super::*;

/// A peer that takes nothing before it is told to, and may send without an end.
#[derive(Default)]
struct Stubborn {
    floods: bool,
    takes: Cell<bool>,
    waiting: RefCell<Vec<std::task::Waker>>,
    asked: Cell<usize>,
    read: Cell<usize>,
}

/// The test and the stream have one each.
struct Side(Rc<Stubborn>);

impl Stubborn {
    fn take(&self) {
        self.takes.set(true);
        self.waiting.take().into_iter().for_each(std::task::Waker::wake);
    }

    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        self.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Side {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.takes.get() {
            return Poll::Ready(Ok(()));
        }
        if !self.0.floods {
            return self.0.wait(cx);
        }
        let len = buffer.remaining();
        buffer.put_bytes(b'x', len);
        self.0.read.set(self.0.read.get() + len);
        Poll::Ready(Ok(()))
    }
}

impl Socket for Side {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.asked.set(self.0.asked.get() + 1);
        if self.0.takes.get() { Poll::Ready(Ok(())) } else { self.0.wait(cx) }
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.0.takes.get() {
            Ok(parts.iter().map(|part| part.len()).sum())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    fn end(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends a connection while its peer is stubborn, has others go on for some turns, then has the peer take all.
fn finish_beside(peer: Stubborn) -> (Rc<Stubborn>, usize) {
    let peer = Rc::new(peer);
    let there = peer.clone();
    let left = System::build().name("test").build(DefaultRuntime).block_on(async move {
        let config = SharedCfg::new("test").add(IoConfig::new().set_write_buf_threshold(1)).into();
        let (io, stream) = Stream::over(Side(there.clone()), config).unwrap();
        io.encode_slice(&[7; 1000]).unwrap();
        let ending = tokio::task::spawn_local(async move { stream.finish().await });
        for _ in 0..TURNS {
            yield_now().await;
        }
        there.take();
        ending.await.unwrap();
        io.with_read_buf(|buffer| buffer.len())
    });
    (peer, left)
}

#[test]
fn what_comes_while_a_connection_ends_is_thrown_away() {
    let (peer, left) = finish_beside(Stubborn { floods: true, ..Stubborn::default() });
    assert!(peer.read.get() > 10 * DISCARDED, "{} bytes read", peer.read.get());
    assert_eq!(left, 0);
}

#[test]
fn a_connection_that_ends_sleeps_while_its_peer_does_nothing() {
    let (peer, _) = finish_beside(Stubborn::default());
    assert!(peer.asked.get() < TURNS / 10, "asked {} times", peer.asked.get());
}

#[test]
fn what_was_sent_arrives_though_the_peer_sends_on() {
    const LEN: usize = 3_000_000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    client.write_all(b"never read").unwrap();
    let reading = thread::spawn(move || {
        let mut received = vec![0; LEN / 2];
        client.read_exact(&mut received).unwrap();
        client.write_all(b"nor this").unwrap();
        received.len() + client.read_to_end(&mut received).unwrap()
    });
    System::build().name("test").build(DefaultRuntime).block_on(async move {
        let config = SharedCfg::new("test").add(IoConfig::new().set_write_buf_threshold(1)).into();
        let (io, stream) = Stream::over_accepted(AcceptedSocket::Tcp(accepted), config).unwrap();
        io.encode_slice(&vec![7; LEN]).unwrap();
        stream.finish().await;
    });
    assert_eq!(reading.join().unwrap(), LEN);
}

/// Turns that others have while a connection ends.
const TURNS: usize = 100;
