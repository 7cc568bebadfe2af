//! PUBLISH, built field by field and taken apart (section 3.3).

use crate::property::split_integer;
use crate::{Properties, Version, packet, string, u16_property};

/// A PUBLISH packet; QoS 0 and not retained unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Publish {
    topic: String,
    payload: Vec<u8>,
    flags: u8,
    id: Option<u16>,
    properties: Vec<u8>,
}

impl Publish {
    /// A PUBLISH with this topic and payload.
    pub fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.as_ref().to_vec(),
            flags: 0,
            id: None,
            properties: Vec::new(),
        }
    }

    /// QoS 1 or 2, which need a packet identifier.
    pub fn qos(self, qos: u8, id: u16) -> Self {
        Self { flags: self.flags | qos << 1, id: Some(id), ..self }
    }

    /// RETAIN 1.
    pub fn retain(self) -> Self {
        Self { flags: self.flags | 1, ..self }
    }

    /// DUP 1.
    pub fn dup(self) -> Self {
        Self { flags: self.flags | 8, ..self }
    }

    /// Topic Alias.
    pub fn alias(self, alias: u16) -> Self {
        self.property(&u16_property(0x23, alias))
    }

    /// One more property, or several, as bytes.
    pub fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    /// Returns the packet.
    pub fn bytes(&self, version: Version) -> Vec<u8> {
        let id = self.id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
        let properties = version.properties(&self.properties);
        packet(0x30 | self.flags, &[&string(&self.topic), &id, &properties, &self.payload])
    }
}

/// A PUBLISH from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Topic Name.
    pub topic: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// QoS.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// DUP.
    pub dup: bool,
    /// Packet Identifier; 0 at QoS 0.
    pub id: u16,
    /// Properties.
    pub properties: Properties,
}

impl Received {
    /// Reads a PUBLISH.
    pub fn parse(version: Version, bytes: &[u8]) -> Self {
        assert_eq!(bytes[0] >> 4, 3, "not a PUBLISH: {bytes:02x?}");
        let qos = bytes[0] >> 1 & 3;
        let (len, body) = split_integer(&bytes[1..]);
        assert_eq!(len, body.len(), "remaining length");
        let (topic, mut rest) = body[2..].split_at(u16_at(body).into());
        let mut id = 0;
        if qos > 0 {
            id = u16_at(rest);
            assert_ne!(id, 0, "packet identifier");
            rest = &rest[2..];
        }
        let mut properties = Properties::default();
        if version == Version::V5 {
            (properties, rest) = Properties::split(rest);
        }
        Self {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            payload: rest.to_vec(),
            qos,
            retain: bytes[0] & 1 != 0,
            dup: bytes[0] & 8 != 0,
            id,
            properties,
        }
    }

    /// The payload, which must be text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    /// The number that the payload is.
    pub fn number(&self) -> u32 {
        self.text().parse().unwrap()
    }
}

fn u16_at(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}
