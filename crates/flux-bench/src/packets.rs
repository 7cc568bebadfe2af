//! The packets of clients, encoded, and how many packets some bytes are.

pub use flux_mqtt::Version;

pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Returns CONNECT without keep alive. A session that is kept outlives its connection.
pub(crate) fn connect(version: Version, client_id: &str, is_kept: bool) -> Vec<u8> {
    let flags = if is_kept { 0 } else { 0b10 };
    let mut body = string("MQTT");
    match version {
        Version::V31 | Version::V311 => body.extend([4, flags, 0, 0]),
        Version::V5 if is_kept => body.extend([5, flags, 0, 0, 5, 0x11, 0, 0, 0xFF, 0xFF]),
        Version::V5 => body.extend([5, flags, 0, 0, 0]),
    }
    body.extend(string(client_id));
    packet(0x10, &body)
}

/// Returns SUBSCRIBE to these filters.
pub(crate) fn subscribe(version: Version, filters: &[String], qos: u8) -> Vec<u8> {
    let mut body = identified(version);
    for filter in filters {
        body.extend(string(filter));
        body.push(qos);
    }
    packet(0x82, &body)
}

/// Returns UNSUBSCRIBE from one filter.
pub(crate) fn unsubscribe(version: Version, filter: &str) -> Vec<u8> {
    let mut body = identified(version);
    body.extend(string(filter));
    packet(0xA2, &body)
}

/// Returns PUBLISH with [`PAYLOAD`] bytes; an identifier makes it one at QoS 1 or 2.
pub(crate) fn publish(version: Version, flags: u8, packet_id: Option<u16>, topic: &str) -> Vec<u8> {
    let mut body = string(topic);
    body.extend(packet_id.into_iter().flat_map(u16::to_be_bytes));
    if version == Version::V5 {
        body.push(0);
    }
    body.extend([b'x'; PAYLOAD]);
    packet(0x30 | flags, &body)
}

/// Returns PUBACK, PUBREC, PUBREL or PUBCOMP by its first byte.
pub(crate) fn acknowledgement(first: u8, packet_id: u16) -> Vec<u8> {
    packet(first, &packet_id.to_be_bytes())
}

/// Returns how many whole packets these bytes are; `None` when they end in the middle of one.
pub(crate) fn count(mut bytes: &[u8]) -> Option<u64> {
    let mut packets = 0;
    while let Some((_, rest)) = bytes.split_first() {
        let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
        let (length, rest) = rest.split_at_checked(last + 1)?;
        let digits = length.iter().rev();
        let len = digits.fold(0, |len, byte| len << 7 | usize::from(byte & 0x7F));
        bytes = rest.get(len..)?;
        packets += 1;
    }
    Some(packets)
}

/// How large the payload of a message is.
const PAYLOAD: usize = 64;

/// A packet identifier, and no properties.
fn identified(version: Version) -> Vec<u8> {
    match version {
        Version::V31 | Version::V311 => vec![0, 1],
        Version::V5 => vec![0, 1, 0],
    }
}

fn string(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), text.as_bytes()].concat()
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut len) = (vec![first], body.len());
    while len > 0x7F {
        packet.push(len as u8 | 0x80);
        len >>= 7;
    }
    packet.push(len as u8);
    packet.extend_from_slice(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_whole() {
        let large = packet(0x30, &[0; 200]);
        let bytes = [&DISCONNECT[..], &large, &acknowledgement(0x40, 7)].concat();
        assert_eq!(count(&bytes), Some(3));
        assert_eq!(count(&bytes[..bytes.len() - 1]), None);
        assert_eq!(count(&[]), Some(0));
    }
}
