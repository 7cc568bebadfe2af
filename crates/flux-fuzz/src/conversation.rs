//! What a client hears on one connection, held against what it said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::requests::{Hello, Requests};
use crate::rights::may_arrive;
use crate::server_packet::{ServerPacket, read, take};

/// The client's side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) requests: Requests,
    pub(crate) is_online: bool,
    /// Nothing may follow: a refusal or a goodbye has come.
    pub(crate) is_over: bool,
    /// Identifiers of messages that the client has and has not acknowledged.
    in_flight: BTreeSet<u16>,
    aliases: BTreeMap<u16, String>,
    /// What the client owes, in its order: first byte and identifier of the acknowledgement.
    pub(crate) to_acknowledge: VecDeque<(u8, u16)>,
    /// How many of these came: PINGRESP, PUBACK, PUBLISH.
    pub(crate) pings: usize,
    pub(crate) acknowledgements: usize,
    pub(crate) messages: usize,
}

impl Conversation {
    /// Notes what the worker took of the client's bytes, before what it sent is looked at.
    pub(crate) fn took(&mut self, bytes: &[u8]) {
        self.requests.took(bytes);
        for id in self.requests.acknowledged.drain(..) {
            self.in_flight.remove(&id);
        }
    }

    /// Reads what was sent.
    ///
    /// # Panics
    ///
    /// Where a server of this version may not say this, or not now.
    pub(crate) fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let start = bytes;
            let Some((first, body)) = take(&mut bytes) else {
                panic!("half a packet is sent: {bytes:02x?}")
            };
            let packet = start.get(..start.len() - bytes.len()).unwrap_or_default();
            let Some(hello) = self.requests.hello else {
                panic!("nobody has said CONNECT, and hears {packet:02x?}")
            };
            assert!(!self.is_over, "after the last packet of a conversation: {packet:02x?}");
            let Some(read) = read(hello.version, first, body) else {
                panic!("no packet of a server of {:?}: {packet:02x?}", hello.version)
            };
            let max = hello.maximum_packet_size;
            assert!(
                packet.len() <= max || is_about_connect(&read),
                "larger than the client takes, {max}: {packet:02x?}"
            );
            if let Some(wrong) = self.wrong(&read, &hello) {
                panic!("{wrong}: {read:?} in {hello:?}, {self:?}")
            }
        }
    }

    /// Notes a packet, and returns why it may not come now.
    fn wrong(&mut self, packet: &ServerPacket<'_>, hello: &Hello) -> Option<&'static str> {
        if let ServerPacket::ConnAck { code } = packet {
            let again = std::mem::replace(&mut self.is_online, *code == 0);
            self.is_over = *code > 0;
            return again.then_some("a second CONNACK");
        }
        if !self.is_online {
            return Some("before CONNACK");
        }
        match *packet {
            ServerPacket::ConnAck { .. } => None,
            ServerPacket::Publish { qos, id, topic, alias } => {
                self.messages += 1;
                if !may_arrive(topic) {
                    return Some("a message that nobody may publish");
                }
                self.wrong_alias(topic, alias, hello).or_else(|| self.wrong_publish(qos, id, hello))
            }
            ServerPacket::Ack { first, id, code } => {
                match first {
                    0x50 if code < 0x80 => self.to_acknowledge.push_back((0x62, id)),
                    0x62 if code == 0 => self.to_acknowledge.push_back((0x70, id)),
                    0x40 => self.acknowledgements += 1,
                    _ => {}
                }
                // A resumed session goes on where it was, so that PUBREL may come unasked.
                let was_asked = self.requests.answered(first, id, 0) || first == 0x62;
                (!was_asked).then_some("nobody asked for this acknowledgement")
            }
            ServerPacket::SubAck { id, codes } => {
                let was_asked = self.requests.answered(0x90, id, codes);
                (!was_asked).then_some("nobody subscribed like this")
            }
            ServerPacket::UnsubAck { id, codes } => {
                let was_asked = self.requests.answered(0xB0, id, codes);
                (!was_asked).then_some("nobody unsubscribed like this")
            }
            ServerPacket::PingResp => {
                self.pings += 1;
                (!self.requests.answered(0xD0, 0, 0)).then_some("nobody pinged")
            }
            ServerPacket::Disconnect => {
                self.is_over = true;
                None
            }
        }
    }

    fn wrong_alias(&mut self, topic: &str, alias: u16, hello: &Hello) -> Option<&'static str> {
        match alias {
            0 => None,
            _ if alias > hello.topic_alias_maximum => {
                Some("an alias that the client does not take")
            }
            _ if !topic.is_empty() => {
                self.aliases.insert(alias, topic.to_owned());
                None
            }
            _ => (!self.aliases.contains_key(&alias)).then_some("an alias that stands for nothing"),
        }
    }

    fn wrong_publish(&mut self, qos: u8, id: u16, hello: &Hello) -> Option<&'static str> {
        if qos == 0 {
            return None;
        }
        self.to_acknowledge.push_back((if qos == 1 { 0x40 } else { 0x50 }, id));
        if !self.in_flight.insert(id) {
            return Some("an identifier that is in use");
        }
        let is_over = self.in_flight.len() > usize::from(hello.receive_maximum);
        is_over.then_some("more than Receive Maximum")
    }
}

/// What says that CONNECT could not be read, and so not what the client takes.
const fn is_about_connect(packet: &ServerPacket<'_>) -> bool {
    matches!(packet, ServerPacket::ConnAck { code: 0x81..=0x84 })
}
