//! Packet identifiers in use, in the order they were handed out.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use crate::PacketId;

/// What is held under packet identifiers that are handed out in a cycle.
///
/// Every identifier handed out has an order number, one more than the one before. The ring holds a
/// run of consecutive order numbers; since identifiers follow the same cycle, the slot of an
/// identifier is arithmetic. An entry that stays while many others pass would stretch the ring: it
/// moves aside, to the stragglers, and the cycle skips its identifier.
///
/// - No identifier is handed out while it is in use `[MQTT-2.2.1-4]`.
/// - The front slot is held, never done, so an empty ring is one without slots.
/// - Every straggler is older than every slot.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// `None` is done: acknowledged, or skipped because a straggler has the identifier.
    slots: VecDeque<Option<T>>,
    /// The order number of the front slot, or of the next one if there is none.
    first_order: u64,
    /// The identifier of the front slot, or of the next one if there is none.
    first_id: PacketId,
    /// The identifier of the slot after the last.
    next_id: PacketId,
    stragglers: BTreeMap<PacketId, Straggler<T>>,
    /// The number of entries, in slots and aside.
    held: usize,
    /// Identifiers are `1..=last_id`.
    last_id: NonZeroU16,
    /// The most slots; at most `last_id`, so that no two slots share an identifier.
    span: usize,
}

impl<T> Ring<T> {
    pub(crate) fn new(packet_ids: u16) -> Self {
        let last_id = NonZeroU16::new(packet_ids).unwrap_or(NonZeroU16::MIN);
        Self {
            slots: VecDeque::new(),
            first_order: 0,
            first_id: PacketId::MIN,
            next_id: PacketId::MIN,
            stragglers: BTreeMap::new(),
            held: 0,
            last_id,
            span: span(0, last_id),
        }
    }

    /// Chooses how far the ring may stretch when `window` entries are usual.
    pub(crate) fn set_window(&mut self, window: u16) {
        self.span = span(window, self.last_id);
    }

    /// Returns the number of identifiers in use.
    pub(crate) fn len(&self) -> usize {
        self.held
    }

    /// Returns the number of identifiers there are.
    pub(crate) fn capacity(&self) -> usize {
        usize::from(self.last_id.get())
    }

    /// Returns whether every identifier is in use.
    pub(crate) fn is_full(&self) -> bool {
        self.held >= self.capacity()
    }

    /// Holds `entry` under an unused identifier.
    pub(crate) fn insert(&mut self, entry: T) -> PacketId {
        assert!(!self.is_full(), "an identifier is asked for only while one is free");
        self.make_room();
        while self.stragglers.contains_key(&self.next_id) {
            self.skip();
            self.make_room();
        }
        let packet_id = self.next_id;
        self.slots.push_back(Some(entry));
        self.next_id = packet_id.successor(self.last_id);
        self.held += 1;
        packet_id
    }

    /// Holds `entry` under an identifier that an earlier process gave out, behind what was restored before.
    /// Only while nothing was inserted. `false` if the identifier is in use, or is never handed out.
    pub(crate) fn restore(&mut self, packet_id: PacketId, entry: T) -> bool {
        let is_free = self.slots.is_empty()
            && packet_id.get() <= self.last_id.get()
            && !self.stragglers.contains_key(&packet_id);
        if is_free {
            // It is older than every slot to come.
            self.stragglers.insert(packet_id, Straggler { order: self.first_order, entry });
            self.first_order += 1;
            self.held += 1;
        }
        is_free
    }

    /// Returns the order number and the entry of an identifier.
    pub(crate) fn get_mut(&mut self, packet_id: PacketId) -> Option<(u64, &mut T)> {
        let steps = self.steps_to(packet_id)?;
        if let Some(Some(entry)) = self.slots.get_mut(usize::from(steps)) {
            return Some((self.first_order + u64::from(steps), entry));
        }
        self.stragglers.get_mut(&packet_id).map(|aside| (aside.order, &mut aside.entry))
    }

    /// Takes the entry of an identifier, with its order number, and frees the identifier.
    pub(crate) fn remove(&mut self, packet_id: PacketId) -> Option<(u64, T)> {
        let steps = self.steps_to(packet_id)?;
        let slot = self.slots.get_mut(usize::from(steps)).and_then(Option::take);
        let removed = match slot {
            Some(entry) => {
                let order = self.first_order + u64::from(steps);
                self.drop_done();
                (order, entry)
            }
            None => self.stragglers.remove(&packet_id).map(|aside| (aside.order, aside.entry))?,
        };
        self.held -= 1;
        Some(removed)
    }

