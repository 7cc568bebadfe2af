//! PUBLISH, read and written: the hot path (section 3.3).

use flux_session::{PacketId, QoS, Timestamp};
use flux_topic::TopicName;

use super::alias::{ALIAS_LEN, TopicForm};
use super::cursor::{
    Cursor, put_fixed_header, put_variable_byte_integer, variable_byte_integer_len,
};
use super::property::{self, Place};
use super::{Frame, FrameError, InboundTopics, Version};
use crate::message::{Delivery, Message};
use crate::packets::Packets;

/// A PUBLISH from a client, its fields still in the read buffer.
#[derive(Clone)]
pub(crate) struct Publish<'a> {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// What the packet names, by name or by alias.
    pub(crate) topic: TopicName<'a>,
    /// Present when the QoS is above 0.
    pub(crate) packet_id: Option<PacketId>,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
    /// Everything from the first byte of the topic on, as it stands in the packet; without a
    /// topic when an alias stood for it.
    pub(crate) bytes: &'a [u8],
    pub(crate) properties: Properties,
    pub(crate) payload: &'a [u8],
}

/// The properties that travel with a message, encoded, in their order.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Properties {
    /// They are these many bytes right before the payload.
    InPlace(usize),
    /// Others stood between them.
    Copied(Vec<u8>),
}

impl<'a> Publish<'a> {
    /// Returns the properties that travel with the message, encoded.
    pub(crate) fn properties(&self) -> &[u8] {
        match &self.properties {
            Properties::Copied(properties) => properties,
            Properties::InPlace(len) => {
                let end = self.bytes.len().saturating_sub(self.payload.len());
                self.bytes.get(end.saturating_sub(*len)..end).unwrap_or_default()
            }
        }
    }

    /// Reads a PUBLISH; `topics` are those of its connection, and learn from it.
    pub(crate) fn read(
        frame: &Frame<'a>,
        version: Version,
        topics: &'a mut InboundTopics,
    ) -> Result<Self, FrameError> {
        let qos = QoS::try_from(frame.flags >> 1 & 0b11).map_err(|_| FrameError::QosThree)?;
        // MQTT 3.1 does not forbid it.
        if qos == QoS::AtMostOnce && frame.flags & 0b1000 != 0 && version != Version::V31 {
            return Err(FrameError::DupWithoutQos);
        }
        let mut cursor = frame.cursor();
        let bytes = cursor.remaining().get(2..).unwrap_or_default();
        let topic = topics.recent.read(cursor.binary()?)?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(cursor.packet_id()?),
        };
        let (mut expiry, mut alias, mut properties) = (None, None, Properties::InPlace(0));
        if version == Version::V5 {
            (expiry, alias, properties) = read_properties(&mut cursor)?;
        }
        let topic = match alias {
            None => topic.map_err(FrameError::TopicName)?,
            Some(alias) => topics.aliases.resolve(alias, topic)?,
        };
        let payload = cursor.remaining();
        let retain = frame.flags & 1 != 0;
        Ok(Self { qos, retain, topic, packet_id, expiry, bytes, properties, payload })
    }
}

/// Reads the Message Expiry Interval, the topic alias, and the properties that travel on.
fn read_properties(
    cursor: &mut Cursor<'_>,
) -> Result<(Option<u32>, Option<u16>, Properties), FrameError> {
    let start = *cursor;
    let (mut expiry, mut alias, mut len) = (None, None, 0);
    property::read(cursor, Place::Publish, |property| match property.id {
        property::MESSAGE_EXPIRY_INTERVAL => expiry = Some(property.number),
        property::TOPIC_ALIAS => alias = u16::try_from(property.number).ok(),
        _ => len += property.bytes.len(),
    })?;
    if expiry.is_none() && alias.is_none() {
        return Ok((None, None, Properties::InPlace(len)));
    }
    let mut copied = Vec::with_capacity(len);
    property::read(&mut start.clone(), Place::Publish, |property| {
        if !matches!(property.id, property::MESSAGE_EXPIRY_INTERVAL | property::TOPIC_ALIAS) {
            copied.extend_from_slice(property.bytes);
        }
    })?;
    Ok((expiry, alias, Properties::Copied(copied)))
}

