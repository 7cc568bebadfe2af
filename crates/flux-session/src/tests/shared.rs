//! Deliveries by shared subscriptions: taken only where they can be sent, given back unsent.

use std::num::NonZeroU32;

use super::{
    NOW, Note, QOS0, QOS1, QOS2, attach, attached, connection, dropped, id, note, note_until,
    queue, sent, sent_at,
};
use crate::{
    Delivery, Departure, DropReason, Offer, QUEUED_OVERHEAD, QoS, Session, SessionLimits, ShareId,
    Timestamp, WhenFull,
};

fn share(number: u32) -> ShareId {
    ShareId(NonZeroU32::new(number).unwrap())
}

fn shared(name: &'static str, qos: QoS, number: u32) -> Delivery<Note> {
    Delivery { share: Some(share(number)), ..note(name, qos) }
}

#[track_caller]
fn take(session: &mut Session<Note>, name: &'static str, qos: QoS) {
    assert_eq!(session.offer_shared(NOW, shared(name, qos, 1)), Ok(Offer::Queued), "{name}");
}

/// Offers a message that is to come back unharmed.
#[track_caller]
fn is_given_back(session: &mut Session<Note>, name: &'static str, qos: QoS) {
    let before = (session.queued(), session.queued_bytes());
    let delivery = shared(name, qos, 1);
    assert_eq!(session.offer_shared(NOW, delivery.clone()), Err(delivery));
    assert_eq!((session.queued(), session.queued_bytes()), before);
    assert_eq!(dropped(session), []);
}

fn names(deliveries: Vec<Delivery<Note>>) -> Vec<&'static str> {
    deliveries.into_iter().map(|delivery| delivery.message.name).collect()
}

#[test]
fn a_session_without_a_connection_takes_none() {
    let mut session: Session<Note> = Session::new(SessionLimits::default());
    for qos in [QOS0, QOS1, QOS2] {
        is_given_back(&mut session, "a", qos);
    }
    attach(&mut session, NOW, 2);
    take(&mut session, "a", QOS1);
    let unsent = session.detach(NOW, Departure::default());
    assert_eq!(names(unsent), ["a"]);
    is_given_back(&mut session, "b", QOS1);
    assert!(!session.has_room_for_shared());
}

#[test]
fn a_place_is_free_only_if_nothing_queued_will_need_it() {
    let mut session = attached(3);
    queue(&mut session, [("in flight", QOS2)]);
    assert_eq!(sent(&mut session).len(), 1);
    queue(&mut session, [("queued", QOS1), ("needs no place", QOS0)]);
    assert!(session.has_room_for_shared());
    take(&mut session, "last place", QOS2);
    assert!(!session.has_room_for_shared());
    is_given_back(&mut session, "a", QOS1);
    take(&mut session, "b", QOS0);

    assert_eq!(sent(&mut session).len(), 4);
    is_given_back(&mut session, "a", QOS1);
    session.puback(id(2)).unwrap();
    take(&mut session, "a", QOS1);
    assert_eq!(sent(&mut session), ["a/1 id 4"]);
}

