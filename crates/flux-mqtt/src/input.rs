//! What goes into a worker: every cause it can react to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flux_auth::{Authentication, Verdict};
use flux_eventbus::Limit;
use flux_storage::{Queued, Ticket};
use flux_topic::TopicFilter;

use crate::consumer::{Attach, Held};
use crate::inspect::ClientView;
use crate::message::Message;
use crate::names::{ConnectionId, SessionKey};
use crate::outcome::PublishOutcome;
use crate::settings::Settings;
use crate::terms::Terms;
use crate::worker::Away;

/// Something happened that a worker must know of.
///
/// Bytes that arrived come through [`Worker::receive`](crate::Worker::receive), which splits
/// them into frames and says how many it took.
#[derive(Debug)]
pub enum Input {
    /// A client opened a network connection.
    Opened {
        /// How effects will name it.
        connection: ConnectionId,
        /// Where it comes from, if the transport knows.
        peer: Option<SocketAddr>,
        /// The name of the listener that it came through, if it has one.
        listener: Option<Arc<str>>,
        /// What is agreed on with its client; `None` for what [`Settings::terms`] says.
        terms: Option<Arc<Terms>>,
    },
    /// Little enough is unsent again, after [`Effects::notify_writable`](crate::Effects).
    Writable(ConnectionId),
    /// The network connection is gone.
    Closed(ConnectionId),
    /// Another worker, or the world outside, wrote a letter.
    Letter(Letter),
    /// The answer to [`Effects::authenticate`](crate::Effects).
    Authenticated {
        /// The connection in question.
        connection: ConnectionId,
        /// Who the client is, or why it may not come in.
        authentication: Authentication,
        /// For how long what it has proven holds; `None` for good. Then the connection ends.
        valid_for: Option<Duration>,
    },
    /// The answer to [`Effects::authorize`](crate::Effects), one verdict a request.
    Authorized {
        /// The connection in question.
        connection: ConnectionId,
        /// In the order of the requests; what is missing is denied.
        verdicts: Vec<Verdict>,
    },
    /// Whoever was asked about a connection panicked, and will not answer.
    Panicked(ConnectionId),
    /// What a client has proven about itself holds no longer.
    Revoked(ConnectionId),
    /// The batch with this ticket, and each before it, is as safe as the store promises. Every worker is told.
    Persisted(Ticket),
    /// The batch with this ticket is not safe, and perhaps some before it: the store keeps them all and writes
    /// them again, and [`Persisted`](Self::Persisted) may follow. Every worker is told.
    PersistFailed(Ticket),
    /// The answer to [`Effects::load_queue`](crate::Effects).
    Loaded {
        /// Whose queue.
        session: SessionKey,
        /// A part of it, in its order; `None` if it cannot be read.
        messages: Option<Vec<Queued>>,
    },
    /// Time has passed: timers may be due.
    Time,
}

impl Input {
    /// Returns which connection it is about, if it is about one.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Opened { connection, .. }
            | Self::Writable(connection)
            | Self::Closed(connection)
            | Self::Authenticated { connection, .. }
            | Self::Authorized { connection, .. }
            | Self::Panicked(connection)
            | Self::Revoked(connection)
            | Self::Letter(
                Letter::Wake(connection)
                | Letter::TakenOver(connection)
                | Letter::Kicked(connection)
                | Letter::Overflow(connection),
            ) => Some(*connection),
            Self::Letter(Letter::Command(_))
            | Self::Persisted(_)
            | Self::PersistFailed(_)
            | Self::Loaded { .. }
            | Self::Time => None,
        }
    }
}

/// A note to a worker. Their number is bounded: one wake and one takeover or overflow for each of
/// its connections, one detach and one room for each consumer in this process, and commands of
/// [`MqttManager`](crate::MqttManager) carry a permit, of which a kick may outlive its own by one
/// letter.
#[derive(Debug)]
pub enum Letter {
    /// The session of this connection has something to send.
    Wake(ConnectionId),
    /// The session of this connection belongs to another connection now.
    TakenOver(ConnectionId),
    /// The session of this connection was ended from outside.
    Kicked(ConnectionId),
    /// The session of a connection had no room for a message, and ended.
    Overflow(ConnectionId),
    /// Somebody outside wants something done.
    Command(Command),
}

/// An order from outside: the library's facade, an administrator.
pub enum Command {
    /// Publish a message of the broker's own, or of a client in this process.
    Publish {
        /// The message.
        message: Message,
        /// Whose it is; `None` for the broker itself.
        client_id: Option<Arc<str>>,
        /// Called with what became of it, when that is safe.
        done: Done<PublishOutcome>,
    },
    /// Subscribe a client that has a session.
    Subscribe {
        /// Whose session.
        client_id: Arc<str>,
        /// To what.
        filter: TopicFilter,
        /// Called with whether there is such a session, when the subscription is safe.
        done: Done<bool>,
    },
    /// Give a session to a consumer in this process.
    Attach {
        /// What it asks for.
        attach: Box<Attach>,
        /// Called with the session, or which limit is reached; not when the broker is stopping.
        done: Done<Result<Held, Limit>>,
    },
    /// A consumer is gone.
    Detach(Held),
    /// A consumer has room for what shared subscriptions kept.
    Room(Held),
    /// Disconnect a client.
    Kick {
        /// Whose connection.
        client_id: Arc<str>,
        /// Called with whether it was connected.
        done: Done<bool>,
    },
    /// End the session of a client, and its connection.
    EndSession {
        /// Whose session.
        client_id: Arc<str>,
        /// Called with whether it had one, once that it is over is safe.
        done: Done<bool>,
    },
    /// Say who a client is. Whoever does not serve it passes this on to whoever does.
    Describe {
        /// Whose connection.
        client_id: Arc<str>,
        /// Called with what is known; with nothing when it is not connected by a network connection.
        done: Done<Option<ClientView>>,
    },
    /// Say that you are there.
    Answer {
        /// Called at once.
        done: Done<()>,
    },
    /// What clients may do has changed; these are away.
    RecheckRights(Arc<Away>),
    /// From now on these settings hold; what was agreed on with clients that are connected stays.
    Settings(Arc<Settings>),
    /// Say goodbye to every client and take no more.
    Shutdown,
}

/// What to call when a command is done.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publish { .. } => "Publish",
            Self::Subscribe { .. } => "Subscribe",
            Self::Attach { .. } => "Attach",
            Self::Detach(_) => "Detach",
            Self::Room(_) => "Room",
            Self::Kick { .. } => "Kick",
            Self::EndSession { .. } => "EndSession",
            Self::Describe { .. } => "Describe",
            Self::Answer { .. } => "Answer",
            Self::RecheckRights(_) => "RecheckRights",
            Self::Settings(_) => "Settings",
            Self::Shutdown => "Shutdown",
        })
    }
}
