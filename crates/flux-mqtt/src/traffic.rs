//! What goes over connections, counted by the first byte of each packet: its type, and of a PUBLISH its QoS.

use std::sync::atomic::{AtomicU64, Ordering};

use flux_session::QoS;

use crate::counters::Count;
use crate::packets::Packets;
use crate::wire::{PacketType, split_whole};

/// What one worker receives and sends.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Traffic {
    pub(crate) received: Way,
    pub(crate) sent: Way,
}

/// What goes one way. Whoever counts is the only one: two plain moves do, and cost less than one that is atomic.
#[derive(Debug)]
pub(crate) struct Way {
    /// By the first byte; everything else that is asked about packets is a sum of these.
    packets: [AtomicU64; 256],
    bytes: AtomicU64,
    /// Of the PUBLISH packets.
    message_bytes: AtomicU64,
}

impl Traffic {
    /// Tells all that was counted.
    pub(crate) fn for_each(&self, mut tell: impl FnMut(Count, u64)) {
        let Self { received, sent } = self;
        for packet in PacketType::ALL {
            tell(Count::Received(packet), received.packets(packet));
            tell(Count::Sent(packet), sent.packets(packet));
        }
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            tell(Count::MessageReceived(qos), received.messages(qos));
            tell(Count::MessageSent(qos), sent.messages(qos));
        }
        tell(Count::BytesReceived, received.bytes.load(Ordering::Relaxed));
        tell(Count::BytesSent, sent.bytes.load(Ordering::Relaxed));
        tell(Count::MessageBytesReceived, received.message_bytes.load(Ordering::Relaxed));
        tell(Count::MessageBytesSent, sent.message_bytes.load(Ordering::Relaxed));
    }
}

impl Way {
    /// Counts a packet, but for its bytes: those of many are counted at once.
    #[inline]
    pub(crate) fn note(&self, packet: &[u8]) {
        if let Some(first) = packet.first() {
            self.note_times(*first, 1);
            if first >> 4 == PacketType::Publish.number() {
                add(&self.message_bytes, bytes(packet.len()));
            }
        }
    }

    /// Counts bytes of whole packets.
    #[inline]
    pub(crate) fn note_bytes(&self, len: usize) {
        add(&self.bytes, bytes(len));
    }

    /// Counts packets.
    pub(crate) fn note_all(&self, packets: &[u8]) {
        let mut rest = packets;
        loop {
            // Most of what is answered: acknowledgements that say no more than which message is meant.
            while let [first, 2, _, _, behind @ ..] = rest {
                self.note_times(*first, 1);
                rest = behind;
            }
            let Some((packet, behind)) = split_whole(rest) else { break };
            self.note(packet);
            rest = behind;
        }
        self.note_bytes(packets.len());
    }

    /// Counts deliveries.
    pub(crate) fn note_deliveries(&self, packets: &Packets) {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let messages = packets.messages(qos);
            if messages > 0 {
                self.note_times(publish(qos), messages);
            }
        }
        let releases = packets.releases();
        if releases > 0 {
            self.note_times(PUBREL, releases);
        }
        add(&self.message_bytes, bytes(packets.len()).saturating_sub(releases * PUBREL_LEN));
        self.note_bytes(packets.len());
    }

    #[inline]
    fn note_times(&self, first: u8, times: u64) {
        if let Some(packets) = self.packets.get(usize::from(first)) {
            add(packets, times);
        }
    }

    fn packets(&self, packet: PacketType) -> u64 {
        self.sum(|first| first >> 4 == packet.number())
    }

    fn messages(&self, qos: QoS) -> u64 {
        self.sum(|first| first & 0b1111_0110 == publish(qos))
    }

    fn sum(&self, of: impl Fn(u8) -> bool) -> u64 {
        let packets = (0..=u8::MAX).zip(&self.packets);
        packets.filter(|(first, _)| of(*first)).map(|(_, it)| it.load(Ordering::Relaxed)).sum()
    }
}

impl Default for Way {
    fn default() -> Self {
        let packets = std::array::from_fn(|_| AtomicU64::new(0));
        Self { packets, bytes: AtomicU64::new(0), message_bytes: AtomicU64::new(0) }
    }
}

/// The first byte of a PUBLISH that is neither retained nor sent again.
const fn publish(qos: QoS) -> u8 {
    PacketType::Publish.number() << 4 | qos.as_u8() << 1
}

fn add(cell: &AtomicU64, more: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The first byte of a PUBREL, and how many bytes one of ours has: it says no more than which message is meant.
const PUBREL: u8 = 0x62;
const PUBREL_LEN: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_by_type_and_messages_by_qos() {
        let traffic = Traffic::default();
        let sent: [&[u8]; 9] = [
            &[0x40, 2, 0, 1],
            &[0x40, 2, 0, 2],
            &[0x50, 2, 0, 3],
            &[0x40, 3, 0, 4, 0x10],
            &[0x30, 5, 0, 1, b't', b'x', b'y'],
            &[0x3B, 5, 0, 1, b't', 0, 1],
            &[0x32, 5, 0, 1, b't', 0, 1],
            &[0x40, 2, 0, 5],
            &[0xD0, 0],
        ];
        traffic.sent.note_all(&sent.concat());
        traffic.received.note(&[0xC0, 0]);
        traffic.received.note_bytes(2);
        let mut counted = Vec::new();
        traffic.for_each(|what, times| {
            if times > 0 {
                counted.push((what, times));
            }
        });
        let expected = [
            (Count::Sent(PacketType::Publish), 3),
            (Count::Sent(PacketType::PubAck), 4),
            (Count::Sent(PacketType::PubRec), 1),
            (Count::Received(PacketType::PingReq), 1),
            (Count::Sent(PacketType::PingResp), 1),
            (Count::MessageSent(QoS::AtMostOnce), 1),
            (Count::MessageSent(QoS::AtLeastOnce), 2),
            (Count::BytesReceived, 2),
            (Count::BytesSent, 44),
            (Count::MessageBytesSent, 21),
        ];
        assert_eq!(counted, expected);
    }
}
