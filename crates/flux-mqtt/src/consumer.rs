//! A consumer in this process: it has a session as a connection would, and takes the messages out
//! itself, on whatever thread it runs.
//!
//! There is no thread and no clock here: whoever calls says what time it is. Whoever offers a
//! message rings; what only a worker can do (the end of the session, what shared subscriptions
//! give to a member that has room again) goes to it as a [`Command`](crate::Command).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use flux_eventbus::DisconnectReason;
use flux_session::{
    Dropped, Outgoing, PacketId, QoS, Received, SessionExpiry, SessionLimits, SubscriptionOptions,
    Timestamp,
};
use flux_topic::TopicFilter;
use tokio::sync::Notify;

use crate::message::{Delivery, Message};
use crate::names::WorkerId;
use crate::session::{SessionState, SharedSession};

/// How a consumer is reached.
#[derive(Debug, Default)]
pub(crate) struct Consumer {
    /// Rings when there is something to take, and at the end. Only the consumer listens.
    bell: Notify,
    /// Why it has the session no more.
    end: OnceLock<DisconnectReason>,
    /// A worker was told that there is room for more, and has not looked yet. So there
    /// is at most one such command a consumer. Changed under the lock of the session only.
    has_told_room: AtomicBool,
}

impl Consumer {
    /// Says that there is something to take.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Says that the session is somebody else's or over.
    pub(crate) fn close(&self, reason: DisconnectReason) {
        // Whoever took the session away is the only one who says so.
        let _ = self.end.set(reason);
        self.bell.notify_one();
    }

    /// Whether a worker is to be told that there is room: unless one was, and has not looked yet.
    pub(crate) fn tells_room(&self) -> bool {
        !self.has_told_room.swap(true, Ordering::AcqRel)
    }

    /// A worker is about to look whether there is room.
    pub(crate) fn forget_room(&self) {
        self.has_told_room.store(false, Ordering::Release);
    }
}

/// What a consumer asks for: what CONNECT and SUBSCRIBE say.
#[derive(Clone, Debug)]
pub struct Attach {
    /// `None` has one assigned.
    pub(crate) client_id: Option<Arc<str>>,
    /// The user that the session is to belong to.
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) clean_start: bool,
    pub(crate) expiry: SessionExpiry,
    pub(crate) receive_maximum: u16,
    /// Of a new session; `None` for those of the settings.
    pub(crate) limits: Option<SessionLimits>,
    pub(crate) subscriptions: Vec<(TopicFilter, SubscriptionOptions)>,
}

/// A session in the hands of a consumer.
#[derive(Clone, Debug)]
pub struct Held {
    pub(crate) session: Arc<SharedSession>,
    /// The session is the consumer's while its generation is this one.
    pub(crate) generation: u64,
    pub(crate) consumer: Arc<Consumer>,
    /// The worker that gave it out, and takes it back.
    pub(crate) worker: WorkerId,
    /// An earlier session goes on.
    pub(crate) session_present: bool,
}

/// A message that was taken out of a session.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) delivery: Delivery,
    pub(crate) dup: bool,
    /// What names it in the session until it is acknowledged; `None` when there is nothing left
    /// to acknowledge.
    pub(crate) packet_id: Option<PacketId>,
}

/// What a look into the session found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) taken: Option<Taken>,
    /// What expired in the queue.
    pub(crate) dropped: Vec<Dropped<Message>>,
    /// A worker is to be told that there is room for more.
    pub(crate) has_room: bool,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// It counts: the session was still the consumer's.
    pub(crate) is_settled: bool,
    /// A worker is to be told that there is room for more.
    pub(crate) has_room: bool,
}

impl Held {
    /// Takes the next message out of the session, and acknowledges it at once if `acknowledge`.
    /// Nothing is found when there is none, when the window is full, or when the session is not
    /// the consumer's any more.
    pub(crate) fn take(&self, now: Timestamp, acknowledge: bool) -> Look {
        let mut state = self.session.lock();
        if !self.holds(&state) {
            return Look::default();
        }
        let taken = next(&self.session, &mut state, now, acknowledge);
        // It looks again after this one; who finds nothing wants to hear of the next.
        state.dirty = taken.is_some();
        let dropped = state.session.take_dropped();
        let has_room = self.tells_room(&state);
        Look { taken, dropped, has_room }
    }

    /// Acknowledges a message that was taken.
    pub(crate) fn acknowledge(&self, packet_id: PacketId, qos: QoS) -> Acknowledged {
        let mut state = self.session.lock();
        if !self.holds(&state) {
            return Acknowledged::default();
        }
        settle(&mut state, packet_id, qos);
        // The window may have opened.
        let wake = if state.session.has_work() { state.wake() } else { None };
        let has_room = self.tells_room(&state);
        drop(state);
        if wake.is_some() {
            self.consumer.ring();
        }
        Acknowledged { is_settled: true, has_room }
    }

    /// Returns why the session is not the consumer's any more; `None` while it is.
    pub(crate) fn end(&self) -> Option<DisconnectReason> {
        self.consumer.end.get().copied()
    }

    /// Returns once it is worth looking again. Giving up the wait loses nothing.
    pub(crate) async fn rung(&self) {
        self.consumer.bell.notified().await;
    }

    fn holds(&self, state: &SessionState) -> bool {
        !state.ended && state.generation == self.generation && state.attached.is_some()
    }

    fn tells_room(&self, state: &SessionState) -> bool {
        let wants_room = state.can_take_declined() || state.can_replay();
        (wants_room || state.session.wants_read().is_some()) && self.consumer.tells_room()
    }
}

fn next(
    session: &SharedSession,
    state: &mut SessionState,
    now: Timestamp,
    acknowledge: bool,
) -> Option<Taken> {
    loop {
        let outgoing = state.session.next(now)?;
        // No other member may have it now.
        if let Outgoing::Publish { packet_id: Some(packet_id), dup: false, delivery } = &outgoing
            && delivery.qos == QoS::ExactlyOnce
            && delivery.share.is_some()
        {
            session.write_sent(delivery, *packet_id);
        }
        match outgoing {
            Outgoing::Publish { packet_id: Some(packet_id), dup, delivery } if acknowledge => {
                settle(state, packet_id, delivery.qos);
                return Some(Taken { delivery, dup, packet_id: None });
            }
            Outgoing::Publish { packet_id, dup, delivery } => {
                return Some(Taken { delivery, dup, packet_id });
            }
            // A connection that had the session before has the message.
            Outgoing::Release { packet_id } => {
                let completed = state.session.pubcomp(packet_id);
                debug_assert!(completed.is_ok(), "the session has just released it");
            }
        }
    }
}

/// Goes through all steps that are left of an exchange.
fn settle(state: &mut SessionState, packet_id: PacketId, qos: QoS) {
    let session = &mut state.session;
    let is_settled = match qos {
        QoS::AtMostOnce => true,
        QoS::AtLeastOnce => session.puback(packet_id).is_ok(),
        QoS::ExactlyOnce => {
            matches!(session.pubrec(packet_id, true), Ok(Received::Release(_)))
                && session.pubcomp(packet_id).is_ok()
        }
    };
    debug_assert!(is_settled, "a message is acknowledged once, by whom the session gave it to");
}
