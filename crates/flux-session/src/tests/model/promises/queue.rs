//! What may wait: offers, limits, policies, and what leaves the queue unsent.

use super::{Fate, Here, Promise, Promises, Stage};
use crate::tests::model::Numbered;
use crate::{DropReason, Offer, QUEUED_OVERHEAD, QoS, ShareId, Timestamp, WhenFull};

impl Promises {
    /// Takes a message, or says what becomes of it.
    pub(in super::super) fn offer(
        &mut self,
        now: Timestamp,
        message: Numbered,
        qos: QoS,
        share: Option<ShareId>,
    ) -> Offer {
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
        self.take(message, qos, share);
        Offer::Queued
    }

    /// Takes a message that another member could have; `None` gives it back.
    pub(in super::super) fn offer_shared(
        &mut self,
        now: Timestamp,
        message: Numbered,
        qos: QoS,
        share: ShareId,
    ) -> Option<Offer> {
        if message.expires_at.is_some_and(|moment| moment <= now) {
            return Some(Offer::Dropped(DropReason::Expired));
        }
        let may_go_at_once = match qos {
            QoS::AtMostOnce => self.window.is_some(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.has_unclaimed_place(),
        };
        if !may_go_at_once || !self.has_room_for(&message) {
            return None;
        }
        self.take(message, qos, Some(share));
        Some(Offer::Queued)
    }

    pub(in super::super) fn has_room_for_shared(&self) -> bool {
        let empty = Numbered { number: u32::MAX, size: 0, expires_at: None };
        self.has_unclaimed_place() && self.has_room_for(&empty)
    }

    /// Takes back what came by this share, or by any, and was not sent.
    pub(in super::super) fn take_unsent_shared(&mut self, share: Option<ShareId>) -> Vec<u32> {
        let is_wanted = |promise: &Promise| {
            promise.is_queued() && promise.share.is_some_and(|by| share.is_none_or(|s| s == by))
        };
        let mut taken = Vec::new();
        while let Some(index) = self.list.iter().position(is_wanted) {
            taken.push(self.settle(index, Fate::GivenBack).message.number);
        }
        taken
    }

    fn has_unclaimed_place(&self) -> bool {
        let claimed = self.list.iter().filter(|p| p.is_queued() && p.qos > QoS::AtMostOnce).count();
        claimed < self.free_places()
    }

    fn take(&mut self, message: Numbered, qos: QoS, share: Option<ShareId>) {
        self.taken += 1;
        self.list.push(Promise {
            message,
            qos,
            share,
            stage: Stage::Queued,
            here: Here::Nothing,
            sent_before: false,
            skipped: false,
        });
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
    pub(super) fn drop_expired(&mut self, now: Timestamp) {
        for at_qos0 in [true, false] {
            while let Some(first) = self.first_queued(at_qos0)
                && self.list[first].is_expired(now)
            {
                self.drop(first, DropReason::Expired);
            }
        }
    }

    pub(super) fn first_queued(&self, at_qos0: bool) -> Option<usize> {
        let is_first =
            |promise: &Promise| promise.is_queued() && (promise.qos == QoS::AtMostOnce) == at_qos0;
        self.list.iter().position(is_first)
    }

    pub(super) fn drop(&mut self, index: usize, reason: DropReason) {
        let promise = self.settle(index, Fate::Dropped(reason));
        self.dropped.push((promise.message.number, reason));
    }
}
