//! [`Source`]: what is known of a connection beside an event.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Event;

/// The connection that an event is about, or whose session it is about. All is `None` for a session without a connection, and
/// where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Who its client was found to be.
    pub username: Option<Arc<str>>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The name of the listener it came in by.
    pub listener: Option<Arc<str>>,
}

/// An event, and which connection it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// What happened.
    pub event: Event,
    /// What the event itself does not say of the connection. What it says itself may be missing here.
    pub source: Source,
}