/// Appends the PUBLISH that carries `delivery`. The payload of a large message is not copied.
pub(crate) fn write_publish(
    out: &mut Packets,
    version: Version,
    delivery: &Delivery,
    form: TopicForm,
    packet_id: Option<PacketId>,
    dup: bool,
    now: Timestamp,
) {
    let message = &delivery.message;
    write_head(out.written(), version, delivery, form, packet_id, dup, now);
    match message.large_payload() {
        Some(payload) => out.share(payload.clone()),
        None => out.written().extend_from_slice(message.payload()),
    }
}

/// Appends everything that comes before the payload.
#[inline]
fn write_head(
    out: &mut Vec<u8>,
    version: Version,
    delivery: &Delivery,
    form: TopicForm,
    packet_id: Option<PacketId>,
    dup: bool,
    now: Timestamp,
) {
    let message = &delivery.message;
    let first = 0x30 | u8::from(dup) << 3 | delivery.qos.as_u8() << 1 | u8::from(delivery.retain);
    put_fixed_header(out, first, remaining_length(version, delivery, form, packet_id.is_some()));
    let topic = form.name(message.topic_bytes());
    // A topic name was parsed once and has at most 65,535 bytes [MQTT-4.7.3-3].
    out.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(topic);
    if let Some(packet_id) = packet_id {
        out.extend_from_slice(&packet_id.get().to_be_bytes());
    }
    if version == Version::V5 {
        put_variable_byte_integer(out, properties_len(delivery, form));
        out.extend_from_slice(message.properties());
        if let Some(seconds) = remaining_expiry(message, now) {
            out.push(property::MESSAGE_EXPIRY_INTERVAL);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        if let Some(alias) = form.alias() {
            out.push(property::TOPIC_ALIAS);
            out.extend_from_slice(&alias.to_be_bytes());
        }
        for id in delivery.subscription_ids.as_slice() {
            out.push(property::SUBSCRIPTION_IDENTIFIER);
            put_variable_byte_integer(out, *id);
        }
    }
}

/// Returns the length in bytes of the whole PUBLISH that [`write_publish`] would append.
pub(crate) fn publish_len(version: Version, delivery: &Delivery, form: TopicForm) -> usize {
    let identified = delivery.qos != QoS::AtMostOnce;
    let remaining = remaining_length(version, delivery, form, identified);
    1 + variable_byte_integer_len(remaining) + usize::try_from(remaining).unwrap_or(usize::MAX)
}

#[inline]
fn remaining_length(
    version: Version,
    delivery: &Delivery,
    form: TopicForm,
    identified: bool,
) -> u32 {
    let message = &delivery.message;
    let mut len = 2 + form.name(message.topic_bytes()).len() + message.payload_len();
    if identified {
        len += 2;
    }
    if version == Version::V5 {
        let properties = properties_len(delivery, form);
        len += variable_byte_integer_len(properties);
        len += usize::try_from(properties).unwrap_or(usize::MAX);
    }
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn properties_len(delivery: &Delivery, form: TopicForm) -> u32 {
    let ids = delivery.subscription_ids.as_slice().iter();
    let ids = ids.map(|id| 1 + variable_byte_integer_len(*id));
    let expiry = if delivery.message.expires_at().is_some() { 5 } else { 0 };
    let alias = if form.alias().is_some() { ALIAS_LEN } else { 0 };
    let len = delivery.message.properties().len() + expiry + alias + ids.sum::<usize>();
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The Message Expiry Interval minus the time that the message waited here [MQTT-3.3.2-6].
pub(crate) fn remaining_expiry(message: &Message, now: Timestamp) -> Option<u32> {
    let left = message.expires_at()?.saturating_since(now);
    Some(u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
}
