//! What goes over connections, counted: packets by type, messages by QoS, bytes.

use flux_session::QoS;

use crate::arrivals::Arrivals;
use crate::counters::{Count, Tally};
use crate::names::WorkerId;
use crate::packets::Packets;
use crate::wire::{PacketType, split};

/// Counts what came.
pub(super) fn count_received(tally: &Tally, worker: WorkerId, arrivals: &Arrivals) {
    let count = |what, times| {
        if times > 0 {
            tally.count_times(worker, what, times);
        }
    };
    for packet in PacketType::ALL {
        count(Count::Received(packet), arrivals.packets(packet));
    }
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        count(Count::MessageReceived(qos), arrivals.messages(qos));
    }
    count(Count::MessageBytesReceived, bytes(arrivals.message_bytes()));
    count(Count::BytesReceived, bytes(arrivals.bytes()));
}

/// Counts whole packets that are sent.
pub(super) fn count_sent(tally: &Tally, worker: WorkerId, packets: &[u8]) {
    let mut rest = packets;
    while let Ok(Some(frame)) = split(rest, u32::MAX, None) {
        count_packet(tally, worker, frame.packet_type, frame.flags, 1);
        if frame.packet_type == PacketType::Publish {
            tally.count_times(worker, Count::MessageBytesSent, bytes(frame.bytes.len()));
        }
        rest = rest.get(frame.bytes.len()..).unwrap_or_default();
    }
    tally.count_times(worker, Count::BytesSent, bytes(packets.len()));
}

/// Counts deliveries that are sent.
pub(super) fn count_delivered(tally: &Tally, worker: WorkerId, packets: &Packets) {
    let releases = packets.releases();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let messages = packets.messages(qos);
        if messages > 0 {
            count_packet(tally, worker, PacketType::Publish, qos.as_u8() << 1, messages);
        }
    }
    if releases > 0 {
        count_packet(tally, worker, PacketType::PubRel, 0b0010, releases);
    }
    let all = bytes(packets.len());
    tally.count_times(worker, Count::MessageBytesSent, all.saturating_sub(releases * PUBREL));
    tally.count_times(worker, Count::BytesSent, all);
}

fn count_packet(tally: &Tally, worker: WorkerId, packet: PacketType, flags: u8, times: u64) {
    tally.count_times(worker, Count::Sent(packet), times);
    if packet == PacketType::Publish
        && let Ok(qos) = QoS::try_from(flags >> 1 & 0b11)
    {
        tally.count_times(worker, Count::MessageSent(qos), times);
    }
}

fn bytes(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The bytes of a PUBREL that says no more than which message is meant.
const PUBREL: u64 = 4;
