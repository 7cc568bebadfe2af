//! PUBLISH, built field by field and taken apart (section 3.3).

use super::property::split_integer;
use super::{Properties, Version, packet, string, u16_property};

/// A PUBLISH packet; QoS 0 and not retained unless it says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    topic: String,
    payload: Vec<u8>,
    flags: u8,
    id: Option<u16>,
    properties: Vec<u8>,
}

impl Publish {
    pub(crate) fn new(topic: &str, payload: impl AsRef<[u8]>) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.as_ref().to_vec(),
            flags: 0,
            id: None,
            properties: Vec::new(),
        }
    }

    /// QoS 1 or 2, which need a packet identifier.
    pub(crate) fn qos(self, qos: u8, id: u16) -> Self {
        Self { flags: self.flags | qos << 1, id: Some(id), ..self }
    }

    pub(crate) fn retain(self) -> Self {
        Self { flags: self.flags | 1, ..self }
    }

    pub(crate) fn dup(self) -> Self {
        Self { flags: self.flags | 8, ..self }
    }

    /// Topic Alias.
    pub(crate) fn alias(self, alias: u16) -> Self {
        self.property(&u16_property(0x23, alias))
    }

    pub(crate) fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    pub(crate) fn bytes(&self, version: Version) -> Vec<u8> {
        let id = self.id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
        let properties = version.properties(&self.properties);
        packet(0x30 | self.flags, &[&string(&self.topic), &id, &properties, &self.payload])
    }
}

/// A PUBLISH from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
    /// 0 at QoS 0.
    pub(crate) id: u16,
    pub(crate) properties: Properties,
}

impl Received {
    pub(crate) fn parse(version: Version, bytes: &[u8]) -> Self {
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

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    /// The number that the payload is.
    pub(crate) fn number(&self) -> u32 {
        self.text().parse().unwrap()
    }
}

fn u16_at(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}