    /// Returns every entry, in no particular order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &T> {
        self.stragglers.values().map(|aside| &aside.entry).chain(self.slots.iter().flatten())
    }

    /// Visits every entry with its order number and identifier, in no particular order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, PacketId, &mut T)> {
        let last_id = self.last_id;
        let ids = std::iter::successors(Some(self.first_id), move |id| Some(id.successor(last_id)));
        let aside =
            self.stragglers.iter_mut().map(|(id, aside)| (aside.order, *id, &mut aside.entry));
        let slots = (self.first_order..).zip(ids).zip(&mut self.slots);
        aside.chain(slots.filter_map(|((order, id), slot)| Some((order, id, slot.as_mut()?))))
    }

    /// Gives spare memory back.
    pub(crate) fn shrink(&mut self) {
        self.slots.shrink_to_fit();
    }

    /// Returns how many slots after the front an identifier would be, or `None` for one that is
    /// never handed out.
    fn steps_to(&self, packet_id: PacketId) -> Option<u16> {
        (packet_id.get() <= self.last_id.get())
            .then(|| packet_id.steps_after(self.first_id, self.last_id))
    }

    /// Moves entries aside until there is room for one more slot.
    ///
    /// Afterwards the next identifier is in no slot, since fewer slots than identifiers are left.
    fn make_room(&mut self) {
        while self.slots.len() >= self.span {
            let (order, packet_id) = (self.first_order, self.first_id);
            let Some(front) = self.slots.pop_front() else { return };
            self.advance_front();
            if let Some(entry) = front {
                self.stragglers.insert(packet_id, Straggler { order, entry });
            }
            self.drop_done();
        }
    }

    /// Passes the next identifier over.
    fn skip(&mut self) {
        self.slots.push_back(None);
        self.next_id = self.next_id.successor(self.last_id);
        self.drop_done();
    }

    /// Drops done slots from the front.
    fn drop_done(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.advance_front();
        }
    }

    fn advance_front(&mut self) {
        self.first_order += 1;
        self.first_id = self.first_id.successor(self.last_id);
    }
}

#[derive(Debug)]
struct Straggler<T> {
    order: u64,
    entry: T,
}

/// Returns how many slots a ring may have: room for twice the window, so that an entry moves aside
/// only after a whole window passed it.
fn span(window: u16, last_id: NonZeroU16) -> usize {
    (2 * usize::from(window)).max(SMALLEST_SPAN).min(usize::from(last_id.get()))
}

