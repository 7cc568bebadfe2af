//! The session against a list of promises: whatever happens, what was taken is delivered as its
//! QoS says, unless it was refused, given up or expired.
//!
//! [`Promises`] says what the session must do next, by scanning a list. [`Client`] receives,
//! remembers and acknowledges as the standard asks of a client. [`World`] plays steps between the
//! two and compares after each.

mod client;
mod promises;
mod world;

use proptest::prelude::*;
use proptest::sample::Index;

use self::world::World;
use crate::{Message, QoS, SessionLimits, Timestamp, WhenFull};

proptest! {
    #[test]
    fn a_session_keeps_its_promises(
        limits in limits(),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut world = World::new(limits);
        for step in steps {
            world.play(step);
            world.check();
        }
        world.drain();
    }
}

/// Something that can happen in every state; what makes no sense right now does nothing.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody publishes.
    Offer { qos: QoS, size: usize, lifetime: Option<u64> },
    /// The connection can write one more packet.
    Next,
    /// The connection can write one more packet, but not the one it gets.
    NextAndSkip,
    /// The client reads its next packet; it may refuse a QoS 2 message.
    ClientReads { refuse: bool },
    /// The client sends one of the acknowledgements it owes.
    ClientAnswers(Index),
    /// The client acknowledges what it knows from an earlier connection and was not sent again.
    ClientAnswersEarly(Index),
    /// The client repeats a PUBREC.
    ClientRepeatsPubrec(Index),
    /// The client sends an acknowledgement that nothing waits for.
    ClientErrs { packet_id: u16, ack: Ack },
    /// A connection begins, whether or not one was there.
    Attach { receive_maximum: u16 },
    /// The connection ends; what is under way on it is lost.
    Detach,
    /// Time passes.
    Wait(u64),
    /// The client publishes at QoS 2, perhaps again.
    InboundPublish(u16),
    /// The client sends PUBREL.
    InboundRelease(u16),
    /// The server refuses what it just received.
    InboundForget(u16),
}

/// What a client acknowledges with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ack {
    Puback,
    Pubrec,
    PubrecRefusing,
    Pubcomp,
}

/// A message with a number instead of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbered {
    number: u32,
    size: usize,
    expires_at: Option<Timestamp>,
}

impl Message for Numbered {
    fn size(&self) -> usize {
        self.size
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// Limits that are reached all the time.
fn limits() -> impl Strategy<Value = SessionLimits> {
    let when_full = prop::sample::select(&[
        WhenFull::DropNewest,
        WhenFull::DropOldest,
        WhenFull::Refuse,
        WhenFull::EndSession,
    ]);
    let queue = (0_usize..=6, 0_usize..=600, when_full);
    (1_u16..=4, queue, 1_u16..=16, 0_u16..=3).prop_map(
        |(receive_maximum_cap, (queued_messages, queued_bytes, when_full), packet_ids, inbound)| {
            SessionLimits {
                receive_maximum_cap,
                queued_messages,
                queued_bytes,
                when_full,
                packet_ids,
                inbound_receive_maximum: inbound,
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let offer = (qos, 0_usize..60, prop::option::of(0_u64..30));
    let acks = prop::sample::select(&[Ack::Puback, Ack::Pubrec, Ack::PubrecRefusing, Ack::Pubcomp]);
    prop_oneof![
        12 => offer.prop_map(|(qos, size, lifetime)| Step::Offer { qos, size, lifetime }),
        12 => Just(Step::Next),
        1 => Just(Step::NextAndSkip),
        10 => prop::bool::weighted(0.1).prop_map(|refuse| Step::ClientReads { refuse }),
        10 => any::<Index>().prop_map(Step::ClientAnswers),
        2 => any::<Index>().prop_map(Step::ClientAnswersEarly),
        1 => any::<Index>().prop_map(Step::ClientRepeatsPubrec),
        1 => (1_u16..20, acks).prop_map(|(packet_id, ack)| Step::ClientErrs { packet_id, ack }),
        3 => (1_u16..=6).prop_map(|receive_maximum| Step::Attach { receive_maximum }),
        1 => Just(Step::Detach),
        1 => (1_u64..20).prop_map(Step::Wait),
        1 => (1_u16..6).prop_map(Step::InboundPublish),
        1 => (1_u16..6).prop_map(Step::InboundRelease),
        1 => (1_u16..6).prop_map(Step::InboundForget),
    ]
}
