//! What the client acknowledges, and when it must not.

use proptest::sample::Index;

use super::World;
use crate::tests::model::Ack;
use crate::tests::model::client::Packet;
use crate::tests::model::promises::{Fate, Here, Promise, Stage};
use crate::{AckError, PacketId, QoS, Received};

impl World {
    pub(super) fn skip(&mut self, packet_id: PacketId) {
        let message = self.session.skip(packet_id).unwrap();
        let (index, promise) = self.promises.with_id(packet_id).unwrap();
        assert_eq!(message, promise.message);
        promise.skipped = true;
        if promise.qos == QoS::ExactlyOnce && promise.sent_before {
            promise.stage = Stage::Released(packet_id);
            promise.here = Here::Nothing;
        } else {
            self.promises.settle(index, Fate::Skipped);
        }
    }

    pub(super) fn answer(&mut self, which: Index) {
        if self.client.owed() > 0 {
            self.acknowledge_owed(which.index(self.client.owed()));
        }
    }

    pub(super) fn acknowledge_owed(&mut self, index: usize) {
        let (ack, packet_id) = self.client.take_owed(index);
        self.acknowledge(ack, packet_id);
    }

    /// Picks what waits to be sent again and the client knows already, and acknowledges it.
    pub(super) fn answer_early(&mut self, which: Index) {
        let early: Vec<_> = self.promises.list.iter().filter_map(|p| self.early_ack(p)).collect();
        if !early.is_empty() {
            let (ack, packet_id) = early[which.index(early.len())];
            self.acknowledge(ack, packet_id);
        }
    }

    fn early_ack(&self, promise: &Promise) -> Option<(Ack, PacketId)> {
        let packet_id = promise.packet_id().filter(|_| promise.here == Here::Nothing)?;
        let delivered = self.client.delivered(promise.message.number) > 0;
        match (promise.stage, promise.qos) {
            (Stage::Released(_), _) => {
                (!self.client.holds(packet_id)).then_some((Ack::Pubcomp, packet_id))
            }
            (_, QoS::ExactlyOnce) => delivered.then_some((Ack::Pubrec, packet_id)),
            (..) => delivered.then_some((Ack::Puback, packet_id)),
        }
    }

    pub(super) fn repeat_pubrec(&mut self, which: Index) {
        let released = self.promises.list.iter().filter_map(|promise| match promise.stage {
            Stage::Released(packet_id) => Some(packet_id),
            Stage::Queued | Stage::Published(_) => None,
        });
        let released: Vec<_> = released.collect();
        if !released.is_empty() {
            self.acknowledge(Ack::Pubrec, released[which.index(released.len())]);
        }
    }

    /// Hands the session an acknowledgement that is right.
    fn acknowledge(&mut self, ack: Ack, packet_id: PacketId) {
        let (index, promise) = self.promises.with_id(packet_id).expect("the message is in flight");
        let message = promise.message;
        match ack {
            Ack::Puback => {
                assert_eq!(self.session.puback(packet_id), Ok(message));
                assert!(self.client.delivered(message.number) > 0, "at least once");
                self.promises.settle(index, Fate::Delivered);
            }
            Ack::Pubrec => {
                let expected = match promise.stage {
                    Stage::Released(_) => Received::ReleaseAgain,
                    Stage::Queued | Stage::Published(_) => Received::Release(message),
                };
                promise.stage = Stage::Released(packet_id);
                if promise.here == Here::Nothing {
                    promise.here = Here::OnlyRelease;
                }
                assert_eq!(self.session.pubrec(packet_id, true), Ok(expected));
                if !self.client.is_releasing(packet_id) {
                    self.client.send(Packet::Release { packet_id });
                }
            }
            Ack::PubrecRefusing => {
                assert_eq!(self.session.pubrec(packet_id, false), Ok(Received::Refused(message)));
                self.promises.settle(index, Fate::Refused);
            }
            Ack::Pubcomp => {
                assert_eq!(self.session.pubcomp(packet_id), Ok(()));
                let delivered = self.client.delivered(message.number);
                assert!(delivered == 1 || (promise.skipped && delivered == 0), "exactly once");
                self.promises.settle(index, Fate::Delivered);
            }
        }
    }

    /// Hands the session an acknowledgement, unless it happens to be right.
    pub(super) fn err(&mut self, packet_id: PacketId, ack: Ack) {
        let promise = self.promises.with_id(packet_id).map(|(_, promise)| &*promise);
        let expected = match (promise.map(|promise| (promise.stage, promise.qos)), ack) {
            (None, _) => AckError::Unknown,
            (Some((Stage::Published(_), QoS::AtLeastOnce)), Ack::Puback)
            | (Some((Stage::Published(_), QoS::ExactlyOnce)), Ack::Pubrec | Ack::PubrecRefusing)
            | (Some((Stage::Released(_), _)), Ack::Pubrec | Ack::Pubcomp) => return,
            (Some(_), _) => AckError::WrongState,
        };
        let error = match ack {
            Ack::Puback => self.session.puback(packet_id).err(),
            Ack::Pubrec => self.session.pubrec(packet_id, true).err(),
            Ack::PubrecRefusing => self.session.pubrec(packet_id, false).err(),
            Ack::Pubcomp => self.session.pubcomp(packet_id).err(),
        };
        assert_eq!(error, Some(expected));
    }
}
