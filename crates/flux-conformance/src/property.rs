//! Properties of MQTT 5.0, read and written (section 2.2.2.2).

/// Properties by identifier, each with the bytes of its value, in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(u8, Vec<u8>)>);

impl Properties {
    /// Reads the property length and the properties off the front of `bytes`.
    pub fn split(bytes: &[u8]) -> (Self, &[u8]) {
        let (len, rest) = split_integer(bytes);
        let (mut bytes, rest) = rest.split_at(len);
        let mut found = Vec::new();
        while let Some((&id, value)) = bytes.split_first() {
            let (value, others) = value.split_at(value_len(id, value));
            found.push((id, value.to_vec()));
            bytes = others;
        }
        (Self(found), rest)
    }

    /// The value of a property that is there once, or not at all.
    pub fn get(&self, id: u8) -> Option<&[u8]> {
        let mut values = self.all(id);
        let value = values.next();
        assert!(values.next().is_none(), "property {id:#04x} is there twice");
        value
    }

    /// The values of a property, in the order they came.
    pub fn all(&self, id: u8) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(other, _)| *other == id).map(|(_, value)| &value[..])
    }

    /// The value of a property that is a number.
    pub fn number(&self, id: u8) -> Option<u32> {
        Some(self.get(id)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// The value of a property that is a string.
    pub fn text(&self, id: u8) -> Option<String> {
        Some(String::from_utf8(self.get(id)?[2..].to_vec()).unwrap())
    }
}

/// A property of two bytes.
pub fn u16_property(id: u8, value: u16) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property of four bytes.
pub fn u32_property(id: u8, value: u32) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// Reads a variable byte integer off the front of `bytes`.
pub(crate) fn split_integer(bytes: &[u8]) -> (usize, &[u8]) {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let (digits, rest) = bytes.split_at(len);
    assert!(len <= 4 && (len == 1 || digits[len - 1] != 0), "not the shortest form: {digits:02x?}");
    let value = digits.iter().rev().fold(0, |value, digit| value << 7 | usize::from(digit & 0x7F));
    (value, rest)
}

/// Table 2-4: how long a value is.
fn value_len(id: u8, value: &[u8]) -> usize {
    let string = |at: usize| 2 + usize::from(u16::from_be_bytes([value[at], value[at + 1]]));
    match id {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => 1,
        0x13 | 0x21..=0x23 => 2,
        0x02 | 0x11 | 0x18 | 0x27 => 4,
        0x0B => value.len() - split_integer(value).1.len(),
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => string(0),
        0x26 => string(0) + string(string(0)),
        _ => panic!("property {id:#04x} does not exist"),
    }
}
