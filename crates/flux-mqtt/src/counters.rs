//! How often it happened: what a broker refuses, drops and cannot do is counted, whether or not
//! somebody listens to events.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flux_eventbus::{Denial, DisconnectReason, DropReason, Limit, SessionEnd};
use flux_session::QoS;

use crate::names::WorkerId;
use crate::permission::Permission;
use crate::reason::ReasonCode;
use crate::traffic::Traffic;
use crate::wire::{PacketType, Version};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Count {
    /// A limit was reached.
    Reached(Limit),
    /// A message was not delivered to one client, or not accepted from it, or is not retained. Reasons that differ in
    /// their code alone count as one.
    Dropped(DropReason),
    /// A retained message was for a client that has subscribed, whether or not it got it.
    Replayed,
    /// The connection of a client that had been admitted is over. Reasons that differ in their code
    /// alone count as one.
    Disconnected(DisconnectReason),
    /// A CONNECT was refused, with this reason code of MQTT 5.0, whichever version the client speaks
    /// and whether or not it was told.
    ConnectRefused(ReasonCode),
    /// A PUBLISH, or one filter of a SUBSCRIBE or UNSUBSCRIBE, was refused, with this reason code of
    /// MQTT 5.0, whichever version the client speaks and whether or not it was told.
    Refused(ReasonCode),
    /// A client was admitted that speaks this version.
    Connected(Version),
    /// A whole packet of this type came.
    Received(PacketType),
    /// A packet of this type was sent.
    Sent(PacketType),
    /// A PUBLISH came at this QoS.
    MessageReceived(QoS),
    /// A PUBLISH was sent at this QoS.
    MessageSent(QoS),
    /// A byte of a whole packet came.
    BytesReceived,
    /// A byte of a packet was sent.
    BytesSent,
    /// A byte of a PUBLISH packet came.
    MessageBytesReceived,
    /// A byte of a PUBLISH packet was sent.
    MessageBytesSent,
    /// A session is over.
    SessionEnded(SessionEnd),
    /// A network connection was accepted, whatever became of it.
    Accepted,
    /// A network connection could not be accepted, or was gone before it was.
    AcceptError,
    /// A TLS handshake succeeded.
    HandshakeDone,
    /// A TLS handshake failed: the peer speaks something else, is not accepted, or left.
    HandshakeFailed,
    /// A request for WebSocket failed: the peer speaks something else, is not accepted, or left.
    UpgradeFailed,
    /// The authenticator knows who a client is, or an exchange of AUTH says so.
    Authenticated,
    /// The authenticator does not admit a client, or an exchange of AUTH failed.
    NotAuthenticated,
    /// A load balancer did not say where a connection is from: its PROXY header was missing or malformed.
    ProxyFailed,
    /// Code panicked, our own or that of an authenticator or authorizer: at most one connection was
    /// lost.
    Panicked,
    /// A client may not do what it wanted to do.
    Denied(Denial),
    /// A client may do what it wanted to do, whatever else comes of it.
    Allowed(Permission),
}

impl Count {
    /// Returns which cell counts it. The groups stand one behind the other.
    const fn index(self) -> usize {
        match self {
            Self::Reached(limit) => limit.index(),
            Self::Dropped(reason) => DROPPED + reason.index(),
            Self::Disconnected(reason) => DISCONNECTED + reason.index(),
            Self::ConnectRefused(code) => CONNECT_REFUSED + failure(code),
            Self::Refused(code) => REFUSED + failure(code),
            Self::Connected(version) => CONNECTED + place(version),
            Self::Received(packet) => RECEIVED + packet.number() as usize,
            Self::Sent(packet) => SENT + packet.number() as usize,
            Self::MessageReceived(qos) => MESSAGES_RECEIVED + qos.as_u8() as usize,
            Self::MessageSent(qos) => MESSAGES_SENT + qos.as_u8() as usize,
            Self::BytesReceived => BYTES_RECEIVED,
            Self::BytesSent => BYTES_SENT,
            Self::MessageBytesReceived => MESSAGE_BYTES_RECEIVED,
            Self::MessageBytesSent => MESSAGE_BYTES_SENT,
            Self::SessionEnded(reason) => SESSIONS_ENDED + reason.index(),
            Self::Accepted => ACCEPTED,
            Self::AcceptError => ACCEPT_ERROR,
            Self::HandshakeDone => HANDSHAKE_DONE,
            Self::HandshakeFailed => HANDSHAKE_FAILED,
            Self::UpgradeFailed => UPGRADE_FAILED,
            Self::Authenticated => AUTHENTICATED,
            Self::NotAuthenticated => NOT_AUTHENTICATED,
            Self::ProxyFailed => PROXY_FAILED,
            Self::Panicked => PANICKED,
            Self::Denied(denial) => DENIED + denial.index(),
            Self::Allowed(permission) => ALLOWED + permission.index(),
            Self::Replayed => REPLAYED,
        }
    }
}

