//! The one place that calls the codecs of ntex-mqtt.

use ntex_bytes::BytePages;
use ntex_codec::Encoder;
use ntex_mqtt::{v3, v5};

/// Appends a packet of MQTT 3.1 and 3.1.1.
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
