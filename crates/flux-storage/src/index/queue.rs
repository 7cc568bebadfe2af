//! The queue of one session: 16 bytes for each message, whose body stays on the disk.

use std::collections::{BTreeMap, VecDeque};

use flux_session::{PacketId, QoS, SubscriptionIds};

use crate::record::{Sequence, Target};

/// Entries in the order of their sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// The identifiers of entries that have several.
    many_ids: BTreeMap<Sequence, SubscriptionIds>,
}

/// A message on its way to this session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: Sequence,
    /// The subscription identifier, or 0; once it is released, the segment with that record.
    id_or_segment: u32,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) qos: QoS,
    flags: u8,
}

impl Entry {
    pub(crate) fn retain(&self) -> bool {
        self.flags & RETAIN != 0
    }

    /// Returns the segment with the record that says that it is released, if it is.
    pub(crate) fn released_in(&self) -> Option<u32> {
        (self.flags & RELEASED != 0).then_some(self.id_or_segment)
    }
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Entry> {
        self.entries.get(self.find(sequence).ok()?)
    }

    /// Adds a message, or restates it. Returns whether it is new.
    pub(crate) fn put(&mut self, sequence: Sequence, target: &Target) -> bool {
        let ids = target.subscription_ids.as_slice();
        let id_or_segment = if let [id] = ids { *id } else { 0 };
        if ids.len() > 1 {
            self.many_ids.insert(sequence, target.subscription_ids.clone());
        }
        let flags = if target.retain { RETAIN } else { 0 };
        let (packet_id, qos) = (target.sent, target.qos);
        let entry = Entry { sequence, id_or_segment, packet_id, qos, flags };
        let place = match self.entries.back() {
            Some(last) if last.sequence >= sequence => self.find(sequence),
            Some(_) | None => Err(self.entries.len()),
        };
        match place {
            Ok(at) => {
                if let Some(known) =
                    self.entries.get_mut(at).filter(|known| known.flags & RELEASED == 0)
                {
                    *known = entry;
                }
                false
            }
            Err(at) => {
                self.entries.insert(at, entry);
                true
            }
        }
    }

    /// Notes the packet identifier of a message that is not released.
    pub(crate) fn sent(&mut self, sequence: Sequence, packet_id: PacketId) {
        if let Ok(at) = self.find(sequence)
            && let Some(entry) = self.entries.get_mut(at)
            && entry.released_in().is_none()
        {
            entry.packet_id = Some(packet_id);
        }
    }

    /// Notes that PUBREC came. Returns the entry as it was, or `None` if there was none: the record
    /// of a message goes before those of its last steps.
    pub(crate) fn released(
        &mut self,
        sequence: Sequence,
        packet_id: PacketId,
        segment: u32,
    ) -> Option<Entry> {
        let (id_or_segment, packet_id) = (segment, Some(packet_id));
        let (qos, flags) = (QoS::ExactlyOnce, RELEASED);
        let entry = Entry { sequence, id_or_segment, packet_id, qos, flags };
        self.many_ids.remove(&sequence);
        match self.find(sequence) {
            Ok(at) => self.entries.get_mut(at).map(|place| std::mem::replace(place, entry)),
            Err(at) => {
                self.entries.insert(at, entry);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        let at = self.find(sequence).ok()?;
        self.many_ids.remove(&sequence);
        self.entries.remove(at)
    }

    /// Returns the entries that follow a number.
    pub(crate) fn after(&self, sequence: Option<Sequence>) -> impl Iterator<Item = &Entry> {
        let start = sequence.map_or(0, |sequence| match self.find(sequence) {
            Ok(at) => at + 1,
            Err(at) => at,
        });
        self.entries.range(start..)
    }

    /// Returns the subscription identifiers of an entry that is not released.
    pub(crate) fn ids(&self, entry: &Entry) -> SubscriptionIds {
        let one = Some(entry.id_or_segment).filter(|id| *id != 0 && entry.released_in().is_none());
        self.many_ids.get(&entry.sequence).cloned().unwrap_or_else(|| SubscriptionIds::from(one))
    }

    fn find(&self, sequence: Sequence) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&sequence, |entry| entry.sequence)
    }
}

const RETAIN: u8 = 1;
const RELEASED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_sixteen_bytes() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
