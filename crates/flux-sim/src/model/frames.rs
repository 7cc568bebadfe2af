//! What a client sent, and what must come of it.

use super::answers::Answer;
use super::session::Subscription;
use super::{Judgement, Model, Share};
use crate::hands::LinkId;
use crate::packet::{Ack, Publish, Sent};
use crate::rules;

impl Model {
    /// A frame of which nothing was told: whatever must be told of it was not.
    pub(super) fn silent(&mut self, frame: Sent) -> Judgement {
        self.nothing_granted_is_left()?;
        let Some(id) = self.subject else { return Ok(()) };
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let client = link.client;
        if let Sent::Connect(connect) = frame {
            self.connects(id, connect);
            return Ok(());
        }
        if self.is_cheater(client) || !self.is_held(id) {
            return Ok(());
        }
        match frame {
            Sent::Connect(_) | Sent::Disconnect(..) | Sent::Raw(_) => {}
            Sent::Ping => self.expect(id, Answer::Pong),
            Sent::Publish(publish) => return self.publish_silent(id, client, &publish),
            Sent::Ack(kind, packet, code) => self.acknowledged(id, client, kind, packet, code),
            Sent::Subscribe(packet, filters, identifier) => {
                self.subscribe(id, client, packet, &filters, identifier);
                return self.nothing_granted_is_left();
            }
            Sent::Unsubscribe(packet, filters) => self.unsubscribe(id, client, packet, &filters),
        }
        Ok(())
    }

    /// Whether what comes over this connection is for its session.
    pub(super) fn is_held(&self, id: LinkId) -> bool {
        self.links.get(&id).filter(|link| link.is_online).is_some_and(|link| {
            let session = self.sessions.get(&link.client);
            session.is_some_and(|session| session.holder == Some(id) && !session.is_over)
        })
    }

    /// A PUBLISH that was not offered to anybody: a duplicate, or one that is not allowed.
    fn publish_silent(&mut self, id: LinkId, client: usize, publish: &Publish) -> Judgement {
        let receipts = self.sessions.get(&client).map(|session| &session.receipts);
        let is_known = publish.qos == 2 && receipts.is_some_and(|all| all.contains(&publish.id));
        let is_allowed = rules::may_publish(&publish.topic);
        if is_allowed && !is_known {
            return Err(format!("{publish:?} of c{client} was offered to nobody"));
        }
        let is_5 = self.clients[client].version.is_5();
        if publish.qos == 2
            && !is_5
            && let Some(session) = self.sessions.get_mut(&client)
        {
            // It is not told, and its exchange goes on.
            session.receipts.insert(publish.id);
        }
        let code = if is_known { 0 } else { 0x87 };
        match publish.qos {
            1 => self.expect(id, Answer::Ack(Ack::PubAck, publish.id, code)),
            2 => self.expect(id, Answer::Ack(Ack::PubRec, publish.id, code)),
            _ => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self, id: LinkId, client: usize, kind: Ack, packet: u16, code: u8) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let place = session.in_flight.iter().position(|exchange| exchange.id == packet);
        let exchange = place.map(|place| &mut session.in_flight[place]);
        let is_success = code < 0x80;
        match (kind, exchange) {
            (Ack::PubAck, Some(exchange)) if exchange.promise.qos == 1 => {
                self.settled(client, packet);
            }
            (Ack::PubRec, Some(exchange)) if exchange.promise.qos == 2 && is_success => {
                let is_first = !exchange.is_released;
                exchange.is_released = true;
                exchange.is_carried = true;
                if is_first {
                    let payload = exchange.promise.publication.message.payload.clone();
                    self.ledgers[client].entry(payload).or_default().acknowledged[2] += 1;
                }
                self.expect(id, Answer::Ack(Ack::PubRel, packet, 0));
            }
            (Ack::PubRec, Some(_)) => {
                session.in_flight.retain(|exchange| exchange.id != packet);
            }
            (Ack::PubRec, None) if is_success => {
                self.expect(id, Answer::Ack(Ack::PubRel, packet, 0x92));
            }
            (Ack::PubComp, Some(exchange)) if exchange.is_released => {
                session.in_flight.retain(|exchange| exchange.id != packet);
            }
            (Ack::PubRel, _) => {
                let code = if session.receipts.remove(&packet) { 0 } else { 0x92 };
                self.expect(id, Answer::Ack(Ack::PubComp, packet, code));
            }
            (Ack::PubAck | Ack::PubRec | Ack::PubComp, _) => {}
        }
    }

