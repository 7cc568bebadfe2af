//! Reads what lives: sessions, queues and retained messages, a part at a time.

use std::ops::Bound;

use bytes::Bytes;

use super::Log;
use crate::disk::Disk;
use crate::index::{Entry, Place};
use crate::record::{Content, Record, Sequence, SessionKey, WillRecord, next_record, verify};
use crate::store::{
    Queued, ReadError, ReadLimit, StoredContent, StoredGroup, StoredMessage, StoredSession,
    StoredWill,
};

impl<D: Disk> Log<D> {
    pub(super) fn read_groups(&mut self) -> Result<Vec<StoredGroup>, ReadError> {
        let groups = self.index.sessions.range(SessionKey::of_group(0)..);
        let groups: Vec<_> = groups
            .filter_map(|(key, group)| Some((*key, group.place?, group.queue.len())))
            .collect();
        let mut stored = Vec::with_capacity(groups.len());
        for (group, place, queued) in groups {
            let bytes = self.read(place)?;
            let Record::Group { filter, .. } = decode(&bytes, place)? else {
                return Err(damaged(place));
            };
            stored.push(StoredGroup { group, filter: filter.into(), queued });
        }
        Ok(stored)
    }

    pub(super) fn read_sessions(
        &mut self,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Vec<StoredSession>, ReadError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.index.sessions.range((start, Bound::Unbounded)).map(|(key, _)| *key);
        let keys: Vec<_> = keys.take_while(|key| key.group().is_none()).take(limit).collect();
        let mut sessions = Vec::with_capacity(keys.len());
        for key in keys {
            sessions.extend(self.read_session(key)?);
        }
        Ok(sessions)
    }

    fn read_session(&mut self, key: SessionKey) -> Result<Option<StoredSession>, ReadError> {
        let Some(entry) = self.index.sessions.get(&key) else { return Ok(None) };
        let (Some(place), queued) = (entry.place, entry.queue.len()) else { return Ok(None) };
        let receipts = entry.receipts.keys().copied().collect();
        let subscribed: Vec<_> = entry.subscriptions.values().copied().collect();
        let will_place = entry.will;
        let mut subscriptions = Vec::with_capacity(subscribed.len());
        for place in subscribed {
            let bytes = self.read(place)?;
            let Record::Subscribed { filter, options, .. } = decode(&bytes, place)? else {
                return Err(damaged(place));
            };
            subscriptions.push((filter.into(), options));
        }
        let mut will = None;
        if let Some(place) = will_place {
            let bytes = self.read(place)?;
            let Record::Will(record) = decode(&bytes, place)? else { return Err(damaged(place)) };
            let WillRecord { delay, expiry, content, testator, session: _ } = record;
            let (content, testator) = (own(&bytes, &content), bytes.slice_ref(testator));
            will = Some(StoredWill { delay, expiry, content, testator });
        }
        let bytes = self.read(place)?;
        let Record::Session(record) = decode(&bytes, place)? else { return Err(damaged(place)) };
        Ok(Some(StoredSession {
            session: key,
            client_id: record.client_id.into(),
            owner: record.owner.map(|owner| Box::from(*owner)),
            expiry: record.expiry,
            detached_since: record.detached_since,
            subscriptions,
            receipts,
            will,
            queued,
        }))
    }

    pub(super) fn read_queue(
        &mut self,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
    ) -> Result<Vec<Queued>, ReadError> {
        self.read_entries(session, after, limit, |_| true)
    }

    pub(super) fn read_in_flight(&mut self, session: SessionKey) -> Result<Vec<Queued>, ReadError> {
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        self.read_entries(session, None, all, |entry| entry.packet_id.is_some())
    }

    fn read_entries(
        &mut self,
        session: SessionKey,
        after: Option<Sequence>,
        limit: ReadLimit,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Queued>, ReadError> {
        let Some(entry) = self.index.sessions.get(&session) else { return Ok(Vec::new()) };
        let queue = &entry.queue;
        let mut places = Vec::new();
        let mut bytes = 0usize;
        for entry in queue.after(after).filter(|entry| is_wanted(entry)).take(limit.messages) {
            if bytes >= limit.bytes && !places.is_empty() {
                break;
            }
            let is_released = entry.released_in().is_some();
            let message = self.index.message_of(entry.sequence).filter(|_| !is_released);
            let place = message.map(|message| message.place);
            bytes += place.map_or(0, |place| usize::try_from(place.len).unwrap_or(usize::MAX));
            let queued = Queued {
                sequence: entry.sequence,
                qos: entry.qos,
                retain: entry.retain(),
                subscription_ids: queue.ids(entry),
                packet_id: entry.packet_id,
                content: None,
            };
            places.push((queued, place));
        }
        let mut messages = Vec::with_capacity(places.len());
        for (mut queued, place) in places {
            if let Some(place) = place {
                queued.content = Some(self.read_content(place)?);
            }
            messages.push(queued);
        }
        Ok(messages)
    }

    pub(super) fn read_retained(
        &mut self,
        after: Option<&str>,
        limit: ReadLimit,
    ) -> Result<Vec<StoredMessage>, ReadError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.index.retained.range::<str, _>((start, Bound::Unbounded));
        let sequences: Vec<_> =
            following.map(|(_, sequence)| *sequence).take(limit.messages).collect();
        let mut messages: Vec<StoredMessage> = Vec::new();
        let mut bytes = 0;
        for sequence in sequences {
            if bytes >= limit.bytes && !messages.is_empty() {
                break;
            }
            let Some(place) = self.index.messages.get(&sequence).map(|message| message.place)
            else {
                continue;
            };
            bytes += usize::try_from(place.len).unwrap_or(usize::MAX);
            messages.push(StoredMessage { sequence, content: self.read_content(place)? });
        }
        Ok(messages)
    }

    fn read_content(&mut self, place: Place) -> Result<StoredContent, ReadError> {
        let bytes = self.read(place)?;
        let Record::Message(message) = decode(&bytes, place)? else { return Err(damaged(place)) };
        Ok(own(&bytes, &message.content))
    }

    /// Reads the head of a record that is as it was written.
    fn read(&mut self, place: Place) -> Result<Bytes, ReadError> {
        let mut bytes = vec![0; usize::try_from(place.len).unwrap_or(usize::MAX)];
        let Place { segment, offset, len: _ } = place;
        let read = self.disk.read_at(segment, offset.into(), &mut bytes);
        read.map_err(|source| ReadError::Io { segment, offset, source })?;
        if verify(&bytes) { Ok(bytes.into()) } else { Err(damaged(place)) }
    }
}

fn decode(bytes: &[u8], place: Place) -> Result<Record<'_>, ReadError> {
    next_record(bytes).map(|encoded| encoded.record).ok_or_else(|| damaged(place))
}

fn damaged(place: Place) -> ReadError {
    ReadError::Damaged { segment: place.segment, offset: place.offset }
}

fn own(bytes: &Bytes, content: &Content<'_>) -> StoredContent {
    StoredContent {
        topic: bytes.slice_ref(content.topic.as_bytes()),
        properties: bytes.slice_ref(content.properties),
        payload: bytes.slice_ref(content.payload),
        qos: content.qos,
        retain: content.retain,
        expires_at: content.expires_at,
    }
}
