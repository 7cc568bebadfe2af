//! A worker's connections: how far each has come, and what is known of its client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Client, Exchange, Stamp, Verdict};
use flux_eventbus::Source;
use flux_session::{QoS, Timestamp};
use flux_topic::TopicFilter;

use super::decided::Decided;
use super::held::Held;
use super::pace::Allowance;
use super::timers::TimerId;
use crate::gauge::Place;
use crate::latency;
use crate::ledger::Counted;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SharedSession;
use crate::terms::Terms;
use crate::wire::{Connect, InboundTopics, OutboundAliases, Version};

/// The network connections of a worker, by place.
#[derive(Default)]
pub(super) struct Connections {
    places: Vec<Option<Connection>>,
    len: usize,
    /// Those whose CONNECT has not come, in the order in which they were opened.
    half_open: BTreeMap<u64, ConnectionId>,
    opened: u64,
}

/// One network connection.
pub(super) struct Connection {
    stamp: u32,
    pub(super) origin: Origin,
    /// When it was opened, and later when its last packet came.
    pub(super) heard: Timestamp,
    pub(super) timer: Option<TimerId>,
    /// What its client has proven about itself holds until then.
    pub(super) valid_until: Option<Timestamp>,
    /// The session that it has, and of which generation: also while its stage is taken out.
    session: Option<(Arc<SharedSession>, u64)>,
    /// What its client speaks, once it was admitted.
    pub(super) admitted: Option<Version>,
    /// What the ledger knows of its unsent bytes.
    pub(super) counted_unsent: usize,
    /// And of those that came of a packet that is not complete.
    pub(super) counted_unread: usize,
    /// What it is to be sent once the store has answered.
    pub(super) held: Option<Box<Held>>,
    /// Its number among the half-open ones.
    half_open: Option<u64>,
    stage: Stage,
}

/// Where a connection comes from, and what holds for whoever comes from there.
pub(super) struct Origin {
    pub(super) peer: Option<SocketAddr>,
    /// The name of what it came through.
    pub(super) listener: Option<Arc<str>>,
    pub(super) terms: Arc<Terms>,
}

/// How far a connection has come. The order of the variants is the order of life.
pub(super) enum Stage {
    /// No CONNECT yet.
    Fresh,
    /// The authenticator was asked, and nothing is read meanwhile; or the client is to send the next AUTH.
    Authenticating(Box<Candidate>),
    /// The authorizer was asked, except about what it had decided at once; nothing is read meanwhile.
    Authorizing(Box<Admission>, Decided),
    /// The client has its CONNACK.
    Online(Box<Online>),
    /// We closed it; what still comes is thrown away [MQTT-3.14.4-1].
    Closing,
}

/// A client that wants to come in.
pub(super) struct Candidate {
    pub(super) connect: Connect,
    pub(super) client_id: Arc<str>,
    /// Whether we chose the client identifier.
    pub(super) is_assigned: bool,
    /// An exchange that waits for an AUTH of the client; then nobody else is asked who it is.
    pub(super) exchange: Option<Awaited>,
    /// When it must be decided about.
    pub(super) until: Timestamp,
    /// What it came with counts.
    pub(super) _counted: Counted,
    /// What the last step of an exchange brought for the client.
    pub(super) proof: Bytes,
    /// It is one of those that wait for an answer.
    pub(super) _pending: Place,
    /// When its CONNECT came, if that is timed.
    pub(super) since: Option<latency::Stamp>,
}

/// An exchange whose next step the client is to make.
pub(super) struct Awaited {
    pub(super) exchange: Box<dyn Exchange>,
    /// It has so long for that.
    pub(super) until: Timestamp,
    /// And so long for all steps together.
    pub(super) all_until: Timestamp,
    /// What it holds meanwhile.
    pub(super) _counted: Counted,
}

/// A client whose identity is known and whose rights are being asked for.
pub(super) struct Admission {
    pub(super) candidate: Candidate,
    pub(super) client: Arc<Client>,
    /// What stood for its rights before they were asked for.
    pub(super) stamp: Option<Stamp>,
    /// How often rights had changed by then.
    pub(super) changes: u64,
    /// Subscriptions of the session that it would resume, as they were when asked.
    pub(super) inherited: Vec<(TopicFilter, QoS)>,
}

