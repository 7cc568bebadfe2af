//! What a connection is to be sent once the store has answered.
//!
//! What waits is bytes, never a decision: all is done in memory at once, and said when it is safe. Answers and
//! deliveries wait apart, each in their order: whatever comes behind something that waits, waits too.

use std::collections::{HashSet, VecDeque};

use flux_session::PacketId;

use super::traced::Ending;
use crate::reason::ReasonCode;
use crate::wire::split_whole;

/// The bytes that a connection is not sent yet.
#[derive(Default)]
pub(super) struct Held {
    pub(super) answers: Lane,
    pub(super) deliveries: Lane,
    /// The connection is over, and closes once its answers are sent.
    pub(super) closes: bool,
}

/// Whole packets in the order in which they are sent.
#[derive(Default)]
pub(super) struct Lane {
    bytes: Vec<u8>,
    marks: VecDeque<Mark>,
    /// What is over once its packets are sent, each with the ticket that it waits for.
    endings: Vec<(u64, Ending)>,
}

/// The next so many bytes wait until what has this ticket is safe.
#[derive(Debug)]
struct Mark {
    ticket: u64,
    len: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.deliveries.is_empty()
    }
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Returns how many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds packets. With ticket zero they wait for nothing but what stands before them.
    pub(super) fn push(&mut self, ticket: u64, packets: &[u8]) {
        self.bytes.extend_from_slice(packets);
        match self.marks.back_mut() {
            Some(last) if last.ticket >= ticket => last.len += packets.len(),
            Some(_) | None => self.marks.push_back(Mark { ticket, len: packets.len() }),
        }
    }

    /// Adds what is over once the packets that were added last are sent.
    pub(super) fn push_endings(&mut self, spans: impl Iterator<Item = Ending>) {
        let ticket = self.marks.back().map_or(0, |mark| mark.ticket);
        self.endings.extend(spans.map(|span| (ticket, span)));
    }

    /// Takes out what is over now.
    pub(super) fn ended(&mut self, persisted: u64) -> impl Iterator<Item = Ending> {
        self.endings.extract_if(.., move |(ticket, _)| *ticket <= persisted).map(|(_, span)| span)
    }

    /// Hands out what waits no more, if there is something.
    pub(super) fn release(&mut self, persisted: u64, send: impl FnOnce(&[u8])) {
        let mut len = 0;
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.ticket <= persisted) {
            len += mark.len;
        }
        if let Some(packets) = self.bytes.get(..len).filter(|packets| !packets.is_empty()) {
            send(packets);
            self.bytes.drain(..len);
        }
    }

    /// Makes of each PUBACK of MQTT 5.0 that says that the message was taken one that refuses it, which waits for
    /// nothing. Returns how many there were.
    ///
    /// Whoever follows one of the messages is told. What ends with another packet, as a message at QoS 2 does, goes on: it may be
    /// taken later.
    pub(super) fn refuse_pubacks(&mut self, code: ReasonCode) -> u64 {
        let before = std::mem::take(self);
        let mut refused = 0;
        let mut identifiers = HashSet::new();
        let mut rest = before.bytes.as_slice();
        for Mark { ticket, len } in before.marks {
            let (mut packets, behind) = rest.split_at_checked(len).unwrap_or_default();
            rest = behind;
            if packets.is_empty() {
                self.push(ticket, packets);
            }
            while let Some((packet, further)) = split_whole(packets) {
                match packet {
                    [0x40, 2, high, low] => {
                        self.marks.push_back(Mark { ticket: 0, len: 5 });
                        self.bytes.extend_from_slice(&[0x40, 3, *high, *low, code.as_u8()]);
                        refused += 1;
                        identifiers.insert(PacketId::new(u16::from_be_bytes([*high, *low])));
                    }
                    other => {
                        self.marks.push_back(Mark { ticket, len: other.len() });
                        self.bytes.extend_from_slice(other);
                    }
                }
                packets = further;
            }
        }
        for (ticket, ending) in before.endings {
            match ending.puback {
                Some(puback) if identifiers.contains(&Some(puback)) => ending.refuse(code),
                Some(_) | None => self.endings.push((ticket, ending)),
            }
        }
        refused
    }

    /// Whether a PUBACK or PUBREC is among the packets.
    pub(super) fn acknowledges(&self) -> bool {
        let mut packets = self.bytes.as_slice();
        while let Some((packet, further)) = split_whole(packets) {
            if matches!(packet, [0x40 | 0x50, ..]) {
                return true;
            }
            packets = further;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::latency::{Latency, Span, Stamp};

    fn released(lane: &mut Lane, persisted: u64) -> Vec<u8> {
        let mut released = Vec::new();
        lane.release(persisted, |packets| released.extend_from_slice(packets));
        released
    }

    #[test]
    fn what_comes_behind_something_that_waits_waits_too() {
        let mut lane = Lane::default();
        lane.push(2, &[1]);
        lane.push(0, &[2]);
        lane.push(5, &[3]);
        lane.push(5, &[4]);
        lane.push(0, &[5]);
        assert!(released(&mut lane, 1).is_empty());
        assert_eq!(released(&mut lane, 4), [1, 2]);
        assert_eq!(lane.len(), 3);
        assert_eq!(released(&mut lane, 5), [3, 4, 5]);
        assert!(lane.is_empty());
    }

    #[test]
    fn a_place_without_bytes_keeps_what_is_behind_it() {
        let mut lane = Lane::default();
        lane.push(3, &[]);
        lane.push(0, &[1]);
        assert!(!lane.is_empty());
        assert!(released(&mut lane, 2).is_empty());
        assert_eq!(released(&mut lane, 3), [1]);
    }

    #[test]
    fn acknowledgements_become_refusals() {
        let mut lane = Lane::default();
        lane.push(1, &[0x40, 2, 0, 1, 0x40, 2, 0, 2]);
        lane.push(2, &[0x50, 2, 0, 3]);
        lane.push(2, &[0x40, 2, 0, 4]);
        assert!(lane.acknowledges());
        assert_eq!(lane.refuse_pubacks(ReasonCode::QuotaExceeded), 3);
        assert_eq!(released(&mut lane, 0), [0x40, 3, 0, 1, 0x97, 0x40, 3, 0, 2, 0x97]);
        assert_eq!(released(&mut lane, 2), [0x50, 2, 0, 3, 0x40, 3, 0, 4, 0x97]);
        lane.push(1, &[0x90, 3, 0, 1, 0]);
        assert!(!lane.acknowledges());
    }

    #[test]
    fn only_what_ends_with_a_refusal_ends_with_it() {
        let span = Span { what: Latency::Acknowledgement, since: Stamp(NonZeroU64::MIN) };
        let by = |puback: Option<u16>| {
            let mut ending = Ending::of(span);
            ending.puback = puback.and_then(PacketId::new);
            ending
        };
        let mut lane = Lane::default();
        lane.push(1, &[0x40, 2, 0, 1, 0x50, 2, 0, 1]);
        lane.push_endings([by(Some(1)), by(None)].into_iter());
        // It says why nobody got the message, and is no success that is taken back.
        lane.push(2, &[0x40, 3, 0, 2, 0x10]);
        lane.push_endings([by(Some(2))].into_iter());
        assert_eq!(lane.refuse_pubacks(ReasonCode::QuotaExceeded), 1);
        let mut ended =
            |persisted| lane.ended(persisted).map(|ending| ending.puback).collect::<Vec<_>>();
        assert_eq!(ended(0), []);
        assert_eq!(ended(1), [None]);
        assert_eq!(ended(2), [PacketId::new(2)]);
    }
}
