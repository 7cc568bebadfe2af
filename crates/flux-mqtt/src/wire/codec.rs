//! The one place that calls the codecs of ntex-mqtt, with frames already found legal.

use ntex_bytes::{BytePages, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};

use super::FrameError;

/// Builds the packet of a legal MQTT 3.1.1 frame that is not a PUBLISH.
pub(super) fn decode_v3(bytes: &[u8]) -> Result<v3::codec::Packet, FrameError> {
    match v3::codec::Codec::new().decode(&mut BytesMut::from(bytes)) {
        Ok(Some(v3::codec::Decoded::Packet(packet, _))) => Ok(packet),
        Ok(_) | Err(_) => Err(FrameError::Codec),
    }
}

/// Builds the packet of a legal MQTT 5.0 frame that is not a PUBLISH.
pub(super) fn decode_v5(bytes: &[u8]) -> Result<v5::codec::Packet, FrameError> {
    match v5::codec::Codec::new().decode(&mut BytesMut::from(bytes)) {
        Ok(Some(v5::codec::Decoded::Packet(packet, _))) => Ok(packet),
        Ok(_) | Err(_) => Err(FrameError::Codec),
    }
}

/// Appends a packet of MQTT 3.1.1.
pub(super) fn encode_v3(out: &mut Vec<u8>, packet: v3::codec::Packet) {
    let mut pages = BytePages::default();
    let result = v3::codec::Codec::new().encodev(packet.into(), &mut pages);
    append(out, result.is_ok(), pages);
}

/// Appends a packet of MQTT 5.0.
pub(super) fn encode_v5(out: &mut Vec<u8>, packet: v5::codec::Packet) {
    let mut pages = BytePages::default();
    let result = v5::codec::Codec::new().encodev(packet.into(), &mut pages);
    append(out, result.is_ok(), pages);
}

fn append(out: &mut Vec<u8>, encoded: bool, mut pages: BytePages) {
    debug_assert!(encoded, "an answer of ours is far below the limit of 268,435,455 bytes");
    if encoded {
        out.extend_from_slice(&pages.freeze());
    }
}
