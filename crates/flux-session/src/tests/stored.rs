//! Stored messages: which are needed no more, which wait elsewhere, and what comes back after a restart.

use std::num::NonZeroU64;

use super::*;
use crate::{Sequence, WhenFull};

fn number(value: u64) -> Sequence {
    Sequence(NonZeroU64::new(value).unwrap())
}

fn stored(name: &'static str, qos: QoS, value: u64) -> Delivery<Note> {
    Delivery { sequence: Some(number(value)), ..note(name, qos) }
}

fn finished(session: &mut Session<Note>) -> Vec<u64> {
    session.take_finished().into_iter().map(|finished| finished.sequence.0.get()).collect()
}

/// A session that keeps two messages here.
fn small(receive_maximum: u16) -> Session<Note> {
    let limits = SessionLimits { queued_here: 2, ..SessionLimits::default() };
    let mut session = Session::new(limits);
    let _ = session.attach(NOW, connection(receive_maximum));
    session
}

fn offer(session: &mut Session<Note>, name: &'static str, value: u64) {
    assert_eq!(session.offer(NOW, stored(name, QOS1, value)), Offer::Queued);
}

#[test]
fn a_message_is_needed_until_its_last_acknowledgement() {
    let mut session = attached(10);
    let _ = session.offer(NOW, stored("a", QOS1, 1));
    let _ = session.offer(NOW, stored("b", QOS2, 2));
    let _ = session.offer(NOW, stored("c", QOS2, 3));
    let _ = session.offer(NOW, note("memory", QOS1));
    assert_eq!(sent(&mut session).len(), 4);
    assert_eq!(session.sequence(id(2)), Some(number(2)));
    assert_eq!(finished(&mut session), []);
    session.puback(id(1)).unwrap();
    let _ = session.pubrec(id(2), true).unwrap();
    assert_eq!(finished(&mut session), [1]);
    assert_eq!(session.sequence(id(2)), Some(number(2)), "PUBCOMP is still to come");
    session.pubcomp(id(2)).unwrap();
    let _ = session.pubrec(id(3), false).unwrap();
    session.puback(id(4)).unwrap();
    assert_eq!(finished(&mut session), [2, 3]);
}

#[test]
fn what_is_not_taken_lost_or_given_back_is_not_needed() {
    let limits =
        SessionLimits { queued_messages: 1, when_full: WhenFull::DropOldest, ..<_>::default() };
    let mut session = Session::new(limits);
    let _ = session.attach(NOW, connection(1));
    let expired = Delivery { sequence: Some(number(1)), ..note_until("late", QOS1, 1) };
    assert_eq!(session.offer(NOW, expired), Offer::Dropped(DropReason::Expired));
    assert_eq!(finished(&mut session), [1]);
    offer(&mut session, "displaced", 2);
    offer(&mut session, "sent", 3);
    assert_eq!(finished(&mut session), [2]);
    assert_eq!(sent(&mut session).len(), 1);
    let share = Some(crate::ShareId(std::num::NonZeroU32::MIN));
    let shared = Delivery { share, ..stored("shared", QOS1, 4) };
    assert_eq!(session.offer(NOW, shared), Offer::Queued);
    assert_eq!(session.detach(NOW, Departure::default()).len(), 1);
    assert_eq!(finished(&mut session), [], "its group needs it");
    assert_eq!(dropped(&mut session), [("displaced", DropReason::Displaced)]);
}

#[test]
fn what_does_not_fit_here_waits_elsewhere_and_is_read_as_it_is_taken() {
    let mut session = small(10);
    for (value, name) in (1..).zip(["a", "b", "c", "d"]) {
        offer(&mut session, name, value);
    }
    assert_eq!(session.queued(), 4);
    assert_eq!(session.wants_read(), None, "there is enough here");
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/1 id 2"]);
    assert_eq!(session.wants_read(), Some(Some(number(2))));
    // What is behind something elsewhere waits there too.
    offer(&mut session, "e", 5);
    session.take_read(NOW, [stored("b", QOS1, 2), stored("c", QOS1, 3), stored("d", QOS1, 4)]);
    assert_eq!(session.queued(), 3);
    assert_eq!(sent(&mut session), ["c/1 id 3", "d/1 id 4"]);
    session.take_read(NOW, [stored("e", QOS1, 5)]);
    assert_eq!(session.wants_read(), None);
    offer(&mut session, "f", 6);
    assert_eq!(sent(&mut session), ["e/1 id 5", "f/1 id 6"]);
}

#[test]
fn what_was_read_before_it_was_offered_comes_once() {
    let mut session = small(10);
    for (value, name) in (1..).zip(["a", "b", "c"]) {
        offer(&mut session, name, value);
    }
    assert_eq!(sent(&mut session).len(), 2);
    session.take_read(NOW, [stored("c", QOS1, 3), stored("d", QOS1, 4)]);
    assert_eq!(sent(&mut session), ["c/1 id 3", "d/1 id 4"]);
    offer(&mut session, "d", 4);
    assert_eq!(session.queued(), 0);
    assert_eq!(sent(&mut session), [""; 0]);
    offer(&mut session, "e", 5);
    assert_eq!(sent(&mut session), ["e/1 id 5"]);
}

#[test]
fn a_message_that_another_thread_offers_late_stays_here() {
    let mut session = small(1);
    offer(&mut session, "b", 2);
    offer(&mut session, "d", 4);
    offer(&mut session, "late", 3);
    assert_eq!(session.wants_read(), None);
    assert_eq!(session.queued_bytes(), 3 * crate::QUEUED_OVERHEAD + 6, "all three are here");
}

