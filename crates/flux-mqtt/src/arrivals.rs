//! Packets that came over a connection in one go, counted by type.

use std::iter;

use flux_session::QoS;

use crate::wire::{Frame, PacketType};

/// How many packets of each type came, and their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// By the number of the type; those of PUBLISH stand below.
    packets: [u32; 16],
    /// Of which types there are any, a bit for each number: hardly ever more than two.
    kinds: u16,
    /// By QoS; the fourth value is none, and no PUBLISH has it.
    messages: [u32; 4],
    bytes: usize,
    /// Of the PUBLISH packets.
    message_bytes: usize,
}

impl Arrivals {
    /// Notes a packet.
    #[inline]
    pub(crate) fn note(&mut self, frame: &Frame<'_>) {
        self.kinds |= 1 << frame.packet_type.number();
        if frame.packet_type == PacketType::Publish {
            if let Some(messages) = self.messages.get_mut(usize::from(frame.flags >> 1 & 0b11)) {
                *messages += 1;
            }
            self.message_bytes += frame.bytes.len();
        } else if let Some(packets) = self.packets.get_mut(usize::from(frame.packet_type.number()))
        {
            *packets += 1;
        }
    }

    /// Notes how many bytes they all were.
    pub(crate) const fn note_bytes(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    /// Returns the types of which any came.
    pub fn types(&self) -> impl Iterator<Item = PacketType> {
        let mut kinds = self.kinds;
        iter::from_fn(move || {
            let number = kinds.trailing_zeros();
            kinds &= kinds.checked_sub(1)?;
            PacketType::try_from(u8::try_from(number).ok()?).ok()
        })
    }

    /// Returns how many packets of this type came.
    #[must_use]
    pub fn packets(&self, packet: PacketType) -> u64 {
        if packet == PacketType::Publish {
            return self.messages.iter().map(|messages| u64::from(*messages)).sum();
        }
        self.packets.get(usize::from(packet.number())).map_or(0, |packets| u64::from(*packets))
    }

    /// Returns how many of the PUBLISH packets had this QoS.
    #[must_use]
    pub fn messages(&self, qos: QoS) -> u64 {
        self.messages.get(usize::from(qos.as_u8())).map_or(0, |messages| u64::from(*messages))
    }

    /// Returns how many bytes the PUBLISH packets have.
    #[must_use]
    pub const fn message_bytes(&self) -> usize {
        self.message_bytes
    }

    /// Returns how many bytes all these packets have.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_those_that_came() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.types().count(), 0);
        for packet_type in PacketType::ALL.into_iter().chain(PacketType::ALL) {
            arrivals.note(&Frame { packet_type, flags: 0, bytes: &[0; 2], body: &[] });
        }
        let types: Vec<_> = arrivals.types().collect();
        assert_eq!(types, PacketType::ALL);
        assert!(types.into_iter().all(|packet| arrivals.packets(packet) == 2));
    }
}
