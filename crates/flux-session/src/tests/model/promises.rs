//! The model: every message the session took and still owes, oldest first.

mod queue;

use std::collections::BTreeMap;

use super::Numbered;
use super::client::Packet;
use crate::{DropReason, PacketId, QUEUED_OVERHEAD, QoS, SessionLimits, ShareId, Timestamp};

/// One message the session took.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) message: Numbered,
    pub(super) qos: QoS,
    pub(super) share: Option<ShareId>,
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

/// How a promise ended, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Acknowledged, or at QoS 0 sent.
    Delivered,
    Refused,
    Skipped,
    Dropped(DropReason),
    /// It came by a shared subscription: another member may have it.
    GivenBack,
    /// The session ended.
    EndedWithSession,
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
    /// What became of every promise that is not in the list any more.
    fates: BTreeMap<u32, Fate>,
    taken: usize,
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
        Self {
            list: Vec::new(),
            limits,
            window: None,
            dropped: Vec::new(),
            fates: BTreeMap::new(),
            taken: 0,
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.list.iter().filter(|promise| promise.is_queued()).count()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        let queued = self.list.iter().filter(|promise| promise.is_queued());
        queued.map(|promise| promise.message.size + QUEUED_OVERHEAD).sum()
    }

    /// What waits, and what was published and is not acknowledged yet.
    pub(super) fn held_bytes(&self) -> usize {
        let is_kept = |promise: &&Promise| !matches!(promise.stage, Stage::Released(_));
        let kept = self.list.iter().filter(is_kept);
        kept.map(|promise| promise.message.size + QUEUED_OVERHEAD).sum()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.list.len() - self.queued()
    }

    /// Returns the PUBLISH packets of this connection whose exchange is not over.
    pub(super) fn outstanding(&self) -> usize {
        self.list.iter().filter(|promise| promise.here == Here::Publish).count()
    }

    /// Returns how many exchanges may begin before one ends.
    pub(super) fn free_places(&self) -> usize {
        let window = self.window.unwrap_or_default();
        window.min(usize::from(self.limits.packet_ids)).saturating_sub(self.in_flight())
    }

    pub(super) fn with_id(&mut self, packet_id: PacketId) -> Option<(usize, &mut Promise)> {
        let mut list = self.list.iter_mut().enumerate();
        list.find(|(_, promise)| promise.packet_id() == Some(packet_id))
    }

    /// Ends a promise.
    pub(super) fn settle(&mut self, index: usize, fate: Fate) -> Promise {
        let promise = self.list.remove(index);
        let before = self.fates.insert(promise.message.number, fate);
        assert_eq!(before, None, "one end for each promise");
        promise
    }

    /// Every message that was taken is in the list or has ended.
    pub(super) fn check_that_none_is_missing(&self) {
        assert_eq!(self.list.len() + self.fates.len(), self.taken);
        assert!(self.list.iter().all(|p| !self.fates.contains_key(&p.message.number)));
    }

    pub(super) fn attach(&mut self, now: Timestamp, receive_maximum: u16) {
        self.window = Some(usize::from(receive_maximum.min(self.limits.receive_maximum_cap)));
        for promise in self.list.iter_mut().filter(|promise| !promise.is_queued()) {
            promise.here = Here::Nothing;
            promise.sent_before = true;
        }
        self.drop_expired(now);
    }

    /// Ends the connection and returns what is given back.
    pub(super) fn detach(&mut self) -> Vec<u32> {
        if self.window.take().is_none() {
            return Vec::new();
        }
        let unsent = self.take_unsent_shared(None);
        while let Some(index) = self.first_queued(true) {
            self.drop(index, DropReason::Offline);
        }
        unsent
    }

    /// Ends the session.
    pub(super) fn end(&mut self) -> Ended {
        self.window = None;
        let is_back = |p: &Promise| {
            let may_go_elsewhere = matches!(
                (p.stage, p.qos),
                (Stage::Queued, _) | (Stage::Published(_), QoS::AtLeastOnce)
            );
            p.share.is_some() && may_go_elsewhere
        };
        let mut sent = Vec::new();
        let mut unsent = Vec::new();
        let mut lost = Vec::new();
        while let Some(promise) = self.list.first() {
            let fate = if is_back(promise) { Fate::GivenBack } else { Fate::EndedWithSession };
            let promise = self.settle(0, fate);
            if fate == Fate::GivenBack {
                let back = if promise.is_queued() { &mut unsent } else { &mut sent };
                back.push(promise.message.number);
            } else if !matches!(promise.stage, Stage::Released(_)) {
                lost.push(promise.message.number);
            }
        }
        sent.append(&mut unsent);
        lost.sort_unstable();
        Ended { given_back: sent, lost }
    }

    /// Returns the index of the promise that the session must serve next.
    pub(super) fn due(&self) -> Option<usize> {
        let window = self.window?;
        let may_publish_again = self.outstanding() < window;
        let may_begin = self.free_places() > 0;
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
                self.settle(index, Fate::Delivered);
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
}

/// What becomes of the messages of a session that ends, by number.
#[derive(Debug)]
pub(super) struct Ended {
    /// For other members of the groups, in their order.
    pub(super) given_back: Vec<u32>,
    /// Those that go with it, in the order of their numbers.
    pub(super) lost: Vec<u32>,
}
