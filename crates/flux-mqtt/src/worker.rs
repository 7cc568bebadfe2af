//! A worker: one thread's share of the broker, as a value.
//!
//! It decides everything and does nothing: inputs go in, effects come out, time is an
//! argument. The ntex driver pumps it with sockets; a simulator can pump several of them in
//! one thread. Sessions, routes and retained messages are shared with the other workers
//! ([`Broker`]); connections are this worker's own.

mod ack;
mod admit;
mod authorize;
mod backpressure;
mod command;
mod connect;
mod connection;
mod consumer;
mod decided;
mod decisions;
mod deliver;
mod denials;
mod denied;
mod end;
mod exchange;
mod frame;
mod held;
mod memory;
mod pace;
mod panic;
mod promise;
mod publish;
mod recheck;
mod share;
mod store;
mod subscribe;
mod tell;
#[cfg(test)]
mod tests;
mod timers;
mod traced;

use std::sync::Arc;
use std::{fmt, mem};

use flux_eventbus::DropReason;
use flux_session::Timestamp;

use self::connection::{Connections, Origin, Stage};
use self::consumer::Consumers;
pub(crate) use self::decisions::Away;
use self::decisions::Decisions;
use self::denied::DeniedPublishes;
use self::end::End;
use self::memory::Memory;
use self::pace::Paced;
use self::promise::Promise;
use self::store::Readings;
use self::tell::tell_dropped;
use self::timers::Timers;
use self::traced::Ending;
use crate::broker::Broker;
use crate::clients::Ended;
use crate::denials::Named;
use crate::effects::Effects;
use crate::input::{Input, Letter};
use crate::latency::Stamp;
use crate::names::{ConnectionId, SessionKey, WorkerId};
use crate::packets::Packets;
use crate::reason::ReasonCode;
use crate::route_cache::RouteCache;
use crate::session::Attachment;
use crate::settings::Settings;
use crate::share::Share;
use crate::terms::Terms;
use crate::trace::{PublishTrace, Tracer};
use crate::traffic::Traffic;
use crate::wire;

/// One worker of a broker.
pub struct Worker {
    id: WorkerId,
    broker: Arc<Broker>,
    settings: Arc<Settings>,
    /// Where a listener has none of its own.
    terms: Arc<Terms>,
    connections: Connections,
    /// Connections whose sessions have something to send, in the order in which they got it.
    dirty: Vec<ConnectionId>,
    /// Sessions that ended in this turn because they had no room for a message.
    overflowed: Vec<Ended>,
    cache: RouteCache,
    timers: Timers,
    /// Answers to the connection whose frames are being handled.
    answers: Vec<u8>,
    /// Packets of the connection that is being drained.
    deliveries: Packets,
    /// What makes assigned client identifiers unlike those of another start of the broker.
    seed: u64,
    assigned: u64,
    /// Numbers that were drawn, for shared subscriptions with a random choice.
    drawn: u64,
    /// Consumers in this process that this worker gave a session, until they are gone.
    consumers: Consumers,
    /// Members of shared subscriptions that have room again.
    ready: Vec<(Arc<Share>, SessionKey)>,
    /// Shared subscriptions with members that were not asked about all that waits.
    unfinished: Vec<Arc<Share>>,
    /// What was granted and is decided about a part at a time.
    decisions: Decisions,
    /// What it knows of those of whom the log has told that they were denied something.
    named: Named,
    denied: DeniedPublishes,
    memory: Memory,
    paced: Paced,
    /// From where on the answers are such that wait for the store.
    waits_from: Option<usize>,
    /// What is being handled has an answer that waits for the store.
    must_wait: bool,
    /// What is delivered comes behind the answers, for one of them is what the client must hear first.
    must_precede: bool,
    /// The message that is being handled was not taken because the store fails.
    is_refused_by_store: bool,
    /// Connections that hold something back until the store has answered.
    holding: Vec<ConnectionId>,
    /// What somebody outside is told once the store has answered, in the order of the tickets.
    promises: Vec<Promise>,
    /// Sessions of whose queues a part is being read.
    reading: Readings,
    is_shutting_down: bool,
    /// When the next message is timed.
    times_from: Timestamp,
    /// When it is looked again whether a message is timed: at once where there is a tracer, which looks at each.
    looks_from: Timestamp,
    tracer: Option<Arc<dyn Tracer>>,
    /// Who follows the message that is being handled.
    trace: Option<Box<dyn PublishTrace>>,
    /// When the message came that is being handled, if it is timed.
    since: Option<Stamp>,
    /// What is over once the answers are sent.
    endings: Vec<Ending>,
    /// How many further frames the one at hand is worth: the filters of a SUBSCRIBE or UNSUBSCRIBE.
    further_frames: usize,
    /// What came is counted here; whoever sends counts that.
    traffic: Arc<Traffic>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What [`Worker::receive`] did with the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes it took; the others must come again, with more behind them.
    pub consumed: usize,
    /// The turn is over, not the frames: call again once others had theirs.
    pub again: bool,
}

