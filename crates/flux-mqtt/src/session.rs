//! A client's session as several workers see it: the pure state machine behind one lock.
//!
//! Invariant: nobody holds two of these locks, and nobody calls out while holding one. The
//! single exception is the retained store, whose read lock may be held around a session's.

use std::sync::Arc;

use flux_session::{Offer, Session, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use crate::input::{ConnectionId, WorkerId};
use crate::message::{Delivery, Message};

/// Names a session for as long as it lives; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub(crate) std::num::NonZeroU64);

/// A session that workers share.
#[derive(Debug)]
pub(crate) struct SharedSession {
    pub(crate) key: SessionKey,
    pub(crate) client_id: Arc<str>,
    state: Mutex<SessionState>,
}

/// What the lock of a session protects.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) session: Session<Message>,
    /// Counts the connections that held this session; packets of an older one are ignored.
    pub(crate) generation: u64,
    pub(crate) attached: Option<Attachment>,
    /// Whether the attached connection knows that there is something to send: it is in its
    /// worker's list, or a letter is on its way. So there is at most one letter a connection.
    pub(crate) dirty: bool,
    /// The session is over; whoever still holds it drops what it wanted to add.
    pub(crate) ended: bool,
    /// Session Expiry Interval in seconds.
    pub(crate) expiry: u32,
    /// When the session ends, once its connection is gone.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) will: Option<StoredWill>,
    /// Where the session stands in the list of due sessions.
    pub(crate) timer: Option<Timestamp>,
}

/// Which connection of which worker holds a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) worker: WorkerId,
    pub(crate) connection: ConnectionId,
}

/// A will message, kept until it is published or deleted [MQTT-3.1.2-7].
#[derive(Clone, Debug)]
pub(crate) struct StoredWill {
    pub(crate) message: Message,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// Message Expiry Interval in seconds, which begins when the will is published.
    pub(crate) expiry: Option<u32>,
    /// When it is to be published, once its connection is gone.
    pub(crate) due: Option<Timestamp>,
}

/// What became of a delivery.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) offer: Offer,
    /// The connection that must be told, if it does not know yet.
    pub(crate) wake: Option<Attachment>,
}

impl SharedSession {
    pub(crate) fn new(key: SessionKey, client_id: Arc<str>, session: Session<Message>) -> Self {
        let state = SessionState {
            session,
            generation: 0,
            attached: None,
            dirty: false,
            ended: false,
            expiry: 0,
            expires_at: None,
            will: None,
            timer: None,
        };
        Self { key, client_id, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock()
    }

    /// Hands a message to the session. `None` when the session is over.
    pub(crate) fn offer(&self, now: Timestamp, delivery: Delivery) -> Option<Offered> {
        let mut state = self.lock();
        if state.ended {
            return None;
        }
        let offer = state.session.offer(now, delivery);
        let wake = if matches!(offer, Offer::Queued) { state.wake() } else { None };
        Some(Offered { offer, wake })
    }
}

impl SessionState {
    /// Marks the session dirty; returns the connection to tell, unless it knows already.
    pub(crate) fn wake(&mut self) -> Option<Attachment> {
        if self.dirty {
            return None;
        }
        let attached = self.attached?;
        self.dirty = true;
        Some(attached)
    }
}
