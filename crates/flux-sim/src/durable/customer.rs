//! A client that keeps what the standard has it keep, whatever becomes of the broker.

use std::collections::{BTreeSet, VecDeque};

use super::book::{Book, Name};
use crate::packet::{Ack, Connect, Got, Options, Publish, Reader, Sent, Version};

/// A client: some publish, some subscribe.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) number: usize,
    pub(super) version: Version,
    /// At which QoS it subscribes, if it does.
    pub(super) subscribes: Option<u8>,
    /// It shares its subscription with the others of that kind.
    pub(super) is_member: bool,
    /// At which QoS it publishes, if it does.
    pub(super) publishes: Option<u8>,
    pub(super) link: Option<Link>,
    /// It had a CONNACK for its session.
    has_session: bool,
    /// It had a SUBACK.
    pub(super) is_subscribed: bool,
    next: u32,
    /// What it has published and what is not over.
    outstanding: VecDeque<Outstanding>,
    /// QoS 2 messages that it has and that are not released.
    received: BTreeSet<u16>,
    /// Acknowledgements that it has not sent yet.
    pub(super) owes: VecDeque<(Ack, u16)>,
    pub(super) refused: u64,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: usize,
    reader: Reader,
    pub(super) is_welcome: bool,
    asked: bool,
}

#[derive(Debug)]
struct Outstanding {
    name: Name,
    id: u16,
    is_retained: bool,
    is_released: bool,
    was_sent: bool,
}

impl Customer {
    pub(super) fn new(number: usize, version: Version) -> Self {
        Self {
            number,
            version,
            subscribes: None,
            is_member: false,
            publishes: None,
            link: None,
            has_session: false,
            is_subscribed: false,
            next: 0,
            outstanding: VecDeque::new(),
            received: BTreeSet::new(),
            owes: VecDeque::new(),
            refused: 0,
        }
    }

    /// Begins a connection, and returns the CONNECT.
    pub(super) fn connect(&mut self, link: usize) -> Sent {
        let reader = Reader::new(self.version, 1 << 20, 0);
        self.link = Some(Link { number: link, reader, is_welcome: false, asked: false });
        Sent::Connect(Connect {
            client_id: format!("c{}", self.number),
            clean_start: false,
            expiry: u32::MAX,
            keep_alive: 0,
            receive_maximum: None,
            packet_size: None,
            aliases: 0,
            will: None,
        })
    }

    /// Loses its connection. What it owed for QoS 1 it does not owe any more.
    pub(super) fn lost(&mut self) {
        self.link = None;
        self.owes.clear();
    }

    /// Subscribes, unless it has or waits for the answer.
    pub(super) fn subscribe(&mut self) -> Option<Sent> {
        let qos = self.subscribes.filter(|_| !self.is_subscribed)?;
        let link = self.link.as_mut().filter(|link| link.is_welcome && !link.asked)?;
        link.asked = true;
        let options = Options { qos, no_local: false, as_published: false, handling: 0 };
        let filter = if self.is_member { "$share/g/t/+" } else { "t/+" };
        Some(Sent::Subscribe(60_000, vec![(filter.to_owned(), options)], None))
    }

    /// Publishes a new message, if few enough are outstanding.
    pub(super) fn publish(&mut self, is_retained: bool) -> Option<(Name, Sent)> {
        let qos = self.publishes?;
        if self.outstanding.len() >= 4 || !self.link.as_ref()?.is_welcome {
            return None;
        }
        self.next += 1;
        let id = u16::try_from(self.next).unwrap_or(u16::MAX);
        let name = (self.number, self.next);
        let message = Outstanding { name, id, is_retained, is_released: false, was_sent: true };
        let packet = message.packet(qos, false);
        self.outstanding.push_back(message);
        Some((name, packet))
    }

    /// Sends the acknowledgement that it has owed for longest.
    pub(super) fn acknowledge(&mut self) -> Option<Sent> {
        self.link.as_ref().filter(|link| link.is_welcome)?;
        let (kind, id) = self.owes.pop_front()?;
        Some(Sent::Ack(kind, id, 0))
    }

