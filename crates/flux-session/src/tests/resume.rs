//! What a new connection sends again.

use super::{
    NOW, Note, QOS0, QOS1, QOS2, attach, attached, detach, dropped, id, note, queue, sent,
};
use crate::{AckError, DropReason, Offer, QUEUED_OVERHEAD, Received, Session, Timestamp};

/// Returns a session with PUBREC received for `b` and `d`, and `e` still queued.
fn interrupted() -> Session<Note> {
    let mut session = attached(4);
    queue(&mut session, [("a", QOS1), ("b", QOS2), ("c", QOS2), ("d", QOS2), ("e", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/2 id 2", "c/2 id 3", "d/2 id 4"]);
    let _ = session.pubrec(id(4), true).unwrap();
    let _ = session.pubrec(id(2), true).unwrap();
    detach(&mut session, NOW);
    assert_eq!(dropped(&mut session), []);
    session
}

#[test]
fn everything_in_flight_goes_again_in_order_before_anything_new() {
    let mut session = interrupted();
    attach(&mut session, NOW, 10);
    assert_eq!(
        sent(&mut session),
        ["a/1 id 1 dup", "release id 2", "c/2 id 3 dup", "release id 4", "e/1 id 5"]
    );
}

#[test]
fn nothing_goes_again_on_the_same_connection() {
    let mut session = interrupted();
    attach(&mut session, NOW, 4);
    assert_eq!(sent(&mut session).len(), 4);
    assert_eq!(sent(&mut session), [""; 0]);
}

#[test]
fn a_smaller_window_holds_back_publish_and_never_pubrel() {
    let mut session = interrupted();
    attach(&mut session, NOW, 1);
    assert_eq!(sent(&mut session), ["a/1 id 1 dup", "release id 2", "release id 4"]);
    assert!(!session.has_work());

    session.pubcomp(id(2)).unwrap();
    assert_eq!(sent(&mut session), [""; 0], "PUBCOMP of a lone PUBREL opens nothing");
    session.puback(id(1)).unwrap();
    assert_eq!(sent(&mut session), ["c/2 id 3 dup"]);
    let _ = session.pubrec(id(3), true).unwrap();
    session.pubcomp(id(4)).unwrap();
    assert_eq!(sent(&mut session), [""; 0], "c is in flight until its PUBCOMP");
    session.pubcomp(id(3)).unwrap();
    assert_eq!(sent(&mut session), ["e/1 id 5"]);
}

#[test]
fn an_acknowledgement_before_the_packet_went_again_completes_it() {
    let mut session = interrupted();
    attach(&mut session, NOW, 10);
    assert_eq!(session.puback(id(1)).map(|message| message.name), Ok("a"));
    assert!(matches!(session.pubrec(id(3), true), Ok(Received::Release(_))));
    session.pubcomp(id(2)).unwrap();
    assert_eq!(sent(&mut session), ["release id 4", "e/1 id 5"]);
    session.pubcomp(id(3)).unwrap();
    session.pubcomp(id(4)).unwrap();
    assert_eq!(session.in_flight(), 1);
}

#[test]
fn a_repeated_pubrec_takes_the_place_of_the_scheduled_pubrel() {
    let mut session = interrupted();
    attach(&mut session, NOW, 10);
    assert_eq!(session.pubrec(id(2), true), Ok(Received::ReleaseAgain));
    assert_eq!(
        sent(&mut session),
        ["a/1 id 1 dup", "c/2 id 3 dup", "release id 4", "e/1 id 5"],
        "the caller answered PUBREL 2 already"
    );
}

#[test]
fn a_pubrel_is_sent_on_every_connection_until_pubcomp() {
    let mut session = attached(1);
    queue(&mut session, [("a", QOS2)]);
    sent(&mut session);
    let _ = session.pubrec(id(1), true).unwrap();
    for _ in 0..3 {
        detach(&mut session, NOW);
        attach(&mut session, NOW, 1);
        assert_eq!(sent(&mut session), ["release id 1"]);
    }
    session.pubcomp(id(1)).unwrap();
    attach(&mut session, NOW, 1);
    assert_eq!(sent(&mut session), [""; 0]);
}

#[test]
fn a_connection_that_ends_early_loses_nothing() {
    let mut session = interrupted();
    attach(&mut session, NOW, 2);
    assert!(session.next(NOW).is_some());
    detach(&mut session, NOW);
    attach(&mut session, NOW, 10);
    assert_eq!(sent(&mut session).len(), 5);
}

#[test]
fn detach_drops_queued_qos0_and_says_what() {
    let mut session = attached(1);
    queue(&mut session, [("aa", QOS1), ("bb", QOS0), ("ccc", QOS0), ("dddd", QOS1)]);
    detach(&mut session, NOW);
    assert_eq!(dropped(&mut session), [("bb", DropReason::Offline), ("ccc", DropReason::Offline)]);
    assert_eq!(session.queued(), 2);
    assert_eq!(session.queued_bytes(), 6 + 2 * QUEUED_OVERHEAD);
    assert!(session.next(NOW).is_none(), "there is no connection");
}

#[test]
fn a_takeover_hands_queued_qos0_to_the_new_connection() {
    let mut session = attached(1);
    queue(&mut session, [("a", QOS0)]);
    attach(&mut session, NOW, 1);
    assert_eq!(sent(&mut session), ["a/0"]);
}

#[test]
fn a_session_knows_since_when_it_is_detached() {
    let mut session: Session<Note> = Session::new(crate::SessionLimits::default());
    assert_eq!((session.is_attached(), session.detached_since()), (false, None));
    attach(&mut session, NOW, 1);
    assert_eq!((session.is_attached(), session.detached_since()), (true, None));
    let later = Timestamp::from_millis(5_000);
    detach(&mut session, later);
    assert_eq!((session.is_attached(), session.detached_since()), (false, Some(later)));
}

#[test]
fn what_was_offered_while_away_is_sent_on_return() {
    let mut session: Session<Note> = Session::new(crate::SessionLimits::default());
    queue(&mut session, [("a", QOS1), ("b", QOS2)]);
    assert!(matches!(session.offer(NOW, note("c", QOS0)), Offer::Dropped(_)));
    attach(&mut session, NOW, 10);
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/2 id 2"]);
}

#[test]
fn a_skipped_message_counts_as_sent() {
    let mut session = attached(1);
    queue(&mut session, [("too large", QOS1), ("also too large", QOS2), ("b", QOS1)]);
    assert_eq!(sent(&mut session), ["too large/1 id 1"]);
    assert_eq!(session.skip(id(1)).map(|message| message.name), Ok("too large"));
    assert_eq!(sent(&mut session), ["also too large/2 id 2"]);
    assert!(session.skip(id(2)).is_ok());
    assert_eq!(session.skip(id(2)), Err(AckError::Unknown));
    assert_eq!(sent(&mut session), ["b/1 id 3"]);
}

#[test]
fn a_skipped_qos2_message_that_the_client_may_know_is_released() {
    let mut session = attached(1);
    queue(&mut session, [("a", QOS2), ("b", QOS1)]);
    sent(&mut session);
    attach(&mut session, NOW, 1);
    assert_eq!(sent(&mut session), ["a/2 id 1 dup"]);
    assert!(session.skip(id(1)).is_ok());
    assert_eq!(session.skip(id(1)), Err(AckError::WrongState));
    assert!(session.has_work());
    assert_eq!(sent(&mut session), ["release id 1"]);
    session.pubcomp(id(1)).unwrap();
    assert_eq!(sent(&mut session), ["b/1 id 2"]);
}
