//! MQTT 3.1.1 packets beside those of the load, and what comes back taken apart.

use crate::load::packets::{Retain, Version, packet, string};

pub(super) use crate::load::packets::{CONNACK, DISCONNECT, PUBACK, PUBLISH, SUBACK};
pub(super) use crate::load::packets::{connect, publish};

/// Returns CONNECT of a client that keeps its session.
pub(super) fn connect_persistent(client_id: &str) -> Vec<u8> {
    Version::V311.connect_kept(client_id)
}

/// Returns CONNECT with a clean session and Keep Alive in seconds.
pub(super) fn connect_keep_alive(client_id: &str, keep_alive: u8) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([4, 0b10, 0, keep_alive]);
    body.extend(string(client_id));
    packet(0x10, &body)
}

/// Returns SUBSCRIBE to filters, all at the same QoS.
pub(super) fn subscribe(filters: &[&str], qos: u8) -> Vec<u8> {
    Version::V311.subscribe(filters, qos)
}

/// Returns PUBLISH at QoS 1 with packet identifier 1.
pub(super) fn publish_qos_1(topic: &str, payload: &[u8]) -> Vec<u8> {
    Version::V311.publish_qos_1(topic, Retain::No, 1, payload)
}

/// Returns PUBACK for a PUBLISH at QoS 1, given its body.
pub(super) fn puback_for(body: &[u8]) -> Option<Vec<u8>> {
    let len = u16::from_be_bytes([*body.first()?, *body.get(1)?]);
    let id = body.get(2 + usize::from(len)..)?.get(..2)?;
    Some(packet(0x40, id))
}

pub(super) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(super) const PINGRESP: u8 = 13;

/// A packet from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The control packet type, a number from 1 to 15.
    pub(crate) kind: u8,
    pub(crate) qos: u8,
    pub(crate) body: Vec<u8>,
}

impl Packet {
    /// Whether it is an answer that refuses a connection or a subscription.
    pub(crate) fn refuses(&self) -> bool {
        let refused = |code: &u8| *code >= 0x80;
        match self.kind {
            CONNACK => self.body.get(1) != Some(&0),
            // The codes stand behind the packet identifier; a length of no properties is none that refuses.
            SUBACK => self.body.iter().skip(2).any(refused),
            _ => false,
        }
    }
}

/// Takes the first packet out of `bytes`, if it is complete.
pub(super) fn take_packet(bytes: &mut Vec<u8>) -> Option<Packet> {
    let first = *bytes.first()?;
    let (mut len, mut header) = (0, 1);
    loop {
        let digit = *bytes.get(header)?;
        len |= usize::from(digit & 0x7F) << (7 * (header - 1));
        header += 1;
        if digit & 0x80 == 0 || header > 4 {
            break;
        }
    }
    let body = bytes.get(header..header + len)?.to_vec();
    bytes.drain(..header + len);
    Some(Packet { kind: first >> 4, qos: first >> 1 & 3, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_standard_says() {
        assert_eq!(connect_keep_alive("ab", 9), b"\x10\x0e\0\x04MQTT\x04\x02\0\x09\0\x02ab");
        assert_eq!(connect_persistent("ab")[9], 0);
        assert_eq!(subscribe(&["a", "b"], 1), b"\x82\x0a\0\x01\0\x01a\x01\0\x01b\x01");
        assert_eq!(publish_qos_1("a", b"x"), b"\x32\x06\0\x01a\0\x01x");
        assert_eq!(puback_for(b"\0\x01a\x02\x03x"), Some(b"\x40\x02\x02\x03".to_vec()));
    }

    #[test]
    fn a_refusal_is_seen() {
        let refuses = |kind, body: &[u8]| Packet { kind, qos: 0, body: body.to_vec() }.refuses();
        assert!(refuses(CONNACK, &[0, 0x97]) && refuses(SUBACK, &[0x90, 1, 0, 0x80]));
        assert!(!refuses(CONNACK, &[1, 0]) && !refuses(SUBACK, &[0x90, 1, 0, 2]));
        assert!(!refuses(PUBLISH, &[0x90, 0x90, 0x90]));
    }

    #[test]
    fn packets_are_taken_when_they_are_complete() {
        let mut bytes = publish("a", &[b'x'; 200]);
        bytes.extend(PINGREQ);
        let last = bytes.pop();
        let publish = take_packet(&mut bytes).unwrap();
        assert_eq!((publish.kind, publish.qos, publish.body.len()), (PUBLISH, 0, 203));
        assert_eq!(take_packet(&mut bytes), None);
        bytes.extend(last);
        assert_eq!(take_packet(&mut bytes).unwrap().kind, 12);
        assert!(bytes.is_empty());
    }
}
