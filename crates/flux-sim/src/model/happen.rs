//! What the broker tells: each event must have its cause, and each cause its event.

use flux_eventbus::{DisconnectReason, DropReason, Event, SessionEnd};

use super::answers::Answer;
use super::{Judgement, Model};
use crate::hands::LinkId;
use crate::packet::{Ack, Publish, Sent};
use crate::plan::PublishPlan;
use crate::rules;

impl Model {
    pub(super) fn event(&mut self, event: &Event) -> Judgement {
        match event {
            Event::Published { client_id, topic, payload, qos, retain } => {
                let client = client_id.as_deref().and_then(|name| self.client(name));
                let Some(client) = client else { return Ok(()) };
                if self.is_cheater(client) {
                    return Ok(());
                }
                self.published(client, topic, payload, *qos, *retain)
            }
            Event::Subscribed { client_id, filter, .. } => match self.known(client_id) {
                Some(client) => self.subscribed(client, filter),
                None => Ok(()),
            },
            Event::Dropped { client_id, topic, reason } => {
                let client = client_id.as_deref().map(|name| self.client(name));
                match client {
                    Some(Some(client)) if self.is_cheater(client) => {
                        self.may_be_refused();
                        Ok(())
                    }
                    Some(Some(client)) => self.dropped(client, topic, *reason),
                    Some(None) => Ok(()),
                    None => self.dropped_shared(topic, *reason),
                }
            }
            Event::SessionEnded { client_id, reason } => match self.known(client_id) {
                Some(client) => self.session_ended(client, *reason),
                None => Ok(()),
            },
            Event::Disconnected { client_id, reason, .. } => match self.known(client_id) {
                Some(client) => self.disconnected(client, *reason),
                None => Ok(()),
            },
            // Connected is looked at when the unit begins; the others follow from what is judged.
            _ => Ok(()),
        }
    }

    /// Returns the client of this name, if it keeps to the rules.
    fn known(&self, name: &str) -> Option<usize> {
        self.client(name).filter(|client| !self.is_cheater(*client))
    }

