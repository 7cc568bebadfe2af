//! QoS 2 messages from the client.

use super::{NOW, Note, attach, attached, detach, id};
use crate::{Inbound, ReceiveMaximumExceeded, Session, SessionLimits};

#[test]
fn a_duplicate_is_known_until_it_is_released() {
    let mut session = attached(1);
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::New));
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::Duplicate));
    assert_eq!(session.receive_qos2(id(8)), Ok(Inbound::New));
    assert!(session.is_receiving(id(7)));
    assert_eq!(session.open_receipts(), 2);
    assert!(session.release(id(7)));
    assert!(!session.is_receiving(id(7)));
    assert_eq!(session.open_receipts(), 1);
    assert!(!session.release(id(7)));
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::New));
    assert_eq!(session.receive_qos2(id(8)), Ok(Inbound::Duplicate));
}

#[test]
fn a_duplicate_is_known_across_connections() {
    let mut session = attached(1);
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::New));
    detach(&mut session, NOW);
    attach(&mut session, NOW, 1);
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::Duplicate));
    assert!(session.release(id(7)));
}

#[test]
fn a_refused_message_is_not_remembered() {
    let mut session = attached(1);
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::New));
    session.forget_qos2(id(7));
    assert_eq!(session.receive_qos2(id(7)), Ok(Inbound::New));
}

#[test]
fn no_more_than_our_receive_maximum_is_open() {
    let limits = SessionLimits { inbound_receive_maximum: 2, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    assert_eq!(session.receive_qos2(id(1)), Ok(Inbound::New));
    assert_eq!(session.receive_qos2(id(2)), Ok(Inbound::New));
    let exceeded = ReceiveMaximumExceeded { packet_id: id(3), limit: 2 };
    assert_eq!(session.receive_qos2(id(3)), Err(exceeded));
    assert_eq!(exceeded.to_string(), "PUBLISH 3 exceeds the receive maximum of 2");
    assert_eq!(session.receive_qos2(id(2)), Ok(Inbound::Duplicate), "this one is not new");
    assert!(session.release(id(1)));
    assert_eq!(session.receive_qos2(id(3)), Ok(Inbound::New));
}

#[test]
fn a_receive_maximum_of_zero_counts_as_one() {
    let limits = SessionLimits { inbound_receive_maximum: 0, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    assert_eq!(session.receive_qos2(id(1)), Ok(Inbound::New));
    let exceeded = ReceiveMaximumExceeded { packet_id: id(2), limit: 1 };
    assert_eq!(session.receive_qos2(id(2)), Err(exceeded));
}

#[test]
fn another_connection_may_have_another_receive_maximum() {
    let limits = SessionLimits { inbound_receive_maximum: 1, ..SessionLimits::default() };
    let mut session: Session<Note> = Session::new(limits);
    assert_eq!(session.receive_qos2(id(1)), Ok(Inbound::New));
    session.set_inbound_receive_maximum(2);
    assert_eq!(session.receive_qos2(id(2)), Ok(Inbound::New));
    session.set_inbound_receive_maximum(1);
    let exceeded = ReceiveMaximumExceeded { packet_id: id(3), limit: 1 };
    assert_eq!(session.receive_qos2(id(3)), Err(exceeded));
    assert_eq!(session.receive_qos2(id(2)), Ok(Inbound::Duplicate), "it stays");
}

#[test]
fn both_directions_have_identifiers_of_their_own() {
    let mut session = attached(1);
    super::queue(&mut session, [("a", super::QOS2)]);
    assert_eq!(super::sent(&mut session), ["a/2 id 1"]);
    assert_eq!(session.receive_qos2(id(1)), Ok(Inbound::New));
    let _ = session.pubrec(id(1), true).unwrap();
    session.pubcomp(id(1)).unwrap();
    assert!(session.release(id(1)));
}
