//! Reads numbers and strings off the front of a record.

use flux_session::{PacketId, QoS, Timestamp};

use super::{Sequence, SessionKey};

/// What is left to read. `None` everywhere means: these are not the bytes of a record.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn str(&mut self) -> Option<&'a str> {
        let len = self.u32()?;
        std::str::from_utf8(self.bytes(len)?).ok()
    }

    pub(super) fn session(&mut self) -> Option<SessionKey> {
        self.u64().map(SessionKey)
    }

    pub(super) fn sequence(&mut self) -> Option<Sequence> {
        self.u64().map(Sequence)
    }

    pub(super) fn packet_id(&mut self) -> Option<PacketId> {
        self.u16().and_then(PacketId::new)
    }

    pub(super) fn qos(bits: u8) -> Option<QoS> {
        QoS::try_from(bits & 3).ok()
    }

    /// Reads what [`moment`] wrote.
    pub(super) fn moment(&mut self) -> Option<Option<Timestamp>> {
        let millis = self.u64()?;
        Some((millis != NO_MOMENT).then(|| Timestamp::from_millis(millis)))
    }
}

/// Returns a moment, or its absence, as a number.
pub(super) fn moment(moment: Option<Timestamp>) -> u64 {
    moment.map_or(NO_MOMENT, Timestamp::as_millis)
}

const NO_MOMENT: u64 = u64::MAX;
