//! What a case may demand of any broker: no more than the standard says.

use super::Client;
use crate::property::split_integer;
use crate::{PINGREQ, PINGRESP, Properties, Publish, Received, Version, packet, puback, pubrec};

/// PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK or UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) first: u8,
    pub(crate) id: u16,
    /// 0 where the packet leaves it out.
    pub(crate) codes: Vec<u8>,
    pub(crate) properties: Properties,
}

impl Client {
    /// The next packet must be an answer with this first byte and identifier.
    #[track_caller]
    pub(crate) fn answer(&mut self, first: u8, id: u16) -> Answer {
        let packet = self.packet();
        assert_eq!(packet[0], first, "expected {first:#04x} for {id}, but got {packet:02x?}");
        let answer = Answer::parse(self.version, &packet);
        assert_eq!(answer.id, id, "the packet identifier of {packet:02x?}");
        answer
    }

    /// The same, past messages that come before it.
    #[track_caller]
    pub(crate) fn answer_among_publishes(&mut self, first: u8, id: u16) -> Answer {
        let mut before = Vec::new();
        let answer = loop {
            let packet = self.packet();
            if packet[0] == first {
                break Answer::parse(self.version, &packet);
            }
            assert_eq!(packet[0] >> 4, 3, "expected {first:#04x}, but got {packet:02x?}");
            before.extend_from_slice(&packet);
        };
        self.aside.splice(..0, before);
        assert_eq!(answer.id, id, "the packet identifier of {first:#04x}");
        answer
    }

    /// Sends SUBSCRIBE and returns the codes of SUBACK.
    #[track_caller]
    pub(crate) fn ask(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        self.ask_with(&[], filters)
    }

    /// The same with properties.
    #[track_caller]
    pub(crate) fn ask_with(&mut self, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
        let packet = self.version.subscribe_with(0x7A31, properties, filters);
        self.send(&packet);
        let codes = self.answer_among_publishes(0x90, 0x7A31).codes;
        assert_eq!(codes.len(), filters.len(), "a code for each filter of SUBSCRIBE");
        codes
    }

    /// Subscribes to a filter, which must be granted.
    #[track_caller]
    pub(crate) fn follow(&mut self, filter: &str, options: u8) {
        let codes = self.ask(&[(filter, options)]);
        assert!(codes[0] <= 2, "{filter} is refused with {codes:02x?}");
    }

    /// Unsubscribes and returns the codes of UNSUBACK, none before MQTT 5.0.
    #[track_caller]
    pub(crate) fn leave(&mut self, filters: &[&str]) -> Vec<u8> {
        self.send(&self.version.unsubscribe(0x7A32, filters));
        self.answer_among_publishes(0xB0, 0x7A32).codes
    }

    /// All messages that are offered by now and not held back; none of them is acknowledged.
    /// Whatever was offered before comes before a message that the client sends itself at QoS 0.
    #[track_caller]
    pub(crate) fn deliveries(&mut self) -> Vec<Received> {
        let address = self.socket.local_addr().unwrap();
        let topic = format!("$fence/{}/{}", address.ip(), address.port());
        let mut found = Vec::new();
        self.send(&self.version.subscribe(0x7A33, &[(&topic, 0)]));
        self.collect(&mut found, |packet| packet[0] == 0x90);
        self.send(&Publish::new(&topic, "all that came before").bytes(self.version));
        let version = self.version;
        let is_fence =
            |packet: &[u8]| packet[0] >> 4 == 3 && Received::parse(version, packet).topic == topic;
        self.collect(&mut found, is_fence);
        self.send(&self.version.unsubscribe(0x7A34, &[&topic]));
        self.collect(&mut found, |packet| packet[0] == 0xB0);
        found
    }

    /// Reads messages until this packet.
    #[track_caller]
    fn collect(&mut self, found: &mut Vec<Received>, is_end: impl Fn(&[u8]) -> bool) {
        loop {
            let packet = self.packet();
            if is_end(&packet) {
                break;
            }
            assert_eq!(packet[0] >> 4, 3, "expected only messages, but got {packet:02x?}");
            found.push(Received::parse(self.version, &packet));
        }
    }

