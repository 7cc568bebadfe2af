//! A look inside, for whoever checks a broker from outside: numbers at one moment, nothing that changes.

use std::sync::Arc;

use crate::session::SharedSession;
use crate::share::Share;

/// What a session holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionView {
    /// Whose session.
    pub client_id: Arc<str>,
    /// Whether a connection or a consumer has it.
    pub is_attached: bool,
    /// It is over, and still to be cleared away.
    pub is_over: bool,
    /// Messages that wait to be sent for the first time.
    pub queued: usize,
    /// The bytes of these.
    pub queued_bytes: usize,
    /// Packet identifiers in use.
    pub in_flight: usize,
    /// Bytes of all messages that it holds, as the ledger counts them.
    pub held_bytes: usize,
    /// QoS 2 messages that the client has begun and not released.
    pub open_receipts: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Subscriptions that still bring retained messages.
    pub replays: usize,
}

impl SessionView {
    pub(crate) fn of(shared: &SharedSession) -> Self {
        let state = shared.lock();
        let session = &state.session;
        Self {
            client_id: shared.client_id.clone(),
            is_attached: state.attached.is_some(),
            is_over: state.ended,
            queued: session.queued(),
            queued_bytes: session.queued_bytes(),
            in_flight: session.in_flight(),
            held_bytes: shared.held_bytes(&state),
            open_receipts: session.open_receipts(),
            subscriptions: session.subscriptions().len(),
            replays: state.replays.len(),
        }
    }
}

/// What a shared subscription holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareView {
    /// The topic filter, with its share name.
    pub filter: Arc<str>,
    /// Sessions that share it.
    pub members: usize,
    /// Messages that wait for a member with room.
    pub queued: usize,
    /// The bytes of these.
    pub queued_bytes: usize,
}

impl ShareView {
    pub(crate) fn of(share: &Share) -> Self {
        let members = share.lock();
        Self {
            filter: share.filter.as_str().into(),
            members: members.len(),
            queued: members.queued(),
            queued_bytes: members.queued_bytes(),
        }
    }
}
