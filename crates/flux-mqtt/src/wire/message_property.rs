//! The properties that travel with a message, one by one, for who publishes and receives in this
//! process (section 3.3.2.3).

use super::FrameError;
use super::cursor::Cursor;
use super::property::{
    CONTENT_TYPE, CORRELATION_DATA, PAYLOAD_FORMAT_INDICATOR, RESPONSE_TOPIC, USER_PROPERTY,
};

/// A property of a PUBLISH that every receiver gets unaltered.
#[derive(Clone, Copy, derive_more::Debug, PartialEq, Eq)]
pub(crate) enum MessageProperty<'a> {
    /// Whether the payload is UTF-8 text.
    PayloadFormatIndicator(bool),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    #[debug("CorrelationData({} bytes)", _0.len())]
    CorrelationData(&'a [u8]),
    #[debug("UserProperty({_0:?}, {} bytes)", _1.len())]
    UserProperty(&'a str, &'a str),
}

impl<'a> MessageProperty<'a> {
    /// Appends the property. What it holds must have [at most 65,535 bytes](is_string) each.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::PayloadFormatIndicator(is_text) => {
                out.extend_from_slice(&[PAYLOAD_FORMAT_INDICATOR, u8::from(is_text)]);
            }
            Self::ContentType(text) => put(out, CONTENT_TYPE, &[text.as_bytes()]),
            Self::ResponseTopic(topic) => put(out, RESPONSE_TOPIC, &[topic.as_bytes()]),
            Self::CorrelationData(data) => put(out, CORRELATION_DATA, &[data]),
            Self::UserProperty(name, value) => {
                put(out, USER_PROPERTY, &[name.as_bytes(), value.as_bytes()]);
            }
        }
    }

    /// Returns the properties in these bytes, in their order; they were checked when they came.
    pub(crate) fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut cursor = Cursor::new(bytes);
        std::iter::from_fn(move || Self::read(&mut cursor).ok().flatten())
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, FrameError> {
        if cursor.is_empty() {
            return Ok(None);
        }
        let property = match cursor.u8()? {
            PAYLOAD_FORMAT_INDICATOR => Self::PayloadFormatIndicator(cursor.u8()? == 1),
            CONTENT_TYPE => Self::ContentType(cursor.string()?),
            RESPONSE_TOPIC => Self::ResponseTopic(cursor.string()?),
            CORRELATION_DATA => Self::CorrelationData(cursor.binary()?),
            USER_PROPERTY => Self::UserProperty(cursor.string()?, cursor.string()?),
            unknown => return Err(FrameError::UnknownProperty(unknown)),
        };
        Ok(Some(property))
    }
}

/// Whether this can be a UTF-8 encoded string of MQTT (section 1.5.4).
pub(crate) fn is_string(text: &str) -> bool {
    is_binary(text.as_bytes()) && !text.contains('\0')
}

/// Whether this can be binary data of MQTT (section 1.5.6).
pub(crate) fn is_binary(data: &[u8]) -> bool {
    u16::try_from(data.len()).is_ok()
}

fn put(out: &mut Vec<u8>, id: u8, values: &[&[u8]]) {
    out.push(id);
    for value in values {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(value.get(..usize::from(len)).unwrap_or(value));
    }
}

#[cfg(test)]
mod tests {
    use super::super::property::{self, Place};
    use super::*;

    #[test]
    fn what_is_written_is_legal_and_read_again() {
        let properties = [
            MessageProperty::UserProperty("", "first"),
            MessageProperty::PayloadFormatIndicator(true),
            MessageProperty::ContentType("text/plain"),
            MessageProperty::ResponseTopic("answers/1"),
            MessageProperty::CorrelationData(&[0, 0xFF]),
            MessageProperty::UserProperty("name", "ä"),
        ];
        let mut bytes = Vec::new();
        properties.iter().for_each(|property| property.write(&mut bytes));
        let read: Vec<_> = MessageProperty::all(&bytes).collect();
        assert_eq!(read, properties);
        let packet = [&[u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat();
        assert_eq!(property::read(&mut Cursor::new(&packet), Place::Publish, |_| {}), Ok(()));
    }

    #[test]
    fn strings_and_data_have_at_most_65535_bytes() {
        for (len, fits) in [(0, true), (65_535, true), (65_536, false)] {
            assert_eq!(is_string(&"a".repeat(len)), fits);
            assert_eq!(is_binary(&vec![0; len]), fits);
        }
        assert!(!is_string("a\0"), "[MQTT-1.5.4-2]");
    }
}
