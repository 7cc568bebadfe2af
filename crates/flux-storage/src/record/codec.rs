//! Records to bytes and back.
//!
//! A record is: length of head and tail (u32), length of the head (u32), CRC-32C of the head
//! (u32), head, tail. Only a message has a tail, its receipt and targets, so that a message for
//! many is read without them. All numbers are little endian.

mod message;

use flux_session::{RetainHandling, SessionExpiry, SubscriptionOptions};

use self::message::{
    put_content, put_target, put_targets, read_content, read_message, read_target,
};
use super::reader::{Reader, moment};
use super::{Owner, Record, SessionRecord, WillRecord};

/// One record among the bytes of many.
#[derive(Clone, Debug)]
pub(crate) struct Encoded<'a> {
    pub(crate) record: Record<'a>,
    /// How many bytes it takes.
    pub(crate) len: u32,
    /// How many of them must be read for all but its tail.
    pub(crate) head_len: u32,
}

/// What comes before the head.
const RECORD_HEADER_LEN: u32 = 12;

impl Record<'_> {
    /// Appends the record to `out`. `None`, and nothing appended, if it is longer than 256 MiB.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&[0; 12]);
        let written = self.put_head(out).and_then(|()| {
            let head_end = out.len();
            self.put_tail(out)?;
            let begin = start.checked_add(12)?;
            let crc = crc32c::crc32c(out.get(begin..head_end)?);
            let body = u32::try_from(out.len() - begin).ok().filter(|len| *len <= MAX_LEN)?;
            let head = u32::try_from(head_end - begin).ok()?;
            let mut header = out.get_mut(start..begin)?.chunks_exact_mut(4);
            for number in [body, head, crc] {
                header.next()?.copy_from_slice(&number.to_le_bytes());
            }
            Some(())
        });
        if written.is_none() {
            out.truncate(start);
        }
        written
    }

    fn put_head(&self, out: &mut Vec<u8>) -> Option<()> {
        let mut put = |kind: u8, numbers: &[u64], rest: &[u8]| {
            out.push(kind);
            numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            out.extend_from_slice(rest);
        };
        match self {
            Self::Message(message) => {
                put(MESSAGE, &[message.sequence.0], &[]);
                out.push(u8::from(message.retained));
                put_content(&message.content, out)?;
            }
            Self::Sent { session, sequence, packet_id } => {
                put(SENT, &[session.0, sequence.0], &packet_id.get().to_le_bytes());
            }
            Self::Released { session, sequence, packet_id } => {
                put(RELEASED, &[session.0, sequence.0], &packet_id.get().to_le_bytes());
            }
            Self::Done { session, sequence } => put(DONE, &[session.0, sequence.0], &[]),
            Self::Moved { group, sequence, to } => {
                put(MOVED, &[group.0, sequence.0], &[]);
                put_target(to, out)?;
            }
            Self::Group { group, filter } => put(GROUP, &[group.0], filter.as_bytes()),
            Self::Session(session) => {
                let since = moment(session.detached_since);
                let expiry = session.expiry.as_secs().into();
                let numbers = [session.session.0, since, expiry];
                match session.owner {
                    Owner::Unknown => put(SESSION, &numbers, session.client_id.as_bytes()),
                    Owner::Nobody => put(SESSION_OF_NOBODY, &numbers, session.client_id.as_bytes()),
                    Owner::User(owner) => {
                        put(SESSION_OF, &numbers, &text_len(session.client_id)?);
                        out.extend_from_slice(session.client_id.as_bytes());
                        out.extend_from_slice(owner.as_bytes());
                    }
                }
            }
            Self::SessionEnded { session } => put(SESSION_ENDED, &[session.0], &[]),
            Self::Subscribed { session, filter, options } => {
                put(SUBSCRIBED, &[session.0, bits_of(*options)], filter.as_bytes());
            }
            Self::Unsubscribed { session, filter } => {
                put(UNSUBSCRIBED, &[session.0], filter.as_bytes());
            }
            Self::ReceiptOpened { session, packet_id } => {
                put(RECEIPT_OPENED, &[session.0], &packet_id.get().to_le_bytes());
            }
            Self::ReceiptClosed { session, packet_id } => {
                put(RECEIPT_CLOSED, &[session.0], &packet_id.get().to_le_bytes());
            }
            Self::Will(will) => {
                let expiry = will.expiry.map_or(u64::MAX, u64::from);
                put(WILL, &[will.session.0, will.delay.into(), expiry], &[]);
                put_content(&will.content, out)?;
                out.extend_from_slice(will.testator);
            }
            Self::WillCleared { session } => put(WILL_CLEARED, &[session.0], &[]),
            Self::RetainedCleared { topic, sequence } => {
                put(RETAINED_CLEARED, &[sequence.0], topic.as_bytes());
            }
            Self::Floor { segment } => put(FLOOR, &[u64::from(*segment)], &[]),
        }
        Some(())
    }

    fn put_tail(&self, out: &mut Vec<u8>) -> Option<()> {
        if let Self::Message(message) = self { put_targets(message, out) } else { Some(()) }
    }
}