    /// PUBACK has come.
    fn settled(&mut self, client: usize, packet: u16) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        for exchange in session.in_flight.extract_if(.., |exchange| exchange.id == packet) {
            let payload = exchange.promise.publication.message.payload.clone();
            self.ledgers[client].entry(payload).or_default().acknowledged[1] += 1;
        }
    }

    /// SUBSCRIBE was taken: each filter that is granted must be told.
    pub(super) fn subscribe(
        &mut self,
        id: LinkId,
        client: usize,
        packet: u16,
        filters: &[(String, crate::packet::Options)],
        identifier: Option<u32>,
    ) {
        let version = self.clients[client].version;
        let max = self.settings.max_qos.as_u8();
        let mut codes = Vec::new();
        for (filter, options) in filters {
            let mut options = *options;
            if !version.is_5() {
                options = crate::packet::Options { qos: options.qos, ..PLAIN };
            }
            options.qos = options.qos.min(max);
            if rules::may_subscribe(filter) {
                codes.push(options.qos);
                self.granted.push_back(filter.clone());
                let identifier = identifier.filter(|_| version.is_5());
                self.enter(client, filter, Subscription { options, identifier });
            } else {
                codes.push(match version {
                    crate::packet::Version::V31 => options.qos,
                    crate::packet::Version::V311 => 0x80,
                    crate::packet::Version::V5 => 0x87,
                });
            }
        }
        self.expect(id, Answer::SubAck(packet, codes));
    }

    fn enter(&mut self, client: usize, filter: &str, subscription: Subscription) {
        let number = self.number();
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let before = session.subscriptions.insert(filter.to_owned(), subscription);
        // What an earlier subscription was bringing is not brought any more, but may be on its way.
        for replay in session.replays.iter_mut().filter(|replay| replay.filter == filter) {
            replay.is_optional = true;
        }
        if rules::shared(filter).is_some() {
            session.is_exact = false;
            let share = self.shares.entry(filter.to_owned());
            let share = share.or_insert_with(|| Share {
                number,
                members: std::collections::BTreeMap::new(),
                pool: Vec::new(),
            });
            share.members.entry(client).or_default().push(subscription);
            return;
        }
        let is_wanted = match subscription.options.handling {
            0 => true,
            1 => before.is_none(),
            _ => false,
        };
        if is_wanted {
            self.begin_replay(client, filter, subscription);
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        id: LinkId,
        client: usize,
        packet: u16,
        filters: &[String],
    ) {
        let codes = filters.iter().map(|filter| if self.leave(client, filter) { 0 } else { 0x11 });
        let codes = codes.collect();
        self.expect(id, Answer::UnsubAck(packet, codes));
    }

    fn leave(&mut self, client: usize, filter: &str) -> bool {
        let Some(session) = self.sessions.get_mut(&client) else { return false };
        for replay in session.replays.iter_mut().filter(|replay| replay.filter == filter) {
            replay.is_optional = true;
        }
        let existed = session.subscriptions.remove(filter).is_some();
        self.leave_share(client, filter);
        existed
    }

    /// A shared subscription ends with its last member, and what waits there with it.
    pub(super) fn leave_share(&mut self, client: usize, filter: &str) {
        if let Some(share) = self.shares.get_mut(filter) {
            self.gives_back = true;
            share.members.remove(&client);
            if share.members.is_empty() {
                for doubt in self.doubts.iter_mut().filter(|doubt| doubt.other == filter) {
                    doubt.is_gone |= share.holds(&doubt.publication);
                }
                self.shares.remove(filter);
            }
        }
    }

    /// Everything that was granted must have been told.
    pub(super) fn nothing_granted_is_left(&self) -> Judgement {
        match self.granted.front() {
            Some(filter) => Err(format!("the subscription to {filter} was granted and not told")),
            None => Ok(()),
        }
    }
}

/// What a subscription before MQTT 5.0 is.
const PLAIN: crate::packet::Options =
    crate::packet::Options { qos: 0, no_local: false, as_published: false, handling: 0 };