impl Worker {
    /// Creates worker `id` of a broker. `seed` makes assigned client identifiers unguessable:
    /// random in production, chosen in a simulator.
    pub(crate) fn new(
        id: WorkerId,
        broker: Arc<Broker>,
        settings: Arc<Settings>,
        seed: u64,
    ) -> Self {
        Self {
            id,
            traffic: broker.tally.traffic_of(id),
            broker,
            terms: Arc::new(settings.terms()),
            tracer: settings.tracer.clone(),
            settings,
            connections: Connections::default(),
            dirty: Vec::new(),
            overflowed: Vec::new(),
            cache: RouteCache::default(),
            timers: Timers::default(),
            answers: Vec::new(),
            deliveries: Packets::default(),
            seed,
            assigned: 0,
            drawn: 0,
            consumers: Consumers::new(),
            ready: Vec::new(),
            unfinished: Vec::new(),
            decisions: Decisions::default(),
            named: Named::default(),
            denied: DeniedPublishes::default(),
            memory: Memory::default(),
            paced: Paced::default(),
            waits_from: None,
            must_wait: false,
            must_precede: false,
            is_refused_by_store: false,
            holding: Vec::new(),
            promises: Vec::new(),
            reading: Readings::new(),
            is_shutting_down: false,
            times_from: Timestamp::from_millis(0),
            looks_from: Timestamp::from_millis(0),
            trace: None,
            since: None,
            endings: Vec::new(),
            further_frames: 0,
        }
    }

    /// Reacts to one input. Call [`Worker::finish_turn`] after a few of them.
    ///
    /// A panic is caught: at most the connection in question is lost.
    pub fn handle(&mut self, now: Timestamp, input: Input, fx: &mut impl Effects) {
        let id = input.connection();
        self.guard(now, id, fx, |worker, fx| worker.react(now, input, fx));
    }

    fn react(&mut self, now: Timestamp, input: Input, fx: &mut impl Effects) {
        match input {
            Input::Opened { connection, peer, listener, terms } => {
                let terms = terms.unwrap_or_else(|| self.terms.clone());
                self.opened(now, connection, Origin { peer, listener, terms }, fx);
            }
            Input::Writable(connection) => self.writable(now, connection, fx),
            Input::Closed(connection) => self.closed(now, connection, fx),
            Input::Letter(letter) => self.letter(now, letter, fx),
            Input::Authenticated { connection, authentication, valid_for } => {
                self.authenticated(now, connection, authentication, valid_for, fx);
            }
            Input::Authorized { connection, verdicts } => {
                self.authorized(now, connection, verdicts, fx);
            }
            Input::Revoked(connection) => self.cut(now, connection, &End::Revoked, fx),
            Input::Panicked(connection) => self.panicked(now, Some(connection), fx),
            Input::Persisted(ticket) => self.persisted(now, ticket, fx),
            Input::PersistFailed(ticket) => self.persist_failed(now, ticket, fx),
            Input::Loaded { session, messages } => self.loaded(now, session, messages, fx),
            Input::Time => self.time(now, fx),
        }
    }

    /// Takes the complete frames at the start of `bytes`, a bounded number of them, so that a
    /// flood on one connection does not starve the others. A panic is caught: at most this connection
    /// is lost.
    pub fn receive(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        bytes: &[u8],
        fx: &mut impl Effects,
    ) -> Received {
        let received = self.guard(now, Some(id), fx, |worker, fx| worker.take(now, id, bytes, fx));
        received.unwrap_or(Received { consumed: bytes.len(), again: false })
    }

