//! Packets of a client as bytes.

use super::{Connect, Options, Publish, Sent, Version};

/// Returns the bytes of a packet.
#[must_use]
pub(crate) fn write(version: Version, packet: &Sent) -> Vec<u8> {
    let mut body = Vec::new();
    let first = match packet {
        Sent::Connect(connect) => {
            write_connect(&mut body, version, connect);
            0x10
        }
        Sent::Publish(publish) => {
            write_publish(&mut body, version, publish);
            0x30 | u8::from(publish.dup) << 3 | publish.qos << 1 | u8::from(publish.retain)
        }
        Sent::Ack(kind, id, code) => {
            number(&mut body, *id);
            if version.is_5() && *code != 0 {
                body.push(*code);
            }
            *kind as u8
        }
        Sent::Subscribe(id, filters, identifier) => {
            number(&mut body, *id);
            let mut properties = Vec::new();
            if let Some(identifier) = identifier {
                properties.push(0x0B);
                length(&mut properties, usize::try_from(*identifier).unwrap_or_default());
            }
            write_properties(&mut body, version, &properties);
            for (filter, options) in filters {
                text(&mut body, filter);
                body.push(options_byte(version, *options));
            }
            0x82
        }
        Sent::Unsubscribe(id, filters) => {
            number(&mut body, *id);
            write_properties(&mut body, version, &[]);
            for filter in filters {
                text(&mut body, filter);
            }
            0xA2
        }
        Sent::Ping => 0xC0,
        Sent::Disconnect(code, expiry) => {
            if version.is_5() && (*code != 0 || expiry.is_some()) {
                body.push(*code);
                let expiry = expiry.map_or_else(Vec::new, |secs| long(0x11, secs));
                write_properties(&mut body, version, &expiry);
            }
            0xE0
        }
        Sent::Raw(bytes) => return bytes.clone(),
    };
    let mut packet = vec![first];
    length(&mut packet, body.len());
    packet.append(&mut body);
    packet
}

fn write_connect(body: &mut Vec<u8>, version: Version, connect: &Connect) {
    let (name, level) = match version {
        Version::V31 => ("MQIsdp", 3),
        Version::V311 => ("MQTT", 4),
        Version::V5 => ("MQTT", 5),
    };
    text(body, name);
    body.push(level);
    let will = connect
        .will
        .as_ref()
        .map_or(0, |(will, _)| 0x04 | will.qos << 3 | u8::from(will.retain) << 5);
    body.push(u8::from(connect.clean_start) << 1 | will);
    number(body, connect.keep_alive);
    let mut properties = long(0x11, connect.expiry);
    if let Some(maximum) = connect.receive_maximum {
        properties.push(0x21);
        number(&mut properties, maximum);
    }
    if let Some(size) = connect.packet_size {
        properties.append(&mut long(0x27, size));
    }
    if connect.aliases > 0 {
        properties.push(0x22);
        number(&mut properties, connect.aliases);
    }
    write_properties(body, version, &properties);
    text(body, &connect.client_id);
    if let Some((will, delay)) = &connect.will {
        let mut properties = long(0x18, *delay);
        if let Some(secs) = will.expiry {
            properties.append(&mut long(0x02, secs));
        }
        write_properties(body, version, &properties);
        text(body, &will.topic);
        number(body, u16::try_from(will.payload.len()).unwrap_or_default());
        body.extend_from_slice(&will.payload);
    }
}

fn write_publish(body: &mut Vec<u8>, version: Version, publish: &Publish) {
    text(body, &publish.topic);
    if publish.qos > 0 {
        number(body, publish.id);
    }
    let mut properties = Vec::new();
    if let Some(secs) = publish.expiry {
        properties.append(&mut long(0x02, secs));
    }
    if let Some(alias) = publish.alias {
        properties.push(0x23);
        number(&mut properties, alias);
    }
    write_properties(body, version, &properties);
    body.extend_from_slice(&publish.payload);
}

fn options_byte(version: Version, options: Options) -> u8 {
    if !version.is_5() {
        return options.qos;
    }
    let Options { qos, no_local, as_published, handling } = options;
    qos | u8::from(no_local) << 2 | u8::from(as_published) << 3 | handling << 4
}

fn write_properties(body: &mut Vec<u8>, version: Version, properties: &[u8]) {
    if version.is_5() {
        length(body, properties.len());
        body.extend_from_slice(properties);
    }
}

fn text(body: &mut Vec<u8>, text: &str) {
    number(body, u16::try_from(text.len()).unwrap_or_default());
    body.extend_from_slice(text.as_bytes());
}

fn number(body: &mut Vec<u8>, number: u16) {
    body.extend_from_slice(&number.to_be_bytes());
}

fn long(name: u8, number: u32) -> Vec<u8> {
    let mut property = vec![name];
    property.extend_from_slice(&number.to_be_bytes());
    property
}

/// A Variable Byte Integer (MQTT 5.0 section 1.5.5).
fn length(body: &mut Vec<u8>, mut length: usize) {
    loop {
        let digit = u8::try_from(length % 128).unwrap_or_default();
        length /= 128;
        if length == 0 {
            return body.push(digit);
        }
        body.push(digit | 0x80);
    }
}
