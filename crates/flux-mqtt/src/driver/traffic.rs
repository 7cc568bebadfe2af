//! What goes over connections, counted: packets by type, messages by QoS, bytes.

use flux_session::QoS;

use crate::arrivals::Arrivals;
use crate::counters::{Count, Tally};
use crate::names::WorkerId;
use crate::packets::Packets;
use crate::wire::{PacketType, split};

/// Counts what came.
pub(super) fn count_received(tally: &Tally, worker: WorkerId, arrivals: &Arrivals) {
    for packet in arrivals.types() {
        tally.count_times(worker, Count::Received(packet), arrivals.packets(packet));
        if packet == PacketType::Publish {
            count_messages(tally, worker, arrivals);
        }
    }
    tally.count_times(worker, Count::BytesReceived, bytes(arrivals.bytes()));
}

fn count_messages(tally: &Tally, worker: WorkerId, arrivals: &Arrivals) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let messages = arrivals.messages(qos);
        if messages > 0 {
            tally.count_times(worker, Count::MessageReceived(qos), messages);
        }
    }
    tally.count_times(worker, Count::MessageBytesReceived, bytes(arrivals.message_bytes()));
}

/// Counts whole packets that are sent.
pub(super) fn count_sent(tally: &Tally, worker: WorkerId, packets: &[u8]) {
    let mut rest = packets;
    while let Ok(Some(frame)) = split(rest, u32::MAX, None) {
        let times = alike(rest, frame.bytes);
        let len = frame.bytes.len() * times;
        count_packet(tally, worker, frame.packet_type, frame.flags, bytes(times));
        if frame.packet_type == PacketType::Publish {
            tally.count_times(worker, Count::MessageBytesSent, bytes(len));
        }
        rest = rest.get(len..).unwrap_or_default();
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
    tally.count_times(worker, Count::MessageBytesSent, all.saturating_sub(releases * bytes(ACK)));
    tally.count_times(worker, Count::BytesSent, all);
}

/// Returns how many packets, from the first on, are such as that one: acknowledgements, most of what is answered, come in
/// rows. Packets of another length are not compared.
fn alike(packets: &[u8], first: &[u8]) -> usize {
    let &[kind, len, _, _] = first else { return 1 };
    let (packets, _) = packets.as_chunks::<ACK>();
    packets.iter().take_while(|[other, other_len, ..]| (*other, *other_len) == (kind, len)).count()
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

/// The bytes of an acknowledgement that says no more than which message is meant.
const ACK: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_one_by_one_and_in_rows() {
        let (tally, worker) = (Tally::new(1), WorkerId(0));
        let sent: [&[u8]; 9] = [
            &[0x40, 2, 0, 1],
            &[0x40, 2, 0, 2],
            &[0x40, 2, 0x50, 2],
            &[0x50, 2, 0, 3],
            &[0x40, 3, 0, 4, 0x10],
            &[0x30, 5, 0, 1, b't', b'x', b'y'],
            &[0x40, 2, 0, 5],
            &[0xD0, 0],
            &[0xD0, 0],
        ];
        count_sent(&tally, worker, &sent.concat());
        let counters = tally.read();
        let counted = |packet| counters.of(Count::Sent(packet));
        assert_eq!([PacketType::PubAck, PacketType::PubRec].map(counted), [5, 1]);
        assert_eq!([PacketType::Publish, PacketType::PingResp].map(counted), [1, 2]);
        assert_eq!(counters.of(Count::MessageBytesSent), 7);
        assert_eq!(counters.of(Count::BytesSent), 36);
    }
}
