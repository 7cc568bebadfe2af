//! The few MQTT packets that a load needs, encoded.

/// Which protocol version the load speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V311,
    V5,
}

impl Version {
    /// Returns CONNECT without keep alive, of a client whose session ends with its connection.
    pub(crate) fn connect(self, client_id: &str) -> Vec<u8> {
        // Receive Maximum is as large as it can be without a property.
        self.connect_with(0b10, &[], client_id)
    }

    /// Returns CONNECT without keep alive, of a client that keeps its session for ever.
    pub(crate) fn connect_kept(self, client_id: &str) -> Vec<u8> {
        self.connect_with(0, &[0x11, 0xFF, 0xFF, 0xFF, 0xFF], client_id)
    }

    fn connect_with(self, flags: u8, properties: &[u8], client_id: &str) -> Vec<u8> {
        let mut body = string("MQTT");
        match self {
            Self::V311 => body.extend([4, flags, 0, 0]),
            Self::V5 => {
                body.extend([5, flags, 0, 0, u8::try_from(properties.len()).unwrap_or_default()]);
                body.extend(properties);
            }
        }
        body.extend(string(client_id));
        packet(0x10, &body)
    }

    /// Returns SUBSCRIBE to filters, all at the same QoS.
    pub(crate) fn subscribe<S: AsRef<str>>(self, filters: &[S], qos: u8) -> Vec<u8> {
        let mut body = vec![0, 1];
        self.no_properties(&mut body);
        for filter in filters {
            body.extend(string(filter.as_ref()));
            body.push(qos);
        }
        packet(0x82, &body)
    }

    /// Returns PUBLISH at QoS 1, with its packet identifier.
    pub(crate) fn publish_qos_1(
        self,
        topic: &str,
        retain: Retain,
        id: u16,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut body = string(topic);
        body.extend(id.to_be_bytes());
        self.no_properties(&mut body);
        body.extend(payload);
        packet(if retain == Retain::Yes { 0x33 } else { 0x32 }, &body)
    }

    /// Returns PUBLISH; a packet identifier is still zero, and stands before the properties.
    pub(crate) fn publish(self, topic: &str, qos: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = string(topic);
        if qos > 0 {
            body.extend([0, 0]);
        }
        self.no_properties(&mut body);
        body.extend(payload);
        packet(0x30 | qos << 1, &body)
    }

    fn no_properties(self, body: &mut Vec<u8>) {
        if self == Self::V5 {
            body.push(0);
        }
    }
}

/// Whether the broker is to retain a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retain {
    No,
    Yes,
}

/// Returns CONNECT of MQTT 3.1.1 with a clean session and no keep alive.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    Version::V311.connect(client_id)
}

/// Returns PUBLISH of MQTT 3.1.1 at QoS 0.
pub(crate) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    Version::V311.publish(topic, 0, payload)
}

/// What the first bytes of a payload say: from which publisher, which of its messages, and when it was
/// due, in nanoseconds since the load began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) publisher: u32,
    pub(super) number: u32,
    pub(super) due: u64,
}

/// The bytes of a [`Stamp`].
pub(super) const STAMP: usize = 16;

impl Stamp {
    pub(super) fn bytes(self) -> [u8; STAMP] {
        let mut bytes = [0; STAMP];
        let (head, due) = bytes.split_at_mut(8);
        let (publisher, number) = head.split_at_mut(4);
        publisher.copy_from_slice(&self.publisher.to_be_bytes());
        number.copy_from_slice(&self.number.to_be_bytes());
        due.copy_from_slice(&self.due.to_be_bytes());
        bytes
    }

    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let (publisher, rest) = payload.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (due, _) = rest.split_first_chunk()?;
        Some(Self {
            publisher: u32::from_be_bytes(*publisher),
            number: u32::from_be_bytes(*number),
            due: u64::from_be_bytes(*due),
        })
    }
}

pub(crate) const CONNACK: u8 = 2;
pub(crate) const PUBLISH: u8 = 3;
pub(crate) const PUBACK: u8 = 4;
pub(super) const PUBREC: u8 = 5;
pub(super) const PUBREL: u8 = 6;
pub(super) const PUBCOMP: u8 = 7;
pub(crate) const SUBACK: u8 = 9;
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Returns an acknowledgement of the given type; it means success in both versions.
pub(super) fn ack(kind: u8, id: [u8; 2]) -> [u8; 4] {
    let flags = if kind == PUBREL { 2 } else { 0 };
    let [high, low] = id;
    [kind << 4 | flags, 2, high, low]
}

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
        assert_eq!(Version::V5.connect("ab"), b"\x10\x0f\0\x04MQTT\x05\x02\0\0\0\0\x02ab");
        assert_eq!(Version::V311.connect_kept("ab"), b"\x10\x0e\0\x04MQTT\x04\0\0\0\0\x02ab");
        let kept = b"\x10\x14\0\x04MQTT\x05\0\0\0\x05\x11\xFF\xFF\xFF\xFF\0\x02ab";
        assert_eq!(Version::V5.connect_kept("ab"), kept);
        assert_eq!(Version::V311.subscribe(&["a/b"], 1), b"\x82\x08\0\x01\0\x03a/b\x01");
        assert_eq!(Version::V5.subscribe(&["a/b"], 0), b"\x82\x09\0\x01\0\0\x03a/b\0");
        assert_eq!(publish("a", b"xyz"), b"\x30\x06\0\x01axyz");
        assert_eq!(publish("a", &[0; 200])[..4], [0x30, 0xCB, 0x01, 0]);
        assert_eq!(Version::V5.publish("a", 2, b"x"), b"\x34\x07\0\x01a\0\0\0x");
        let retained = Version::V5.publish_qos_1("a", Retain::Yes, 258, b"x");
        assert_eq!(retained, b"\x33\x07\0\x01a\x01\x02\0x");
        assert_eq!(ack(PUBREL, [1, 2]), [0x62, 2, 1, 2]);
    }

    #[test]
    fn a_stamp_is_read_as_written() {
        let stamp = Stamp { publisher: 1, number: 2, due: 3 };
        assert_eq!(Stamp::parse(&stamp.bytes()), Some(stamp));
        assert_eq!(Stamp::parse(&[0; STAMP - 1]), None);
    }
}
