//! The few MQTT 3.1.1 packets that a load needs, encoded.

/// Returns CONNECT with a clean session and no keep alive.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    let mut body = string("MQTT");
    body.extend([4, 0b10, 0, 0]);
    body.extend(string(client_id));
    packet(0x10, &body)
}

/// Returns SUBSCRIBE to one filter at QoS 0.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(string(filter));
    body.push(0);
    packet(0x82, &body)
}

/// Returns PUBLISH at QoS 0.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    body.extend(payload);
    packet(0x30, &body)
}

/// CONNACK: no session present, accepted.
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// SUBACK to [`subscribe`]: granted QoS 0.
pub(crate) const SUBACK: [u8; 5] = [0x90, 3, 0, 1, 0];

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let digit = u8::try_from(length % 128).unwrap_or_default();
        length /= 128;
        packet.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// Ours are short: a longer one would be cut.
pub(crate) fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    length.to_be_bytes().into_iter().chain(text.bytes().take(length.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_the_standard_says() {
        assert_eq!(connect("ab"), b"\x10\x0e\0\x04MQTT\x04\x02\0\0\0\x02ab");
        assert_eq!(subscribe("a/b"), b"\x82\x08\0\x01\0\x03a/b\0");
        assert_eq!(publish("a", b"xyz"), b"\x30\x06\0\x01axyz");
        assert_eq!(publish("a", &[0; 200])[..4], [0x30, 0xCB, 0x01, 0]);
    }
}
