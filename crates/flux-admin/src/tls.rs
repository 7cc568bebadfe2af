//! TLS below HTTP.

use std::io;

use flux_tls::{Protocol, TlsConfig};
use ntex::io::{Io, IoRef, Layer};
use ntex::time::Millis;
use ntex_tls::rustls::{PeerCertChain, TlsServerFilter};

/// Shakes hands with the certificates that are in use now.
pub(crate) async fn shake_hands(io: Io, tls: &TlsConfig) -> io::Result<Io<Layer<TlsServerFilter>>> {
    let tls = tls.latest();
    let config = tls.server_config(Protocol::Http);
    let timeout = Millis::from(tls.handshake_timeout());
    let io = TlsServerFilter::create(io, config.clone(), timeout).await?;
    let chain = io.query::<PeerCertChain<'static>>();
    let chain = chain.as_ref().map_or(&[][..], |chain| &chain.0);
    tls.identify(chain, &config).map_err(io::Error::other)?;
    Ok(io)
}

/// Returns whether who is behind a connection would be admitted now, too: it may have been revoked since. Where it `must_show`
/// a certificate, it has to have shown one even if certificates that nobody needs to show took the place of others.
pub(crate) fn is_admitted(io: Option<&IoRef>, tls: &TlsConfig, must_show: bool) -> bool {
    let Some(io) = io else { return false };
    let chain = io.query::<PeerCertChain<'static>>();
    let chain = chain.as_ref().map_or(&[][..], |chain| &chain.0);
    !(must_show && chain.is_empty()) && tls.admit(chain).is_ok()
}
