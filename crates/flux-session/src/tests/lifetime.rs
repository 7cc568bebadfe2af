//! Expiry and will: what happens once the connection is gone.

use super::{NOW, Note, QOS0, QOS1, QOS2, dropped, id, note, note_until, queue, sent};
use crate::{
    Connection, Departure, DropReason, Due, Message, Offer, Session, SessionExpiry, SessionLimits,
    SubscriptionOptions, Timestamp, Will,
};
use flux_topic::TopicFilter;

const LOST: Departure = Departure { discard_will: false, expiry: None };
const NEVER: u32 = u32::MAX;

fn will(name: &'static str, delay: u32) -> Will<Note> {
    Will { message: note(name, QOS1).message, delay, expiry: None }
}

fn connection(expiry: u32, will: Option<Will<Note>>) -> Connection<Note> {
    Connection { receive_maximum: 10, expiry: SessionExpiry::from_secs(expiry), will }
}

/// Returns a session on its first connection.
fn attached(expiry: u32, delay: Option<u32>) -> Session<Note> {
    let mut session = Session::new(SessionLimits::default());
    let first = session.attach(at(0), connection(expiry, delay.map(|delay| will("gone", delay))));
    assert_eq!(first, None);
    session
}

/// Returns a session whose connection broke at the start of time.
fn left(expiry: u32, delay: Option<u32>) -> Session<Note> {
    let mut session = attached(expiry, delay);
    assert_eq!(session.detach(at(0), LOST), []);
    session
}

/// Returns the moment so many seconds after the start.
fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_000 * secs)
}

fn just_before(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_000 * secs - 1)
}

#[track_caller]
fn check(expiry: u32, delay: Option<u32>, expected: &[(u64, Due<Note>)]) {
    let mut session = left(expiry, delay);
    for (secs, due) in expected {
        assert_eq!(session.deadline(), Some(at(*secs)));
        if *secs > 0 {
            assert_eq!(session.due(just_before(*secs)), None);
        }
        assert_eq!(session.due(at(*secs)).as_ref(), Some(due), "expiry {expiry}, delay {delay:?}");
    }
    let ends = matches!(expected.last(), Some((_, Due::End)));
    let far = Timestamp::from_millis(u64::MAX);
    assert_eq!(session.due(far), ends.then_some(Due::End), "until the caller ends it");
    let _ = session.end();
    assert_eq!((session.deadline(), session.due(far)), (None, None));
}

#[test]
fn the_will_comes_after_its_delay_or_at_the_end_whichever_is_first() {
    let gone = |delay| Due::Will(will("gone", delay));
    check(NEVER, None, &[]);
    check(NEVER, Some(0), &[(0, gone(0))]);
    check(NEVER, Some(7), &[(7, gone(7))]);
    check(10, None, &[(10, Due::End)]);
    check(10, Some(7), &[(7, gone(7)), (10, Due::End)]);
    check(10, Some(10), &[(10, gone(10)), (10, Due::End)]);
    check(10, Some(NEVER), &[(10, gone(NEVER)), (10, Due::End)]);
    check(0, None, &[(0, Due::End)]);
    check(0, Some(7), &[(0, gone(7)), (0, Due::End)]);
}

#[test]
fn nothing_is_due_while_there_is_a_connection_or_before_the_first() {
    let mut session = attached(0, Some(0));
    assert_eq!((session.deadline(), session.due(at(u64::from(NEVER)))), (None, None));
    assert!(!session.has_expired(at(u64::from(NEVER))));
    let mut new: Session<Note> = Session::new(SessionLimits::default());
    assert_eq!((new.deadline(), new.due(at(u64::from(NEVER)))), (None, None));
    assert!(new.continues(at(u64::from(NEVER)), false));
}

#[test]
fn a_connect_goes_on_with_a_session_that_has_not_ended() {
    for (expiry, secs, clean_start, expected) in [
        (10, 9, false, true),
        (10, 10, false, false),
        (10, 9, true, false),
        (0, 0, false, false),
        (NEVER, u64::from(NEVER), false, true),
    ] {
        let session = left(expiry, None);
        assert_eq!(session.continues(at(secs), clean_start), expected, "{expiry} {secs}");
    }
    assert!(
        attached(10, None).continues(at(1_000), false),
        "it counts from the end of a connection"
    );
    assert!(!attached(0, None).continues(at(0), false), "this CONNECT closes its connection");
}

