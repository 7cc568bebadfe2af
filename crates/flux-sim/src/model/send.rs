//! What the broker sends to a client: it must be owed, in order, within the window.

use std::rc::Rc;

use super::session::{InFlight, Origin, Promise, Publication};
use super::{Judgement, Model};
use crate::hands::LinkId;
use crate::packet::{Ack, Got, Publish};
use crate::plan::shown;

impl Model {
    /// Bytes were sent over a connection.
    pub(super) fn sent(&mut self, id: LinkId, bytes: &[u8]) -> Judgement {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let client = link.client;
        let read = link.reader.read(bytes);
        let packets = read.map_err(|what| format!("c{client} was sent {what}"))?;
        if link.reader.is_within_packet() {
            return Err(format!("c{client} was sent half a packet"));
        }
        if self.is_cheater(client) {
            return Ok(());
        }
        packets.into_iter().try_for_each(|packet| match packet {
            Got::Publish(publish) => self.deliver(id, client, &publish),
            Got::Ack(Ack::PubRel, packet, _) if self.is_released_again(client, packet) => {
                self.release_again(client, packet)
            }
            Got::Disconnect(code) => self.told(id, client, code),
            Got::ConnAck(false, 1..) => Ok(()),
            other => self.answer(id, &other),
        })
    }

    /// A client is told to go: only for what really is so.
    fn told(&self, id: LinkId, client: usize, code: u8) -> Judgement {
        let session = self.sessions.get(&client);
        let is_held = session.is_some_and(|session| session.holder == Some(id));
        let patience = self.links.get(&id).and_then(|link| {
            let connect = link.connect.as_ref().filter(|connect| connect.keep_alive > 0)?;
            Some(link.heard + u64::from(connect.keep_alive) * 1_500)
        });
        let is_so = match code {
            0x8D => patience.is_some_and(|moment| moment <= self.now),
            0x8E => !is_held,
            0x97 => session.is_none_or(|session| session.is_over || !is_held),
            0x8B | 0x98 => true,
            _ => false,
        };
        if is_so { Ok(()) } else { Err(format!("c{client} was told to go with {code:#x}")) }
    }

    /// A PUBLISH was sent.
    fn deliver(&mut self, id: LinkId, client: usize, publish: &Publish) -> Judgement {
        self.judged.deliveries += 1;
        let now = self.now;
        let is_5 = self.clients[client].version.is_5();
        let what = format!("{} on {}", shown(&publish.payload), publish.topic);
        let Some(session) = self.sessions.get_mut(&client) else {
            return Err(format!("c{client} was sent {what} and has no session"));
        };
        if session.holder != Some(id) || session.is_over {
            return Err(format!(
                "c{client} was sent {what} over a connection that lost its session"
            ));
        }
        if publish.qos > 0 && session.exchange(publish.id).is_some() {
            return self.deliver_again(client, publish);
        }
        if publish.dup {
            return Err(format!("c{client} was sent {what} as a duplicate, for the first time"));
        }
        let doubtful = self.doubtful(&publish.topic, &publish.payload);
        let is_doubtful = doubtful.is_some();
        let taken = self.take_promise(client, publish)?;
        let Some(promise) = taken.or_else(|| doubtful.map(|one| open_promise(one, publish))) else {
            return Err(format!(
                "c{client} was sent {what} at QoS {}, RETAIN {}, subscriptions {:?}, which nobody owed it",
                publish.qos, publish.retain, publish.subscriptions
            ));
        };
        let publication = promise.publication.clone();
        if publication.is_expired(now) && !is_doubtful {
            return Err(format!("c{client} was sent {what} after it had expired"));
        }
        if is_5 && !publication.expires_in(now, publish.expiry) && !is_doubtful {
            let (at, told) = (publication.expires_at, publish.expiry);
            return Err(format!(
                "{what} expires at {at:?}, at {now} c{client} was told {told:?} s"
            ));
        }
        self.count_first(client, publish, &promise)?;
        if publish.qos > 0 { self.begin_exchange(client, publish.id, promise) } else { Ok(()) }
    }

