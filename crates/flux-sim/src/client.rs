//! A client: what it wants to say, what it has heard, and how it answers.
//!
//! It keeps what MQTT has a client keep, over all its connections, and forgets it when the broker has no
//! session for it. It never sees the broker's state, nor the model's.

use std::collections::{BTreeSet, VecDeque};

use crate::hands::LinkId;
use crate::model::reader;
use crate::packet::{Ack, Connect, Got, Publish, Reader, Sent, Version};
use crate::plan::{ClientPlan, ConnectPlan, Manners, PublishPlan};
use crate::random::Random;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    /// What it is.
    pub plan: ClientPlan,
    /// The network connection that it uses.
    pub link: Option<LinkId>,
    /// CONNACK has come.
    pub is_online: bool,
    /// It is here only to end its session.
    pub is_leaving: bool,
    /// Late answers and refusals are over.
    pub is_calm: bool,
    /// The Session Expiry Interval of its connection.
    pub expiry: u32,
    /// The Keep Alive of its connection.
    pub keep_alive: u16,
    /// What the application was given, in order.
    pub log: Vec<Heard>,
    /// How often it found no session where it had one.
    pub losses: usize,
    /// It has forgotten its session, and does not know whether the broker has.
    starts_clean: bool,
    reader: Reader,
    backlog: VecDeque<PublishPlan>,
    outgoing: VecDeque<Outgoing>,
    receipts: BTreeSet<u16>,
    last_id: u16,
    /// How many messages above QoS 0 it may have open.
    quota: usize,
    max_qos: u8,
}

/// A message that the application was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Topic name.
    pub topic: String,
    /// Application message.
    pub payload: Vec<u8>,
    /// At which QoS it came.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// How often the session had been lost by then.
    pub losses: usize,
}

/// A message of its own that is not acknowledged to the end.
#[derive(Clone, Debug)]
struct Outgoing {
    publish: Publish,
    is_released: bool,
}

impl Client {
    /// Creates a client.
    #[must_use]
    pub(crate) fn new(plan: ClientPlan, quota: usize, max_qos: u8) -> Self {
        Self {
            reader: reader(&plan),
            plan,
            link: None,
            is_online: false,
            is_leaving: false,
            is_calm: false,
            expiry: 0,
            keep_alive: 0,
            log: Vec::new(),
            losses: 0,
            starts_clean: false,
            backlog: VecDeque::new(),
            outgoing: VecDeque::new(),
            receipts: BTreeSet::new(),
            last_id: 0,
            quota,
            max_qos,
        }
    }

    /// Begins a network connection; returns its CONNECT.
    pub(crate) fn connect(&mut self, link: LinkId, how: &ConnectPlan) -> Sent {
        let is_5 = self.plan.version.is_5();
        self.link = Some(link);
        self.is_online = false;
        self.reader = reader(&self.plan);
        // Both forget [MQTT-3.1.2-4]: so it asks for it until it is told that it is so.
        self.starts_clean |= how.clean_start;
        if self.starts_clean {
            self.outgoing.clear();
            self.receipts.clear();
        }
        // Before MQTT 5.0 a session ends with its connection or never.
        let old = if self.starts_clean { 0 } else { u32::MAX };
        self.expiry = if is_5 { how.expiry } else { old };
        self.keep_alive = how.keep_alive;
        let will = how.will.as_ref().map(|(message, delay)| {
            let delay = if is_5 { *delay } else { 0 };
            (self.publish(message, 0), delay)
        });
        Sent::Connect(Connect {
            client_id: self.plan.name.clone(),
            clean_start: self.starts_clean,
            expiry: self.expiry,
            keep_alive: how.keep_alive,
            receive_maximum: self.plan.receive_maximum.filter(|_| is_5),
            packet_size: self.plan.packet_size.filter(|_| is_5),
            aliases: self.plan.aliases,
            will,
        })
    }

