//! The model: every message the session took and still owes, oldest first.

use super::Numbered;
use super::client::Packet;
use crate::{Discarded, PacketId, QUEUED_OVERHEAD, QoS, SessionLimits, Timestamp};

/// One message the session took.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) message: Numbered,
    pub(super) qos: QoS,
    pub(super) stage: Stage,
    /// What the present connection has carried.
    pub(super) here: Here,
    /// Whether an earlier connection carried the PUBLISH.
    pub(super) sent_before: bool,
    /// Whether a connection gave it up: it need not arrive any more.
    pub(super) skipped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    Published(PacketId),
    Released(PacketId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Here {
    Nothing,
    Publish,
    OnlyRelease,
}

/// The promises and what decides about them.
#[derive(Debug)]
pub(super) struct Promises {
    pub(super) list: Vec<Promise>,
    pub(super) limits: SessionLimits,
    /// The window of the present connection.
    pub(super) window: Option<usize>,
    /// Messages that expired in the queue since the session was last asked.
    pub(super) expired: u64,
}

impl Promise {
    pub(super) fn packet_id(&self) -> Option<PacketId> {
        match self.stage {
            Stage::Queued => None,
            Stage::Published(packet_id) | Stage::Released(packet_id) => Some(packet_id),
        }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.stage == Stage::Queued
    }

    fn is_expired(&self, now: Timestamp) -> bool {
        self.message.expires_at.is_some_and(|moment| moment <= now)
    }
}

impl Promises {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self { list: Vec::new(), limits, window: None, expired: 0 }
    }

    pub(super) fn queued(&self) -> usize {
        self.list.iter().filter(|promise| promise.is_queued()).count()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        let queued = self.list.iter().filter(|promise| promise.is_queued());
        queued.map(|promise| promise.message.size + QUEUED_OVERHEAD).sum()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.list.len() - self.queued()
    }

    /// Returns the PUBLISH packets of this connection whose exchange is not over.
    pub(super) fn outstanding(&self) -> usize {
        self.list.iter().filter(|promise| promise.here == Here::Publish).count()
    }

    pub(super) fn with_id(&mut self, packet_id: PacketId) -> Option<(usize, &mut Promise)> {
        let mut list = self.list.iter_mut().enumerate();
        list.find(|(_, promise)| promise.packet_id() == Some(packet_id))
    }

    pub(super) fn attach(&mut self, now: Timestamp, receive_maximum: u16) {
        self.window = Some(usize::from(receive_maximum.min(self.limits.receive_maximum_cap)));
        for promise in self.list.iter_mut().filter(|promise| !promise.is_queued()) {
            promise.here = Here::Nothing;
            promise.sent_before = true;
        }
        self.drop_expired(now);
    }

    pub(super) fn detach(&mut self) -> Discarded {
        self.window = None;
        let (messages, bytes) = (self.queued(), self.queued_bytes());
        self.list.retain(|promise| promise.qos > QoS::AtMostOnce);
        Discarded { messages: messages - self.queued(), bytes: bytes - self.queued_bytes() }
    }

    /// Takes a message, or returns `false` if the queue has no room.
    pub(super) fn take(&mut self, now: Timestamp, message: Numbered, qos: QoS) -> bool {
        if !self.has_room_for(&message) {
            self.drop_expired(now);
        }
        let has_room = self.has_room_for(&message);
        if has_room {
            self.list.push(Promise {
                message,
                qos,
                stage: Stage::Queued,
                here: Here::Nothing,
                sent_before: false,
                skipped: false,
            });
        }
        has_room
    }

    /// Returns the index of the promise that the session must serve next.
    pub(super) fn due(&self) -> Option<usize> {
        let window = self.window?;
        let may_publish_again = self.outstanding() < window;
        let may_begin = self.in_flight() < window.min(usize::from(self.limits.packet_ids));
        let again = self.list.iter().position(|promise| match promise.stage {
            Stage::Queued => false,
            Stage::Published(_) => promise.here == Here::Nothing && may_publish_again,
            Stage::Released(_) => promise.here == Here::Nothing,
        });
        again.or_else(|| {
            self.list.iter().position(|promise| {
                promise.is_queued() && (promise.qos == QoS::AtMostOnce || may_begin)
            })
        })
    }

    /// Returns the index of the promise that is served now, after dropping what expired before it.
    pub(super) fn serve(&mut self, now: Timestamp) -> Option<usize> {
        loop {
            let index = self.due()?;
            let promise = &self.list[index];
            if !promise.is_queued() || !promise.is_expired(now) {
                return Some(index);
            }
            self.list.remove(index);
            self.expired += 1;
        }
    }

    /// Notes that the packet of a promise was sent, and returns it.
    pub(super) fn sent(&mut self, index: usize, new_id: Option<PacketId>) -> Packet {
        let promise = &mut self.list[index];
        let (number, qos, dup) = (promise.message.number, promise.qos, promise.sent_before);
        let publish = |packet_id| Packet::Publish { number, qos, packet_id, dup };
        match (promise.stage, new_id) {
            (Stage::Queued, None) => {
                self.list.remove(index);
                publish(None)
            }
            (Stage::Queued, Some(packet_id)) => {
                promise.stage = Stage::Published(packet_id);
                promise.here = Here::Publish;
                publish(Some(packet_id))
            }
            (Stage::Published(packet_id), _) => {
                promise.here = Here::Publish;
                publish(Some(packet_id))
            }
            (Stage::Released(packet_id), _) => {
                promise.here = Here::OnlyRelease;
                Packet::Release { packet_id }
            }
        }
    }

    fn has_room_for(&self, message: &Numbered) -> bool {
        self.queued() < self.limits.queued_messages
            && self.queued_bytes() + message.size + QUEUED_OVERHEAD <= self.limits.queued_bytes
    }

    /// Drops what expired at the front of each queue.
    fn drop_expired(&mut self, now: Timestamp) {
        for at_qos0 in [true, false] {
            let is_first = |promise: &Promise| {
                promise.is_queued() && (promise.qos == QoS::AtMostOnce) == at_qos0
            };
            while let Some(first) = self.list.iter().position(is_first)
                && self.list[first].is_expired(now)
            {
                self.list.remove(first);
                self.expired += 1;
            }
        }
    }
}
