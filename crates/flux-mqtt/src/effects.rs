//! What comes out of a worker: everything it wants done in the world.

use std::sync::Arc;
use std::time::Duration;

use flux_auth::{AccessRequest, Client, Credentials, Exchange, Identity};
use flux_eventbus::{Event, EventKind, Source};
use flux_storage::{Batch, Sequence, Ticket};

use crate::counters::Count;
use crate::input::Letter;
use crate::latency::{Span, Stamp};
use crate::names::{ConnectionId, SessionKey, WorkerId};
use crate::packets::Packets;

/// The hands of a worker. The driver implements it with sockets and threads, a simulator with
/// values. No effect calls back into the worker: answers come as [`Input`](crate::Input).
pub trait Effects {
    /// Appends bytes to what a connection has to send. On a connection that is going, they are
    /// lost, which the protocol allows for.
    fn send(&mut self, to: ConnectionId, bytes: &[u8]);

    /// The same for packets among which there may be shared payloads.
    fn send_packets(&mut self, to: ConnectionId, packets: &Packets) {
        packets.for_each_part(|part| self.send(to, part.as_ref()));
    }

    /// Returns how many bytes wait to be sent on a connection; `None` when nothing can be sent on
    /// it any more.
    fn unsent(&self, on: ConnectionId) -> Option<usize>;

    /// Asks for [`Input::Writable`](crate::Input::Writable) when little is unsent.
    fn notify_writable(&mut self, on: ConnectionId);

    /// Closes a connection once everything sent so far is out, within a short time.
    fn close(&mut self, connection: ConnectionId);

    /// Stops reading from a connection.
    fn pause(&mut self, connection: ConnectionId);

    /// Reads again from a connection.
    fn resume(&mut self, connection: ConnectionId);

    /// Puts a letter into another worker's mailbox.
    fn letter(&mut self, to: WorkerId, letter: Letter);

    /// Asks who a client is; [`Input::Authenticated`](crate::Input::Authenticated) answers.
    fn authenticate(&mut self, connection: ConnectionId, credentials: Credentials);

    /// Begins an exchange by this authentication method; `None` if there is no such method, as by default.
    fn begin_exchange(
        &mut self,
        connection: ConnectionId,
        method: &str,
        credentials: &Credentials,
    ) -> Option<Box<dyn Exchange>> {
        let _ = (connection, method, credentials);
        None
    }

    /// Returns for how long what a client has proven holds; `None` for good, as by default.
    fn valid_for(&self, identity: &Identity) -> Option<Duration> {
        let _ = identity;
        None
    }

    /// Asks what a client may do; [`Input::Authorized`](crate::Input::Authorized) answers.
    fn authorize(
        &mut self,
        connection: ConnectionId,
        client: Arc<Client>,
        requests: Vec<AccessRequest>,
    );

    /// Takes the records out of a batch for the store, and returns `true`; [`Input::Persisted`](crate::Input::Persisted) or
    /// [`Input::PersistFailed`](crate::Input::PersistFailed) answers. `false` leaves them there: too much
    /// waits, of which the answer is still to come.
    ///
    /// Workers call it one at a time, with growing tickets. The store must keep that order. Never called
    /// in a broker without a store.
    fn persist(&mut self, ticket: Ticket, batch: &mut Batch) -> bool;

    /// Reads the part of a session's queue that follows `after`; [`Input::Loaded`](crate::Input::Loaded) answers.
    fn load_queue(&mut self, session: SessionKey, after: Option<Sequence>);

    /// Counts something that happened, whether or not somebody listens to events.
    fn count(&mut self, what: Count);

    /// The same, as if it had happened so many times at once.
    fn count_times(&mut self, what: Count, times: u64) {
        for _ in 0..times {
            self.count(what);
        }
    }

    /// Returns what a clock shows, if what begins now is to be timed. Nobody need: the default does not.
    fn stamp(&mut self) -> Option<Stamp> {
        None
    }

    /// Something that was timed is over.
    fn ended(&mut self, span: Span) {
        let _ = span;
    }

    /// Returns whether somebody listens to events of this kind.
    fn wants(&self, kind: EventKind) -> bool;

    /// Tells the platform what happened.
    fn event(&mut self, event: Event);

    /// The same of a connection that more is known of. Nobody need listen to that: the default does not.
    fn event_from(&mut self, event: Event, source: Source) {
        let _ = source;
        self.event(event);
    }
}