/// Below this many slots, moving aside would cost more than the slots.
const SMALLEST_SPAN: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn entries<T: Clone>(ring: &mut Ring<T>) -> Vec<(u16, T)> {
        let mut entries: Vec<_> =
            ring.iter_mut().map(|(order, id, entry)| (order, id.get(), entry.clone())).collect();
        entries.sort_unstable_by_key(|(order, ..)| *order);
        entries.into_iter().map(|(_, id, entry)| (id, entry)).collect()
    }

    #[test]
    fn identifiers_come_in_a_cycle() {
        let mut ring = Ring::new(3);
        for expected in [1, 2, 3, 1, 2, 3, 1] {
            let packet_id = ring.insert(());
            assert_eq!(packet_id, id(expected));
            assert!(ring.remove(packet_id).is_some());
        }
    }

    #[test]
    fn an_identifier_in_use_is_passed_over() {
        let mut ring = Ring::new(3);
        ring.insert("stays");
        for expected in [2, 3, 2, 3, 2] {
            let packet_id = ring.insert("passes");
            assert_eq!(packet_id, id(expected));
            ring.remove(packet_id);
        }
        assert_eq!(entries(&mut ring), [(1, "stays")]);
    }

    #[test]
    fn what_is_restored_comes_first_and_keeps_its_identifier() {
        let mut ring = Ring::new(4);
        assert!(ring.restore(id(2), "old"));
        assert!(!ring.restore(id(2), "twice"));
        assert!(!ring.restore(id(5), "never given out"));
        assert!(ring.restore(id(1), "next"));
        assert_eq!(ring.len(), 2);
        assert_eq!(ring.insert("new"), id(3));
        assert_eq!(entries(&mut ring), [(2, "old"), (1, "next"), (3, "new")]);
        assert!(!ring.restore(id(4), "too late"));
        ring.remove(id(2));
        assert_eq!(ring.insert("newer"), id(4));
        assert_eq!(ring.insert("newest"), id(2));
    }

    #[test]
    fn all_identifiers_can_be_in_use() {
        for packet_ids in [1, 2, 5, 100] {
            let mut ring = Ring::new(packet_ids);
            let mut given: Vec<_> = (0..packet_ids).map(|n| ring.insert(n).get()).collect();
            assert!(ring.is_full());
            given.sort_unstable();
            assert_eq!(given, (1..=packet_ids).collect::<Vec<_>>());

            assert_eq!(ring.remove(id(packet_ids)).map(|(_, n)| n), Some(packet_ids - 1));
            assert_eq!(ring.insert(0), id(packet_ids));
        }
    }

    #[test]
    #[should_panic(expected = "only while one is free")]
    fn a_full_ring_refuses() {
        let mut ring = Ring::new(1);
        ring.insert(());
        ring.insert(());
    }

    #[test]
    fn a_straggler_does_not_stretch_the_ring() {
        let mut ring = Ring::new(u16::MAX);
        ring.set_window(100);
        let straggler = ring.insert(0);
        for n in 1..200_000 {
            let packet_id = ring.insert(n);
            assert_ne!(packet_id, straggler, "after {n}");
            assert!(ring.slots.len() <= 200);
            assert!(matches!(ring.slots.front(), Some(Some(_))), "the front is never done");
            assert_eq!(ring.remove(packet_id).map(|(_, entry)| entry), Some(n));
        }
        assert_eq!(entries(&mut ring), [(1, 0)]);
        assert_eq!(ring.remove(straggler), Some((0, 0)));
        assert_eq!(ring.len(), 0);
    }

    #[test]
    fn what_was_removed_is_gone() {
        let mut ring = Ring::new(4);
        assert_eq!(ring.remove(id(1)), None);
        let packet_id = ring.insert(7);
        ring.insert(8);
        assert_eq!(ring.get_mut(packet_id), Some((0, &mut 7)));
        assert_eq!(ring.remove(packet_id), Some((0, 7)));
        assert_eq!(ring.get_mut(packet_id), None);
        assert_eq!(ring.remove(packet_id), None);
        assert_eq!(ring.get_mut(id(4)), None);
    }

    #[test]
    fn an_identifier_outside_the_cycle_is_not_taken_for_another() {
        let mut ring = Ring::new(3);
        ring.insert("done");
        ring.insert("held");
        ring.insert("held");
        ring.remove(id(1));
        ring.insert("held");
        for outside in 4..=9 {
            assert_eq!(ring.get_mut(id(outside)), None);
            assert_eq!(ring.remove(id(outside)), None);
        }
    }

    proptest! {
        /// Against a list: the order of insertion, and nothing twice.
        #[test]
        fn behaves_like_a_list(
            packet_ids in 1_u16..9,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200),
        ) {
            let mut ring = Ring::new(packet_ids);
            let mut list: Vec<(u16, usize)> = Vec::new();
            for (n, (insert, which)) in steps.into_iter().enumerate() {
                if insert && list.len() < usize::from(packet_ids) {
                    prop_assert!(!ring.is_full());
                    let packet_id = ring.insert(n).get();
                    prop_assert!(packet_id <= packet_ids);
                    prop_assert!(list.iter().all(|(held, _)| *held != packet_id));
                    list.push((packet_id, n));
                } else if !list.is_empty() {
                    let (packet_id, entry) = list.remove(which.index(list.len()));
                    prop_assert_eq!(ring.remove(id(packet_id)).map(|(_, n)| n), Some(entry));
                }
                prop_assert_eq!(entries(&mut ring), &list[..]);
                prop_assert_eq!(ring.len(), list.len());
                prop_assert!(ring.slots.front().is_none_or(Option::is_some));
                prop_assert!(ring.slots.len() <= usize::from(packet_ids));
                let by_id: BTreeMap<_, _> = list.iter().copied().collect();
                for value in 1..=2 * packet_ids {
                    let found = ring.get_mut(id(value)).map(|(_, entry)| *entry);
                    prop_assert_eq!(found, by_id.get(&value).copied());
                }
            }
        }
    }
}
