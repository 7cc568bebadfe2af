//! CONNECT, built field by field (section 3.1).

use super::{Version, packet, string, u16_property, u32_property};

/// A CONNECT packet; clean, without keep alive and without will unless it says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    client_id: String,
    clean: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Will>,
}

/// A will message; QoS 0 and not retained unless it says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Will {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Connect {
    pub(crate) fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
        }
    }

    /// A client that resumes its session and keeps it, in whichever version.
    pub(crate) fn persistent(version: Version, client_id: &str) -> Self {
        let connect = Self::new(version, client_id).resume();
        if version == Version::V5 { connect.expiry(3600) } else { connect }
    }

    /// Clean Session 0, Clean Start 0.
    pub(crate) fn resume(self) -> Self {
        Self { clean: false, ..self }
    }

    pub(crate) fn keep_alive(self, seconds: u16) -> Self {
        Self { keep_alive: seconds, ..self }
    }

    /// Session Expiry Interval.
    pub(crate) fn expiry(self, seconds: u32) -> Self {
        self.property(&u32_property(0x11, seconds))
    }

    pub(crate) fn receive_maximum(self, messages: u16) -> Self {
        self.property(&u16_property(0x21, messages))
    }

    pub(crate) fn maximum_packet_size(self, bytes: u32) -> Self {
        self.property(&u32_property(0x27, bytes))
    }

    pub(crate) fn topic_alias_maximum(self, aliases: u16) -> Self {
        self.property(&u16_property(0x22, aliases))
    }

    pub(crate) fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    pub(crate) fn will(self, will: Will) -> Self {
        Self { will: Some(will), ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut payload = string(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend_from_slice(&self.version.properties(&will.properties));
            payload.extend_from_slice(&string(&will.topic));
            payload.extend_from_slice(&string(&will.payload));
        }
        let head =
            [string(self.version.protocol_name()), vec![self.version.level(), flags]].concat();
        let keep_alive = self.keep_alive.to_be_bytes();
        packet(0x10, &[&head, &keep_alive, &self.version.properties(&self.properties), &payload])
    }
}

impl Will {
    pub(crate) fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.to_owned(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    pub(crate) fn qos(self, qos: u8) -> Self {
        Self { qos, ..self }
    }

    pub(crate) fn retain(self) -> Self {
        Self { retain: true, ..self }
    }

    pub(crate) fn payload(self, payload: &str) -> Self {
        Self { payload: payload.to_owned(), ..self }
    }

    /// Will Delay Interval.
    pub(crate) fn delay(self, seconds: u32) -> Self {
        self.property(&u32_property(0x18, seconds))
    }

    pub(crate) fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }
}
