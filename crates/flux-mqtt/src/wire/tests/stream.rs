//! A stream means the same however the network cuts it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{describe, legal};
use crate::wire::{Version, split};

/// Feeds a stream that arrives in pieces, as the driver does: what is no whole frame waits.
fn read(stream: &[u8], cuts: &[usize], version: Version) -> Vec<String> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let (mut seen, mut consumed) = (Vec::new(), 0);
    for end in ends {
        while let Some(frame) = split(&stream[consumed..end], u32::MAX, None).unwrap() {
            consumed += frame.bytes.len();
            seen.push(describe(&frame, version));
        }
    }
    assert_eq!(consumed, stream.len());
    seen
}

fn check(packets: &[Vec<u8>], cuts: &[usize], version: Version) {
    let whole: Vec<String> =
        packets.iter().map(|packet| describe(&super::frame(packet), version)).collect();
    assert_eq!(read(&packets.concat(), cuts, version), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_a_v311_stream_decodes_alike(
        packets in vec(legal::packet(Version::V311), 1..6),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        check(&packets, &cuts, Version::V311);
    }

    #[test]
    fn any_cut_of_a_v5_stream_decodes_alike(
        packets in vec(legal::packet(Version::V5), 1..6),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        check(&packets, &cuts, Version::V5);
    }

    /// Every proper beginning of a packet waits: neither a frame nor an error.
    #[test]
    fn the_beginning_of_a_packet_waits_for_the_rest(packet in legal::packet(Version::V5)) {
        for len in 0..packet.len() {
            prop_assert!(split(&packet[..len], u32::MAX, None).is_ok_and(|frame| frame.is_none()));
        }
    }
}
