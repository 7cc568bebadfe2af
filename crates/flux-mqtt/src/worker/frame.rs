//! One frame of a client: what it may be at its stage, and who handles it.

use flux_eventbus::Limit;
use flux_session::Timestamp;

use super::Worker;
use super::connection::{Online, Stage};
use super::end::End;
use super::tell::{tell_limit, tell_limit_of};
use crate::effects::Effects;
use crate::names::ConnectionId;
use crate::wire::{self, Frame, FrameError, PacketType};

impl Worker {
    pub(super) fn frame(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        stage: Stage,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Stage {
        match stage {
            Stage::Fresh => self.first_frame(now, id, frame, fx),
            Stage::Online(mut online) => {
                match self.packet_in_bounds(now, id, &mut online, frame, fx) {
                    Ok(()) => {
                        if frame.packet_type == PacketType::Publish {
                            self.slow(now, id, &mut online, fx);
                        }
                        Stage::Online(online)
                    }
                    Err(end) => {
                        // What was answered comes before goodbye [MQTT-3.14.4-1].
                        self.send_answers(id, fx);
                        self.end(now, id, &online, &end, fx)
                    }
                }
            }
            other @ (Stage::Authenticating(_) | Stage::Authorizing(..) | Stage::Closing) => other,
        }
    }

    /// Handles one packet of a client that is online, if the session is still this connection's;
    /// no answer is larger than the client takes [MQTT-3.1.2-24].
    fn packet_in_bounds(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        if !online.session.is_held_by(online.generation) {
            // The letter that says so is on its way.
            let overflowed = online.session.lock().overflowed;
            return Err(if overflowed { End::Overflow } else { End::TakenOver });
        }
        let before = self.answers.len();
        self.must_wait = false;
        self.packet(now, id, online, frame, fx)?;
        if self.must_wait && self.answers.len() > before {
            self.waits_from.get_or_insert(before);
        }
        let len = u32::try_from(self.answers.len() - before).unwrap_or(u32::MAX);
        if len > online.maximum_packet_size {
            self.answers.truncate(before);
            return Err(FrameError::AnswerTooLarge { len, max: online.maximum_packet_size }.into());
        }
        Ok(())
    }

    /// Handles one packet, whatever the size of the answer.
    fn packet(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        match frame.packet_type {
            PacketType::Publish => self.publish(now, id, online, frame, fx),
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                self.acknowledge(id, online, frame, fx)
            }
            PacketType::Subscribe => self.subscribe(now, id, online, frame, fx),
            PacketType::Unsubscribe => self.unsubscribe(now, online, frame, fx),
            PacketType::PingReq => self.ping(frame),
            PacketType::Disconnect => Err(Self::disconnect(online, frame)),
            PacketType::Auth => self.authenticate_again(now, id, online, frame, fx),
            PacketType::Connect
            | PacketType::ConnAck
            | PacketType::SubAck
            | PacketType::UnsubAck
            | PacketType::PingResp => {
                Err(FrameError::UnexpectedPacket(frame.packet_type.name()).into())
            }
        }
    }

    fn ping(&mut self, frame: &Frame<'_>) -> Result<(), End> {
        match frame.body.len() {
            0 => self.answers.extend_from_slice(&wire::PINGRESP),
            extra => return Err(FrameError::TrailingBytes(extra).into()),
        }
        Ok(())
    }

    /// Bytes that are no frame end the connection.
    pub(super) fn unreadable(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        stage: Stage,
        error: FrameError,
        fx: &mut impl Effects,
    ) -> Stage {
        if let FrameError::PacketTooLarge { .. } = error {
            if let Stage::Online(online) = &stage {
                tell_limit_of(Limit::PacketSize, &online.client, fx);
            } else {
                let source = || self.connections.source(id);
                tell_limit(Limit::PacketSize, stage.client_id(), source, fx);
            }
        }
        if let Stage::Online(online) = stage {
            self.send_answers(id, fx);
            return self.end(now, id, &online, &error.into(), fx);
        }
        self.not_mqtt(id, error.reason_code(), fx)
    }

    /// Returns how many bytes the next packet of a connection may have.
    pub(super) fn largest_packet(&mut self, id: ConnectionId, stage: &Stage) -> u32 {
        match stage {
            Stage::Online(online) => online.terms.packet_size,
            Stage::Fresh | Stage::Authenticating(_) | Stage::Authorizing(..) | Stage::Closing => {
                let most = self.settings.limits.connect_packet_size;
                self.connections.get(id).map_or(most, |it| most.min(it.origin.terms.packet_size))
            }
        }
    }
}
