//! Bytes that no client sends: the right answer or none, the connection closed, and in every
//! case somebody else who works meanwhile.

mod foreign;
mod packets;
mod random;
mod slow;

use crate::support::Client;

/// Reads to the end of the connection; returns the packets, which must be whole.
#[track_caller]
fn packets_until_closed(client: &mut Client) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some(packet) = client.try_packet() {
        packets.push(packet);
    }
    packets
}

/// The peer says that nothing more comes, if the broker has not closed already.
fn end_of_bytes(client: &Client) {
    let _may_be_closed = client.stream().shutdown(std::net::Shutdown::Write);
}
