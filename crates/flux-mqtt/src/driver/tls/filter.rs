//! TLS as a layer of ntex's `Io`.
//!
//! ntex has one of its own, which closes a connection whose handshake fails without a word. A device then
//! cannot tell a wrong certificate from a broken network; this one sends the alert first.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::task::Poll;

use flux_tls::AdmitError;
use ntex::io::{Filter, FilterBuf, FilterLayer, Io, Layer};
use ntex_bytes::{BytePages, BytesMut};
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection};
use thiserror::Error;

use crate::driver::stream::Stream;

/// Encrypts and decrypts what passes through.
#[derive(Debug)]
pub(super) struct TlsFilter {
    session: RefCell<ServerConnection>,
    /// Why the handshake failed. Nothing passes any more, but the alert that says so.
    failed: RefCell<Option<rustls::Error>>,
}

/// Why there is no TLS on a connection.
#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    /// The peer left.
    #[error("the peer closed the connection")]
    Closed,
    /// The network failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer does not speak TLS, or not as we do, or has no certificate that is accepted.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Its certificate was good when the handshake began.
    #[error(transparent)]
    NotAdmitted(AdmitError),
}

/// The certificate of the peer, and those that link it to an authority; an answer to [`Io::query`].
pub(super) struct PeerChain(pub(super) Vec<CertificateDer<'static>>);

/// Shakes hands as the server. Takes as long as the peer does.
pub(super) async fn shake_hands<F: Filter>(
    io: Io<F>,
    stream: &Stream,
    config: Arc<ServerConfig>,
) -> Result<Io<Layer<TlsFilter, F>>, HandshakeError> {
    let session = RefCell::new(ServerConnection::new(config)?);
    let io = io.add_filter(TlsFilter { session, failed: RefCell::new(None) });
    loop {
        let failed = io.filter().failed.borrow_mut().take();
        if let Some(error) = failed {
            // The alert goes out.
            stream.finish().await;
            return Err(error.into());
        }
        stream.beside(io.flush(false)).await?;
        if !io.filter().session.borrow().is_handshaking() {
            return Ok(io);
        }
        stream.beside(io.read_notify()).await?.ok_or(HandshakeError::Closed)?;
    }
}

impl TlsFilter {
    /// Returns what the peer showed; nothing if it showed none.
    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.session.borrow().peer_certificates().unwrap_or_default().to_vec()
    }

    /// Decrypts all that there is; returns whether the peer says that no more will come.
    fn read(&self, from: &mut BytesMut, into: &mut BytesMut) -> Result<bool, ReadError> {
        let mut session = self.session.borrow_mut();
        while !from.is_empty() {
            session.read_tls(from)?;
            let state = session.process_new_packets();
            // What came before an error, too.
            take_plaintext(&mut session, into);
            let state = state?;
            if state.peer_has_closed() {
                from.clear();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves what is encrypted to where the socket takes it from.
    fn write_records(&self, into: &mut BytePages) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            session.write_tls(&mut Records(into))?;
        }
        Ok(())
    }
}

/// Moves what is decrypted.
fn take_plaintext(session: &mut ServerConnection, into: &mut BytesMut) {
    let mut reader = session.reader();
    // An error says that there is nothing, or that nothing more comes.
    while let Ok(bytes) = reader.fill_buf()
        && !bytes.is_empty()
    {
        let len = bytes.len();
        into.extend_from_slice(bytes);
        reader.consume(len);
    }
}

/// Why nothing was decrypted.
#[derive(Debug, Error)]
enum ReadError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ReadError> for rustls::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Tls(error) => error,
            ReadError::Io(error) => Self::General(error.to_string()),
        }
    }
}

impl FilterLayer for TlsFilter {
    fn query(&self, id: TypeId) -> Option<Box<dyn Any>> {
        (id == TypeId::of::<PeerChain>()).then(|| Box::new(PeerChain(self.chain())) as _)
    }

    fn process_read_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        let was_shaking_hands = self.session.borrow().is_handshaking();
        let read = buf.with_read_buffers(|from, into| match from {
            Some(from) => self.read(from, into),
            None => Ok(false),
        });
        // Answers of the handshake, and the alert if that failed.
        buf.with_write_buffers(|_, into| self.write_records(into))?;
        match read {
            Ok(false) => {}
            // As at the end of a connection without TLS, what it has not been answered is not sent any more.
            Ok(true) => buf.io().close(),
            Err(error) if was_shaking_hands => {
                self.failed.borrow_mut().get_or_insert(error.into());
            }
            // What came before it counts, and the alert goes out.
            Err(error) => {
                tracing::debug!(%error, "a client breaks the rules of TLS");
                buf.io().close();
            }
        }
        Ok(())
    }

    fn process_write_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        buf.with_write_buffers(|from, into| {
            while let Some(mut page) = from.take() {
                while !page.is_empty() {
                    let taken = self.session.borrow_mut().writer().write(&page)?;
                    if taken == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    page.advance_to(taken);
                    self.write_records(into)?;
                }
            }
            self.write_records(into)
        })
    }

    fn shutdown(&self, buf: &FilterBuf<'_>) -> io::Result<Poll<()>> {
        self.process_write_buf(buf)?;
        self.session.borrow_mut().send_close_notify();
        buf.with_write_buffers(|_, into| self.write_records(into))?;
        Ok(Poll::Ready(()))
    }
}

/// Where encrypted bytes go.
struct Records<'a>(&'a mut BytePages);

impl io::Write for Records<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
