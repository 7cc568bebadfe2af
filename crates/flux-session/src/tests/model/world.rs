//! Plays steps between the session and its client, and compares with the promises.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::sample::Index;

use super::client::{Client, Packet};
use super::promises::{Here, Promise, Promises, Stage};
use super::{Ack, Numbered, Step};
use crate::{
    AckError, Connection, Delivery, Departure, Inbound, Outgoing, PacketId, QoS, Received, Session,
    SessionLimits, SubscriptionIds, Timestamp,
};

/// A session, its client, and what must be true of both.
#[derive(Debug)]
pub(super) struct World {
    session: Session<Numbered>,
    promises: Promises,
    client: Client,
    now: Timestamp,
    next_number: u32,
    /// The last message sent for the first time, per QoS.
    last_first_send: [Option<u32>; 3],
    /// The last PUBLISH sent again on this connection.
    last_again: Option<u32>,
    /// QoS 2 identifiers the client has open towards the server.
    inbound: BTreeSet<u16>,
}

impl World {
    pub(super) fn new(limits: SessionLimits) -> Self {
        Self {
            session: Session::new(limits),
            promises: Promises::new(limits),
            client: Client::default(),
            now: Timestamp::default(),
            next_number: 0,
            last_first_send: [None; 3],
            last_again: None,
            inbound: BTreeSet::new(),
        }
    }

    pub(super) fn play(&mut self, step: Step) {
        match step {
            Step::Offer { qos, size, lifetime } => self.offer(qos, size, lifetime),
            Step::Next => {
                if let Some(packet) = self.next() {
                    self.client.send(packet);
                }
            }
            Step::NextAndSkip => match self.next() {
                Some(Packet::Publish { packet_id: Some(packet_id), .. }) => self.skip(packet_id),
                Some(release @ Packet::Release { .. }) => self.client.send(release),
                Some(Packet::Publish { .. }) | None => {}
            },
            Step::ClientReads { refuse } => {
                self.client.read(refuse);
            }
            Step::ClientAnswers(which) => self.answer(which),
            Step::ClientAnswersEarly(which) => self.answer_early(which),
            Step::ClientRepeatsPubrec(which) => self.repeat_pubrec(which),
            Step::ClientErrs { packet_id, ack } => self.err(id(packet_id), ack),
            Step::Attach { receive_maximum } => self.attach(receive_maximum),
            Step::Detach => {
                self.client.disconnect();
                assert_eq!(self.session.detach(self.now, Departure::default()), []);
                self.promises.detach();
            }
            Step::Wait(millis) => self.now = self.now + Duration::from_millis(millis),
            Step::InboundPublish(packet_id) => self.inbound_publish(packet_id),
            Step::InboundRelease(packet_id) => {
                assert_eq!(self.session.release(id(packet_id)), self.inbound.remove(&packet_id));
            }
            Step::InboundForget(packet_id) => {
                self.session.forget_qos2(id(packet_id));
                self.inbound.remove(&packet_id);
            }
        }
    }

    /// What is true at every moment.
    pub(super) fn check(&mut self) {
        assert_eq!(self.session.queued(), self.promises.queued());
        assert_eq!(self.session.queued_bytes(), self.promises.queued_bytes());
        assert_eq!(self.session.in_flight(), self.promises.in_flight());
        assert_eq!(self.session.is_attached(), self.promises.window.is_some());
        assert_eq!(self.session.has_work(), self.promises.due().is_some());
        let dropped = self.session.take_dropped().into_iter();
        let dropped: Vec<_> = dropped.map(|d| (d.delivery.message.number, d.reason)).collect();
        assert_eq!(dropped, std::mem::take(&mut self.promises.dropped));

        let limits = self.promises.limits;
        assert!(self.session.queued() <= limits.queued_messages);
        assert!(self.session.queued_bytes() <= limits.queued_bytes);
        assert!(self.session.in_flight() <= usize::from(limits.receive_maximum_cap));
        if let Some(window) = self.promises.window {
            assert!(self.promises.outstanding() <= window, "the client's receive maximum holds");
        }
        let ids: BTreeSet<_> =
            self.promises.list.iter().filter_map(Promise::packet_id).map(PacketId::get).collect();
        assert_eq!(ids.len(), self.promises.in_flight(), "no identifier is in use twice");
        assert!(ids.last().is_none_or(|last| *last <= limits.packet_ids));
    }

    /// A client that stays and answers everything gets everything.
    pub(super) fn drain(&mut self) {
        self.attach(2);
        loop {
            let packet = self.next();
            let is_idle = packet.is_none();
            if let Some(packet) = packet {
                self.client.send(packet);
            }
            while self.client.read(false) {}
            let had_answers = self.client.owed() > 0;
            while self.client.owed() > 0 {
                self.acknowledge_owed(0);
            }
            self.check();
            if is_idle && !had_answers {
                break;
            }
        }
        assert!(self.promises.list.is_empty(), "every promise is kept");
        assert_eq!((self.session.queued(), self.session.in_flight()), (0, 0));
    }

