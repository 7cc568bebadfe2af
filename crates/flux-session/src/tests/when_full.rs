//! What a full queue does: the four policies.

use super::{NOW, Note, QOS0, QOS1, QOS2, attach, dropped, note, note_until, sent, sent_at};
use crate::{DropReason, Offer, QUEUED_OVERHEAD, QoS, Session, SessionLimits, Timestamp, WhenFull};

const FULL: Offer = Offer::Dropped(DropReason::QueueFull);

/// Returns a session on a connection whose queue takes two messages and `bytes` of content.
fn session(when_full: WhenFull, bytes: usize) -> Session<Note> {
    let limits = SessionLimits {
        queued_messages: 2,
        queued_bytes: 2 * QUEUED_OVERHEAD + bytes,
        when_full,
        ..SessionLimits::default()
    };
    let mut session = Session::new(limits);
    attach(&mut session, NOW, 1);
    session
}

/// Fills the queue, offers one more, and compares what becomes of it and of the others.
#[track_caller]
fn check(
    when_full: WhenFull,
    waiting: [(&'static str, QoS); 2],
    newer: (&'static str, QoS),
    expected: Offer,
    displaced: &[&str],
) {
    let mut session = session(when_full, 6);
    super::queue(&mut session, waiting);
    assert_eq!(session.offer(NOW, note(newer.0, newer.1)), expected, "{when_full:?}");
    let lost = dropped(&mut session);
    assert!(lost.iter().all(|(_, reason)| *reason == DropReason::Displaced));
    assert_eq!(lost.iter().map(|(name, _)| *name).collect::<Vec<_>>(), displaced);
    let taken = usize::from(expected == Offer::Queued);
    assert_eq!(session.queued(), 2 + taken - displaced.len());
}

#[test]
fn only_drop_oldest_displaces_and_each_policy_answers_in_its_way() {
    for (when_full, expected, displaced) in [
        (WhenFull::DropNewest, FULL, &[][..]),
        (WhenFull::DropOldest, Offer::Queued, &["a"][..]),
        (WhenFull::Refuse, Offer::Refused, &[]),
        (WhenFull::EndSession, Offer::Overflow, &[]),
    ] {
        for qos in [QOS1, QOS2] {
            check(when_full, [("a", QOS1), ("b", QOS2)], ("c", qos), expected, displaced);
        }
    }
}

#[test]
fn qos0_is_dropped_under_every_policy_unless_older_qos0_makes_room() {
    for when_full in
        [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Refuse, WhenFull::EndSession]
    {
        check(when_full, [("a", QOS1), ("b", QOS2)], ("c", QOS0), FULL, &[]);
    }
    let oldest = WhenFull::DropOldest;
    check(oldest, [("a", QOS1), ("b", QOS0)], ("c", QOS0), Offer::Queued, &["b"]);
    check(oldest, [("a", QOS0), ("b", QOS0)], ("c", QOS0), Offer::Queued, &["a"]);
}

#[test]
fn qos0_makes_room_before_anything_else() {
    let oldest = WhenFull::DropOldest;
    check(oldest, [("a", QOS1), ("b", QOS0)], ("c", QOS1), Offer::Queued, &["b"]);
    check(oldest, [("a", QOS0), ("b", QOS0)], ("c", QOS2), Offer::Queued, &["a"]);
}

#[test]
fn as_many_are_displaced_as_the_bytes_need() {
    let oldest = WhenFull::DropOldest;
    check(oldest, [("aaa", QOS1), ("bbb", QOS1)], ("ccc", QOS1), Offer::Queued, &["aaa"]);
    let (waiting, newer) = ([("aaa", QOS1), ("bb", QOS0)], ("cccc", QOS1));
    check(oldest, waiting, newer, Offer::Queued, &["bb", "aaa"]);
}

#[test]
fn a_message_that_can_never_fit_displaces_nothing_and_ends_no_session() {
    for (when_full, expected) in [
        (WhenFull::DropNewest, FULL),
        (WhenFull::DropOldest, FULL),
        (WhenFull::Refuse, Offer::Refused),
        (WhenFull::EndSession, FULL),
    ] {
        let mut huge = note("huge", QOS1);
        huge.message.size = 7 + QUEUED_OVERHEAD;
        let mut session = session(when_full, 6);
        super::queue(&mut session, [("a", QOS0), ("b", QOS1)]);
        assert_eq!(session.offer(NOW, huge), expected);
        assert_eq!((dropped(&mut session), session.queued()), (vec![], 2));
    }
    // "ccc" fits alone, but not beside "aaaa", which stays.
    let waiting = [("aaaa", QOS1), ("b", QOS0)];
    check(WhenFull::DropOldest, waiting, ("ccc", QOS0), FULL, &[]);
}

#[test]
fn what_was_sent_is_not_displaced() {
    let mut session = session(WhenFull::DropOldest, 6);
    super::queue(&mut session, [("a", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
    super::queue(&mut session, [("b", QOS1), ("c", QOS1), ("d", QOS1), ("e", QOS1)]);
    let displaced = [("b", DropReason::Displaced), ("c", DropReason::Displaced)];
    assert_eq!(dropped(&mut session), displaced);
    attach(&mut session, NOW, 10);
    assert_eq!(sent(&mut session), ["a/1 id 1 dup", "d/1 id 2", "e/1 id 3"]);
}

#[test]
fn what_expired_at_the_front_goes_before_any_policy() {
    for when_full in
        [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Refuse, WhenFull::EndSession]
    {
        let mut session = session(when_full, 6);
        let until = NOW + std::time::Duration::from_secs(1);
        assert_eq!(session.offer(NOW, note_until("a", QOS1, until.as_millis())), Offer::Queued);
        super::queue(&mut session, [("b", QOS0)]);
        assert_eq!(session.offer(until, note("c", QOS1)), Offer::Queued, "{when_full:?}");
        assert_eq!(dropped(&mut session), [("a", DropReason::Expired)]);
        assert_eq!(sent_at(&mut session, Timestamp::from_millis(9_000)), ["b/0", "c/1 id 1"]);
    }
}
