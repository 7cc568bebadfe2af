//! What is alive, and where it stands in the log. Bodies stay on the disk.

mod apply;
mod queue;
mod restate;

use std::collections::BTreeMap;

use flux_session::PacketId;

use crate::record::{Sequence, SessionKey};
use crate::segment::NextNumbers;

pub(crate) use self::queue::{Entry, Queue};

/// The state that the records amount to. The same code makes it at run time and at start.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) messages: BTreeMap<Sequence, MessageEntry>,
    pub(crate) sessions: BTreeMap<SessionKey, SessionEntry>,
    pub(crate) retained: BTreeMap<Box<str>, Sequence>,
    /// Who has what a group had, by its number there: the record of the message does not know it.
    moved: BTreeMap<Sequence, SessionKey>,
    /// How many records live in each segment. Zero is not listed.
    held: BTreeMap<u32, u64>,
    held_bytes: u64,
    /// The entries of all queues.
    queued: u64,
    is_recovering: bool,
    pub(crate) next_sequence: u64,
    pub(crate) next_session: u64,
    pub(crate) next_group: u32,
    /// The first segment that is needed.
    pub(crate) floor: u32,
}

/// A message that somebody is still to get, or that is retained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageEntry {
    pub(crate) place: Place,
    /// Queue entries that are not released, and one if it is retained. Never zero.
    references: u32,
}

/// What belongs to a session, or to a group: that has a queue only.
#[derive(Debug, Default)]
pub(crate) struct SessionEntry {
    /// `None` while it is only known from what belongs to it, see [`Index::begin`].
    pub(crate) place: Option<Place>,
    pub(crate) will: Option<Place>,
    pub(crate) subscriptions: BTreeMap<Box<str>, Place>,
    pub(crate) receipts: BTreeMap<PacketId, Place>,
    pub(crate) queue: Queue,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    /// How many bytes its head takes.
    pub(crate) len: u32,
}

impl Index {
    /// Begins to read a log whose older part may be gone.
    ///
    /// A session's record is written again when the session changes, so it may stand behind what
    /// belongs to the session. Until [`finish`](Self::finish) such things are kept for it.
    pub(crate) fn begin(&mut self) {
        self.is_recovering = true;
    }

    /// Forgets what belongs to sessions that are over. From here on a session comes first.
    pub(crate) fn finish(&mut self) {
        self.is_recovering = false;
        let over = self.sessions.iter().filter(|(_, session)| session.place.is_none());
        for key in over.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end(key);
        }
    }

    /// Returns the session that something is for.
    fn session_for(&mut self, key: SessionKey) -> Option<&mut SessionEntry> {
        if self.is_recovering {
            return Some(self.sessions.entry(key).or_default());
        }
        self.sessions.get_mut(&key)
    }

    /// Returns about how many bytes the living records take.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.held_bytes + self.queued * TARGET_LEN
    }

    /// Returns how many records live in a segment.
    pub(crate) fn held_in(&self, segment: u32) -> u64 {
        self.held.get(&segment).copied().unwrap_or(0)
    }

    /// Returns the numbers to go on with.
    pub(crate) fn next_numbers(&self) -> NextNumbers {
        let (sequence, session, group) = (self.next_sequence, self.next_session, self.next_group);
        NextNumbers { sequence, session, group }
    }

    /// Returns the entries of all queues.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    fn hold(&mut self, place: Place) {
        *self.held.entry(place.segment).or_default() += 1;
        self.held_bytes += u64::from(place.len);
    }

    fn release(&mut self, place: Place) {
        if let Some(count) = self.held.get_mut(&place.segment) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&place.segment);
            }
            self.held_bytes -= u64::from(place.len);
        }
    }

    /// Returns the message that has this number in a queue. It is alive, and numbers of its targets lie between
    /// its own and that of the next message.
    pub(crate) fn message_of(&self, sequence: Sequence) -> Option<&MessageEntry> {
        self.messages.range(..=sequence).next_back().map(|(_, message)| message)
    }

    /// Somebody needs a message no more.
    fn drop_reference(&mut self, sequence: Sequence) {
        let Some((number, message)) = self.messages.range_mut(..=sequence).next_back() else {
            return;
        };
        message.references -= 1;
        if message.references == 0 {
            let (number, place) = (*number, message.place);
            self.messages.remove(&number);
            self.release(place);
        }
    }
}

/// About what a target takes in the record of its message.
const TARGET_LEN: u64 = 12;
