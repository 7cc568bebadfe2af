//! WebSocket on a worker's thread: the request to upgrade, then frames as one more layer under `Io`.

mod filter;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Once;

use flux_eventbus::{Handshake, Limit};
use flux_websocket::{Origins, Refusal, Upgrade, UpgradeRules};
use ipnet::IpNet;
use ntex::io::{Filter, Io};
use thiserror::Error;

use super::connection::serve;
use super::shell::{Counted, Peer, Shell};
use super::stream::Stream;
use super::tls::{tell_failed, tell_limit};
use crate::counters::Count;
use crate::listener::Listener;
use filter::WebSocketFilter;

/// Has a connection served: at once, or over WebSocket if its listener wants that.
pub(super) async fn enter<F: Filter>(
    io: Io<F>,
    stream: Stream,
    shell: &Rc<Shell>,
    by: &Listener,
    mut peer: Peer,
    counted: Counted,
) {
    let Some(settings) = &by.websocket else {
        ntex::rt::spawn(serve(io, stream, shell.clone(), peer, counted));
        return;
    };
    let rules = settings.rules(shell.outfit.authenticator.dyn_admits_anyone());
    let upgrading = upgrade(&io, &stream, &rules);
    match tokio::time::timeout(shell.connect_timeout.get(), upgrading).await {
        Ok(Ok(upgrade)) => {
            peer.address = source(peer.address, &upgrade.forwarded_for, &settings.forwarded_by);
            let io = io.add_filter(WebSocketFilter::default());
            ntex::rt::spawn(serve(io, stream, shell.clone(), peer, counted));
        }
        Ok(Err(error)) => {
            let (peer, outfit) = (peer.address, &shell.outfit);
            outfit.tally.count(outfit.id, Count::UpgradeFailed);
            tell_of_pages(&error, &rules, &by.name);
            tell_failed(shell, Handshake::WebSocket, peer, by, &error);
        }
        Err(_elapsed) => tell_limit(shell, Limit::ConnectTime, &by.name, peer.address),
    }
}

/// Why there is no WebSocket on a connection.
#[derive(Debug, Error)]
enum UpgradeError {
    /// The peer left.
    #[error("the peer closed the connection")]
    Closed,
    /// The network failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It asked for something else.
    #[error(transparent)]
    Refused(Refusal),
}

/// Waits for the request, and answers it.
async fn upgrade<F: Filter>(
    io: &Io<F>,
    stream: &Stream,
    rules: &UpgradeRules,
) -> Result<Upgrade, UpgradeError> {
    loop {
        let read = io.with_read_buf(|bytes| {
            let read = Upgrade::read(bytes, rules);
            if !matches!(read, Ok(None)) {
                bytes.clear();
            }
            read
        });
        match read {
            Ok(Some(upgrade)) => {
                io.encode_slice(upgrade.response().as_bytes())?;
                stream.beside(io.flush(true)).await?;
                return Ok(upgrade);
            }
            Ok(None) => {
                stream.beside(io.read_notify()).await?.ok_or(UpgradeError::Closed)?;
            }
            Err(refusal) => {
                io.encode_slice(refusal.response().as_bytes())?;
                stream.finish().await;
                return Err(UpgradeError::Refused(refusal));
            }
        }
    }
}

/// Logs once what to do for pages that may not connect, although nobody has said so.
fn tell_of_pages(error: &UpgradeError, rules: &UpgradeRules, listener: &str) {
    static TOLD: Once = Once::new();
    if let (UpgradeError::Refused(Refusal::Origin(origin)), Origins::Near) = (error, &rules.origins)
    {
        TOLD.call_once(|| {
            tracing::warn!(
                help = %format_args!("add to the listener (or start with --ws-origin) origins = [{origin:?}], or origins = [\"*\"] for all pages"),
                "pages of {origin:?} may not connect: the broker lets anyone in, and listener {listener:?} says of no page that it may"
            );
        });
    }
}

/// Returns where a connection is from, by what proxies say that are trusted: the first address that is none of theirs.
fn source(
    peer: Option<SocketAddr>,
    forwarded_for: &[IpAddr],
    trusted: &[IpNet],
) -> Option<SocketAddr> {
    let mut source = peer?;
    for address in forwarded_for.iter().rev() {
        let ip = source.ip().to_canonical();
        if !trusted.iter().any(|net| net.contains(&ip)) {
            break;
        }
        // Its port is not said.
        source = SocketAddr::new(*address, 0);
    }
    Some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(forwarded_for: &[&str], trusted: &[&str], expected: &str) {
        let peer = Some("10.0.0.1:7".parse().unwrap());
        let forwarded_for: Vec<_> = forwarded_for.iter().map(|it| it.parse().unwrap()).collect();
        let trusted: Vec<_> = trusted.iter().map(|it| it.parse().unwrap()).collect();
        assert_eq!(source(peer, &forwarded_for, &trusted), Some(expected.parse().unwrap()));
    }

    #[test]
    fn only_proxies_that_are_trusted_say_whom_a_connection_is_from() {
        check(&["192.0.2.7"], &[], "10.0.0.1:7");
        check(&["192.0.2.7"], &["10.0.1.0/24"], "10.0.0.1:7");
        check(&["192.0.2.7"], &["10.0.0.0/24"], "192.0.2.7:0");
        check(&[], &["10.0.0.0/24"], "10.0.0.1:7");
        // What a client has written itself stands before what the first proxy saw.
        check(&["127.0.0.1", "192.0.2.7"], &["10.0.0.0/24"], "192.0.2.7:0");
        check(&["192.0.2.7", "10.0.0.2"], &["10.0.0.0/24"], "192.0.2.7:0");
        check(&["10.0.0.3", "10.0.0.2"], &["10.0.0.0/24"], "10.0.0.3:0");
    }
}
