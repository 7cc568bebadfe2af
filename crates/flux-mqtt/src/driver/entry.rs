//! What happens to a connection before it is served: as its listener says.

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use flux_eventbus::{Handshake, Limit};
use ntex::service::cfg::SharedCfg;

use super::connection::serve;
use super::mailbox::{Accepted, AcceptedSocket};
use super::proxy;
use super::shell::{Counted, Peer, Shell};
use super::stream::Stream;
use super::tls::{Arrival, tell_failed, tell_limit};
use crate::counters::Count;
use crate::listener::Transport;

/// Takes a connection that was accepted for this worker.
pub(super) fn enter(shell: &Rc<Shell>, io_config: &SharedCfg, mut accepted: Accepted) {
    let counted = shell.count(accepted.place.take());
    if accepted.is_from_proxy() {
        let introduced = introduce(shell.clone(), io_config.clone(), accepted, counted);
        tokio::task::spawn_local(introduced);
    } else {
        begin(shell, io_config, accepted, counted);
    }
}

/// Waits until a load balancer has said whom a connection is from, then has it begin.
async fn introduce(
    shell: Rc<Shell>,
    io_config: SharedCfg,
    mut accepted: Accepted,
    counted: Counted,
) {
    if shell.handshakes.borrow().is_closed() {
        // It was told before anybody waited.
        return;
    }
    let proxy = accepted.peer;
    let mut read =
        pin!(tokio::time::timeout(shell.connect_timeout.get(), source_of(accepted.socket)));
    let mut stopped = pin!(shell.stopped.notified());
    let read = poll_fn(|cx| match stopped.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => read.as_mut().poll(cx).map(Some),
    });
    match read.await {
        None => {}
        Some(Err(_elapsed)) => tell_limit(&shell, Limit::ConnectTime, &accepted.by.name, proxy),
        Some(Ok(Err(error))) => {
            shell.outfit.tally.count(shell.outfit.id, Count::ProxyFailed);
            tell_failed(&shell, Handshake::Proxy, proxy, &accepted.by, &error);
        }
        Some(Ok(Ok((socket, source)))) => {
            accepted.socket = socket;
            accepted.peer = source.or(proxy);
            begin(&shell, &io_config, accepted, counted);
        }
    }
}

async fn source_of(
    socket: AcceptedSocket,
) -> Result<(AcceptedSocket, Option<SocketAddr>), proxy::ProxyError> {
    let AcceptedSocket::Tcp(socket) = socket else { return Ok((socket, None)) };
    socket.set_nonblocking(true)?;
    let mut socket = tokio::net::TcpStream::from_std(socket)?;
    let source = proxy::read(&mut socket).await?;
    Ok((AcceptedSocket::Tcp(socket.into_std()?), source))
}

/// Has a connection served, or begin with what lies below MQTT.
fn begin(shell: &Rc<Shell>, io_config: &SharedCfg, accepted: Accepted, counted: Counted) {
    let Accepted { socket, peer: address, by, era, place: _ } = accepted;
    let peer = Peer::through(&by, address, era);
    match (&by.transport, &by.websocket) {
        (Transport::Tcp, None) => match Stream::over_accepted(socket, io_config.clone()) {
            Ok((io, stream)) => {
                ntex::rt::spawn(serve(io, stream, shell.clone(), peer, counted));
            }
            Err(error) => shell.tell_unserved(&error, &by, address),
        },
        (Transport::Tls(_), _) | (Transport::Tcp, Some(_)) => {
            shell.handshakes.borrow_mut().arrive(Arrival { socket, peer, by, counted });
            shell.request_turn();
        }
    }
}
