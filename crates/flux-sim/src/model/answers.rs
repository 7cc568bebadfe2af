//! What a client must be answered, and whether it was.

use super::{Judgement, Model};
use crate::hands::LinkId;
use crate::packet::{Ack, Got};
use crate::plan::Manners;

/// What must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// CONNACK with success.
    Welcome { present: bool },
    /// An acknowledgement with exactly this code.
    Ack(Ack, u16, u8),
    /// PUBACK or PUBREC for a message that was accepted.
    Accepted { kind: Ack, id: u16, matched: Option<bool>, may_be_refused: bool },
    /// SUBACK.
    SubAck(u16, Vec<u8>),
    /// UNSUBACK.
    UnsubAck(u16, Vec<u8>),
    /// PINGRESP.
    Pong,
}

impl Answer {
    /// Whether this is what was sent. Before MQTT 5.0 no acknowledgement has a code.
    fn is(&self, got: &Got, is_5: bool) -> bool {
        match (self, got) {
            (Self::Welcome { present }, Got::ConnAck(was, 0)) => present == was,
            (Self::Ack(kind, id, code), Got::Ack(got, to, said)) => {
                kind == got && id == to && (code == said || !is_5)
            }
            (Self::Accepted { kind, id, matched, may_be_refused }, Got::Ack(got, to, said)) => {
                let fits = match said {
                    _ if !is_5 => true,
                    0x00 => *matched != Some(false),
                    0x10 => *matched != Some(true),
                    0x97 => *may_be_refused,
                    _ => false,
                };
                kind == got && id == to && fits
            }
            (Self::SubAck(id, codes), Got::SubAck(to, said)) => id == to && codes == said,
            (Self::UnsubAck(id, codes), Got::UnsubAck(to, said)) => {
                id == to && (codes == said || (!is_5 && said.is_empty()))
            }
            (Self::Pong, Got::Pong) => true,
            _ => false,
        }
    }
}

impl Model {
    /// The client of a connection must be sent this.
    pub(super) fn expect(&mut self, id: LinkId, answer: Answer) {
        let clients = &self.clients;
        if let Some(link) = self.links.get_mut(&id)
            && clients[link.client].manners != Manners::Cheating
        {
            link.answers.push_back(answer);
        }
    }

    /// An answer was sent: it must be the next that is due.
    pub(super) fn answer(&mut self, id: LinkId, got: &Got) -> Judgement {
        // What has no event of its own was not looked at yet.
        while self.subject == Some(id)
            && self.links.get(&id).is_some_and(|link| link.answers.is_empty())
            && let Some(frame) = self.frames.pop_front()
        {
            self.silent(frame)?;
        }
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let client = link.client;
        match link.answers.pop_front() {
            Some(answer) if answer.is(got, link.version.is_5()) => {
                if let Got::Ack(Ack::PubRec, packet, 0x80..) = got
                    && let Some(session) = self.sessions.get_mut(&client)
                {
                    // Refused: the next one with this identifier is new [MQTT-4.3.3-9].
                    session.receipts.remove(packet);
                }
                Ok(())
            }
            Some(answer) => Err(format!("c{client} was sent {got:?} where {answer:?} was due")),
            None => Err(format!("c{client} was sent {got:?}, and nothing was due")),
        }
    }
}
