//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client (sections 3.4 to 3.7, 4.3).

use flux_session::{AckError, Received};

use super::Worker;
use super::connection::Online;
use super::end::End;
use crate::names::ConnectionId;
use crate::reason::ReasonCode;
use crate::session::SessionState;
use crate::wire::{Ack, AckKind, Frame, FrameError, PacketType, write_ack};

impl Worker {
    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        online: &Online,
        frame: &Frame<'_>,
    ) -> Result<(), End> {
        let ack = Ack::read(frame, online.version)?;
        let mut state = online.session.lock();
        if state.generation != online.generation {
            return Err(End::TakenOver);
        }
        let answer = react(&mut state, frame.packet_type, ack)?;
        // The window may have opened.
        if state.has_work() && state.wake().is_some() {
            self.dirty.push(id);
        }
        drop(state);
        if let Some((kind, reason)) = answer {
            write_ack(&mut self.answers, kind, online.version, ack.packet_id, reason);
        }
        Ok(())
    }
}

/// Applies an acknowledgement and returns the one that answers it.
///
/// An acknowledgement of nothing may be one that crossed a takeover; it changes nothing. One
/// that contradicts the message's QoS is the client's error.
fn react(
    state: &mut SessionState,
    packet_type: PacketType,
    ack: Ack,
) -> Result<Option<(AckKind, ReasonCode)>, End> {
    let contradicts = || End::from(FrameError::UnexpectedPacket(packet_type.name()));
    let release = |reason| Some((AckKind::PubRel, reason));
    match packet_type {
        PacketType::PubAck => match state.session.puback(ack.packet_id) {
            Ok(_) | Err(AckError::Unknown) => Ok(None),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        PacketType::PubRec => match state.session.pubrec(ack.packet_id, ack.success) {
            Ok(Received::Release(_) | Received::ReleaseAgain) => Ok(release(ReasonCode::Success)),
            Err(AckError::Unknown) if ack.success => {
                Ok(release(ReasonCode::PacketIdentifierNotFound))
            }
            Ok(Received::Refused(_)) | Err(AckError::Unknown) => Ok(None),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        PacketType::PubComp => match state.session.pubcomp(ack.packet_id) {
            Ok(()) | Err(AckError::Unknown) => Ok(None),
            Err(AckError::WrongState) => Err(contradicts()),
        },
        // PUBREL, the only other type that gets here.
        _ => {
            let known = state.session.release(ack.packet_id);
            let reason =
                if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
            Ok(Some((AckKind::PubComp, reason)))
        }
    }
}
