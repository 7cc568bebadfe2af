//! How clients resume a session instead of shaking hands in full.

use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::time_provider::TimeProvider;

use crate::validity;

/// What sessions are remembered with. A new one knows nothing of those before.
///
/// A session that is resumed is as good as it was: its client is not verified again. So whatever changes who
/// may come needs a new one of these, and no session outlives the certificates that its client showed.
#[derive(Clone, Debug)]
pub(crate) struct Resumption {
    /// Clients keep their session themselves, encrypted with a key that changes every six hours.
    pub(crate) tickets: Arc<dyn ProducesTickets>,
    /// Sessions of clients of TLS 1.2 that keep none.
    pub(crate) sessions: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    pub(crate) fn new(
        cached_sessions: usize,
        clock: &Arc<dyn TimeProvider>,
    ) -> Result<Self, rustls::Error> {
        let sessions = ServerSessionMemoryCache::new(cached_sessions);
        Ok(Self {
            tickets: Arc::new(Tickets { all: Ticketer::new()?, clock: clock.clone() }),
            sessions: Arc::new(Sessions { all: sessions, clock: clock.clone() }),
        })
    }
}

/// Tickets that are good for nothing once a certificate in them has expired: their client shakes hands in full
/// then, shows the certificate that it has by now, or is told that it has expired.
#[derive(Debug)]
struct Tickets {
    all: Arc<dyn ProducesTickets>,
    clock: Arc<dyn TimeProvider>,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.all.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.all.lifetime()
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        self.all.encrypt(session)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.all.decrypt(ticket).filter(|session| is_good(session, &*self.clock))
    }
}

/// The same for sessions that are kept here.
#[derive(Debug)]
struct Sessions {
    all: Arc<dyn StoresServerSessions>,
    clock: Arc<dyn TimeProvider>,
}

impl StoresServerSessions for Sessions {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.all.put(id, session)
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.all.get(id).filter(|session| is_good(session, &*self.clock))
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.all.take(id).filter(|session| is_good(session, &*self.clock))
    }

    fn can_cache(&self) -> bool {
        self.all.can_cache()
    }
}

fn is_good(session: &[u8], clock: &dyn TimeProvider) -> bool {
    let Some(now) = clock.current_time() else { return false };
    validity::certificates_in(session).all(|certificate| validity::check(certificate, now).is_ok())
}
