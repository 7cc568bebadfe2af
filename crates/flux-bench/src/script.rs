//! What clients do, step by step, every byte of it prepared.

use flux_mqtt::ConnectionId;

use crate::packets;
use crate::scene::Peer;

/// Steps, and how many packets the broker sends because of them.
#[derive(Debug, Default)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
    answers: u64,
}

#[derive(Debug)]
pub(crate) enum Step {
    Open { worker: usize, connection: ConnectionId },
    Receive { worker: usize, connection: ConnectionId, bytes: Box<[u8]> },
    Close { worker: usize, connection: ConnectionId },
    Turn,
}

impl Script {
    /// Returns how many packets the broker sends, to all clients together.
    #[must_use]
    pub const fn answers(&self) -> u64 {
        self.answers
    }

    pub(crate) fn open(&mut self, peer: &Peer, connect: &[u8]) {
        let Peer { worker, connection, .. } = *peer;
        self.steps.push(Step::Open { worker, connection });
        self.receive(peer, connect, 1);
        self.turn();
    }

    pub(crate) fn close(&mut self, peer: &Peer) {
        let Peer { worker, connection, .. } = *peer;
        self.steps.push(Step::Close { worker, connection });
        self.turn();
    }

    /// Bytes of a client, which the broker answers with so many packets.
    pub(crate) fn receive(&mut self, peer: &Peer, bytes: &[u8], answers: u64) {
        let Peer { worker, connection, .. } = *peer;
        self.steps.push(Step::Receive { worker, connection, bytes: bytes.into() });
        self.answers += answers;
    }

    pub(crate) fn turn(&mut self) {
        self.steps.push(Step::Turn);
    }

    /// Messages of one publisher, at once, and all that follows: their acknowledgements, and each of
    /// the `subscribers` gets `each` of them at the same QoS.
    pub(crate) fn exchange(
        &mut self,
        publisher: &mut Peer,
        subscribers: &mut [Peer],
        burst: &Burst<'_>,
    ) {
        let Burst { qos, topic, messages, each } = *burst;
        let ids = if qos == 0 { Vec::new() } else { publisher.own.take(messages) };
        let publish = |id| packets::publish(publisher.version, qos << 1, id, topic);
        let packets: Vec<_> = match qos {
            0 => (0..messages).map(|_| publish(None)).collect(),
            _ => ids.iter().map(|id| publish(Some(*id))).collect(),
        };
        self.receive(publisher, &packets.concat(), u64::from(qos.min(1)) * u64::from(messages));
        self.answers += subscribers.iter().map(|_| u64::from(each)).sum::<u64>();
        self.turn();
        if qos == 0 {
            return;
        }
        if qos == 2 {
            self.acknowledge(publisher, 0x62, &ids, 1);
        }
        let received: Vec<_> =
            subscribers.iter_mut().map(|subscriber| subscriber.brokers.take(each)).collect();
        for (subscriber, ids) in subscribers.iter().zip(&received) {
            match qos {
                1 => self.acknowledge(subscriber, 0x40, ids, 0),
                _ => {
                    self.acknowledge(subscriber, 0x50, ids, 1);
                    self.acknowledge(subscriber, 0x70, ids, 0);
                }
            }
        }
        self.turn();
    }

    fn acknowledge(&mut self, peer: &Peer, first: u8, ids: &[u16], answers: u64) {
        let packets: Vec<_> = ids.iter().map(|id| packets::acknowledgement(first, *id)).collect();
        self.receive(peer, &packets.concat(), answers * u64::try_from(ids.len()).unwrap_or(0));
    }
}

/// Messages that come at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst<'a> {
    pub(crate) qos: u8,
    pub(crate) topic: &'a str,
    pub(crate) messages: u16,
    /// How many of them each subscriber gets.
    pub(crate) each: u16,
}