/// Reads the record at the front of `bytes`. With the head alone, a message has no targets.
pub(crate) fn next_record(bytes: &[u8]) -> Option<Encoded<'_>> {
    let mut reader = Reader(bytes);
    let (body_len, head_len, _crc) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let body = reader.bytes(body_len).or_else(|| reader.bytes(head_len))?;
    let (head, tail) = body.split_at_checked(usize::try_from(head_len).ok()?)?;
    let record = decode(head, tail)?;
    let [len, head_len] = [body_len, head_len].map(|len| len.checked_add(RECORD_HEADER_LEN));
    Some(Encoded { record, len: len?, head_len: head_len? })
}

/// Splits the bytes of records: as many as go into `room`, at least one, and the rest.
pub(crate) fn front_records(bytes: &[u8], room: usize) -> (&[u8], &[u8]) {
    if bytes.len() <= room {
        return (bytes, &[]);
    }
    let mut at = 0;
    while let Some(len) = bytes.get(at..).and_then(|rest| Reader(rest).u32()) {
        let end = at.saturating_add(
            usize::try_from(len.saturating_add(RECORD_HEADER_LEN)).unwrap_or(usize::MAX),
        );
        if end > room && at > 0 {
            break;
        }
        at = end;
    }
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// Returns whether the head of the record at the front of `bytes` is as it was written.
pub(crate) fn verify(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    let header = (reader.u32(), reader.u32(), reader.u32());
    let (Some(_), Some(head_len), Some(crc)) = header else { return false };
    reader.bytes(head_len).is_some_and(|head| crc32c::crc32c(head) == crc)
}

fn decode<'a>(head: &'a [u8], tail: &'a [u8]) -> Option<Record<'a>> {
    let mut head = Reader(head);
    let kind = head.u8()?;
    if kind == MESSAGE {
        return read_message(&mut head, tail).map(Record::Message);
    }
    if kind == RETAINED_CLEARED {
        let sequence = head.sequence()?;
        return Some(Record::RetainedCleared { topic: text(head.0)?, sequence });
    }
    if kind == FLOOR {
        return Some(Record::Floor { segment: u32::try_from(head.u64()?).ok()? });
    }
    let session = head.session()?;
    Some(match kind {
        SENT | RELEASED => {
            let (sequence, packet_id) = (head.sequence()?, head.packet_id()?);
            if kind == SENT {
                Record::Sent { session, sequence, packet_id }
            } else {
                Record::Released { session, sequence, packet_id }
            }
        }
        DONE => Record::Done { session, sequence: head.sequence()? },
        MOVED => {
            let sequence = head.sequence()?;
            Record::Moved { group: session, sequence, to: read_target(&mut head)? }
        }
        GROUP => Record::Group { group: session, filter: text(head.0)? },
        SESSION | SESSION_OF | SESSION_OF_NOBODY => {
            let detached_since = head.moment()?;
            let expiry = SessionExpiry::from_secs(u32::try_from(head.u64()?).ok()?);
            let (client_id, owner) = match kind {
                SESSION => (text(head.0)?, Owner::Unknown),
                SESSION_OF_NOBODY => (text(head.0)?, Owner::Nobody),
                _ => (head.str()?, Owner::User(text(head.0)?)),
            };
            Record::Session(SessionRecord { session, client_id, owner, expiry, detached_since })
        }
        SESSION_ENDED => Record::SessionEnded { session },
        SUBSCRIBED => {
            let options = options_of(head.u64()?)?;
            Record::Subscribed { session, filter: text(head.0)?, options }
        }
        UNSUBSCRIBED => Record::Unsubscribed { session, filter: text(head.0)? },
        RECEIPT_OPENED => Record::ReceiptOpened { session, packet_id: head.packet_id()? },
        RECEIPT_CLOSED => Record::ReceiptClosed { session, packet_id: head.packet_id()? },
        WILL => {
            let delay = u32::try_from(head.u64()?).ok()?;
            let expiry = u32::try_from(head.u64()?).ok();
            let content = read_content(&mut head)?;
            // A log of version 2 has nothing behind that.
            Record::Will(WillRecord { session, delay, expiry, content, testator: head.0 })
        }
        WILL_CLEARED => Record::WillCleared { session },
        _ => return None,
    })
}

fn text_len(text: &str) -> Option<[u8; 4]> {
    u32::try_from(text.len()).ok().map(u32::to_le_bytes)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Bits 0 and 1 are the QoS, 2 No Local, 3 Retain As Published, 4 and 5 Retain Handling; the upper
/// half is the identifier.
fn bits_of(options: SubscriptionOptions) -> u64 {
    let handling = match options.retain_handling {
        RetainHandling::OnSubscribe => 0,
        RetainHandling::OnNewSubscription => 1,
        RetainHandling::Never => 2,
    };
    u64::from(options.qos.as_u8())
        | (u64::from(options.no_local) << 2)
        | (u64::from(options.retain_as_published) << 3)
        | (handling << 4)
        | (u64::from(options.subscription_id.unwrap_or(0)) << 32)
}

fn options_of(bits: u64) -> Option<SubscriptionOptions> {
    let id = u32::try_from(bits >> 32).ok()?;
    Some(SubscriptionOptions {
        qos: Reader::qos(u8::try_from(bits & 3).ok()?)?,
        no_local: bits & 4 != 0,
        retain_as_published: bits & 8 != 0,
        retain_handling: match (bits >> 4) & 3 {
            0 => RetainHandling::OnSubscribe,
            1 => RetainHandling::OnNewSubscription,
            2 => RetainHandling::Never,
            _ => return None,
        },
        subscription_id: (id != 0).then_some(id),
    })
}

/// No record is longer: an offset in a segment must fit into 32 bits.
const MAX_LEN: u32 = 0x1000_0000;

const MESSAGE: u8 = 1;
const SENT: u8 = 2;
const RELEASED: u8 = 3;
const DONE: u8 = 4;
const SESSION: u8 = 5;
const SESSION_ENDED: u8 = 6;
const SUBSCRIBED: u8 = 7;
const UNSUBSCRIBED: u8 = 8;
const RECEIPT_OPENED: u8 = 9;
const RECEIPT_CLOSED: u8 = 10;
const WILL: u8 = 11;
const WILL_CLEARED: u8 = 12;
const RETAINED_CLEARED: u8 = 13;
const FLOOR: u8 = 14;
// Since version 2.
const MOVED: u8 = 15;
const GROUP: u8 = 16;
// Since version 3.
const SESSION_OF: u8 = 17;
const SESSION_OF_NOBODY: u8 = 18;
