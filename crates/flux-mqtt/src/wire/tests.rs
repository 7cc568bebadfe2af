//! The wire against the codecs of ntex-mqtt, against hostile bytes, and against the standard.

mod codec;
mod hostile;
mod legal;
mod malformed;
mod message;
mod stream;

use flux_topic::TopicFilter;
use ntex_bytes::BytesMut;
use ntex_codec::Decoder;
use ntex_mqtt::{v3, v5};

use super::{
    Ack, Connect, Disconnect, Frame, FrameError, InboundTopics, PacketType, Publish, Subscribe,
    Unsubscribe, Version, split,
};

/// Reads a frame as what it says it is and shows the outcome.
fn describe(frame: &Frame<'_>, version: Version) -> String {
    match frame.packet_type {
        PacketType::Connect => format!("{:?}", Connect::read(frame)),
        PacketType::Publish => {
            format!("{:?}", Publish::read(frame, version, &mut InboundTopics::default()))
        }
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            format!("{:?} {:?}", frame.packet_type, Ack::read(frame, version))
        }
        PacketType::Subscribe => format!("{:?}", Subscribe::read(frame, version, usize::MAX)),
        PacketType::Unsubscribe => format!("{:?}", Unsubscribe::read(frame, version, usize::MAX)),
        PacketType::Disconnect => format!("{:?}", Disconnect::read(frame, version)),
        other => format!("{other:?} {:?}", frame.body),
    }
}

/// Why a frame is refused when it is read as what it says it is.
fn refusal(frame: &Frame<'_>, version: Version) -> Option<FrameError> {
    match frame.packet_type {
        PacketType::Connect => Connect::read(frame).err().and_then(|error| error.source),
        PacketType::Publish => Publish::read(frame, version, &mut InboundTopics::default()).err(),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            Ack::read(frame, version).err()
        }
        PacketType::Subscribe => Subscribe::read(frame, version, usize::MAX).err(),
        PacketType::Unsubscribe => Unsubscribe::read(frame, version, usize::MAX).err(),
        PacketType::Disconnect => Disconnect::read(frame, version).err(),
        _ => None,
    }
}

/// The topic filters of a legal SUBSCRIBE or UNSUBSCRIBE.
fn filters(frame: &Frame<'_>, version: Version) -> Option<Vec<String>> {
    let text = |filter: &TopicFilter| filter.as_str().to_owned();
    match frame.packet_type {
        PacketType::Subscribe => {
            let packet = Subscribe::read(frame, version, usize::MAX).ok()?;
            Some(packet.filters.iter().map(|(filter, _)| text(filter)).collect())
        }
        PacketType::Unsubscribe => {
            let packet = Unsubscribe::read(frame, version, usize::MAX).ok()?;
            Some(packet.filters.iter().map(text).collect())
        }
        _ => None,
    }
}

/// The same as the codec of ntex-mqtt understands the packet, which checks no filter.
fn filters_of_codec(frame: &Frame<'_>, version: Version) -> Vec<String> {
    let mut bytes = BytesMut::from(frame.bytes);
    let mut filters: Vec<String> = if version == Version::V5 {
        use v5::codec::{Decoded, Packet};
        match v5::codec::Codec::new().decode(&mut bytes).unwrap().unwrap() {
            Decoded::Packet(Packet::Subscribe(packet), _) => {
                packet.topic_filters.iter().map(|(text, _)| text.to_string()).collect()
            }
            Decoded::Packet(Packet::Unsubscribe(packet), _) => {
                packet.topic_filters.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    } else {
        use v3::codec::{Decoded, Packet};
        match v3::codec::Codec::new().decode(&mut bytes).unwrap().unwrap() {
            Decoded::Packet(Packet::Subscribe { topic_filters, .. }, _) => {
                topic_filters.iter().map(|(text, _)| text.to_string()).collect()
            }
            Decoded::Packet(Packet::Unsubscribe { topic_filters, .. }, _) => {
                topic_filters.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    };
    filters.retain(|filter| TopicFilter::parse(filter).is_ok());
    filters
}

/// Puts a fixed header before a body.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    super::cursor::put_variable_byte_integer(&mut out, u32::try_from(body.len()).unwrap());
    out.extend_from_slice(body);
    out
}

/// A string or binary data with its two bytes of length.
fn field(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&len[..], bytes].concat()
}

/// Properties with their length.
fn properties(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    super::cursor::put_variable_byte_integer(&mut out, u32::try_from(bytes.len()).unwrap());
    out.extend_from_slice(bytes);
    out
}

/// The one frame that these bytes are.
#[track_caller]
fn frame(bytes: &[u8]) -> Frame<'_> {
    let frame = split(bytes, u32::MAX, None).unwrap().unwrap();
    assert_eq!(frame.bytes.len(), bytes.len(), "bytes after the frame");
    frame
}
