//! Properties of MQTT 5.0: which exist, where they belong, what they may hold (section 2.2.2).

use super::FrameError;
use super::cursor::Cursor;

pub(super) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
pub(super) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
pub(super) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub(super) const WILL_DELAY_INTERVAL: u8 = 0x18;
pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
const SERVER_REFERENCE: u8 = 0x1C;
pub(super) const REASON_STRING: u8 = 0x1F;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

/// Where a set of properties stands, as far as a client may send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Connect,
    Will,
    Publish,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

/// A property as it stands in the packet.
#[derive(Clone, Copy)]
pub(super) struct Property<'a> {
    pub(super) id: u8,
    /// The value of the integer kinds, otherwise 0.
    pub(super) number: u32,
    /// Identifier and value as they came.
    pub(super) bytes: &'a [u8],
}

impl<'a> Property<'a> {
    /// Returns the value of the kinds with a length in front.
    pub(super) fn binary(&self) -> &'a [u8] {
        self.bytes.get(3..).unwrap_or_default()
    }

    /// Returns the value of the kinds that are text, which has been checked.
    pub(super) fn text(&self) -> Option<&'a str> {
        str::from_utf8(self.binary()).ok()
    }
}

/// Reads the property length, then checks each property and hands it to `visit`.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    place: Place,
    mut visit: impl FnMut(Property<'a>),
) -> Result<(), FrameError> {
    let len = cursor.variable_byte_integer()?;
    let mut rest = Cursor::new(cursor.take(usize::try_from(len).unwrap_or(usize::MAX))?);
    let mut seen = 0_u64;
    while !rest.is_empty() {
        let property = read_one(&mut rest)?;
        let id = property.id;
        if !belongs(id, place) {
            return Err(FrameError::MisplacedProperty { id, packet: place.packet() });
        }
        let bit = 1 << (id & 0x3F);
        if seen & bit != 0 && id != USER_PROPERTY {
            return Err(FrameError::RepeatedProperty(id));
        }
        seen |= bit;
        visit(property);
    }
    if has(seen, AUTHENTICATION_DATA) && !has(seen, AUTHENTICATION_METHOD) {
        return Err(FrameError::AuthenticationDataAlone);
    }
    Ok(())
}

const fn has(seen: u64, id: u8) -> bool {
    seen & (1 << (id & 0x3F)) != 0
}

fn read_one<'a>(rest: &mut Cursor<'a>) -> Result<Property<'a>, FrameError> {
    let start = rest.remaining();
    // Identifiers are variable byte integers; all that exist fit one byte.
    let id = u8::try_from(rest.variable_byte_integer()?).unwrap_or(u8::MAX);
    let number = match id {
        PAYLOAD_FORMAT_INDICATOR | REQUEST_PROBLEM_INFORMATION | REQUEST_RESPONSE_INFORMATION => {
            let value = rest.u8()?;
            in_range(id, value <= 1)?;
            u32::from(value)
        }
        MESSAGE_EXPIRY_INTERVAL | SESSION_EXPIRY_INTERVAL | WILL_DELAY_INTERVAL => rest.u32()?,
        MAXIMUM_PACKET_SIZE => {
            let value = rest.u32()?;
            in_range(id, value > 0)?;
            value
        }
        RECEIVE_MAXIMUM => {
            let value = rest.u16()?;
            in_range(id, value > 0)?;
            u32::from(value)
        }
        TOPIC_ALIAS | TOPIC_ALIAS_MAXIMUM => u32::from(rest.u16()?),
        SUBSCRIPTION_IDENTIFIER => {
            let value = rest.variable_byte_integer()?;
            in_range(id, value > 0)?;
            value
        }
        CONTENT_TYPE | AUTHENTICATION_METHOD | REASON_STRING | SERVER_REFERENCE => {
            rest.string()?;
            0
        }
        RESPONSE_TOPIC => {
            // [MQTT-3.3.2-13], [MQTT-3.3.2-14]
            let topic = rest.string()?;
            in_range(id, flux_topic::TopicName::parse(topic).is_ok())?;
            0
        }
        CORRELATION_DATA | AUTHENTICATION_DATA => {
            rest.binary()?;
            0
        }
        USER_PROPERTY => {
            rest.string()?;
            rest.string()?;
            0
        }
        // What only a server sends exists as well, but never belongs here.
        0x12 | 0x13 | 0x1A | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => 0,
        unknown => return Err(FrameError::UnknownProperty(unknown)),
    };
    let len = start.len() - rest.remaining().len();
    Ok(Property { id, number, bytes: start.get(..len).unwrap_or(start) })
}

