//! Other protocols on the port of MQTT: closed at once and without a byte, since there is nobody
//! who would understand it (MQTT 5.0 section 4.13).

use std::time::Duration;

use flux_mqtt::Settings;

use crate::support::{Broker, Client, Version, beside_a_bystander};

scenarios_of_both_versions! {
    another_protocol_is_closed_at_once with very_patient,
    a_first_byte_that_is_not_connect_is_enough with very_patient,
}

/// So that waiting for more would be noticed.
fn very_patient(settings: &mut Settings) {
    settings.connect_timeout = Duration::from_secs(3600);
}

fn another_protocol_is_closed_at_once(broker: &Broker, version: Version) {
    let requests: [&[u8]; 8] = [
        // TLS 1.2 and 1.3 begin alike; this is the start of a ClientHello.
        b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03random bytes of the client ",
        // The ClientHello of SSL 2.0.
        b"\x80\x2E\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ];
    beside_a_bystander(broker, version, || {
        for bytes in requests {
            Client::open_with(broker, version, bytes).expect_closed();
        }
    });
}

/// [MQTT-3.1.0-1]: whatever would follow, it would be too late.
fn a_first_byte_that_is_not_connect_is_enough(broker: &Broker, version: Version) {
    beside_a_bystander(broker, version, || {
        for first in (0..=0xFF_u8).filter(|first| first >> 4 != 1) {
            Client::open_with(broker, version, &[first]).expect_closed();
        }
    });
}