/// Where the groups begin.
const DROPPED: usize = Limit::ALL.len();
const DISCONNECTED: usize = DROPPED + DropReason::KINDS;
const CONNECT_REFUSED: usize = DISCONNECTED + DisconnectReason::KINDS;
const REFUSED: usize = CONNECT_REFUSED + FAILURES;
const CONNECTED: usize = REFUSED + FAILURES;
const RECEIVED: usize = CONNECTED + 3;
const SENT: usize = RECEIVED + 16;
const MESSAGES_RECEIVED: usize = SENT + 16;
const MESSAGES_SENT: usize = MESSAGES_RECEIVED + 3;
const BYTES_RECEIVED: usize = MESSAGES_SENT + 3;
const BYTES_SENT: usize = BYTES_RECEIVED + 1;
const MESSAGE_BYTES_RECEIVED: usize = BYTES_SENT + 1;
const MESSAGE_BYTES_SENT: usize = MESSAGE_BYTES_RECEIVED + 1;
const SESSIONS_ENDED: usize = MESSAGE_BYTES_SENT + 1;
const ACCEPTED: usize = SESSIONS_ENDED + SessionEnd::KINDS;
const ACCEPT_ERROR: usize = ACCEPTED + 1;
const HANDSHAKE_DONE: usize = ACCEPT_ERROR + 1;
const HANDSHAKE_FAILED: usize = HANDSHAKE_DONE + 1;
const UPGRADE_FAILED: usize = HANDSHAKE_FAILED + 1;
const AUTHENTICATED: usize = UPGRADE_FAILED + 1;
const NOT_AUTHENTICATED: usize = AUTHENTICATED + 1;
const PROXY_FAILED: usize = NOT_AUTHENTICATED + 1;
const PANICKED: usize = PROXY_FAILED + 1;
const DENIED: usize = PANICKED + 1;
const ALLOWED: usize = DENIED + Denial::ALL.len();

const REPLAYED: usize = ALLOWED + Permission::ALL.len();

/// How many cells there are.
const CELLS: usize = REPLAYED + 1;

/// How many reason codes say that something failed: the upper half.
const FAILURES: usize = 128;

/// Returns the place of a reason code that says that something failed, among those.
const fn failure(code: ReasonCode) -> usize {
    (code.as_u8() & 0x7F) as usize
}

/// Returns the place of a version among the versions.
const fn place(version: Version) -> usize {
    match version {
        Version::V31 => 0,
        Version::V311 => 1,
        Version::V5 => 2,
    }
}

/// What a broker has counted since it began, at one moment. Each number only grows.
#[derive(Clone, PartialEq, Eq)]
pub struct Counters([u64; CELLS]);

impl Counters {
    /// Returns how often this happened.
    #[must_use]
    pub fn of(&self, what: Count) -> u64 {
        self.sum(what.index(), 1)
    }

    /// Returns how often a limit was reached.
    #[must_use]
    pub fn reached(&self, limit: Limit) -> u64 {
        self.of(Count::Reached(limit))
    }

    /// Returns how many messages were dropped for this reason, whatever code it carries.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.of(Count::Dropped(reason))
    }

    /// Returns how many messages were dropped, for whatever reason; not those that are lost as retained ones alone.
    #[must_use]
    pub fn all_dropped(&self) -> u64 {
        let reasons = DropReason::ALL.into_iter().filter(|reason| !reason.is_of_retained());
        reasons.map(|reason| self.dropped(reason)).sum()
    }

    /// Returns how many connections ended for this reason, whatever code it carries.
    #[must_use]
    pub fn disconnected(&self, reason: DisconnectReason) -> u64 {
        self.of(Count::Disconnected(reason))
    }

    /// Returns how many CONNECTs were refused, for whatever reason.
    #[must_use]
    pub fn all_connects_refused(&self) -> u64 {
        self.sum(CONNECT_REFUSED, FAILURES)
    }

    /// Returns how often something else was refused that a client sent, for whatever reason.
    #[must_use]
    pub fn all_refused(&self) -> u64 {
        self.sum(REFUSED, FAILURES)
    }

    fn add(&mut self, what: Count, times: u64) {
        if let Some(counted) = self.0.get_mut(what.index()) {
            *counted += times;
        }
    }

    fn sum(&self, first: usize, len: usize) -> u64 {
        self.0.iter().skip(first).take(len).sum()
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters")
            .field("dropped", &self.all_dropped())
            .field("connects_refused", &self.all_connects_refused())
            .field("refused", &self.all_refused())
            .field("accept_errors", &self.of(Count::AcceptError))
            .field("handshakes_failed", &self.of(Count::HandshakeFailed))
            .field("panics", &self.of(Count::Panicked))
            .finish_non_exhaustive()
    }
}

/// The cells of all workers, and of everybody else. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// The first are everybody else's.
    cells: Arc<[Cells]>,
    traffic: Arc<[Arc<Traffic>]>,
}

/// What one thread counts, mostly: nobody else's line in the cache moves for that.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Cells([AtomicU64; CELLS]);