const fn in_range(id: u8, holds: bool) -> Result<(), FrameError> {
    if holds { Ok(()) } else { Err(FrameError::PropertyValue(id)) }
}

/// Table 2-4, the packets that a client sends.
const fn belongs(id: u8, place: Place) -> bool {
    match id {
        PAYLOAD_FORMAT_INDICATOR
        | MESSAGE_EXPIRY_INTERVAL
        | CONTENT_TYPE
        | RESPONSE_TOPIC
        | CORRELATION_DATA => matches!(place, Place::Publish | Place::Will),
        // [MQTT-3.3.4-6]: not in a PUBLISH from a client.
        SUBSCRIPTION_IDENTIFIER => matches!(place, Place::Subscribe),
        SESSION_EXPIRY_INTERVAL => matches!(place, Place::Connect | Place::Disconnect),
        AUTHENTICATION_METHOD | AUTHENTICATION_DATA => {
            matches!(place, Place::Connect | Place::Auth)
        }
        REQUEST_PROBLEM_INFORMATION
        | REQUEST_RESPONSE_INFORMATION
        | RECEIVE_MAXIMUM
        | TOPIC_ALIAS_MAXIMUM
        | MAXIMUM_PACKET_SIZE => matches!(place, Place::Connect),
        WILL_DELAY_INTERVAL => matches!(place, Place::Will),
        REASON_STRING => matches!(place, Place::Ack | Place::Disconnect | Place::Auth),
        TOPIC_ALIAS => matches!(place, Place::Publish),
        USER_PROPERTY => true,
        _ => false,
    }
}

impl Place {
    const fn packet(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Will => "the will properties",
            Self::Publish => "PUBLISH",
            Self::Ack => "an acknowledgement",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(place: Place, properties: &[u8], expected: &Result<(), FrameError>) {
        let mut bytes = vec![u8::try_from(properties.len()).unwrap()];
        bytes.extend_from_slice(properties);
        assert_eq!(&read(&mut Cursor::new(&bytes), place, |_| {}), expected);
    }

    #[test]
    fn properties_stand_only_where_they_belong() {
        check(Place::Publish, &[], &Ok(()));
        check(Place::Publish, &[0x01, 1], &Ok(()));
        check(Place::Will, &[0x18, 0, 0, 0, 9], &Ok(()));
        check(Place::Disconnect, &[0x11, 0, 0, 0, 9], &Ok(()));
        let misplaced = |id, packet| Err(FrameError::MisplacedProperty { id, packet });
        check(Place::Publish, &[0x0B, 1], &misplaced(0x0B, "PUBLISH"));
        check(Place::Publish, &[0x18, 0, 0, 0, 9], &misplaced(0x18, "PUBLISH"));
        check(Place::Subscribe, &[0x1F, 0, 0], &misplaced(0x1F, "SUBSCRIBE"));
        check(Place::Connect, &[0x24, 1], &misplaced(0x24, "CONNECT"));
        check(Place::Connect, &[0x16, 0, 0], &Err(FrameError::AuthenticationDataAlone));
        check(Place::Publish, &[0x7E, 1], &Err(FrameError::UnknownProperty(0x7E)));
        check(Place::Publish, &[0xA6, 0x01], &Err(FrameError::UnknownProperty(0xA6)));
    }

    #[test]
    fn only_user_properties_may_repeat() {
        check(Place::Ack, &[0x26, 0, 0, 0, 0, 0x26, 0, 0, 0, 0], &Ok(()));
        check(Place::Publish, &[0x01, 1, 0x01, 1], &Err(FrameError::RepeatedProperty(0x01)));
    }

    #[test]
    fn values_are_in_their_range() {
        check(Place::Publish, &[0x01, 2], &Err(FrameError::PropertyValue(0x01)));
        check(Place::Publish, &[0x02, 0, 0, 0, 0], &Ok(()));
        check(Place::Publish, &[0x08, 0, 1, b'+'], &Err(FrameError::PropertyValue(0x08)));
        check(Place::Connect, &[0x21, 0, 0], &Err(FrameError::PropertyValue(0x21)));
        check(Place::Connect, &[0x27, 0, 0, 0, 0], &Err(FrameError::PropertyValue(0x27)));
        check(Place::Subscribe, &[0x0B, 0], &Err(FrameError::PropertyValue(0x0B)));
        check(Place::Connect, &[0x17], &Err(FrameError::Truncated));
    }
}
