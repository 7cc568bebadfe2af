//! Packets as bytes, written down from the standard and independent of the broker's codec.

/// PINGREQ, the same in every version.
pub const PINGREQ: [u8; 2] = [0xC0, 0];
/// The answer to PINGREQ.
pub const PINGRESP: [u8; 2] = [0xD0, 0];

/// The protocol version that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

/// A control packet: first byte, remaining length, and the parts of its body.
pub fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[first][..], &integer(body.len()), &body].concat()
}

/// A variable byte integer (MQTT 5.0 section 1.5.5).
pub fn integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value % 128).unwrap();
        value /= 128;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A string, or binary data: two bytes of length, then the bytes.
pub fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
}

/// PUBACK.
pub fn puback(id: u16) -> Vec<u8> {
    packet(0x40, &[&id.to_be_bytes()])
}

/// PUBREC.
pub fn pubrec(id: u16) -> Vec<u8> {
    packet(0x50, &[&id.to_be_bytes()])
}

/// PUBREL.
pub fn pubrel(id: u16) -> Vec<u8> {
    packet(0x62, &[&id.to_be_bytes()])
}

/// PUBCOMP.
pub fn pubcomp(id: u16) -> Vec<u8> {
    packet(0x70, &[&id.to_be_bytes()])
}

impl Version {
    /// The protocol level of CONNECT.
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The protocol name of CONNECT.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            Self::V311 | Self::V5 => "MQTT",
        }
    }

    /// Properties with their length, which only MQTT 5.0 has.
    pub fn properties(self, properties: &[u8]) -> Vec<u8> {
        match self {
            Self::V31 | Self::V311 => {
                assert!(properties.is_empty(), "only MQTT 5.0 has properties");
                Vec::new()
            }
            Self::V5 => [&integer(properties.len())[..], properties].concat(),
        }
    }

    /// SUBSCRIBE with filters and their options.
    pub fn subscribe(self, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
        self.subscribe_with(id, &[], filters)
    }

    /// The same with properties.
    pub fn subscribe_with(self, id: u16, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
        let filters: Vec<u8> = filters
            .iter()
            .flat_map(|(filter, options)| [string(filter), vec![*options]].concat())
            .collect();
        packet(0x82, &[&id.to_be_bytes(), &self.properties(properties), &filters])
    }

    /// SUBACK.
    pub fn suback(self, id: u16, codes: &[u8]) -> Vec<u8> {
        packet(0x90, &[&id.to_be_bytes(), &self.properties(&[]), codes])
    }

    /// UNSUBSCRIBE.
    pub fn unsubscribe(self, id: u16, filters: &[&str]) -> Vec<u8> {
        let filters: Vec<u8> = filters.iter().flat_map(string).collect();
        packet(0xA2, &[&id.to_be_bytes(), &self.properties(&[]), &filters])
    }

    /// UNSUBACK, which has codes in MQTT 5.0 only.
    pub fn unsuback(self, id: u16, codes: &[u8]) -> Vec<u8> {
        let codes = if self == Self::V5 { codes } else { &[] };
        packet(0xB0, &[&id.to_be_bytes(), &self.properties(&[]), codes])
    }

    /// PUBACK of a message that nobody subscribed to.
    pub fn puback_unmatched(self, id: u16) -> Vec<u8> {
        self.ack(0x40, id, 0x10)
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP with a reason code where the version has one.
    pub fn ack(self, first: u8, id: u16, code: u8) -> Vec<u8> {
        let code = if self == Self::V5 { &[code][..] } else { &[] };
        packet(first, &[&id.to_be_bytes(), code])
    }
}
