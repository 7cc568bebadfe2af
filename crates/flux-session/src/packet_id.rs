//! Packet identifiers: two bytes that are never zero.

use std::fmt;
use std::num::NonZeroU16;

/// The identifier that ties a PUBLISH at QoS 1 or 2 to its acknowledgements
/// (MQTT 5.0 section 2.2.1).
///
/// Zero cannot be expressed `[MQTT-2.2.1-4]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The first identifier of every session.
    pub const MIN: Self = Self(NonZeroU16::MIN);

    /// Returns the identifier, or `None` for zero, which a peer must not send.
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Returns the number as it stands on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// Returns the identifier after this one in the cycle `1..=last`.
    pub(crate) fn successor(self, last: NonZeroU16) -> Self {
        self.0.checked_add(1).filter(|next| *next <= last).map_or(Self::MIN, Self)
    }

    /// Returns how many steps of the cycle `1..=last` lead from `origin` to this identifier, both
    /// of which are in it.
    pub(crate) fn steps_after(self, origin: Self, last: NonZeroU16) -> u16 {
        if self >= origin {
            self.get() - origin.get()
        } else {
            last.get() - origin.get() + self.get()
        }
    }
}

impl From<NonZeroU16> for PacketId {
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl From<PacketId> for NonZeroU16 {
    fn from(packet_id: PacketId) -> Self {
        packet_id.0
    }
}

impl From<PacketId> for u16 {
    fn from(packet_id: PacketId) -> Self {
        packet_id.get()
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_not_an_identifier() {
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::new(7).map(PacketId::get), Some(7));
    }

    #[test]
    fn the_cycle_leads_from_the_last_identifier_to_the_first() {
        for last in [1, 2, 3, 7, u16::MAX] {
            let last = NonZeroU16::new(last).unwrap();
            assert_eq!(PacketId::from(last).successor(last), PacketId::MIN, "last {last}");
            assert_eq!(
                PacketId::MIN.steps_after(PacketId::from(last), last),
                1 % last.get(),
                "last {last}"
            );
        }
    }

    #[test]
    fn steps_count_successors() {
        let last = NonZeroU16::new(5).unwrap();
        for origin in (1..=5).filter_map(PacketId::new) {
            let mut packet_id = origin;
            for steps in 0..5 {
                assert_eq!(packet_id.steps_after(origin, last), steps, "{packet_id} {origin}");
                packet_id = packet_id.successor(last);
            }
            assert_eq!(packet_id, origin);
        }
    }
}