/// A frame that waits for the authorizer.
pub(super) struct Parked {
    pub(super) bytes: Vec<u8>,
    /// What needed no question.
    pub(super) decided: Decided,
}

/// A client that is in.
pub(super) struct Online {
    pub(super) version: Version,
    pub(super) client: Arc<Client>,
    pub(super) session: Arc<SharedSession>,
    /// What was agreed on.
    pub(super) terms: Arc<Terms>,
    /// The session is ours while its generation is this one.
    pub(super) generation: u64,
    /// One and a half times Keep Alive [MQTT-3.1.2-22]; `None` when it is off.
    pub(super) patience: Option<Duration>,
    /// When its CONNECT came, if that is timed.
    pub(super) since: Option<latency::Stamp>,
    /// The client's Maximum Packet Size in bytes [MQTT-3.1.2-24].
    pub(super) maximum_packet_size: u32,
    /// Whether acknowledgements may say in words why something failed [MQTT-3.1.2-29].
    pub(super) wants_problem_information: bool,
    pub(super) inbound_topics: InboundTopics,
    pub(super) outbound_aliases: OutboundAliases,
    /// It does not read its answers, so we do not read from it.
    pub(super) is_choked: bool,
    /// The broker holds too much, so we read from it later.
    pub(super) is_slowed: bool,
    /// It published too fast, so we read from it later.
    pub(super) is_paced: bool,
    /// What it may publish, if that is limited.
    pub(super) allowance: Option<Box<Allowance>>,
    pub(super) parked: Option<Parked>,
    /// The authorizer's answer for the frame that is handled again.
    pub(super) verdicts: Option<Vec<Verdict>>,
    /// How the client authenticated, if it named a method.
    pub(super) method: Option<Box<Method>>,
}

/// The Authentication Method of a client that is in.
pub(super) struct Method {
    pub(super) name: String,
    /// A re-authentication that waits for an AUTH of the client.
    pub(super) exchange: Option<Awaited>,
}

impl Online {
    /// Until when the client has to go on with its re-authentication, if it has begun one.
    pub(super) fn step_until(&self) -> Option<Timestamp> {
        self.method.as_ref()?.exchange.as_ref().map(|awaited| awaited.until)
    }

    /// Whether frames are handled now.
    pub(super) const fn reads(&self) -> bool {
        self.parked.is_none() && !self.is_choked && !self.is_slowed && !self.is_paced
    }

    /// Why something failed, for an acknowledgement; not for a client that wants no words.
    pub(super) fn words(&self, codes: &[ReasonCode]) -> Option<&'static str> {
        let failed = codes.iter().find(|code| code.is_error())?;
        self.wants_problem_information.then(|| failed.description())
    }
}

