//! Random bytes, the same in every run.

use super::{end_of_bytes, packets_until_closed};
use crate::support::{Broker, Client, Connect, Version, beside_a_bystander, packet};

scenarios_of_all_versions! {
    random_bytes_instead_of_connect_get_no_answer_but_a_refusal,
    random_bytes_of_a_client_get_whole_packets_and_a_last_one,
    random_bytes_in_the_frame_of_every_packet_are_survived,
}

fn random_bytes_instead_of_connect_get_no_answer_but_a_refusal(broker: &Broker, version: Version) {
    let mut random = Random(1);
    beside_a_bystander(broker, version, || {
        for _ in 0..200 {
            let bytes = random.bytes(300);
            let mut client = Client::open(broker.address(), version);
            client.try_send(&bytes);
            end_of_bytes(&client);
            let packets = packets_until_closed(&mut client);
            let is_refused = |packet: &Vec<u8>| packet[0] == 0x20 && packet[3] != 0;
            assert!(packets.len() <= 1 && packets.iter().all(is_refused), "{bytes:02x?}");
        }
    });
}

fn random_bytes_of_a_client_get_whole_packets_and_a_last_one(broker: &Broker, version: Version) {
    let mut random = Random(2);
    beside_a_bystander(broker, version, || {
        for _ in 0..200 {
            try_bytes(broker, version, &random.bytes(300));
        }
    });
}

/// Deeper than the fixed header: that one is right.
fn random_bytes_in_the_frame_of_every_packet_are_survived(broker: &Broker, version: Version) {
    let mut random = Random(3);
    beside_a_bystander(broker, version, || {
        for round in 0..20_usize {
            for first in [0x10, 0x30, 0x32, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xE0, 0xF0] {
                // A length prefix that fits now and then leads further in.
                let mut body = random.bytes(40);
                if round % 2 == 0 && body.len() > 4 {
                    body[..2].copy_from_slice(&[0, 2]);
                }
                try_bytes(broker, version, &packet(first, &[&body]));
            }
        }
    });
}

/// A client sends these; what it gets are whole packets, of those that a server may send, and
/// nothing after DISCONNECT [MQTT-3.14.4-1].
fn try_bytes(broker: &Broker, version: Version, bytes: &[u8]) {
    let mut client = Client::connect(broker, &Connect::new(version, "random"));
    client.try_send(bytes);
    end_of_bytes(&client);
    let types: Vec<u8> =
        packets_until_closed(&mut client).iter().map(|packet| packet[0] >> 4).collect();
    let is_answer = |kind: &u8| matches!(kind, 3..=7 | 9 | 11 | 13 | 14);
    assert!(types.iter().all(is_answer), "{types:?} to {bytes:02x?}");
    let disconnect = types.iter().position(|kind| *kind == 14);
    assert!(disconnect.is_none_or(|place| place + 1 == types.len()), "{types:?} to {bytes:02x?}");
}

/// Xorshift: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From one byte to so many.
    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let len = 1 + self.next() % most;
        (0..len).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}