#[test]
fn a_place_without_an_identifier_is_none() {
    let limits = SessionLimits { packet_ids: 2, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    attach(&mut session, NOW, 10);
    take(&mut session, "a", QOS1);
    take(&mut session, "b", QOS1);
    is_given_back(&mut session, "c", QOS1);
    sent(&mut session);
    is_given_back(&mut session, "c", QOS1);
}

#[test]
fn a_window_that_shrank_on_resume_has_no_place_until_enough_is_acknowledged() {
    let mut session = attached(3);
    queue(&mut session, [("a", QOS1), ("b", QOS1), ("c", QOS1)]);
    sent(&mut session);
    attach(&mut session, NOW, 1);
    for packet_id in 1..=3 {
        assert_eq!(session.free_places(), 0);
        is_given_back(&mut session, "d", QOS1);
        sent(&mut session);
        session.puback(id(packet_id)).unwrap();
    }
    assert_eq!(session.free_places(), 1);
    take(&mut session, "d", QOS1);
}

#[test]
fn the_limits_of_the_queue_hold_and_nothing_is_displaced_for_a_shared_message() {
    for when_full in
        [WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Refuse, WhenFull::EndSession]
    {
        let limits = SessionLimits { queued_messages: 2, when_full, ..SessionLimits::default() };
        let mut session: Session<Note> = Session::new(limits);
        attach(&mut session, NOW, 10);
        queue(&mut session, [("a", QOS0), ("b", QOS1)]);
        assert!(!session.has_room_for_shared());
        for qos in [QOS0, QOS1, QOS2] {
            is_given_back(&mut session, "c", qos);
        }
    }
    let limits = SessionLimits { queued_bytes: QUEUED_OVERHEAD, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    attach(&mut session, NOW, 10);
    is_given_back(&mut session, "a", QOS1);
    assert!(session.has_room_for_shared(), "for a message without content");
    take(&mut session, "", QOS1);
    assert!(!session.has_room_for_shared());
}

#[test]
fn an_expired_message_is_for_no_other_member_either() {
    let mut session: Session<Note> = Session::new(SessionLimits::default());
    let delivery = Delivery { share: Some(share(1)), ..note_until("a", QOS1, 10) };
    let expired = Ok(Offer::Dropped(DropReason::Expired));
    assert_eq!(session.offer_shared(Timestamp::from_millis(10), delivery), expired);
}

#[test]
fn what_was_not_sent_comes_back_in_order_and_only_that() {
    let mut session = attached(10);
    queue(&mut session, [("own", QOS1)]);
    take(&mut session, "a", QOS1);
    sent(&mut session);
    for (name, qos, number) in
        [("b", QOS0, 1), ("c", QOS1, 2), ("d", QOS2, 1), ("e", QOS0, 2), ("f", QOS1, 1)]
    {
        let offer = session.offer_shared(NOW, shared(name, qos, number));
        assert_eq!(offer, Ok(Offer::Queued));
    }
    queue(&mut session, [("own too", QOS0)]);
    assert_eq!(names(session.take_unsent_shared(Some(share(1)))), ["b", "d", "f"]);
    assert_eq!(names(session.take_unsent_shared(Some(share(1)))), [""; 0]);
    assert_eq!(names(session.take_unsent_shared(None)), ["c", "e"]);
    assert_eq!(session.queued_bytes(), QUEUED_OVERHEAD + "own too".len());
    assert_eq!(sent(&mut session), ["own too/0"]);
    assert_eq!(session.in_flight(), 2);
}

#[test]
fn what_stays_keeps_its_order() {
    let mut session = attached(10);
    for number in 1..=2 {
        queue(&mut session, [("a", QOS1), ("b", QOS0)]);
        let offer = session.offer_shared(NOW, shared("shared", QOS1, number));
        assert_eq!(offer, Ok(Offer::Queued));
    }
    assert_eq!(names(session.take_unsent_shared(Some(share(1)))), ["shared"]);
    assert_eq!(sent(&mut session), ["a/1 id 1", "b/0", "a/1 id 2", "b/0", "shared/1 id 3"]);
}

#[test]
fn the_end_of_a_connection_gives_back_what_was_not_sent_qos0_included() {
    let mut session = attached(2);
    take(&mut session, "sent", QOS1);
    sent(&mut session);
    take(&mut session, "a", QOS0);
    take(&mut session, "b", QOS1);
    queue(&mut session, [("own", QOS0)]);
    assert_eq!(names(session.detach(NOW, Departure::default())), ["a", "b"]);
    assert_eq!(dropped(&mut session), [("own", DropReason::Offline)]);
    attach(&mut session, NOW, 2);
    assert_eq!(sent(&mut session), ["sent/1 id 1 dup"], "[MQTT-4.8.2-4]");
}

#[test]
fn a_takeover_hands_them_to_the_new_connection() {
    let mut session = attached(2);
    take(&mut session, "a", QOS1);
    attach(&mut session, NOW, 2);
    assert_eq!(sent(&mut session), ["a/1 id 1"]);
}

/// What stands first was looked at, and what had expired before it let it pass.
#[test]
fn what_a_client_may_not_have_any_more_is_not_hidden_by_what_expired_before_it() {
    for (window, sent_before) in [(4, None), (1, Some(("in flight", QOS1)))] {
        let mut session = attached(window);
        queue(&mut session, sent_before);
        assert_eq!(sent(&mut session).len(), sent_before.iter().count());
        let expired = ["own", "shared"].map(|name| note_until(name, QOS0, 1_500));
        for (delivery, number) in expired.into_iter().zip(1..) {
            let share = (number > 1).then(|| share(number));
            assert_eq!(session.offer(NOW, Delivery { share, ..delivery }), Offer::Queued);
        }
        take(&mut session, "denied", QOS0);
        take(&mut session, "allowed", QOS0);
        let later = Timestamp::from_millis(2_000);
        let is_barred = |delivery: &Delivery<Note>| delivery.message.name != "allowed";
        let taken = session.take_barred(later, is_barred);
        assert_eq!(taken.map(|delivery| delivery.message.name), Some("denied"));
        assert_eq!(session.take_barred(later, is_barred), None);
        let lost = [("own", DropReason::Expired), ("shared", DropReason::Expired)];
        assert_eq!(dropped(&mut session), lost);
        assert_eq!(sent_at(&mut session, later), ["allowed/0"]);
    }
}

#[test]
fn the_last_resort_of_a_group_may_wait_without_a_connection() {
    let mut session: Session<Note> = Session::new(SessionLimits::default());
    assert_eq!(session.offer(NOW, shared("a", QOS1, 1)), Offer::Queued);
    assert_eq!(names(session.take_unsent_shared(None)), ["a"]);
}

#[test]
fn the_end_of_a_session_gives_back_all_but_what_was_sent_at_qos2() {
    let mut session = attached(6);
    queue(&mut session, [("own", QOS1)]);
    for (name, qos) in [("a", QOS1), ("b", QOS2), ("c", QOS1), ("acknowledged", QOS1)] {
        take(&mut session, name, qos);
    }
    assert_eq!(sent(&mut session).len(), 5);
    session.puback(id(5)).unwrap();
    take(&mut session, "d", QOS2);
    take(&mut session, "e", QOS0);
    let mut remains = session.end();
    assert_eq!(names(remains.take_shared()), ["a", "c", "d", "e"], "[MQTT-4.8.2-5]");
    assert_eq!(names(remains.take_shared()), [""; 0]);
    assert_eq!((session.queued(), session.in_flight()), (0, 0));
}

#[test]
fn the_order_of_first_sending_survives_the_cycle_of_identifiers() {
    let limits = SessionLimits { packet_ids: 3, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    let _ = session.attach(NOW, connection(3));
    for name in ["a", "b", "c"] {
        take(&mut session, name, QOS1);
    }
    sent(&mut session);
    session.puback(id(1)).unwrap();
    take(&mut session, "d", QOS1);
    assert_eq!(sent(&mut session), ["d/1 id 1"]);
    assert_eq!(names(session.end().take_shared()), ["b", "c", "d"]);
}

#[test]
fn what_was_sent_at_qos_1_can_be_taken_back_and_at_qos_2_not() {
    let mut session = attached(4);
    for (name, qos, number) in [("a", QOS1, 1), ("b", QOS2, 1), ("c", QOS1, 2), ("d", QOS1, 1)] {
        assert_eq!(session.offer_shared(NOW, shared(name, qos, number)), Ok(Offer::Queued));
    }
    let first = sent(&mut session);
    assert_eq!((first.len(), session.in_flight()), (4, 4));
    assert_eq!(session.take_back(id(2)), None);
    let taken = session.take_sent_shared(|share_id| share_id == share(1));
    assert_eq!(names(taken), ["a", "d"]);
    assert_eq!(session.in_flight(), 2);
    // Again on the next connection: one is taken back, and its place is free.
    let _unsent = session.detach(NOW, Departure::default());
    attach(&mut session, NOW, 2);
    assert_eq!(sent(&mut session).len(), 2);
    assert_eq!(session.take_back(id(3)).unwrap().message.name, "c");
    assert_eq!(session.take_back(id(3)), None, "it is gone");
    assert_eq!((session.in_flight(), session.free_places()), (1, 1));
    take(&mut session, "e", QOS1);
    assert_eq!(sent(&mut session).len(), 1);
}
