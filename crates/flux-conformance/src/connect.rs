//! CONNECT, built field by field (section 3.1).

use crate::{Version, packet, string, u16_property, u32_property};

/// A CONNECT packet; clean, without keep alive and without will unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The version that it asks for.
    pub version: Version,
    client_id: String,
    clean: bool,
    keep_alive: u16,
    properties: Vec<u8>,
    will: Option<Will>,
    login: Option<(String, String)>,
}

/// A will message; QoS 0 and not retained unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Will {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Connect {
    /// A CONNECT with this client identifier.
    pub fn new(version: Version, client_id: &str) -> Self {
        Self {
            version,
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            will: None,
            login: None,
        }
    }

    /// A client that resumes its session and keeps it, in whichever version.
    pub fn persistent(version: Version, client_id: &str) -> Self {
        let connect = Self::new(version, client_id).resume();
        if version == Version::V5 { connect.expiry(3600) } else { connect }
    }

    /// Clean Session 0, Clean Start 0.
    pub fn resume(self) -> Self {
        Self { clean: false, ..self }
    }

    /// Keep Alive.
    pub fn keep_alive(self, seconds: u16) -> Self {
        Self { keep_alive: seconds, ..self }
    }

    /// Session Expiry Interval.
    pub fn expiry(self, seconds: u32) -> Self {
        self.property(&u32_property(0x11, seconds))
    }

    /// Receive Maximum.
    pub fn receive_maximum(self, messages: u16) -> Self {
        self.property(&u16_property(0x21, messages))
    }

    /// Maximum Packet Size.
    pub fn maximum_packet_size(self, bytes: u32) -> Self {
        self.property(&u32_property(0x27, bytes))
    }

    /// Topic Alias Maximum.
    pub fn topic_alias_maximum(self, aliases: u16) -> Self {
        self.property(&u16_property(0x22, aliases))
    }

    /// One more property, or several, as bytes.
    pub fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }

    /// With this will message.
    pub fn will(self, will: Will) -> Self {
        Self { will: Some(will), ..self }
    }

    /// With this user name and password.
    pub fn login(self, username: &str, password: &str) -> Self {
        Self { login: Some((username.to_owned(), password.to_owned())), ..self }
    }

    /// Returns the packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut payload = string(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend_from_slice(&self.version.properties(&will.properties));
            payload.extend_from_slice(&string(&will.topic));
            payload.extend_from_slice(&string(&will.payload));
        }
        if let Some((username, password)) = &self.login {
            flags |= 0xC0;
            payload.extend_from_slice(&[string(username), string(password)].concat());
        }
        let head =
            [string(self.version.protocol_name()), vec![self.version.level(), flags]].concat();
        let keep_alive = self.keep_alive.to_be_bytes();
        packet(0x10, &[&head, &keep_alive, &self.version.properties(&self.properties), &payload])
    }
}

impl Will {
    /// A will message.
    pub fn new(topic: &str, payload: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.to_owned(),
            qos: 0,
            retain: false,
            properties: Vec::new(),
        }
    }

    /// Will QoS.
    pub fn qos(self, qos: u8) -> Self {
        Self { qos, ..self }
    }

    /// Will Retain.
    pub fn retain(self) -> Self {
        Self { retain: true, ..self }
    }

    /// Another payload.
    pub fn payload(self, payload: &str) -> Self {
        Self { payload: payload.to_owned(), ..self }
    }

    /// Will Delay Interval.
    pub fn delay(self, seconds: u32) -> Self {
        self.property(&u32_property(0x18, seconds))
    }

    /// One more property, or several, as bytes.
    pub fn property(mut self, property: &[u8]) -> Self {
        self.properties.extend_from_slice(property);
        self
    }
}
