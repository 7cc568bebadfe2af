//! What waits: limits, order and expiry.

use super::{
    NOW, Note, QOS0, QOS1, QOS2, attach, attached, detach, dropped, id, note, note_until, queue,
    sent, sent_at,
};
use crate::{DropReason, Offer, QUEUED_OVERHEAD, Session, SessionLimits, Timestamp};

const FULL: Offer = Offer::Dropped(DropReason::QueueFull);

fn detached(limits: SessionLimits) -> Session<Note> {
    Session::new(limits)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn qos0_is_not_kept_for_a_client_that_is_away() {
    let mut session = detached(SessionLimits::default());
    assert_eq!(session.offer(NOW, note("a", QOS0)), Offer::Dropped(DropReason::Offline));
    assert_eq!(session.offer(NOW, note("a", QOS1)), Offer::Queued);
    assert_eq!(session.offer(NOW, note("a", QOS2)), Offer::Queued);
}

#[test]
fn at_the_limit_of_messages_the_newest_is_dropped() {
    let mut session = detached(SessionLimits { queued_messages: 2, ..Default::default() });
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert_eq!(session.offer(NOW, note("c", QOS1)), FULL);
    attach(&mut session, NOW, 1);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
    assert_eq!(session.offer(NOW, note("d", QOS0)), Offer::Queued, "what is sent is not queued");
    assert_eq!(session.offer(NOW, note("e", QOS0)), FULL);
}

#[test]
fn whoever_can_wait_may_ask_for_room_first() {
    let limits = SessionLimits { queued_messages: 4, queued_bytes: 1_000, ..Default::default() };
    let mut session = detached(limits);
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert!(!session.is_half_full());
    queue(&mut session, [("c", QOS1)]);
    assert!(session.is_half_full() && session.has_room_for(&note("d", QOS1)));
    queue(&mut session, [("d", QOS1)]);
    assert!(!session.has_room_for(&note("e", QOS1)));

    let queued_bytes = 4 * (QUEUED_OVERHEAD + 1);
    let mut session = detached(SessionLimits { queued_bytes, ..Default::default() });
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert!(!session.is_half_full() && session.has_room_for(&note("c", QOS1)));
    queue(&mut session, [("c", QOS1)]);
    assert!(session.is_half_full() && !session.has_room_for(&note("dd", QOS1)));
}

#[test]
fn at_the_limit_of_bytes_the_newest_is_dropped() {
    let queued_bytes = 2 * QUEUED_OVERHEAD + 5;
    let mut session = detached(SessionLimits { queued_bytes, ..Default::default() });
    queue(&mut session, [("aaa", QOS1)]);
    assert_eq!(session.offer(NOW, note("bbb", QOS1)), FULL);
    queue(&mut session, [("cc", QOS1)]);
    assert_eq!(session.queued_bytes(), queued_bytes);
    assert_eq!(session.offer(NOW, note("", QOS1)), FULL);
}

#[test]
fn a_message_of_any_size_is_counted_without_overflow() {
    let mut session = detached(SessionLimits::default());
    let mut huge = note("huge", QOS1);
    huge.message.size = usize::MAX;
    assert_eq!(session.offer(NOW, huge), FULL);
    assert_eq!((session.queued(), session.queued_bytes()), (0, 0));
}

#[test]
fn a_full_queue_makes_room_by_what_expired_at_its_front() {
    let mut session = detached(SessionLimits { queued_messages: 2, ..Default::default() });
    assert_eq!(session.offer(at(0), note_until("a", QOS1, 10)), Offer::Queued);
    assert_eq!(session.offer(at(0), note("b", QOS1)), Offer::Queued);
    assert_eq!(session.offer(at(9), note("c", QOS1)), FULL);
    assert_eq!(session.offer(at(10), note("d", QOS1)), Offer::Queued);
    assert_eq!(dropped(&mut session), [("a", DropReason::Expired)]);
}

#[test]
fn an_expired_message_is_not_taken() {
    let mut session = attached(1);
    let expired = Offer::Dropped(DropReason::Expired);
    assert_eq!(session.offer(at(10), note_until("a", QOS1, 10)), expired);
    assert_eq!(session.offer(at(10), note_until("b", QOS1, 11)), Offer::Queued);
    assert_eq!(dropped(&mut session), [], "the offer said so");
}

#[test]
fn a_message_that_expired_while_it_waited_is_skipped_and_reported() {
    let mut session = attached(2);
    for delivery in [
        note_until("a", QOS1, 10),
        note_until("b", QOS0, 30),
        note_until("c", QOS2, 20),
        note_until("d", QOS1, 21),
    ] {
        assert_eq!(session.offer(at(0), delivery), Offer::Queued);
    }
    assert_eq!(sent_at(&mut session, at(20)), ["b/0", "d/1 id 1"]);
    let expired = [("a", DropReason::Expired), ("c", DropReason::Expired)];
    assert_eq!(dropped(&mut session), expired);
    assert_eq!(dropped(&mut session), []);
    assert_eq!(session.queued_bytes(), 0);
}

#[test]
fn a_message_that_was_sent_does_not_expire() {
    let mut session = attached(2);
    assert_eq!(session.offer(at(0), note_until("a", QOS2, 10)), Offer::Queued);
    assert_eq!(session.offer(at(0), note_until("b", QOS1, 10)), Offer::Queued);
    assert_eq!(sent_at(&mut session, at(9)), ["a/2 id 1", "b/1 id 2"]);
    detach(&mut session, at(11));
    attach(&mut session, at(12), 2);
    assert_eq!(sent_at(&mut session, at(12)), ["a/2 id 1 dup", "b/1 id 2 dup"]);
    assert_eq!(dropped(&mut session), []);
}

#[test]
fn a_return_drops_what_expired_at_the_front() {
    let mut session = detached(SessionLimits::default());
    assert_eq!(session.offer(at(0), note_until("a", QOS1, 10)), Offer::Queued);
    assert_eq!(session.offer(at(0), note("b", QOS1)), Offer::Queued);
    attach(&mut session, at(10), 1);
    assert_eq!(dropped(&mut session), [("a", DropReason::Expired)]);
    assert_eq!(session.queued(), 1);
}

#[test]
fn a_long_queue_comes_out_in_order() {
    let mut session = detached(SessionLimits::default());
    for _ in 0..1_000 {
        queue(&mut session, [("a", QOS1), ("b", QOS2), ("c", QOS1)]);
    }
    attach(&mut session, NOW, 1);
    for n in 0..3_000_u16 {
        let packet_id = id(n + 1);
        let name = ["a/1", "b/2", "c/1"][usize::from(n) % 3];
        assert_eq!(sent(&mut session), [format!("{name} id {packet_id}")]);
        assert!(session.skip(packet_id).is_ok());
    }
    assert_eq!((session.queued(), session.queued_bytes()), (0, 0));
}

#[test]
fn since_when_something_waits_is_known_until_nothing_does() {
    let at = Timestamp::from_millis;
    let mut session = attached(1);
    assert_eq!(session.waits_since(), None);
    let _ = session.offer(at(1_000), note("a", QOS1));
    let _ = session.offer(at(2_000), note("b", QOS1));
    assert_eq!(session.waits_since(), Some(at(1_000)));
    // Taking some is not enough.
    assert_eq!(sent(&mut session).len(), 1);
    assert_eq!(session.waits_since(), Some(at(1_000)));
    session.puback(id(1)).unwrap();
    assert_eq!(sent(&mut session).len(), 1);
    assert_eq!(session.waits_since(), None);
    assert_eq!(session.in_flight(), 1);
    let _ = session.offer(at(3_000), note("c", QOS0));
    assert_eq!(session.waits_since(), Some(at(3_000)));
}
