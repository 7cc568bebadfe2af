//! The model: every message the session took and still owes, oldest first.

use super::Numbered;
use super::client::Packet;
use crate::{
    DropReason, Offer, PacketId, QUEUED_OVERHEAD, QoS, SessionLimits, Timestamp, WhenFull,
};

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
    /// What the queue lost since the session was last asked.
    pub(super) dropped: Vec<(u32, DropReason)>,
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
        Self { list: Vec::new(), limits, window: None, dropped: Vec::new() }
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

    pub(super) fn detach(&mut self) {
        self.window = None;
        while let Some(index) = self.first_queued(true) {
            self.drop(index, DropReason::Offline);
        }
    }

    /// Takes a message, or says what becomes of it.
    pub(super) fn offer(&mut self, now: Timestamp, message: Numbered, qos: QoS) -> Offer {
        if qos == QoS::AtMostOnce && self.window.is_none() {
            return Offer::Dropped(DropReason::Offline);
        }
        if message.expires_at.is_some_and(|moment| moment <= now) {
            return Offer::Dropped(DropReason::Expired);
        }
        if !self.has_room_for(&message) {
            self.drop_expired(now);
        }
        if !self.has_room_for(&message) {
            let fits_alone = self.fits_beside(&message, |_| false);
            match (self.limits.when_full, qos) {
                (WhenFull::DropOldest, QoS::AtMostOnce) => {
                    self.displace(&message, |promise| promise.qos == QoS::AtMostOnce);
                }
                (WhenFull::DropOldest, _) => self.displace(&message, |_| true),
                (WhenFull::Refuse, QoS::AtLeastOnce | QoS::ExactlyOnce) => return Offer::Refused,
                (WhenFull::EndSession, QoS::AtLeastOnce | QoS::ExactlyOnce) if fits_alone => {
                    return Offer::Overflow;
                }
                (WhenFull::DropNewest | WhenFull::Refuse | WhenFull::EndSession, _) => {}
            }
        }
        if !self.has_room_for(&message) {
            return Offer::Dropped(DropReason::QueueFull);
        }
        self.list.push(Promise {
            message,
            qos,
            stage: Stage::Queued,
            here: Here::Nothing,
            sent_before: false,
            skipped: false,
        });
        Offer::Queued
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
            self.drop(index, DropReason::Expired);
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
        self.fits_beside(message, |_| true)
    }

    /// Returns whether a message fits beside those that wait and stay.
    fn fits_beside(&self, message: &Numbered, stays: impl Fn(&Promise) -> bool) -> bool {
        let waiting = self.list.iter().filter(|promise| promise.is_queued() && stays(promise));
        let sizes: Vec<_> = waiting.map(|p| p.message.size + QUEUED_OVERHEAD).collect();
        let bytes = sizes.iter().sum::<usize>() + message.size + QUEUED_OVERHEAD;
        sizes.len() < self.limits.queued_messages && bytes <= self.limits.queued_bytes
    }

    /// Drops the oldest QoS 0, then the oldest others, of those that may go, if that will help.
    fn displace(&mut self, message: &Numbered, may_go: impl Fn(&Promise) -> bool) {
        if !self.fits_beside(message, |promise| !may_go(promise)) {
            return;
        }
        while !self.has_room_for(message) {
            let first = self.first_queued(true).or_else(|| self.first_queued(false));
            self.drop(first.unwrap(), DropReason::Displaced);
        }
    }

    /// Drops what expired at the front of each queue.
    fn drop_expired(&mut self, now: Timestamp) {
        for at_qos0 in [true, false] {
            while let Some(first) = self.first_queued(at_qos0)
                && self.list[first].is_expired(now)
            {
                self.drop(first, DropReason::Expired);
            }
        }
    }

    fn first_queued(&self, at_qos0: bool) -> Option<usize> {
        let is_first =
            |promise: &Promise| promise.is_queued() && (promise.qos == QoS::AtMostOnce) == at_qos0;
        self.list.iter().position(is_first)
    }

    fn drop(&mut self, index: usize, reason: DropReason) {
        let promise = self.list.remove(index);
        self.dropped.push((promise.message.number, reason));
    }
}
