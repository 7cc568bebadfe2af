//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client (sections 3.4 to 3.7, 4.3).

use flux_eventbus::{DropReason, EventKind};
use flux_session::{AckError, QoS, Received};

use super::Worker;
use super::connection::Online;
use super::end::End;
use super::tell::tell_not_got;
use crate::effects::Effects;
use crate::message::Message;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SessionState;
use crate::wire::{Ack, AckKind, Frame, FrameError, PacketType, write_ack};

/// What an acknowledgement led to.
#[derive(Default)]
struct Reaction {
    /// The acknowledgement that answers it.
    answer: Option<(AckKind, ReasonCode)>,
    /// The message that the client has now, or refused, and the QoS it was sent at.
    settled: Option<(Message, QoS)>,
}

impl Worker {
    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        online: &Online,
        frame: &Frame<'_>,
        fx: &mut impl Effects,
    ) -> Result<(), End> {
        let ack = Ack::read(frame, online.version)?;
        let mut state = online.session.lock();
        if state.generation != online.generation {
            return Err(End::TakenOver);
        }
        let Reaction { answer, settled } = react(&mut state, frame.packet_type, ack)?;
        if let Some((kind, _)) = answer {
            online.write_step(&mut state, kind, ack.packet_id);
        }
        // The window may have opened.
        if state.has_work() && state.wake().is_some() {
            self.dirty.push(id);
        }
        drop(state);
        if let Some((kind, reason)) = answer {
            self.wait_if_stored(online);
            write_ack(&mut self.answers, kind, online.version, ack.packet_id, reason);
        }
        if let Some((message, qos)) = settled {
            tell_settled(online, ack, &message, qos, fx);
        }
        Ok(())
    }
}

/// Tells the platform, if it wants to know, that a client has a message, or refused it.
fn tell_settled(online: &Online, ack: Ack, message: &Message, qos: QoS, fx: &mut impl Effects) {
    if !ack.is_success() {
        let reason = DropReason::Refused { code: ack.code };
        tell_not_got(&online.session, message, reason, fx);
    } else if fx.wants(EventKind::Delivered) {
        fx.event(online.session.delivered(message, qos));
    }
}

/// Applies an acknowledgement.
///
/// An acknowledgement of nothing may be one that crossed a takeover; it changes nothing. One
/// that contradicts the message's QoS is the client's error.
fn react(state: &mut SessionState, packet_type: PacketType, ack: Ack) -> Result<Reaction, End> {
    let contradicts = || End::from(FrameError::UnexpectedPacket(packet_type.name()));
    let answer = |kind, reason| Reaction { answer: Some((kind, reason)), settled: None };
    let release = |reason| answer(AckKind::PubRel, reason);
    match packet_type {
        PacketType::PubAck => match state.session.puback(ack.packet_id) {
            Ok(message) => {
                let settled = Some((message, QoS::AtLeastOnce));
                Ok(Reaction { settled, ..Reaction::default() })
            }
            Err(AckError::Unknown) => Ok(Reaction::default()),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        PacketType::PubRec => match state.session.pubrec(ack.packet_id, ack.is_success()) {
            Ok(Received::Release(message)) => {
                let settled = Some((message, QoS::ExactlyOnce));
                Ok(Reaction { settled, ..release(ReasonCode::Success) })
            }
            Ok(Received::ReleaseAgain) => Ok(release(ReasonCode::Success)),
            Ok(Received::Refused(message)) => {
                let settled = Some((message, QoS::ExactlyOnce));
                Ok(Reaction { settled, ..Reaction::default() })
            }
            Err(AckError::Unknown) if ack.is_success() => {
                Ok(release(ReasonCode::PacketIdentifierNotFound))
            }
            Err(AckError::Unknown) => Ok(Reaction::default()),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        PacketType::PubComp => match state.session.pubcomp(ack.packet_id) {
            Ok(()) | Err(AckError::Unknown) => Ok(Reaction::default()),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        // PUBREL, the only other type that gets here.
        _ => {
            let known = state.session.release(ack.packet_id);
            let reason =
                if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
            Ok(answer(AckKind::PubComp, reason))
        }
    }
}