#[test]
fn what_waits_elsewhere_counts_for_the_limit() {
    let limits = SessionLimits { queued_here: 1, queued_messages: 3, ..SessionLimits::default() };
    let mut session = Session::new(limits);
    let _ = session.attach(NOW, connection(1));
    for value in 1..=3 {
        offer(&mut session, "a", value);
    }
    let full = session.offer(NOW, stored("b", QOS1, 4));
    assert_eq!(full, Offer::Dropped(DropReason::QueueFull));
    assert_eq!(finished(&mut session), [4]);
}

#[test]
fn a_message_that_expired_elsewhere_is_lost_when_it_is_read() {
    let mut session = small(10);
    for (value, name) in (1..).zip(["a", "b", "c"]) {
        offer(&mut session, name, value);
    }
    let _ = sent(&mut session);
    let expired = Delivery { sequence: Some(number(3)), ..note_until("c", QOS1, 1) };
    session.take_read(NOW, [expired]);
    assert_eq!(dropped(&mut session), [("c", DropReason::Expired)]);
    assert_eq!(finished(&mut session), [3]);
}

#[test]
fn a_restored_session_goes_on_where_it_was() {
    let since = Timestamp::from_millis(500);
    let expiry = SessionExpiry::from_secs(10);
    let mut session = Session::restored(SessionLimits::default(), expiry, since, None, 2);
    assert!(session.restore_exchange(id(7), Ok(stored("a", QOS2, 1))));
    assert!(session.restore_exchange(id(3), Err(number(2))));
    assert!(!session.restore_exchange(id(3), Err(number(3))), "in use");
    assert_eq!(session.deadline(), Some(Timestamp::from_millis(10_500)));
    assert!(session.continues(NOW, false));
    assert_eq!((session.queued(), session.in_flight()), (2, 2));
    assert_eq!(session.wants_read(), None, "nobody is there");
    attach(&mut session, NOW, 10);
    assert_eq!(session.wants_read(), Some(None));
    assert_eq!(sent(&mut session), ["a/2 id 7 dup", "release id 3"]);
    session.take_read(NOW, [stored("b", QOS1, 4), stored("c", QOS1, 5)]);
    assert_eq!(sent(&mut session), ["b/1 id 1", "c/1 id 2"]);
    session.pubcomp(id(3)).unwrap();
    assert_eq!(finished(&mut session), [2]);
}

#[test]
fn a_shared_message_is_the_groups_until_it_is_sent_at_qos_2() {
    let mut session = attached(10);
    let share = Some(crate::ShareId(std::num::NonZeroU32::MIN));
    for (value, qos) in [(1, QOS0), (2, QOS1), (3, QOS2), (4, QOS2)] {
        let shared = Delivery { share, ..stored("a", qos, value) };
        assert_eq!(session.offer_shared(NOW, shared).unwrap(), Offer::Queued);
    }
    assert_eq!(sent(&mut session).len(), 4);
    session.puback(id(1)).unwrap();
    let _ = session.pubrec(id(2), false).unwrap();
    let _ = session.pubrec(id(3), true).unwrap();
    session.pubcomp(id(3)).unwrap();
    let finished = session.take_finished().into_iter();
    let finished: Vec<_> = finished.map(|it| (it.sequence.0.get(), it.share.is_some())).collect();
    assert_eq!(finished, [(1, true), (2, true), (3, false), (4, false)]);
}

#[test]
fn a_shared_message_does_not_hide_what_waits_elsewhere() {
    let mut session = small(10);
    for (value, name) in (1..).zip(["a", "b", "c"]) {
        offer(&mut session, name, value);
    }
    let share = Some(crate::ShareId(std::num::NonZeroU32::MIN));
    let shared = Delivery { share, ..stored("shared", QOS0, 9) };
    assert_eq!(session.offer_shared(NOW, shared).unwrap(), Offer::Queued);
    assert_eq!(sent(&mut session).len(), 3);
    session.take_read(NOW, [stored("c", QOS1, 3)]);
    assert_eq!(sent(&mut session), ["c/1 id 3"]);
}

#[test]
fn a_shared_message_is_for_others_while_something_waits_elsewhere() {
    let since = Timestamp::from_millis(500);
    let mut session =
        Session::restored(SessionLimits::default(), SessionExpiry::NEVER, since, None, 1);
    attach(&mut session, NOW, 10);
    let share = Some(crate::ShareId(std::num::NonZeroU32::MIN));
    assert!(session.offer_shared(NOW, Delivery { share, ..note("a", QOS1) }).is_err());
    session.nothing_elsewhere();
    assert!(session.offer_shared(NOW, Delivery { share, ..note("a", QOS1) }).is_ok());
}

#[test]
fn what_comes_here_from_elsewhere_has_waited_all_the_time() {
    let at = Timestamp::from_millis;
    let mut session = small(10);
    for (name, value) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(session.offer(at(value * 1_000), stored(name, QOS1, value)), Offer::Queued);
    }
    // The last waits elsewhere, alone once the others are under way.
    assert_eq!(sent(&mut session).len(), 2);
    assert_eq!(session.waits_since(), Some(at(1_000)));
    session.take_read(at(9_000), [stored("c", QOS1, 3)]);
    assert_eq!((session.queued(), session.waits_since()), (1, Some(at(1_000))));
    // After a restart it waits since its client left.
    let limits = SessionLimits::default();
    let restored: Session<Note> =
        Session::restored(limits, SessionExpiry::NEVER, at(5_000), None, 2);
    assert_eq!(restored.waits_since(), Some(at(5_000)));
}