    /// Returns DISCONNECT, with an expiry only where that may change.
    pub(crate) fn disconnect(&mut self, with_will: bool, expiry: Option<u32>) -> Sent {
        self.link = None;
        self.is_online = false;
        let code = if with_will && self.plan.version.is_5() { 4 } else { 0 };
        let may_change = self.expiry > 0 && self.plan.version.is_5();
        Sent::Disconnect(code, expiry.filter(|_| may_change))
    }

    /// The network connection is gone.
    pub(crate) fn lost(&mut self, link: LinkId) {
        if self.link == Some(link) {
            self.link = None;
            self.is_online = false;
        }
    }

    /// Wants to publish, now or as soon as it can.
    pub(crate) fn want(&mut self, message: PublishPlan) -> Vec<Sent> {
        self.backlog.push_back(message);
        self.flush()
    }

    /// Whether all that it wanted to say is said and acknowledged.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.backlog.is_empty() && self.outgoing.is_empty()
    }

    /// Returns a packet identifier that is not in use.
    pub(crate) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.outgoing.iter().any(|out| out.publish.id == self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Takes bytes and returns what it answers, each perhaps late. `is_present` says whether its session
    /// went on.
    ///
    /// # Errors
    ///
    /// What is wrong with what it got.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        is_present: bool,
        random: &mut Random,
    ) -> Result<Vec<Sent>, String> {
        let name = self.plan.name.clone();
        let packets = self.reader.read(bytes).map_err(|what| format!("{name} got {what}"))?;
        let mut answers = Vec::new();
        for packet in packets {
            if let Got::ConnAck(present, 0) = packet {
                // In MQTT 3.1 a client is not told; ours know.
                let is_told = self.plan.version != Version::V31;
                answers.append(&mut self.welcomed(if is_told { present } else { is_present }));
                continue;
            }
            answers.append(&mut self.take(packet, random));
        }
        Ok(answers)
    }

    fn take(&mut self, packet: Got, random: &mut Random) -> Vec<Sent> {
        match packet {
            Got::ConnAck(..) | Got::SubAck(..) | Got::UnsubAck(..) | Got::Pong => Vec::new(),
            Got::Disconnect(_) => Vec::new(),
            Got::Publish(publish) => self.given(&publish, random),
            Got::Ack(kind, id, code) => self.acknowledged(kind, id, code),
        }
    }

    fn welcomed(&mut self, present: bool) -> Vec<Sent> {
        self.is_online = true;
        self.starts_clean = false;
        if !present {
            self.losses += 1;
            self.outgoing.clear();
            self.receipts.clear();
        }
        if self.is_leaving {
            return vec![self.disconnect(false, None)];
        }
        let again = self.outgoing.iter().map(|out| match out.is_released {
            true => Sent::Ack(Ack::PubRel, out.publish.id, 0),
            false => Sent::Publish(Publish { dup: true, ..out.publish.clone() }),
        });
        let mut packets: Vec<Sent> = again.collect();
        packets.append(&mut self.flush());
        packets
    }

    /// Says what waits, as far as the broker takes it.
    fn flush(&mut self) -> Vec<Sent> {
        let mut packets = Vec::new();
        while self.is_online
            && let Some(message) = self.backlog.front().cloned()
        {
            let qos = self.qos(&message);
            if qos > 0 && self.outgoing.len() >= self.quota {
                break;
            }
            self.backlog.pop_front();
            let id = if qos > 0 { self.next_id() } else { 0 };
            let publish = self.publish(&message, id);
            if qos > 0 {
                self.outgoing.push_back(Outgoing { publish: publish.clone(), is_released: false });
            }
            packets.push(Sent::Publish(publish));
        }
        packets
    }

    /// Only in MQTT 5.0 is a client told what the broker takes at most.
    fn qos(&self, message: &PublishPlan) -> u8 {
        if self.plan.version.is_5() { message.qos.min(self.max_qos) } else { message.qos }
    }

    fn publish(&self, message: &PublishPlan, id: u16) -> Publish {
        Publish {
            topic: message.topic.clone(),
            payload: message.payload.clone(),
            qos: self.qos(message),
            retain: message.retain,
            dup: false,
            id,
            expiry: message.expiry.filter(|_| self.plan.version.is_5()),
            alias: None,
            subscriptions: Vec::new(),
        }
    }

    fn given(&mut self, publish: &Publish, random: &mut Random) -> Vec<Sent> {
        let is_lazy = self.plan.manners == Manners::Lazy && !self.is_calm;
        let refuses = is_lazy && self.plan.version.is_5() && random.chance(10);
        let id = publish.id;
        match publish.qos {
            1 if refuses => return vec![Sent::Ack(Ack::PubAck, id, 0x83)],
            2 if refuses && !self.receipts.contains(&id) => {
                return vec![Sent::Ack(Ack::PubRec, id, 0x83)];
            }
            2 if !self.receipts.insert(id) => return vec![Sent::Ack(Ack::PubRec, id, 0)],
            _ => {}
        }
        self.log.push(Heard {
            topic: publish.topic.clone(),
            payload: publish.payload.clone(),
            qos: publish.qos,
            retain: publish.retain,
            losses: self.losses,
        });
        match publish.qos {
            1 => vec![Sent::Ack(Ack::PubAck, id, 0)],
            2 => vec![Sent::Ack(Ack::PubRec, id, 0)],
            _ => Vec::new(),
        }
    }

    fn acknowledged(&mut self, kind: Ack, id: u16, code: u8) -> Vec<Sent> {
        let place = self.outgoing.iter().position(|out| out.publish.id == id);
        match (kind, place) {
            (Ack::PubRel, _) => {
                self.receipts.remove(&id);
                return vec![Sent::Ack(Ack::PubComp, id, 0)];
            }
            (Ack::PubRec, Some(place)) if code < 0x80 => {
                self.outgoing[place].is_released = true;
                return vec![Sent::Ack(Ack::PubRel, id, 0)];
            }
            (Ack::PubAck | Ack::PubRec | Ack::PubComp, Some(place)) => {
                self.outgoing.remove(place);
            }
            (Ack::PubAck | Ack::PubRec | Ack::PubComp, None) => {}
        }
        self.flush()
    }

    /// Does something that is against the rules.
    #[must_use]
    pub(crate) fn cheat(&mut self, how: u64) -> Vec<Sent> {
        let mut random = Random::new(how, 3);
        let r = &mut random;
        let id = u16::try_from(r.below(6)).unwrap_or_default();
        let qos = u8::try_from(r.below(4)).unwrap_or_default();
        let ack = r.pick(&[Ack::PubAck, Ack::PubRec, Ack::PubRel, Ack::PubComp]);
        let publish = Publish {
            topic: r.pick(&["$c/a", "$c/b", "$c/+", ""]).to_owned(),
            payload: vec![b'!'; r.index(30)],
            qos,
            retain: r.chance(30),
            dup: r.chance(30),
            id,
            expiry: None,
            alias: r.chance(10).then_some(id),
            subscriptions: Vec::new(),
        };
        let options = crate::packet::Options {
            qos: r.pick(&[0, 1, 2, 2, 3]),
            no_local: r.chance(20),
            as_published: r.chance(20),
            handling: 0,
        };
        let filter = r.pick(&["a/#", "#", "+/b", "$c/#", "a/#/b", "$share/x/$c/#", "$share//a"]);
        match r.below(9) {
            0 | 1 => vec![Sent::Publish(publish)],
            2 | 3 => vec![Sent::Ack(ack, id, 0), Sent::Ack(ack, id, 0)],
            4 | 5 => vec![Sent::Subscribe(id, vec![(filter.to_owned(), options)], None)],
            6 => vec![Sent::Raw((0..r.index(20)).map(|_| r.draw().to_le_bytes()[0]).collect())],
            // A packet that never ends.
            7 => vec![Sent::Raw(vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1])],
            _ => vec![Sent::Publish(Publish { qos: 2, id: 1, ..publish }); 8],
        }
    }
}