impl Tally {
    pub(crate) fn new(workers: usize) -> Self {
        let cells = (0..=workers).map(|_| Cells(std::array::from_fn(|_| AtomicU64::new(0))));
        Self { cells: cells.collect(), traffic: (0..workers).map(|_| Arc::default()).collect() }
    }

    /// Returns where the packets of a worker are counted, on its thread only.
    pub(crate) fn traffic_of(&self, worker: WorkerId) -> Arc<Traffic> {
        self.traffic.get(worker.0).cloned().unwrap_or_default()
    }

    /// Counts something that a worker saw.
    pub(crate) fn count(&self, worker: WorkerId, what: Count) {
        self.count_times(worker, what, 1);
    }

    /// The same, as if it had been seen so many times. To be called on the thread of that worker only.
    pub(crate) fn count_times(&self, worker: WorkerId, what: Count, times: u64) {
        let cells = self.cells.get(worker.0 + 1);
        if let Some(cell) = cells.and_then(|cells| cells.0.get(what.index())) {
            // Nobody else writes there: two plain moves do, and cost less than one that is atomic.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(times), Ordering::Relaxed);
        }
    }

    /// Counts something that was seen outside of the workers.
    pub(crate) fn count_outside(&self, what: Count) {
        if let Some(cells) = self.cells.first() {
            cells.count(what);
        }
    }

    /// Returns the sums.
    pub(crate) fn read(&self) -> Counters {
        let sum = |index| self.cells.iter().map(|cells| cells.read(index)).sum();
        let mut counters = Counters(std::array::from_fn(sum));
        for traffic in &*self.traffic {
            traffic.for_each(|what, times| counters.add(what, times));
        }
        counters
    }
}

impl Cells {
    fn count(&self, what: Count) {
        if let Some(cell) = self.0.get(what.index()) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_counts_into_one_sum() {
        let tally = Tally::new(2);
        tally.count(WorkerId(0), Count::Reached(Limit::HalfOpen));
        tally.count_times(WorkerId(1), Count::Reached(Limit::HalfOpen), 2);
        tally.count_outside(Count::Reached(Limit::HalfOpen));
        tally.count_outside(Count::Reached(Limit::Connections));
        let counters = tally.read();
        assert_eq!(counters.reached(Limit::HalfOpen), 4);
        assert_eq!(counters.reached(Limit::Connections), 1);
        assert_eq!(counters.reached(Limit::PacketSize), 0);
    }

    #[test]
    fn each_count_has_a_cell_of_its_own() {
        use DisconnectReason as Gone;
        let limits = Limit::ALL.into_iter().map(Count::Reached);
        let dropped = [
            DropReason::QueueFull,
            DropReason::Expired,
            DropReason::Offline,
            DropReason::PacketTooLarge,
            DropReason::Refused { code: 0x80 },
            DropReason::NotAuthorized,
            DropReason::QuotaExceeded,
            DropReason::NotRetained,
            DropReason::SessionEnded,
            DropReason::NoMember,
            DropReason::Withheld,
            DropReason::RetainedExpired,
        ];
        let gone = [
            Gone::ByClient,
            Gone::ByClientWithWill,
            Gone::ByClientWithError { code: 0x80 },
            Gone::ConnectionLost,
            Gone::KeepAliveTimeout,
            Gone::TakenOver,
            Gone::ProtocolError { code: 0x82 },
            Gone::PacketTooLarge,
            Gone::NotAuthorized,
            Gone::QuotaExceeded,
            Gone::Kicked,
            Gone::ServerShutdown,
            Gone::ServerError,
        ];
        let codes = [ReasonCode::UnspecifiedError, ReasonCode::WildcardSubscriptionsNotSupported];
        let all: Vec<Count> = limits
            .chain(dropped.map(Count::Dropped))
            .chain(gone.map(Count::Disconnected))
            .chain(codes.map(Count::ConnectRefused))
            .chain(codes.map(Count::Refused))
            .chain(SessionEnd::ALL.map(Count::SessionEnded))
            .chain(Denial::ALL.map(Count::Denied))
            .chain(Permission::ALL.map(Count::Allowed))
            .chain([
                Count::MessageBytesReceived,
                Count::MessageBytesSent,
                Count::Accepted,
                Count::AcceptError,
                Count::HandshakeDone,
                Count::HandshakeFailed,
                Count::UpgradeFailed,
                Count::Authenticated,
                Count::NotAuthenticated,
                Count::ProxyFailed,
                Count::Panicked,
                Count::Replayed,
            ])
            .collect();
        let tally = Tally::new(1);
        for what in &all {
            assert_eq!(tally.read().of(*what), 0, "{what:?}");
            tally.count(WorkerId(0), *what);
            assert_eq!(tally.read().of(*what), 1, "{what:?}");
        }
        let counters = tally.read();
        assert_eq!(counters.all_dropped(), 12 - 2, "but what is not retained");
        assert_eq!(counters.all_connects_refused(), 2);
        assert_eq!(counters.all_refused(), 2);
    }
}
