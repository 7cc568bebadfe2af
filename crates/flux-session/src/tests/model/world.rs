//! Plays steps between the session and its client, and compares with the promises.

mod acknowledge;
mod lifetime;

use std::collections::BTreeSet;
use std::time::Duration;

use flux_topic::TopicFilter;

use super::client::{Client, Packet};
use super::life::Life;
use super::promises::{Promise, Promises};
use super::{Connect, FILTERS, Numbered, Publication, Step};
use crate::{
    Delivery, FILTER_LEVEL_OVERHEAD, Inbound, Outgoing, PacketId, QUEUED_OVERHEAD, QoS,
    SESSION_OVERHEAD, SUBSCRIPTION_OVERHEAD, Session, SessionLimits, ShareId, SubscriptionIds,
    SubscriptionOptions, Timestamp,
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
    /// Expiry and will.
    life: Life,
    /// What the client is subscribed to.
    subscriptions: BTreeSet<TopicFilter>,
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
            life: Life::new(),
            subscriptions: BTreeSet::new(),
            inbound: BTreeSet::new(),
        }
    }

    pub(super) fn play(&mut self, step: Step) {
        match step {
            Step::Offer(publication, share) => self.offer(publication, share),
            Step::OfferShared(publication, share) => self.offer_shared(publication, share),
            Step::TakeUnsentShared(share) => {
                let taken = self.session.take_unsent_shared(share);
                let expected = self.promises.take_unsent_shared(share);
                self.check_given_back(&taken, &expected);
            }
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
            Step::Connect(connect) => self.connect(connect),
            Step::Detach { discard_will, expiry } => self.detach(discard_will, expiry),
            Step::Look => self.look(),
            Step::End => self.end(),
            Step::Wait(millis) => self.now = self.now + Duration::from_millis(millis),
            Step::Subscribe(which) => self.subscribe(which),
            Step::Unsubscribe(which) => self.unsubscribe(which),
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

    fn subscribe(&mut self, which: usize) {
        let filter = TopicFilter::parse(FILTERS[which]).unwrap();
        let before = self.session.subscribe(filter.clone(), SubscriptionOptions::default());
        assert_eq!(before.is_none(), self.subscriptions.insert(filter));
    }

    fn unsubscribe(&mut self, which: usize) {
        let filter = TopicFilter::parse(FILTERS[which]).unwrap();
        let existed = self.session.unsubscribe(&filter).is_some();
        assert_eq!(existed, self.subscriptions.remove(&filter));
    }

    /// Adds up what the session holds, one after the other.
    fn held_bytes(&self) -> usize {
        let filters = self.subscriptions.iter().map(|filter| {
            let levels = filter.level_count() * FILTER_LEVEL_OVERHEAD;
            filter.as_str().len() + SUBSCRIPTION_OVERHEAD + levels
        });
        let will = self.life.will.iter().map(|will| will.message.size + QUEUED_OVERHEAD);
        let standing: usize = filters.chain(will).sum();
        SESSION_OVERHEAD + standing + self.promises.held_bytes()
    }

    /// What is true at every moment.
    pub(super) fn check(&mut self) {
        assert_eq!(self.session.queued(), self.promises.queued());
        assert_eq!(self.session.queued_bytes(), self.promises.queued_bytes());
        assert_eq!(self.session.held_bytes(), self.held_bytes());
        assert_eq!(self.session.in_flight(), self.promises.in_flight());
        assert_eq!(self.session.is_attached(), self.promises.window.is_some());
        assert_eq!(self.session.has_work(), self.promises.due().is_some());
        let dropped = self.session.take_dropped();
        self.check_dropped(&dropped);

        assert_eq!(self.session.free_places(), self.promises.free_places());
        assert_eq!(usize::from(self.session.window()), self.promises.window.unwrap_or_default());
        assert_eq!(self.session.has_room_for_shared(), self.promises.has_room_for_shared());
        assert_eq!(self.session.open_receipts(), self.inbound.len());
        for packet_id in 1..6 {
            let is_open = self.inbound.contains(&packet_id);
            assert_eq!(self.session.is_receiving(id(packet_id)), is_open);
        }
        assert_eq!(self.session.deadline(), self.life.deadline());
        assert_eq!(self.session.has_expired(self.now), self.life.has_expired(self.now));
        assert_eq!(self.session.expiry().as_secs(), self.life.expiry);

        self.promises.check_that_none_is_missing();
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
        self.connect(Connect {
            clean_start: false,
            receive_maximum: 2,
            expiry: u32::MAX,
            will_delay: None,
        });
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

    fn offer(&mut self, Publication { qos, size, lifetime }: Publication, share: Option<ShareId>) {
        let message = self.message(size, lifetime);
        let expected = self.promises.offer(self.now, message, qos, share);
        assert_eq!(self.session.offer(self.now, delivery(message, qos, share)), expected);
    }

    fn offer_shared(&mut self, Publication { qos, size, lifetime }: Publication, share: ShareId) {
        let message = self.message(size, lifetime);
        let delivery = delivery(message, qos, Some(share));
        let expected = self.promises.offer_shared(self.now, message, qos, share);
        let offer = self.session.offer_shared(self.now, delivery.clone());
        assert_eq!(offer, expected.ok_or(delivery));
    }

    /// Makes a message like no other.
    fn message(&mut self, size: usize, lifetime: Option<u64>) -> Numbered {
        let expires_at = lifetime.map(|millis| self.now + Duration::from_millis(millis));
        self.next_number += 1;
        Numbered { number: self.next_number, size, expires_at }
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

    fn inbound_publish(&mut self, packet_id: u16) {
        let limit = self.promises.limits.inbound_receive_maximum.max(1);
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

fn delivery(message: Numbered, qos: QoS, share: Option<ShareId>) -> Delivery<Numbered> {
    Delivery {
        message,
        qos,
        retain: false,
        subscription_ids: SubscriptionIds::NONE,
        share,
        sequence: None,
    }
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}
