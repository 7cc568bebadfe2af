//! The session against a list of promises: whatever happens, what was taken is delivered as its
//! QoS says, unless it was refused, given up or expired.
//!
//! [`Promises`] says what the session must do next, by scanning a list; each promise ends once, and
//! none goes missing. [`Life`] says when the session ends and its will is due. [`Client`] receives,
//! remembers and acknowledges as the standard asks of a client. [`World`] plays steps between them
//! and compares after each.

mod client;
mod life;
mod promises;
mod world;

use std::num::NonZeroU32;

use proptest::prelude::*;
use proptest::sample::Index;

use self::world::World;
use crate::{Message, QoS, SessionLimits, ShareId, Timestamp, WhenFull};

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
    /// Somebody publishes; a group may have found nobody else for it.
    Offer(Publication, Option<ShareId>),
    /// Somebody publishes, and a group asks this member.
    OfferShared(Publication, ShareId),
    /// A group, or every one, wants back what was not sent.
    TakeUnsentShared(Option<ShareId>),
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
    Connect(Connect),
    /// The connection ends; what is under way on it is lost.
    Detach { discard_will: bool, expiry: Option<u32> },
    /// Somebody looks whether the time has come for something.
    Look,
    /// An administrator ends the session.
    End,
    /// Time passes.
    Wait(u64),
    /// The client subscribes to one of [`FILTERS`], perhaps again.
    Subscribe(usize),
    /// The client unsubscribes from one of them, or from what it never had.
    Unsubscribe(usize),
    /// The client publishes at QoS 2, perhaps again.
    InboundPublish(u16),
    /// The client sends PUBREL.
    InboundRelease(u16),
    /// The server refuses what it just received.
    InboundForget(u16),
}

/// What clients subscribe to.
const FILTERS: [&str; 3] = ["a", "b/+/#", "$share/g/c"];

/// A message that somebody publishes; its lifetime in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Publication {
    qos: QoS,
    size: usize,
    lifetime: Option<u64>,
}

/// What a client connects with; times in seconds.
#[derive(Clone, Copy, Debug)]
struct Connect {
    clean_start: bool,
    receive_maximum: u16,
    expiry: u32,
    will_delay: Option<u32>,
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
                ..SessionLimits::default()
            }
        },
    )
}

fn publication() -> impl Strategy<Value = Publication> {
    let qos = prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    (qos, 0_usize..60, prop::option::of(0_u64..30)).prop_map(|(qos, size, lifetime)| Publication {
        qos,
        size,
        lifetime,
    })
}

fn share() -> impl Strategy<Value = ShareId> {
    (1_u32..=2).prop_map(|number| ShareId(NonZeroU32::new(number).unwrap()))
}

fn connect() -> impl Strategy<Value = Connect> {
    let expiry = prop_oneof![3 => Just(u32::MAX), 1 => 0_u32..4];
    (prop::bool::weighted(0.05), 1_u16..=6, expiry, prop::option::of(0_u32..4)).prop_map(
        |(clean_start, receive_maximum, expiry, will_delay)| Connect {
            clean_start,
            receive_maximum,
            expiry,
            will_delay,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let acks = prop::sample::select(&[Ack::Puback, Ack::Pubrec, Ack::PubrecRefusing, Ack::Pubcomp]);
    let departure = (any::<bool>(), prop::option::weighted(0.2, 0_u32..4));
    // The moments of expiry and will are whole seconds after others, so that they are met exactly.
    let wait = prop_oneof![2 => 1_u64..20, 1 => Just(1_000), 1 => Just(999)];
    prop_oneof![
        12 => (publication(), prop::option::weighted(0.1, share()))
            .prop_map(|(publication, share)| Step::Offer(publication, share)),
        6 => (publication(), share())
            .prop_map(|(publication, share)| Step::OfferShared(publication, share)),
        1 => prop::option::of(share()).prop_map(Step::TakeUnsentShared),
        14 => Just(Step::Next),
        1 => Just(Step::NextAndSkip),
        12 => prop::bool::weighted(0.1).prop_map(|refuse| Step::ClientReads { refuse }),
        12 => any::<Index>().prop_map(Step::ClientAnswers),
        2 => any::<Index>().prop_map(Step::ClientAnswersEarly),
        1 => any::<Index>().prop_map(Step::ClientRepeatsPubrec),
        1 => (1_u16..20, acks).prop_map(|(packet_id, ack)| Step::ClientErrs { packet_id, ack }),
        4 => connect().prop_map(Step::Connect),
        2 => departure.prop_map(|(discard_will, expiry)| Step::Detach { discard_will, expiry }),
        1 => Just(Step::Look),
        1 => prop::bool::weighted(0.2)
            .prop_map(|ends| if ends { Step::End } else { Step::Look }),
        2 => wait.prop_map(Step::Wait),
        1 => (0..FILTERS.len()).prop_map(Step::Subscribe),
        1 => (0..FILTERS.len()).prop_map(Step::Unsubscribe),
        1 => (1_u16..6).prop_map(Step::InboundPublish),
        1 => (1_u16..6).prop_map(Step::InboundRelease),
        1 => (1_u16..6).prop_map(Step::InboundForget),
    ]
}