    fn attach(&mut self, receive_maximum: u16) {
        self.client.disconnect();
        self.last_again = None;
        let connection = Connection { receive_maximum, ..Connection::default() };
        assert_eq!(self.session.attach(self.now, connection), None);
        self.promises.attach(self.now, receive_maximum);
    }

    fn offer(&mut self, qos: QoS, size: usize, lifetime: Option<u64>) {
        let expires_at = lifetime.map(|millis| self.now + Duration::from_millis(millis));
        let message = Numbered { number: self.next_number, size, expires_at };
        self.next_number += 1;
        let expected = self.promises.offer(self.now, message, qos);
        let subscription_ids = SubscriptionIds::NONE;
        let delivery = Delivery { message, qos, retain: false, subscription_ids, share: None };
        assert_eq!(self.session.offer(self.now, delivery), expected);
    }

    /// Takes the next packet out of the session: it must be the one that is due.
    fn next(&mut self) -> Option<Packet> {
        let in_flight = self.session.in_flight();
        let packet = self.session.next(self.now).map(|outgoing| match outgoing {
            Outgoing::Publish { packet_id, dup, delivery: Delivery { message, qos, .. } } => {
                Packet::Publish { number: message.number, qos, packet_id, dup }
            }
            Outgoing::Release { packet_id } => Packet::Release { packet_id },
        });
        if let Some(Packet::Publish { number, qos, packet_id, dup }) = packet {
            assert_eq!(packet_id.is_some(), qos > QoS::AtMostOnce);
            self.check_order(number, qos, dup);
            if packet_id.is_some() && !dup {
                assert!(Some(in_flight) < self.promises.window, "message {number} is too many");
            }
        }
        let expected = self.promises.serve(self.now).map(|index| {
            let new_id = match packet {
                Some(Packet::Publish { packet_id, .. }) => packet_id,
                Some(Packet::Release { .. }) | None => None,
            };
            self.promises.sent(index, new_id)
        });
        assert_eq!(packet, expected);
        packet
    }

    /// First sends keep the order of the offers per QoS; what is sent again keeps its order.
    fn check_order(&mut self, number: u32, qos: QoS, dup: bool) {
        let last = if dup {
            &mut self.last_again
        } else {
            &mut self.last_first_send[usize::from(qos.as_u8())]
        };
        assert!(last.is_none_or(|last| last < number), "{number} after {last:?}, dup {dup}");
        *last = Some(number);
    }

    fn skip(&mut self, packet_id: PacketId) {
        let message = self.session.skip(packet_id).unwrap();
        let (index, promise) = self.promises.with_id(packet_id).unwrap();
        assert_eq!(message, promise.message);
        promise.skipped = true;
        if promise.qos == QoS::ExactlyOnce && promise.sent_before {
            promise.stage = Stage::Released(packet_id);
            promise.here = Here::Nothing;
        } else {
            self.promises.list.remove(index);
        }
    }

    fn answer(&mut self, which: Index) {
        if self.client.owed() > 0 {
            self.acknowledge_owed(which.index(self.client.owed()));
        }
    }

    fn acknowledge_owed(&mut self, index: usize) {
        let (ack, packet_id) = self.client.take_owed(index);
        self.acknowledge(ack, packet_id);
    }

    /// Picks what waits to be sent again and the client knows already, and acknowledges it.
    fn answer_early(&mut self, which: Index) {
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

    fn repeat_pubrec(&mut self, which: Index) {
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
                self.promises.list.remove(index);
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
                self.promises.list.remove(index);
            }
            Ack::Pubcomp => {
                assert_eq!(self.session.pubcomp(packet_id), Ok(()));
                let delivered = self.client.delivered(message.number);
                assert!(delivered == 1 || (promise.skipped && delivered == 0), "exactly once");
                self.promises.list.remove(index);
            }
        }
    }

    /// Hands the session an acknowledgement, unless it happens to be right.
    fn err(&mut self, packet_id: PacketId, ack: Ack) {
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

    fn inbound_publish(&mut self, packet_id: u16) {
        let limit = self.promises.limits.inbound_receive_maximum;
        let answer = self.session.receive_qos2(id(packet_id));
        if self.inbound.contains(&packet_id) {
            assert_eq!(answer, Ok(Inbound::Duplicate));
        } else if self.inbound.len() < usize::from(limit) {
            assert_eq!(answer, Ok(Inbound::New));
            self.inbound.insert(packet_id);
        } else {
            assert_eq!(answer.map_err(|error| error.limit), Err(limit));
        }
    }
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}