impl Connections {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn open(&mut self, now: Timestamp, id: ConnectionId, origin: Origin) {
        self.opened += 1;
        let index = place(id);
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        if let Some(place) = self.places.get_mut(index) {
            debug_assert!(place.is_none(), "a place is given to one connection at a time");
            *place = Some(Connection {
                stamp: id.stamp,
                origin,
                heard: now,
                timer: None,
                valid_until: None,
                session: None,
                admitted: None,
                counted_unsent: 0,
                counted_unread: 0,
                held: None,
                half_open: Some(self.opened),
                stage: Stage::Fresh,
            });
            self.half_open.insert(self.opened, id);
            self.len += 1;
        }
    }

    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.places.get_mut(place(id))?.as_mut()?;
        (connection.stamp == id.stamp).then_some(connection)
    }

    /// Takes the stage out, to handle it beside the rest of the worker; `put` returns it.
    /// Meanwhile the connection counts as closing.
    pub(super) fn take(&mut self, id: ConnectionId) -> Option<Stage> {
        Some(std::mem::replace(&mut self.get(id)?.stage, Stage::Closing))
    }

    pub(super) fn put(&mut self, id: ConnectionId, stage: Stage) {
        let Some(connection) = self.get(id) else { return };
        connection.stage = stage;
        if !matches!(connection.stage, Stage::Fresh)
            && let Some(number) = connection.half_open.take()
        {
            self.half_open.remove(&number);
        }
    }

    /// Returns how many have no complete CONNECT.
    pub(super) fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// Returns the connection that has been without a complete CONNECT for longest.
    pub(super) fn oldest_half_open(&self) -> Option<ConnectionId> {
        self.half_open.first_key_value().map(|(_, id)| *id)
    }

    pub(super) fn online(&mut self, id: ConnectionId) -> Option<&mut Online> {
        match &mut self.get(id)?.stage {
            Stage::Online(online) => Some(online),
            Stage::Fresh | Stage::Authenticating(_) | Stage::Authorizing(..) | Stage::Closing => {
                None
            }
        }
    }

    /// Notes which session a connection has, if any.
    pub(super) fn hold(&mut self, id: ConnectionId, session: Option<(Arc<SharedSession>, u64)>) {
        if let Some(connection) = self.get(id) {
            connection.session = session;
        }
    }

    /// Takes out which session a connection has.
    pub(super) fn take_held(&mut self, id: ConnectionId) -> Option<(Arc<SharedSession>, u64)> {
        self.get(id)?.session.take()
    }

    pub(super) fn heard(&mut self, id: ConnectionId, now: Timestamp) {
        if let Some(connection) = self.get(id) {
            connection.heard = now;
        }
    }

    /// Notes that the client was admitted, and returns the name of what it came through.
    pub(super) fn note_admitted(&mut self, id: ConnectionId, version: Version) -> Option<Arc<str>> {
        let connection = self.get(id)?;
        connection.admitted = Some(version);
        connection.origin.listener.clone()
    }

    /// Notes until when what the client has proven about itself holds.
    pub(super) fn hold_until(&mut self, id: ConnectionId, moment: Option<Timestamp>) {
        if let Some(connection) = self.get(id) {
            connection.valid_until = moment;
        }
    }

    pub(super) fn listener(&mut self, id: ConnectionId) -> Option<Arc<str>> {
        self.get(id)?.origin.listener.clone()
    }

    pub(super) fn terms(&mut self, id: ConnectionId) -> Option<Arc<Terms>> {
        self.get(id).map(|connection| connection.origin.terms.clone())
    }

    pub(super) fn peer(&mut self, id: ConnectionId) -> Option<SocketAddr> {
        self.get(id)?.origin.peer
    }

    /// Returns what is known of a connection whose client is not admitted.
    pub(super) fn source(&mut self, id: ConnectionId) -> Source {
        Source { username: None, peer: self.peer(id), listener: self.listener(id) }
    }

    /// Forgets a connection and returns it.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        let connection = self.places.get_mut(place(id))?.take()?;
        if let Some(number) = &connection.half_open {
            self.half_open.remove(number);
        }
        self.len -= 1;
        Some(connection)
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        let present = self.places.iter().zip(0..);
        present
            .filter_map(|(place, index)| {
                place.as_ref().map(|connection| ConnectionId { index, stamp: connection.stamp })
            })
            .collect()
    }
}

fn place(id: ConnectionId) -> usize {
    usize::try_from(id.index).unwrap_or(usize::MAX)
}

impl Connection {
    pub(super) const fn stage(&self) -> &Stage {
        &self.stage
    }
}

impl Stage {
    /// Returns the session of a client that is online.
    pub(super) fn session(&self) -> Option<Arc<SharedSession>> {
        match self {
            Self::Online(online) => Some(online.session.clone()),
            Self::Fresh | Self::Authenticating(_) | Self::Authorizing(..) | Self::Closing => None,
        }
    }

    /// Whether frames are handled now.
    pub(super) const fn reads(&self) -> bool {
        match self {
            Self::Fresh => true,
            Self::Online(online) => online.reads(),
            Self::Authenticating(candidate) => candidate.exchange.is_some(),
            Self::Authorizing(..) | Self::Closing => false,
        }
    }

    /// Which version the frames of this connection are; unknown until the client is in.
    pub(super) const fn version(&self) -> Option<Version> {
        match self {
            Self::Online(online) => Some(online.version),
            Self::Fresh | Self::Authenticating(_) | Self::Authorizing(..) | Self::Closing => None,
        }
    }

    /// Whose connection it is, once that is known.
    pub(super) fn client_id(&self) -> Option<&Arc<str>> {
        match self {
            Self::Online(online) => Some(&online.session.client_id),
            Self::Fresh | Self::Authenticating(_) | Self::Authorizing(..) | Self::Closing => None,
        }
    }

    pub(super) const fn is_closing(&self) -> bool {
        matches!(self, Self::Closing)
    }
}