    fn take(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        bytes: &[u8],
        fx: &mut impl Effects,
    ) -> Received {
        let Some(mut stage) = self.connections.take(id) else {
            return Received { consumed: bytes.len(), again: false };
        };
        self.answers.clear();
        self.endings.clear();
        self.waits_from = None;
        self.further_frames = 0;
        if matches!(stage, Stage::Fresh) && !wire::may_be_connect(bytes) {
            // Whatever would make it complete, the first packet must be a CONNECT [MQTT-3.1.0-1].
            stage = self.not_mqtt(id, ReasonCode::ProtocolError, fx);
        }
        if let Stage::Authenticating(candidate) = stage {
            return self.take_step(now, id, *candidate, bytes, fx);
        }
        let session = stage.session();
        let _reading = session.as_ref().map(|session| session.read());
        let (mut consumed, mut frames) = (0, 0);
        while frames < FRAMES_PER_TURN && stage.reads() {
            let rest = bytes.get(consumed..).unwrap_or_default();
            match wire::split(rest, self.largest_packet(id, &stage), stage.version()) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    consumed += frame.bytes.len();
                    frames += 1;
                    self.traffic.received.note(frame.bytes);
                    stage = self.frame(now, id, stage, &frame, fx);
                    frames += mem::take(&mut self.further_frames);
                }
                Err(error) => stage = self.unreadable(now, id, stage, error, fx),
            }
        }
        let again = frames >= FRAMES_PER_TURN && stage.reads();
        let unread = if stage.is_closing() { 0 } else { bytes.len() - consumed };
        if frames > 0 {
            self.traffic.received.note_bytes(consumed);
            self.connections.heard(id, now);
        }
        self.send_answers(id, fx);
        let stage = self.choke(now, id, stage, fx);
        let stage = self.hold_back(now, id, stage, unread, again, fx);
        if stage.is_closing() {
            consumed = bytes.len();
        }
        self.connections.put(id, stage);
        Received { consumed, again }
    }

    /// Ends a turn: everything that came to this worker's connections since the last one is
    /// encoded and sent, one write a connection.
    pub fn finish_turn(&mut self, now: Timestamp, fx: &mut impl Effects) {
        self.bury_overflowed(now, fx);
        if !self.decisions.is_empty() {
            self.recheck_part(now, fx);
        }
        self.serve_ready(now, fx);
        let mut dirty = mem::take(&mut self.dirty);
        for connection in dirty.drain(..) {
            self.guard(now, Some(connection), fx, |worker, fx| worker.drain(now, connection, fx));
        }
        // What is left are sessions that have more retained messages to replay than fit into a turn.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        self.memory.is_moment_new = false;
        self.paced.is_moment_new = false;
        self.hand_over(fx);
    }

    /// Returns whether [`Worker::finish_turn`] has something to do, perhaps once more.
    #[must_use]
    pub fn has_dirty(&self) -> bool {
        self.is_in_a_hurry() || self.has_unfinished()
    }

    /// The same, but for what has time until others had their turn.
    pub(crate) fn is_in_a_hurry(&self) -> bool {
        !self.dirty.is_empty()
            || !self.overflowed.is_empty()
            || !self.ready.is_empty()
            || self.memory.is_moment_new
            || self.paced.is_moment_new
            || self.wants_hand_over()
    }

    /// Returns when [`Input::Time`] is wanted at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let timers = self.timers.next().into_iter();
        let timers = timers.chain(self.broker.due.next()).chain(self.broker.retained_expiry());
        timers.chain(self.memory.deadline()).chain(self.paced.next()).min()
    }

    /// Returns how many connections this worker serves.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Returns how many timers are set: one a connection at most.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    fn send_answers(&mut self, id: ConnectionId, fx: &mut impl Effects) {
        if self.answers.is_empty() {
            return;
        }
        if self.broker.journal.is_some() {
            self.answer_in_time(id, fx);
        } else {
            fx.send(id, &self.answers);
            if !self.endings.is_empty() {
                self.tell_endings(fx);
            }
        }
        self.answers.clear();
    }

    /// Tells of what was timed or followed and is over: one message in many.
    #[cold]
    fn tell_endings(&mut self, fx: &mut impl Effects) {
        self.endings.drain(..).for_each(|ending| ending.tell(fx));
    }

    fn letter(&mut self, now: Timestamp, letter: Letter, fx: &mut impl Effects) {
        match letter {
            Letter::Wake(connection) => self.dirty.push(connection),
            Letter::TakenOver(connection) => self.cut(now, connection, &End::TakenOver, fx),
            Letter::Overflow(connection) => self.cut(now, connection, &End::Overflow, fx),
            Letter::Kicked(connection) => self.cut(now, connection, &End::Kicked, fx),
            Letter::Command(command) => self.command(now, command, fx),
        }
    }

    /// Tells whoever has a session that there is something to send.
    fn wake(&mut self, attachment: Attachment, fx: &mut impl Effects) {
        match attachment {
            Attachment::Connection { worker, connection } if worker == self.id => {
                self.dirty.push(connection);
            }
            Attachment::Connection { worker, connection } => {
                fx.letter(worker, Letter::Wake(connection));
            }
            Attachment::Consumer(consumer) => consumer.ring(),
        }
    }

    fn time(&mut self, now: Timestamp, fx: &mut impl Effects) {
        while let Some(id) = self.timers.pop_due(now) {
            self.guard(now, Some(id), fx, |worker, fx| worker.connection_timer(now, id, fx));
        }
        while let Some(session) = self.broker.due.pop_due(now) {
            self.guard(now, None, fx, |worker, fx| worker.look_at_session(now, &session, fx));
        }
        self.read_slowed(now, fx);
        self.read_paced(now, fx);
        for message in self.broker.remove_expired(now) {
            self.write_expired(now, &message);
            tell_dropped(None, &message, DropReason::RetainedExpired, fx);
        }
    }
}

/// Frames of one connection that are handled before the others have their turn. Fewer than one read of a
/// flood brings, or its turn would never end.
const FRAMES_PER_TURN: usize = 128;