    /// Notes a first send, and that no older retained value follows a newer one.
    fn count_first(&mut self, client: usize, publish: &Publish, promise: &Promise) -> Judgement {
        match promise.origin {
            Origin::Own => {}
            Origin::Retained => self.judged.retained += 1,
            Origin::Shared(_) => self.judged.shared += 1,
        }
        let sent = self.ledgers[client].entry(publish.payload.clone()).or_default();
        sent.sent[usize::from(publish.qos)] += 1;
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        let number = promise.publication.number;
        if !promise.publication.message.retain || matches!(promise.origin, Origin::Shared(_)) {
            return Ok(());
        }
        let newest = session.newest.entry((publish.topic.clone(), publish.qos > 0)).or_default();
        if promise.origin == Origin::Retained && number < *newest {
            return Err(format!(
                "c{client} was sent the retained {} of {} after a newer one",
                shown(&publish.payload),
                publish.topic
            ));
        }
        *newest = number.max(*newest);
        Ok(())
    }

    /// A message goes out under a packet identifier for the first time.
    fn begin_exchange(&mut self, client: usize, id: u16, promise: Promise) -> Judgement {
        let limits = self.settings.session;
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        if let Some(other) = session.in_flight.iter().find(|exchange| !exchange.is_carried) {
            return Err(format!("c{client} was sent something new before {} again", other.id));
        }
        session.in_flight.push(InFlight { id, promise, is_released: false, is_carried: true });
        let (len, window) = (session.in_flight.len(), session.window);
        if len > window {
            return Err(format!("c{client} has {len} messages in flight, its window is {window}"));
        }
        let last = limits.packet_ids.max(1);
        if id > last {
            return Err(format!("c{client} was sent identifier {id}, the last is {last}"));
        }
        Ok(())
    }

    /// A PUBLISH under an identifier that is in use: the same message, once a connection, in order.
    fn deliver_again(&mut self, client: usize, publish: &Publish) -> Judgement {
        self.judged.again += 1;
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        let window = session.window;
        let Some(place) = session.in_flight.iter().position(|other| other.id == publish.id) else {
            return Ok(());
        };
        let is_first =
            session.in_flight[..place].iter().all(|other| other.is_carried || other.is_released);
        let exchange = &mut session.in_flight[place];
        let message = &exchange.promise.publication.message;
        let is_same = message.payload == publish.payload
            && message.topic == publish.topic
            && exchange.promise.qos == publish.qos
            && exchange.promise.retain == publish.retain;
        let id = publish.id;
        let wrong = if exchange.is_released {
            Some("after PUBREC")
        } else if !is_same {
            Some("for another message, while it is in use")
        } else if exchange.is_carried {
            Some("twice over one connection")
        } else if !publish.dup {
            Some("again without DUP")
        } else if !is_first {
            Some("again before an earlier one")
        } else {
            None
        };
        exchange.is_carried = true;
        if let Some(wrong) = wrong {
            return Err(format!("c{client} was sent {} as {id} {wrong}", shown(&publish.payload)));
        }
        let carried =
            session.in_flight.iter().filter(|other| other.is_carried && !other.is_released);
        let carried = carried.count();
        if carried > window {
            return Err(format!(
                "c{client} was sent {carried} messages again, its window is {window}"
            ));
        }
        Ok(())
    }

    /// Whether PUBREL is due by itself: on a new connection, where PUBREC came over an earlier one.
    fn is_released_again(&self, client: usize, packet: u16) -> bool {
        let session = self.sessions.get(&client);
        session.is_some_and(|session| {
            let mut all = session.in_flight.iter();
            all.any(|other| other.id == packet && other.is_released && !other.is_carried)
        })
    }

