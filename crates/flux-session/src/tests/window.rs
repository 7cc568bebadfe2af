//! The window and the packet identifiers.

use super::{NOW, Note, QOS0, QOS1, QOS2, attach, attached, detach, id, queue, sent};
use crate::{Session, SessionLimits};

#[test]
fn no_more_than_the_receive_maximum_is_in_flight() {
    let mut session = attached(2);
    queue(&mut session, [("a", QOS1), ("b", QOS2), ("c", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/2 id 2"]);
    assert_eq!((session.in_flight(), session.queued()), (2, 1));
}

#[test]
fn window_and_free_places_are_those_of_the_connection() {
    let limits =
        SessionLimits { receive_maximum_cap: 5, packet_ids: 3, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    assert_eq!((session.window(), session.free_places()), (0, 0));
    attach(&mut session, NOW, 10);
    assert_eq!((session.window(), session.free_places()), (5, 3), "there are three identifiers");
    queue(&mut session, [("a", QOS1), ("b", QOS2)]);
    assert_eq!(session.free_places(), 3, "what is queued has no place yet");
    sent(&mut session);
    assert_eq!(session.free_places(), 1);
    attach(&mut session, NOW, 1);
    assert_eq!((session.window(), session.free_places()), (1, 0));
    detach(&mut session, NOW);
    assert_eq!((session.window(), session.free_places()), (0, 0));
}

#[test]
fn puback_pubcomp_and_refusal_open_the_window_and_pubrec_does_not() {
    let mut session = attached(1);
    queue(&mut session, [("a", QOS1), ("b", QOS2), ("c", QOS2), ("d", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
    session.puback(id(1)).unwrap();
    assert_eq!(sent(&mut session), ["b/2 id 2"]);
    let _ = session.pubrec(id(2), true).unwrap();
    assert_eq!(sent(&mut session), [""; 0]);
    session.pubcomp(id(2)).unwrap();
    assert_eq!(sent(&mut session), ["c/2 id 3"]);
    let _ = session.pubrec(id(3), false).unwrap();
    assert_eq!(sent(&mut session), ["d/1 id 4"]);
}

#[test]
fn order_is_kept_across_qos_while_the_window_is_open() {
    let mut session = attached(10);
    queue(&mut session, [("a", QOS0), ("b", QOS1), ("c", QOS0), ("d", QOS2), ("e", QOS0)]);
    assert_eq!(sent(&mut session), ["a/0", "b/1 id 1", "c/0", "d/2 id 2", "e/0"]);
}

#[test]
fn qos0_passes_a_closed_window() {
    let mut session = attached(1);
    queue(&mut session, [("a", QOS1), ("b", QOS1), ("c", QOS0), ("d", QOS1), ("e", QOS0)]);
    assert_eq!(sent(&mut session), ["a/1 id 1", "c/0", "e/0"]);
    session.puback(id(1)).unwrap();
    assert_eq!(sent(&mut session), ["b/1 id 2"]);
}

#[test]
fn our_own_cap_binds_when_the_client_allows_more() {
    let limits = SessionLimits { receive_maximum_cap: 1, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    attach(&mut session, NOW, u16::MAX);
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
}

#[test]
fn a_window_of_zero_counts_as_one() {
    let limits = SessionLimits { receive_maximum_cap: 0, packet_ids: 0, ..Default::default() };
    let mut session: Session<Note> = Session::new(limits);
    attach(&mut session, NOW, 0);
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
}

#[test]
fn nothing_is_sent_while_every_identifier_is_in_use() {
    let limits = SessionLimits { packet_ids: 2, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    attach(&mut session, NOW, 10);
    queue(&mut session, [("a", QOS1), ("b", QOS1), ("c", QOS1), ("d", QOS0), ("e", QOS1)]);
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/1 id 2", "d/0"]);
    assert!(!session.has_work());
    session.puback(id(2)).unwrap();
    assert!(session.has_work());
    assert_eq!(sent(&mut session), ["c/1 id 2"]);
    session.puback(id(1)).unwrap();
    assert_eq!(sent(&mut session), ["e/1 id 1"]);
}

#[test]
fn an_identifier_that_is_never_acknowledged_is_never_given_again() {
    let mut session = attached(4);
    queue(&mut session, [("stays", QOS1)]);
    assert_eq!(sent(&mut session), ["stays/1 id 1"]);
    let mut expected = (2..=u16::MAX).cycle();
    for _ in 0..140_000 {
        queue(&mut session, [("passes", QOS1)]);
        let packet_id = id(expected.next().unwrap());
        assert_eq!(sent(&mut session), [format!("passes/1 id {packet_id}")]);
        session.puback(packet_id).unwrap();
    }
    queue(&mut session, [("last", QOS1)]);
    sent(&mut session);
    attach(&mut session, NOW, 4);
    let last = id(expected.next().unwrap());
    assert_eq!(sent(&mut session), ["stays/1 id 1 dup", &format!("last/1 id {last} dup")]);
}

#[test]
fn has_work_says_whether_next_has_something() {
    let mut session = attached(1);
    assert!(!session.has_work());
    queue(&mut session, [("a", QOS1), ("b", QOS1)]);
    assert!(session.has_work());
    sent(&mut session);
    assert!(!session.has_work(), "the window is closed");
    queue(&mut session, [("c", QOS0)]);
    assert!(session.has_work(), "QoS 0 passes");
    sent(&mut session);
    detach(&mut session, NOW);
    assert!(!session.has_work(), "nobody to send to");
    attach(&mut session, NOW, 1);
    assert!(session.has_work(), "a is to be sent again");
}
