//! How clients resume a session instead of shaking hands in full.

use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

/// What sessions are remembered with. A new one knows nothing of those before.
///
/// A session that is resumed is as good as it was: its client is not verified again. So whatever changes who
/// may come needs a new one of these.
#[derive(Clone, Debug)]
pub(crate) struct Resumption {
    /// Clients keep their session themselves, encrypted with a key that changes every six hours.
    pub(crate) tickets: Arc<dyn ProducesTickets>,
    /// Sessions of clients of TLS 1.2 that keep none.
    pub(crate) sessions: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    pub(crate) fn new(cached_sessions: usize) -> Result<Self, rustls::Error> {
        Ok(Self {
            tickets: Ticketer::new()?,
            sessions: ServerSessionMemoryCache::new(cached_sessions),
        })
    }
}