    fn release_again(&mut self, client: usize, packet: u16) -> Judgement {
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(()) };
        let mut before = session.in_flight.iter().take_while(|other| other.id != packet);
        if let Some(earlier) = before.find(|other| other.is_released && !other.is_carried) {
            return Err(format!("c{client} was sent PUBREL {packet} before {}", earlier.id));
        }
        if let Some(exchange) = session.exchange(packet) {
            exchange.is_carried = true;
        }
        Ok(())
    }

    /// Takes what was owed that this PUBLISH is.
    fn take_promise(&mut self, client: usize, publish: &Publish) -> Judgement<Option<Promise>> {
        let is_5 = self.clients[client].version.is_5();
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&client) else { return Ok(None) };
        let is_it = |promise: &Promise| {
            let message = &promise.publication.message;
            message.topic == publish.topic
                && message.payload == publish.payload
                && promise.qos == publish.qos
                && promise.retain == publish.retain
                && (promise.identifiers == publish.subscriptions || !is_5)
        };
        // What a client is told of its expiry tells copies apart.
        let fresh = |promise: &Promise| {
            let publication = &promise.publication;
            let is_told = !is_5 || publication.expires_in(now, publish.expiry);
            is_it(promise) && !publication.is_expired(now) && is_told
        };
        let is_open = session.in_flight.len() < session.window
            && session.in_flight.len() < usize::from(self.settings.session.packet_ids.max(1));
        // QoS 0 passes only where the others have to wait.
        let passed = |place: usize| {
            session.unsent.iter().take(place).find(|other| {
                let is_lost = other.may_be_lost || other.publication.is_expired(now);
                !is_lost && (other.qos == 0 || publish.qos > 0 || is_open)
            })
        };
        let all = &session.unsent;
        let places = [all.iter().position(fresh), all.iter().position(is_it)];
        let mut places = places.into_iter().flatten();
        if let Some(first) = places.clone().next() {
            // Where it is open what was lost, so is what came first.
            let is_open = !session.is_exact && all.iter().any(|promise| promise.may_be_lost);
            let in_order = places.find(|place| passed(*place).is_none());
            let place = if is_open { Some(first) } else { in_order };
            let Some(place) = place else {
                let other = passed(first).map(|other| shown(&other.publication.message.payload));
                // The same message may have come out of what is retained, or by a shared subscription.
                let mut replays = session.replays.iter();
                if let Some(place) = replays.position(|replay| is_it(&replay.promise)) {
                    return Ok(Some(session.replays.remove(place).promise));
                }
                if let Some(shared) = self.take_pooled(client, publish) {
                    return Ok(Some(shared));
                }
                let (what, other) = (shown(&publish.payload), other.unwrap_or_default());
                return Err(format!("c{client} was sent {what} before {other}, which came first"));
            };
            let promise = session.unsent.remove(place);
            if let Some(promise) = &promise
                && self.shares.values().any(|share| share.holds_for(client, &promise.publication))
            {
                // Which of the two it was is open, for one that has only one of them too.
                self.doubted.push(promise.publication.clone());
            }
            if promise.as_ref().is_some_and(|promise| promise.may_be_lost) {
                // Of two that are alike, it may be the other one that is lost.
                let mut alike = session.unsent.iter_mut();
                let other = alike.find(|other| is_it(other) && !other.may_be_lost);
                other.into_iter().for_each(|other| other.may_be_lost = true);
            }
            // What came before and was not sent is lost indeed.
            let class = publish.qos > 0;
            let mut number = 0;
            session.unsent.retain(|other| {
                number += 1;
                number > place || !other.may_be_lost || (other.qos > 0) != class
            });
            return Ok(promise);
        }
        let replays = &mut session.replays;
        let must = replays.iter().position(|replay| !replay.is_optional && is_it(&replay.promise));
        let may = || replays.iter().position(|replay| is_it(&replay.promise));
        if let Some(place) = must.or_else(may) {
            return Ok(Some(replays.remove(place).promise));
        }
        Ok(self.take_pooled(client, publish))
    }
}

/// What a message is to a client where it is open how it came to it.
fn open_promise(publication: Rc<Publication>, publish: &Publish) -> Promise {
    Promise {
        publication,
        qos: publish.qos,
        retain: publish.retain,
        identifiers: publish.subscriptions.clone(),
        // Of no shared subscription that there is: it is not handed on.
        origin: Origin::Shared(0),
        may_be_lost: true,
    }
}
