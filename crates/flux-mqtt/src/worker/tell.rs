//! What is counted and told to the platform.

use std::net::SocketAddr;
use std::sync::Arc;

use flux_eventbus::{Event, EventKind, Limit};

use crate::counters::Count;
use crate::effects::Effects;

/// Counts that a limit was reached, and tells the platform, if it wants to know.
pub(super) fn tell_limit(
    limit: Limit,
    client_id: Option<&Arc<str>>,
    peer: Option<SocketAddr>,
    fx: &mut impl Effects,
) {
    fx.count(Count::Reached(limit));
    if fx.wants(EventKind::LimitReached) {
        fx.event(Event::LimitReached { limit, client_id: client_id.cloned(), peer });
    }
}
