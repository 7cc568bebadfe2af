//! TLS on a worker's thread: handshakes, a bounded number at once, and what becomes of them.

mod filter;
mod handshakes;

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use flux_eventbus::{Event, EventKind, Handshake, Limit, Source};
use flux_session::Timestamp;
use flux_tls::{AdmitError, Protocol, TlsConfig};
use ntex::service::cfg::SharedCfg;
use rustls::ServerConfig;

use super::shell::{Peer, Shell, Shown};
use super::stream::Stream;
use super::websocket;
use crate::counters::Count;
use crate::input::Input;
use crate::listener::{Listener, Transport};
use crate::names::ConnectionId;
use filter::{HandshakeError, PeerChain, shake_hands};
pub(super) use handshakes::{Arrival, Handshakes};

/// Begins the handshakes that there is room for, and ends those that others wait for too long; returns when to look
/// again at the latest.
pub(super) fn advance(shell: &Rc<Shell>, io_config: &SharedCfg) -> Option<Timestamp> {
    let now = shell.outfit.clock.now();
    let mut handshakes = shell.handshakes.borrow_mut();
    for (peer, listener, task) in handshakes.overdue(now) {
        task.abort();
        tell_limit(shell, Limit::Handshakes, &listener, peer);
    }
    while let Some((number, arrival)) = handshakes.next() {
        let (peer, listener) = (arrival.peer.address, arrival.by.name.clone());
        let slot = Slot { shell: shell.clone(), number };
        let task = tokio::task::spawn_local(handshake(slot, arrival, io_config.clone()));
        handshakes.began(number, now, (peer, listener), task.abort_handle());
    }
    handshakes.deadline()
}

/// Ends all handshakes, those that wait too: the broker stops.
pub(super) fn shut_down(shell: &Shell) {
    // Connections count where they are dropped, which needs the shell.
    let waiting = {
        let mut handshakes = shell.handshakes.borrow_mut();
        for task in handshakes.close() {
            task.abort();
        }
        handshakes.take_waiting()
    };
    drop(waiting);
}

/// A place among the handshakes under way, until this is dropped.
struct Slot {
    shell: Rc<Shell>,
    number: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shell.handshakes.borrow_mut().ended(self.number);
        // Somebody may wait for the place.
        self.shell.request_turn();
    }
}

/// Shakes hands on a connection, then has it served.
async fn handshake(slot: Slot, arrival: Arrival, io_config: SharedCfg) {
    let Arrival { socket, peer: nobody, by, counted } = arrival;
    let peer = nobody.address;
    let shell = &slot.shell;
    let (io, stream) = match Stream::over_accepted(socket, io_config) {
        Ok(both) => both,
        Err(error) => return shell.tell_unserved(&error, &by, peer),
    };
    let Transport::Tls(tls) = &by.transport else {
        return websocket::enter(io, stream, shell, &by, nobody, counted).await;
    };
    let protocol = if by.websocket.is_some() { Protocol::Http } else { Protocol::Mqtt };
    let config = tls.server_config(protocol);
    let shaking = shake_hands(io, &stream, config.clone());
    let Ok(shaken) = tokio::time::timeout(tls.handshake_timeout(), shaking).await else {
        return tell_limit(shell, Limit::ConnectTime, &by.name, peer);
    };
    let admitted = shaken.and_then(|io| {
        let chain = io.filter().chain();
        match tls.identify(&chain, &config) {
            Ok(certificate) => Ok((io, certificate)),
            Err(error) => Err(HandshakeError::NotAdmitted(error)),
        }
    });
    match admitted {
        Ok((io, certificate)) => {
            let outfit = &shell.outfit;
            outfit.tally.count(outfit.id, Count::HandshakeDone);
            let shown = certificate.map(|it| Shown { certificate: Box::new(it), by: tls.clone() });
            let shook_with = shown.is_some().then_some(config);
            let peer = Peer { shown, shook_with, ..nobody };
            websocket::enter(io, stream, shell, &by, peer, counted).await;
        }
        Err(error) => {
            let outfit = &shell.outfit;
            outfit.tally.count(outfit.id, Count::HandshakeFailed);
            tell_failed(shell, Handshake::Tls, peer, &by, &error);
        }
    }
}

pub(super) fn tell_failed(
    shell: &Shell,
    handshake: Handshake,
    peer: Option<SocketAddr>,
    by: &Listener,
    error: &impl fmt::Display,
) {
    let events = &shell.outfit.events;
    if events.wants(EventKind::HandshakeFailed) {
        let (listener, error) = (Some(by.name.clone()), error.to_string().into());
        events.publish(Event::HandshakeFailed { handshake, peer, listener, error });
    }
}

pub(super) fn tell_limit(
    shell: &Shell,
    limit: Limit,
    listener: &Arc<str>,
    peer: Option<SocketAddr>,
) {
    let outfit = &shell.outfit;
    outfit.tally.count(outfit.id, Count::Reached(limit));
    if outfit.events.wants(EventKind::LimitReached) {
        let source = Source { username: None, peer, listener: Some(listener.clone()) };
        outfit.events.publish_from(Event::LimitReached { limit, client_id: None, peer }, source);
    }
}

/// Ends the connections of clients that would not be admitted now. Others have their turn meanwhile: to verify
/// a certificate takes time.
pub(super) async fn end_revoked(shell: Rc<Shell>, by: TlsConfig) {
    let came_by = |connection: &ConnectionId| {
        shell.refusal(*connection, |by_then| by_then.latest().is_same(&by))
    };
    let connections = shell.connections();
    for some in connections.chunks(CHUNK) {
        for (connection, error) in some.iter().filter_map(|it| Some((*it, came_by(it)?))) {
            tracing::info!(?connection, %error, "a client is no longer admitted");
            shell.input(Input::Revoked(connection));
        }
        tokio::task::yield_now().await;
    }
}

/// Ends a connection that is new to the worker if its client was admitted by files that are no longer in use, and would not be
/// now: whoever looked for such clients did not find it yet.
pub(super) fn admit_again(
    shell: &Rc<Shell>,
    connection: ConnectionId,
    shook_with: &Arc<ServerConfig>,
) {
    if let Some(error) = shell.refusal(connection, |by| !by.is_current(shook_with)) {
        tracing::info!(?connection, %error, "a client is no longer admitted");
        shell.input(Input::Revoked(connection));
    }
}

/// Certificates that are verified in one go.
const CHUNK: usize = 16;

impl Shell {
    fn connections(&self) -> Vec<ConnectionId> {
        let links = self.links.borrow();
        let id = |(index, link): (usize, &super::shell::Link)| ConnectionId {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            stamp: link.stamp,
        };
        links.iter().map(id).collect()
    }

    /// Returns why a client would be refused now, if what it came by is asked about and it would be.
    fn refusal(
        &self,
        connection: ConnectionId,
        is_asked: impl FnOnce(&TlsConfig) -> bool,
    ) -> Option<AdmitError> {
        self.with_link(connection, |link| {
            let by = &link.shown.as_ref()?.by;
            let chain = is_asked(by).then(|| link.io.query::<PeerChain>())?;
            by.admit(&chain.as_ref()?.0).err()
        })?
    }
}
