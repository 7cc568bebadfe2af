//! The parts of a message: content in its head, receipt and targets in its tail.

use flux_session::{PacketId, SubscriptionIds};

use super::super::reader::{Reader, moment};
use super::super::{Content, MessageRecord, Target};

pub(super) fn put_content(content: &Content<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.push(content.qos.as_u8() | (u8::from(content.retain) << 2));
    out.extend_from_slice(&moment(content.expires_at).to_le_bytes());
    for part in [content.topic.as_bytes(), content.properties, content.payload] {
        out.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
        out.extend_from_slice(part);
    }
    Some(())
}

pub(super) fn read_content<'a>(reader: &mut Reader<'a>) -> Option<Content<'a>> {
    let flags = reader.u8()?;
    let expires_at = reader.moment()?;
    let topic = reader.str()?;
    let properties_len = reader.u32()?;
    let properties = reader.bytes(properties_len)?;
    let payload_len = reader.u32()?;
    let payload = reader.bytes(payload_len)?;
    let (qos, retain) = (Reader::qos(flags)?, flags & 4 != 0);
    Some(Content { topic, properties, payload, qos, retain, expires_at })
}

pub(super) fn put_targets(message: &MessageRecord<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (session, packet_id) =
        message.receipt.map_or((0, 0), |(session, packet_id)| (session.0, packet_id.get()));
    out.extend_from_slice(&packet_id.to_le_bytes());
    if packet_id != 0 {
        out.extend_from_slice(&session.to_le_bytes());
    }
    message.targets.iter().try_for_each(|target| put_target(target, out))
}

pub(super) fn put_target(target: &Target, out: &mut Vec<u8>) -> Option<()> {
    let ids = target.subscription_ids.as_slice();
    let sent = target.sent.map(PacketId::get);
    let flags = target.qos.as_u8()
        | (u8::from(target.retain) << 2)
        | (u8::from(sent.is_some()) << 3)
        | (u8::from(!ids.is_empty()) << 4)
        | (u8::from(target.offset > 0) << 5);
    out.push(flags);
    out.extend_from_slice(&target.session.0.to_le_bytes());
    if target.offset > 0 {
        out.extend_from_slice(&target.offset.to_le_bytes());
    }
    if let Some(packet_id) = sent {
        out.extend_from_slice(&packet_id.to_le_bytes());
    }
    if !ids.is_empty() {
        out.extend_from_slice(&u32::try_from(ids.len()).ok()?.to_le_bytes());
        ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    }
    Some(())
}

pub(super) fn read_message<'a>(head: &mut Reader<'a>, tail: &'a [u8]) -> Option<MessageRecord<'a>> {
    let sequence = head.sequence()?;
    let retained = head.u8()? != 0;
    let content = read_content(head)?;
    let mut tail = Reader(tail);
    let (mut receipt, mut targets) = (None, Vec::new());
    if !tail.0.is_empty() {
        let packet_id = tail.u16()?;
        if let Some(packet_id) = PacketId::new(packet_id) {
            receipt = Some((tail.session()?, packet_id));
        }
    }
    while !tail.0.is_empty() {
        targets.push(read_target(&mut tail)?);
    }
    Some(MessageRecord { sequence, content, retained, receipt, targets })
}

pub(super) fn read_target(tail: &mut Reader<'_>) -> Option<Target> {
    let flags = tail.u8()?;
    let session = tail.session()?;
    let offset = if flags & 32 != 0 { tail.u32()? } else { 0 };
    let sent = if flags & 8 != 0 { Some(tail.packet_id()?) } else { None };
    let subscription_ids = if flags & 16 != 0 {
        let count = tail.u32()?;
        (0..count).map(|_| tail.u32()).collect::<Option<SubscriptionIds>>()?
    } else {
        SubscriptionIds::NONE
    };
    Some(Target {
        session,
        offset,
        qos: Reader::qos(flags)?,
        retain: flags & 4 != 0,
        subscription_ids,
        sent,
    })
}
