//! What each record changes.

use std::mem;

use super::{Entry, Index, MessageEntry, Place, SessionEntry};
use crate::record::{MessageRecord, Record, Sequence, SessionKey, Target};
use crate::segment::NextNumbers;

impl Index {
    /// Takes the record that stands at `place`.
    pub(crate) fn apply(&mut self, record: &Record<'_>, place: Place) {
        match record {
            Record::Message(message) => self.message(message, place),
            Record::Sent { session, sequence, packet_id } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.queue.sent(*sequence, *packet_id);
                }
            }
            Record::Released { session, sequence, packet_id } => {
                let Some(session) = self.session_for(*session) else { return };
                match session.queue.released(*sequence, *packet_id, place.segment) {
                    Some(before) => self.forget(&before),
                    None => self.queued += 1,
                }
                self.hold(released(place.segment));
            }
            Record::Done { session, sequence } => {
                let queue = self.sessions.get_mut(session).map(|session| &mut session.queue);
                if let Some(entry) = queue.and_then(|queue| queue.remove(*sequence)) {
                    self.queued -= 1;
                    self.forget(&entry);
                }
            }
            Record::Moved { group, sequence, to } => self.moved(*group, *sequence, to),
            Record::Group { group, filter: _ } => self.session(*group, place),
            Record::Session(session) => self.session(session.session, place),
            Record::SessionEnded { session } => self.end(*session),
            Record::Subscribed { session, filter, options: _ } => {
                self.replace(*session, place, |session| {
                    session.subscriptions.insert((*filter).into(), place)
                });
            }
            Record::Unsubscribed { session, filter } => {
                self.take(*session, |session| session.subscriptions.remove(*filter));
            }
            Record::ReceiptOpened { session, packet_id } => {
                self.replace(*session, place, |session| session.receipts.insert(*packet_id, place));
            }
            Record::ReceiptClosed { session, packet_id } => {
                self.take(*session, |session| session.receipts.remove(packet_id));
            }
            Record::Will(will) => {
                self.replace(will.session, place, |session| session.will.replace(place));
            }
            Record::WillCleared { session } => {
                self.take(*session, |session| session.will.take());
            }
            Record::RetainedCleared { topic, sequence } => {
                self.next_sequence = self.next_sequence.max(sequence.0.saturating_add(1));
                if let Some(stored) = self.retained.get(*topic).copied().filter(|s| s < sequence) {
                    self.retained.remove(*topic);
                    self.drop_reference(stored);
                }
            }
            Record::Floor { segment } => self.floor = self.floor.max(*segment),
        }
    }

    fn message(&mut self, message: &MessageRecord<'_>, place: Place) {
        let sequence = message.sequence;
        let mut added = 0;
        let mut last = sequence;
        for target in &message.targets {
            let number = target.number(sequence);
            last = last.max(number);
            if let Some(session) = self.session_for(target.session)
                && session.queue.put(number, target)
            {
                added += 1;
            }
        }
        self.next_sequence = self.next_sequence.max(last.0.saturating_add(1));
        self.queued += u64::from(added);
        let before = self.retained.get(message.content.topic).copied();
        let mut replaced = None;
        if message.retained && before.is_none_or(|before| before < sequence) {
            self.retained.insert(message.content.topic.into(), sequence);
            added += 1;
            replaced = before;
        }
        if let Some(known) = self.messages.get_mut(&sequence) {
            known.references += added;
            let old = mem::replace(&mut known.place, place);
            self.release(old);
            self.hold(place);
        } else if added > 0 {
            self.messages.insert(sequence, MessageEntry { place, references: added });
            self.hold(place);
        }
        if let Some(replaced) = replaced {
            self.drop_reference(replaced);
        }
        if let Some((session, packet_id)) = message.receipt {
            let receipt = Place { len: RECEIPT_LEN, ..place };
            self.replace(session, receipt, |session| session.receipts.insert(packet_id, receipt));
        }
    }

    /// A message that has been moved already, or whose group is over, is not there to be moved.
    fn moved(&mut self, group: SessionKey, sequence: Sequence, to: &Target) {
        let queue = self.sessions.get_mut(&group).map(|group| &mut group.queue);
        let Some(entry) = queue.and_then(|queue| queue.remove(sequence)) else { return };
        let session = self.session_for(to.session);
        if session.is_some_and(|session| session.queue.put(sequence, to)) {
            self.moved.insert(sequence, to.session);
        } else {
            self.queued -= 1;
            self.forget(&entry);
        }
    }

    fn session(&mut self, key: SessionKey, place: Place) {
        match key.group() {
            Some(group) => self.next_group = self.next_group.max(group.saturating_add(1)),
            None => self.next_session = self.next_session.max(key.0.saturating_add(1)),
        }
        self.hold(place);
        if let Some(old) = self.sessions.entry(key).or_default().place.replace(place) {
            self.release(old);
        }
    }

    pub(super) fn end(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.remove(&key) else { return };
        let parts = session.subscriptions.into_values().chain(session.receipts.into_values());
        for place in parts.chain(session.will).chain(session.place) {
            self.release(place);
        }
        self.queued -= session.queue.len() as u64;
        for entry in session.queue.after(None) {
            self.forget(entry);
        }
    }

    /// Lets go of what an entry needed on the disk.
    fn forget(&mut self, entry: &Entry) {
        self.moved.remove(&entry.sequence);
        match entry.released_in() {
            Some(segment) => self.release(released(segment)),
            None => self.drop_reference(entry.sequence),
        }
    }

    /// Puts a record of a session in the place of an older one.
    fn replace(
        &mut self,
        session: SessionKey,
        place: Place,
        insert: impl FnOnce(&mut SessionEntry) -> Option<Place>,
    ) {
        let Some(session) = self.session_for(session) else { return };
        let old = insert(session);
        self.hold(place);
        if let Some(old) = old {
            self.release(old);
        }
    }

    /// Takes a record away from a session.
    fn take(
        &mut self,
        session: SessionKey,
        remove: impl FnOnce(&mut SessionEntry) -> Option<Place>,
    ) {
        if let Some(old) = self.sessions.get_mut(&session).and_then(remove) {
            self.release(old);
        }
    }

    /// Takes the numbers of a segment's header.
    pub(crate) fn go_on_from(&mut self, numbers: NextNumbers, floor: u32) {
        self.next_sequence = self.next_sequence.max(numbers.sequence);
        self.next_session = self.next_session.max(numbers.session);
        self.next_group = self.next_group.max(numbers.group);
        self.floor = self.floor.max(floor);
    }

    /// Returns the retained message of a topic.
    pub(super) fn is_retained(&self, topic: &str, sequence: Sequence) -> bool {
        self.retained.get(topic) == Some(&sequence)
    }
}

/// What stands for the record that says that a message is released.
fn released(segment: u32) -> Place {
    Place { segment, offset: 0, len: 31 }
}

/// About what a receipt takes in the record of its message.
const RECEIPT_LEN: u32 = 10;