    /// Whether it has nothing left to say.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_welcome = self.link.as_ref().is_some_and(|link| link.is_welcome);
        let is_subscribed = self.subscribes.is_none() || self.is_subscribed;
        is_welcome && is_subscribed && self.outstanding.is_empty() && self.owes.is_empty()
    }

    /// Takes bytes, and returns what it answers at once.
    ///
    /// # Errors
    ///
    /// When the broker breaks a promise, or a rule.
    pub(super) fn hear(&mut self, bytes: &[u8], book: &mut Book) -> Result<Vec<Sent>, String> {
        let Some(link) = &mut self.link else { return Ok(Vec::new()) };
        let packets = link.reader.read(bytes)?;
        let mut answers = Vec::new();
        for packet in packets {
            self.take(packet, book, &mut answers)?;
        }
        Ok(answers)
    }

    fn take(
        &mut self,
        packet: Got,
        book: &mut Book,
        answers: &mut Vec<Sent>,
    ) -> Result<(), String> {
        let is_welcome = self.link.as_ref().is_some_and(|link| link.is_welcome);
        match packet {
            Got::ConnAck(present, 0) => {
                if self.has_session && !present {
                    return Err(format!("the session of {} is lost", self.number));
                }
                if let Some(link) = &mut self.link {
                    link.is_welcome = true;
                }
                self.has_session = true;
                let qos = self.publishes.unwrap_or(0);
                answers.extend(self.outstanding.iter_mut().map(|message| {
                    let dup = std::mem::replace(&mut message.was_sent, true);
                    message.packet(qos, dup)
                }));
            }
            Got::ConnAck(..) => {}
            Got::Disconnect(_) => {}
            other if !is_welcome => {
                return Err(format!("{} got {other:?} before its CONNACK", self.number));
            }
            Got::Publish(publish) => self.receive(&publish, book)?,
            Got::Ack(kind, id, code) => self.acknowledged(kind, id, code, book, answers),
            Got::SubAck(_, codes) => {
                self.is_subscribed = codes.iter().all(|code| *code < 0x80);
                if let Some(link) = &mut self.link {
                    link.asked = false;
                }
            }
            Got::UnsubAck(..) | Got::Pong => {}
        }
        Ok(())
    }

    fn receive(&mut self, publish: &Publish, book: &mut Book) -> Result<(), String> {
        let is_new = publish.qos < 2 || self.received.insert(publish.id);
        if is_new {
            let name = read_name(&publish.payload)?;
            if self.is_member {
                book.got_shared(self.number, name, publish.qos)?;
            } else {
                book.got(self.number, name, publish.qos)?;
            }
        }
        match publish.qos {
            0 => {}
            1 => self.owes.push_back((Ack::PubAck, publish.id)),
            _ => self.owes.push_back((Ack::PubRec, publish.id)),
        }
        Ok(())
    }

    fn acknowledged(
        &mut self,
        kind: Ack,
        id: u16,
        code: u8,
        book: &mut Book,
        answers: &mut Vec<Sent>,
    ) {
        if kind == Ack::PubRel {
            self.received.remove(&id);
            self.owes.push_back((Ack::PubComp, id));
            return;
        }
        let Some(at) = self.outstanding.iter().position(|message| message.id == id) else {
            return;
        };
        let message = &mut self.outstanding[at];
        if code >= 0x80 {
            self.refused += 1;
            self.outstanding.remove(at);
            return;
        }
        let (publisher, number) = message.name;
        if message.is_retained {
            book.retained_acknowledged(publisher, number);
        } else {
            book.acknowledged(message.name);
        }
        if kind == Ack::PubRec {
            message.is_released = true;
            answers.push(Sent::Ack(Ack::PubRel, id, 0));
        } else {
            self.outstanding.remove(at);
        }
    }
}

impl Outstanding {
    fn packet(&self, qos: u8, dup: bool) -> Sent {
        if self.is_released {
            return Sent::Ack(Ack::PubRel, self.id, 0);
        }
        let (publisher, number) = self.name;
        let kind = if self.is_retained { 'r' } else { 't' };
        Sent::Publish(Publish {
            topic: format!("{kind}/{publisher}"),
            payload: format!("{publisher} {number}").into_bytes(),
            qos,
            retain: self.is_retained,
            dup,
            id: self.id,
            expiry: None,
            alias: None,
            subscriptions: Vec::new(),
        })
    }
}

/// Reads which message it is.
pub(super) fn read_name(payload: &[u8]) -> Result<Name, String> {
    let text = String::from_utf8_lossy(payload);
    let parsed = text
        .split_once(' ')
        .and_then(|(publisher, number)| Some((publisher.parse().ok()?, number.parse().ok()?)));
    parsed.ok_or_else(|| format!("nobody published {text:?}"))
}