    /// Nothing was sent to this client.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self) {
        let found = self.deliveries();
        assert!(found.is_empty(), "nothing should come, but: {found:?}");
    }

    /// The payloads of all messages that are offered by now must be these.
    #[track_caller]
    pub(crate) fn expect_texts(&mut self, expected: &[&str]) {
        let found = self.deliveries();
        let texts: Vec<_> = found.iter().map(Received::text).collect();
        assert_eq!(texts, expected, "the messages that come");
    }

    /// The next message must have this payload.
    #[track_caller]
    pub(crate) fn expect_text(&mut self, expected: &str) -> Received {
        let received = self.receive();
        assert_eq!(received.text(), expected, "the next message");
        received
    }

    /// The broker must end the connection. Returns the code of DISCONNECT or of a refusing CONNACK,
    /// if it sends one before; before MQTT 5.0 a server has no DISCONNECT.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) -> Option<u8> {
        let mut code = None;
        while let Some(packet) = self.try_packet() {
            assert_eq!(code, None, "a packet after the last: {packet:02x?}");
            match (packet[0], self.version) {
                (0x20, _) => {
                    assert_ne!(reason_code(&packet), 0, "CONNACK accepts: {packet:02x?}");
                    code = Some(reason_code(&packet));
                }
                (0xE0, Version::V5) => code = Some(reason_code(&packet)),
                (0x30..0x40, _) => {}
                _ => panic!("the connection should end, but: {packet:02x?}"),
            }
        }
        code
    }

    /// The connection is alive and answers, past messages that come before.
    #[track_caller]
    pub(crate) fn expect_alive(&mut self) {
        self.send(&PINGREQ);
        let mut before = Vec::new();
        loop {
            let packet = self.packet();
            if packet == PINGRESP {
                break;
            }
            assert_eq!(packet[0] >> 4, 3, "expected PINGRESP, but got {packet:02x?}");
            before.extend_from_slice(&packet);
        }
        self.aside.splice(..0, before);
    }

    /// MQTT 5.0: PUBACK or PUBREC of a message, with a reason code.
    pub(crate) fn refuse(&mut self, received: &Received, code: u8) {
        let first = if received.qos == 1 { 0x40 } else { 0x50 };
        self.send(&packet(first, &[&received.id.to_be_bytes(), &[code]]));
    }

    /// PUBACK, or PUBREC as the first half of QoS 2.
    pub(crate) fn accept(&mut self, received: &Received) {
        match received.qos {
            0 => {}
            1 => self.send(&puback(received.id)),
            _ => self.send(&pubrec(received.id)),
        }
    }
}

/// The code of CONNACK or DISCONNECT, or the last one of SUBACK.
pub(crate) fn reason_code(packet: &[u8]) -> u8 {
    let (_, body) = split_integer(&packet[1..]);
    let code = match packet[0] {
        0x20 => body.get(1),
        0xE0 => body.first(),
        0x90 => body.last(),
        _ => panic!("expected a packet with a reason code, but got {packet:02x?}"),
    };
    code.copied().unwrap_or(0)
}

impl Answer {
    #[track_caller]
    fn parse(version: Version, packet: &[u8]) -> Self {
        let (_, body) = split_integer(&packet[1..]);
        assert!(body.len() >= 2, "an answer without identifier: {packet:02x?}");
        let id = u16::from_be_bytes([body[0], body[1]]);
        let rest = &body[2..];
        let is_list = matches!(packet[0], 0x90 | 0xB0);
        let (codes, properties) = match (version, is_list) {
            (Version::V5, true) => {
                let (properties, codes) = Properties::split(rest);
                (codes.to_vec(), properties)
            }
            (Version::V5, false) => {
                let (code, rest) = rest.split_first().unwrap_or((&0, &[]));
                let (properties, rest) = if rest.is_empty() {
                    (Properties::default(), rest)
                } else {
                    Properties::split(rest)
                };
                assert!(rest.is_empty(), "bytes behind an answer: {packet:02x?}");
                (vec![*code], properties)
            }
            (_, true) => (rest.to_vec(), Properties::default()),
            (_, false) => {
                assert!(rest.is_empty(), "bytes behind an answer: {packet:02x?}");
                (vec![0], Properties::default())
            }
        };
        Self { first: packet[0], id, codes, properties }
    }
}