    /// A message was accepted: because its client sent it just now, or because a will is due.
    fn published(
        &mut self,
        client: usize,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> Judgement {
        let is_it = |message: &PublishPlan| {
            message.topic == topic
                && message.payload == payload
                && message.qos == qos
                && message.retain == retain
        };
        if let Some(will) = self.take_will(client, &is_it) {
            self.judged.wills += 1;
            self.route(client, &will, 0);
            return Ok(());
        }
        let Some(id) = self.subject else {
            return Err(format!("c{client} published to {topic}, and sent nothing"));
        };
        loop {
            let Some(frame) = self.frames.pop_front() else {
                return Err(format!(
                    "{} of c{client} to {topic} was offered, and not for the first time or without a cause",
                    crate::plan::shown(payload)
                ));
            };
            match frame {
                Sent::Publish(publish)
                    if is_it(&plan(&publish)) && self.is_acceptable(id, &publish) =>
                {
                    return self.accept(id, client, &publish);
                }
                other => self.silent(other)?,
            }
        }
    }

    /// Whether a PUBLISH is a new message that is allowed.
    fn is_acceptable(&self, id: LinkId, publish: &Publish) -> bool {
        let client = self.links.get(&id).map(|link| link.client);
        let session = client.and_then(|client| self.sessions.get(&client));
        let is_known = session.is_some_and(|session| session.receipts.contains(&publish.id));
        self.is_held(id) && rules::may_publish(&publish.topic) && !(publish.qos == 2 && is_known)
    }

    fn accept(&mut self, id: LinkId, client: usize, publish: &Publish) -> Judgement {
        if publish.qos == 2
            && let Some(session) = self.sessions.get_mut(&client)
        {
            session.receipts.insert(publish.id);
            let limit = usize::from(self.settings.session.inbound_receive_maximum.max(1));
            if session.receipts.len() > limit {
                return Err(format!("c{client} has more than {limit} messages open at QoS 2"));
            }
        }
        // What has no expiry to take out is kept as it came: with identifier and length of properties.
        let is_5 = self.clients[client].version.is_5();
        let gap = 2 * usize::from(publish.qos > 0) + usize::from(is_5);
        let gap = if publish.expiry.is_some() { 0 } else { gap };
        let matched = self.route(client, &plan(publish), gap);
        // Who breaks the rules may match too, and a session that is over until it is cleared away.
        let is_known = !self.has_cheaters
            && self.ending.is_empty()
            && self.sessions.values().all(|session| !session.is_over);
        let kind = match publish.qos {
            1 => Ack::PubAck,
            2 => Ack::PubRec,
            _ => return Ok(()),
        };
        let matched = is_known.then_some(matched);
        self.expect(id, Answer::Accepted { kind, id: publish.id, matched, may_be_refused: false });
        Ok(())
    }

    /// The last PUBLISH may be refused: somebody had no room for it. Then it is as if it had not come.
    pub(super) fn may_be_refused(&mut self) {
        let Some(link) = self.subject.and_then(|id| self.links.get_mut(&id)) else { return };
        if let Some(Answer::Accepted { may_be_refused, .. }) = link.answers.back_mut() {
            *may_be_refused = true;
        }
    }

    fn subscribed(&mut self, client: usize, filter: &str) -> Judgement {
        let Some(id) = self.subject else { return Ok(()) };
        while self.granted.is_empty() {
            match self.frames.pop_front() {
                Some(Sent::Subscribe(packet, filters, identifier)) if self.is_held(id) => {
                    self.subscribe(id, client, packet, &filters, identifier);
                }
                Some(other) => self.silent(other)?,
                None => return Err(format!("c{client} is subscribed to {filter} and did not ask")),
            }
        }
        match self.granted.pop_front() {
            Some(granted) if granted == filter => Ok(()),
            other => Err(format!("c{client} is subscribed to {filter}, {other:?} was granted")),
        }
    }

    fn session_ended(&mut self, client: usize, reason: SessionEnd) -> Judgement {
        self.judged.ended += 1;
        let place = self.ending.iter().position(|(other, session)| {
            *other == client && session.is_over == (reason == SessionEnd::QueueFull)
        });
        let session = match place {
            Some(place) => self.ending.remove(place).1,
            None => {
                let Some(session) = self.sessions.get(&client) else {
                    return Err(format!("a session of c{client} ended, and it has none"));
                };
                let has_ended = match reason {
                    SessionEnd::QueueFull => session.is_over,
                    SessionEnd::Expired | SessionEnd::Disconnected => {
                        session.end_moment().is_some_and(|moment| moment <= self.now)
                    }
                    _ => false,
                };
                if !has_ended {
                    return Err(format!(
                        "the session of c{client} ended before its time: {reason:?}"
                    ));
                }
                self.losses[client] += 1;
                match self.sessions.remove(&client) {
                    Some(session) => session,
                    None => return Ok(()),
                }
            }
        };
        if let Some(will) = &session.will {
            return Err(format!(
                "the session of c{client} ended without its will {:?}",
                will.message
            ));
        }
        self.hand_on(client, session);
        Ok(())
    }

    fn disconnected(&self, client: usize, reason: DisconnectReason) -> Judgement {
        match reason {
            DisconnectReason::ProtocolError { .. }
            | DisconnectReason::PacketTooLarge
            | DisconnectReason::NotAuthorized
            | DisconnectReason::ServerError => {
                Err(format!("c{client} keeps to the rules and was disconnected: {reason:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A message was lost on its way to a client.
    fn dropped(&mut self, client: usize, topic: &str, reason: DropReason) -> Judgement {
        self.judged.dropped += 1;
        match reason {
            // The publisher's own: nobody was offered it.
            DropReason::NotAuthorized | DropReason::QuotaExceeded | DropReason::NotRetained => {
                Ok(())
            }
            DropReason::Offline => match self.sessions.get(&client) {
                Some(session) if session.holder.is_some() => Err(format!(
                    "c{client} lost a message to {topic} for being away, and it is here"
                )),
                _ => Ok(()),
            },
            DropReason::Refused { .. } => Ok(()),
            DropReason::QueueFull => self.lost_for_room(client, topic),
            DropReason::Expired => self.lost_to_time(client, topic),
            DropReason::PacketTooLarge => self.lost_for_size(client, topic),
            DropReason::SessionEnded => self.lost_with_session(client, topic),
            _ => Err(format!("c{client} lost a message to {topic}: {reason:?}")),
        }
    }
}

/// A PUBLISH as what was to be published.
fn plan(publish: &Publish) -> PublishPlan {
    PublishPlan {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        qos: publish.qos,
        retain: publish.retain,
        expiry: publish.expiry,
    }
}
