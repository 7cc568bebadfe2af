//! What of a record is to be written again before its segment goes.

use super::{Index, Place};
use crate::record::{MessageRecord, Record, Sequence, Target};

impl Index {
    /// Returns what of the record at this place is alive, as it is now.
    pub(crate) fn restate<'a>(
        &self,
        record: Record<'a>,
        segment: u32,
        offset: u32,
    ) -> Option<Record<'a>> {
        let is_here = |place: &Place| (place.segment, place.offset) == (segment, offset);
        let session = |key| self.sessions.get(key);
        let is_alive = match &record {
            Record::Message(_) => true,
            Record::Released { session: key, sequence, packet_id: _ } => session(key)
                .and_then(|session| session.queue.get(*sequence))
                .is_some_and(|entry| entry.released_in() == Some(segment)),
            Record::Group { group, filter: _ } => {
                session(group).is_some_and(|group| group.place.as_ref().is_some_and(is_here))
            }
            Record::Session(record) => session(&record.session)
                .is_some_and(|session| session.place.as_ref().is_some_and(is_here)),
            Record::Subscribed { session: key, filter, options: _ } => session(key)
                .and_then(|session| session.subscriptions.get(*filter))
                .is_some_and(is_here),
            Record::ReceiptOpened { session: key, packet_id } => session(key)
                .and_then(|session| session.receipts.get(packet_id))
                .is_some_and(is_here),
            Record::Will(will) => session(&will.session)
                .and_then(|session| session.will.as_ref())
                .is_some_and(is_here),
            Record::Sent { .. }
            | Record::Moved { .. }
            | Record::Done { .. }
            | Record::SessionEnded { .. }
            | Record::Unsubscribed { .. }
            | Record::ReceiptClosed { .. }
            | Record::WillCleared { .. }
            | Record::RetainedCleared { .. }
            | Record::Floor { .. } => false,
        };
        match record {
            Record::Message(message) => self.restate_message(message, is_here),
            other => is_alive.then_some(other),
        }
    }

    fn restate_message<'a>(
        &self,
        mut message: MessageRecord<'a>,
        is_here: impl Fn(&Place) -> bool,
    ) -> Option<Record<'a>> {
        let sequence = message.sequence;
        let open = message.receipt.filter(|(key, packet_id)| {
            let session = self.sessions.get(key);
            session.and_then(|session| session.receipts.get(packet_id)).is_some_and(&is_here)
        });
        if !self.messages.get(&sequence).is_some_and(|known| is_here(&known.place)) {
            let (session, packet_id) = open?;
            return Some(Record::ReceiptOpened { session, packet_id });
        }
        message.receipt = open;
        message.retained = self.is_retained(message.content.topic, sequence);
        message.targets.retain_mut(|target| self.restate_target(sequence, target));
        Some(Record::Message(message))
    }

    /// Makes a target what it is now. Returns whether it still needs the message.
    fn restate_target(&self, sequence: Sequence, target: &mut Target) -> bool {
        let number = target.number(sequence);
        let queue = |key| self.sessions.get(key).map(|session| &session.queue);
        let get = |key| queue(key).and_then(|queue| queue.get(number));
        let Some(entry) = get(&target.session) else {
            let Some(key) = self.moved.get(&number) else { return false };
            let (Some(queue), Some(entry)) = (queue(key), get(key)) else { return false };
            if entry.released_in().is_some() {
                return false;
            }
            *target = Target {
                session: *key,
                offset: target.offset,
                qos: entry.qos,
                retain: entry.retain(),
                subscription_ids: queue.ids(entry),
                sent: entry.packet_id,
            };
            return true;
        };
        target.sent = entry.packet_id;
        entry.released_in().is_none()
    }
}