#[test]
fn a_new_connection_cancels_a_will_whose_moment_has_not_come() {
    let next = || connection(NEVER, None);
    for (delay, secs, expected) in [(10, 9, None), (10, 10, Some("gone")), (0, 0, Some("gone"))] {
        let mut session = left(100, Some(delay));
        let published = session.attach(at(secs), next()).map(|will| will.message.name);
        assert_eq!(published, expected, "detached, delay {delay}, after {secs}");
        assert_eq!(session.detach(at(secs), LOST), []);
        assert_eq!(session.deadline(), None, "it is gone, and the new one left none");
    }
    for (delay, expected) in [(0, Some("gone")), (1, None)] {
        let mut session = attached(100, Some(delay));
        let published = session.attach(at(50), next()).map(|will| will.message.name);
        assert_eq!(published, expected, "taken over, delay {delay}");
    }
}

#[test]
fn a_will_is_not_published_twice() {
    let mut session = left(100, Some(5));
    assert!(matches!(session.due(at(5)), Some(Due::Will(_))));
    assert_eq!(session.due(at(5)), None);
    assert_eq!(session.attach(at(6), connection(100, None)), None);
}

#[test]
fn each_connection_has_its_own_will_and_expiry() {
    let mut session = left(10, Some(5));
    assert_eq!(session.attach(at(1), connection(20, Some(will("second", 7)))), None);
    assert_eq!(session.detach(at(100), LOST), []);
    assert_eq!(session.due(at(107)), Some(Due::Will(will("second", 7))));
    assert_eq!(session.deadline(), Some(at(120)));
}

#[test]
fn a_normal_disconnect_discards_the_will() {
    let mut session = attached(10, Some(0));
    let normal = Departure { discard_will: true, expiry: None };
    assert_eq!(session.detach(at(0), normal), []);
    assert_eq!(session.due(at(10)), Some(Due::End));
}

#[test]
fn disconnect_may_change_the_expiry_but_not_raise_it_from_zero() {
    for (from, to, allowed) in
        [(10, 20, true), (10, 0, true), (10, NEVER, true), (NEVER, 5, true), (0, 0, true)]
            .into_iter()
            .chain([(0, 1, false), (0, NEVER, false)])
    {
        let mut session = attached(from, None);
        let to = SessionExpiry::from_secs(to);
        assert_eq!(session.expiry_may_become(to), allowed, "{from} {to:?}");
        let departure = Departure { discard_will: false, expiry: Some(to) };
        assert_eq!(session.detach(at(0), departure), []);
        let expected = if allowed { to } else { SessionExpiry::from_secs(from) };
        assert_eq!(session.expiry(), expected);
        let lifetime = expected.lifetime().map(|lifetime| at(0) + lifetime);
        assert_eq!(session.deadline(), lifetime);
    }
}

#[test]
fn an_ended_session_leaves_what_is_to_be_told_and_is_as_good_as_new() {
    let mut session = attached(10, Some(7));
    let filter = TopicFilter::parse("a/+").unwrap();
    session.subscribe(filter.clone(), SubscriptionOptions::default());
    queue(&mut session, [("sent", QOS2)]);
    sent(&mut session);
    let _ = session.receive_qos2(id(9)).unwrap();
    assert_eq!(session.offer(NOW, note_until("late", QOS1, 2_000)), Offer::Queued);
    queue(&mut session, [("waits", QOS0)]);
    assert_eq!(session.detach(at(3), LOST), []);

    let remains = session.end();
    assert_eq!(remains.will, Some(will("gone", 7)));
    assert!(remains.filters().eq([&filter]));
    let lost: Vec<_> =
        remains.dropped.iter().map(|lost| (lost.delivery.message.name, lost.reason)).collect();
    assert_eq!(lost, [("waits", DropReason::Offline)]);

    assert_eq!((session.queued(), session.in_flight(), session.open_receipts()), (0, 0, 0));
    assert_eq!(session.subscriptions().len(), 0);
    assert!(!session.is_attached());
    assert_eq!(dropped(&mut session), []);
    assert_eq!(session.attach(at(4), connection(0, None)), None);
    queue(&mut session, [("a", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
}

/// The caller stamps it when it is published.
#[test]
fn the_expiry_of_a_will_does_not_run_while_it_waits() {
    let stored = Will { expiry: Some(1), ..will("gone", 50) };
    let mut session = Session::new(SessionLimits::default());
    assert_eq!(session.attach(at(0), connection(NEVER, Some(stored.clone()))), None);
    assert_eq!(session.detach(at(0), LOST), []);
    assert_eq!(stored.message.expires_at(), None);
    assert_eq!(session.due(at(60)), Some(Due::Will(stored)));
}
