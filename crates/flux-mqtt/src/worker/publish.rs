//! PUBLISH from a client, and any message on its way to the sessions (section 3.3).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flux_auth::{Access, Decision, Verdict};
use flux_eventbus::{DropReason, Event, EventKind};
use flux_session::{Inbound, PacketId, QoS, Timestamp};
use flux_topic::TopicName;

use super::Worker;
use super::connection::Online;
use super::end::End;
use crate::broker::Broker;
use crate::effects::Effects;
use crate::input::ConnectionId;
use crate::message::Message;
use crate::reason::ReasonCode;
use crate::wire::{AckKind, Frame, FrameError, Publish, Version, write_ack};

impl Worker {
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let publish = Publish::read(frame, online.version)?;
        if online.version == Version::V5 && publish.qos > self.settings.max_qos {
            return Err(FrameError::QosNotSupported(self.settings.max_qos.as_u8()).into());
        }
        let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id) else {
            let Some(verdict) = self.may_publish(id, online, &publish, frame, fx) else {
                return Ok(());
            };
            let reason = self.accept(now, online, &publish, verdict, fx);
            self.answer(online, &publish, AckKind::PubAck, reason);
            return Ok(());
        };
        let reason = match receive(online, packet_id)? {
            Inbound::Duplicate => ReasonCode::Success,
            Inbound::New => {
                let verdict = self.may_publish(id, online, &publish, frame, fx);
                let reason = verdict.map(|verdict| self.accept(now, online, &publish, verdict, fx));
                // Not decided yet, or refused: the identifier is free again [MQTT-4.3.3-9].
                if reason.is_none_or(|reason| reason.as_u8() >= 0x80) {
                    online.session.lock().session.forget_qos2(packet_id);
                }
                let Some(reason) = reason else { return Ok(()) };
                reason
            }
        };
        self.answer(online, &publish, AckKind::PubRec, reason);
        Ok(())
    }

    /// Returns what the authorizer says; `None` while it is being asked.
    fn may_publish(
        &self,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Option<Verdict> {
        let topic = publish.topic.as_str();
        let access = Access::Publish { topic, qos: publish.qos.as_u8(), retain: publish.retain };
        if online.verdicts.is_none() {
            match self.broker.authorizer.decide(&online.client, access) {
                Decision::Allow => return Some(Verdict::Allow),
                Decision::Deny => return Some(Verdict::Deny),
                Decision::Ask => {}
            }
        }
        let verdicts = self.decide(id, online, std::iter::once(access), frame, fx)?;
        verdicts.first().copied()
    }

    /// Takes a message over, or refuses it, and returns the reason for the acknowledgement.
    fn accept(
        &mut self,
        now: Timestamp,
        online: &Online,
        publish: &Publish<'_>,
        verdict: Verdict,
        fx: &mut impl Effects,
    ) -> ReasonCode {
        let client_id = &online.client.client_id;
        if verdict == Verdict::Deny {
            let (topic, reason) = (publish.topic.as_str().into(), DropReason::NotAuthorized);
            fx.event(Event::Dropped { client_id: client_id.clone(), topic, reason });
            return ReasonCode::NotAuthorized;
        }
        let lifetime = publish.expiry.map(|seconds| Duration::from_secs(seconds.into()));
        let expires_at = lifetime.map(|lifetime| now + lifetime);
        let message = Message::from_publish(publish, online.session.key, expires_at);
        if fx.wants(EventKind::Published) {
            fx.event(published(Some(client_id.clone()), &message));
        }
        match self.publish_message(now, publish.topic, &message, fx) {
            0 => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::Success,
        }
    }

    /// Acknowledges a PUBLISH. MQTT 3.1.1 has no way to refuse one: the acknowledgement is
    /// positive and the message gone [MQTT-3.3.5-2].
    fn answer(
        &mut self,
        online: &Online,
        publish: &Publish<'_>,
        kind: AckKind,
        reason: ReasonCode,
    ) {
        if let Some(packet_id) = publish.packet_id {
            write_ack(&mut self.answers, kind, online.version, packet_id, reason);
        }
    }

    /// Stores a retained message, then offers the message to every session that subscribed.
    /// Returns to how many. `topic` is the message's own.
    pub(super) fn publish_message(
        &mut self,
        now: Timestamp,
        topic: TopicName<'_>,
        message: &Message,
        fx: &mut impl Effects,
    ) -> usize {
        if message.retain() {
            // Before it matches, so that a new subscriber misses nothing [MQTT-3.3.1-6].
            let value = (!message.payload().is_empty()).then(|| message.clone());
            self.broker.retained.replace(topic, value);
        }
        let routes = self.cache.find(&self.broker.routes, topic);
        for route in routes.iter() {
            let mut woken = None;
            let refused = Broker::offer(now, route, message, |attachment| woken = Some(attachment));
            if let Some(attachment) = woken {
                self.wake(attachment, fx);
            }
            if let Some(refused) = refused {
                fx.event(Event::Dropped {
                    client_id: refused.session.client_id.clone(),
                    topic: topic.as_str().into(),
                    reason: drop_reason(refused.reason),
                });
            }
        }
        routes.len()
    }
}

/// Notes the identifier of a QoS 2 message, or finds it noted already [MQTT-4.3.3-10].
fn receive(online: &Online, packet_id: PacketId) -> Result<Inbound, End> {
    let mut state = online.session.lock();
    if state.generation != online.generation {
        return Err(End::TakenOver);
    }
    let received = state.session.receive_qos2(packet_id);
    received.map_err(|exceeded| FrameError::ReceiveMaximum(exceeded.limit).into())
}

pub(super) fn published(client_id: Option<Arc<str>>, message: &Message) -> Event {
    Event::Published {
        client_id,
        topic: message.topic().into(),
        payload: Bytes::copy_from_slice(message.payload()),
        qos: message.qos().as_u8(),
        retain: message.retain(),
    }
}

pub(super) const fn drop_reason(reason: flux_session::DropReason) -> DropReason {
    match reason {
        flux_session::DropReason::Offline => DropReason::Offline,
        flux_session::DropReason::QueueFull => DropReason::QueueFull,
        flux_session::DropReason::Expired => DropReason::Expired,
    }
}
