//! What each acknowledgement does in each state.

use super::{Note, QOS1, QOS2, attached, id, queue, sent};
use crate::{AckError, PacketId, Received, Session};

/// Where an exchange stands when the acknowledgement comes.
#[derive(Clone, Copy, Debug)]
enum State {
    Unused,
    Qos1Published,
    Qos2Published,
    Qos2Released,
}

/// What the client sends.
#[derive(Clone, Copy, Debug)]
enum Ack {
    Puback,
    Pubrec,
    PubrecRefusing,
    Pubcomp,
}

/// What the session says, and whether the identifier is still in use.
type Outcome = (Result<&'static str, AckError>, bool);

fn session_in(state: State) -> Session<Note> {
    let mut session = attached(1);
    match state {
        State::Unused => {}
        State::Qos1Published => queue(&mut session, [("a", QOS1)]),
        State::Qos2Published | State::Qos2Released => queue(&mut session, [("a", QOS2)]),
    }
    sent(&mut session);
    if let State::Qos2Released = state {
        let _ = session.pubrec(id(1), true).unwrap();
    }
    session
}

fn acknowledge(
    session: &mut Session<Note>,
    ack: Ack,
    packet_id: PacketId,
) -> Result<&'static str, AckError> {
    let pubrec = |received| match received {
        Received::Release(Note { name: "a", .. }) => "release",
        Received::ReleaseAgain => "release again",
        Received::Refused(Note { name: "a", .. }) => "refused",
        Received::Release(_) | Received::Refused(_) => "another message",
    };
    match ack {
        Ack::Puback => session.puback(packet_id).map(|message| message.name),
        Ack::Pubrec => session.pubrec(packet_id, true).map(pubrec),
        Ack::PubrecRefusing => session.pubrec(packet_id, false).map(pubrec),
        Ack::Pubcomp => session.pubcomp(packet_id).map(|()| "completed"),
    }
}

#[track_caller]
fn check(state: State, ack: Ack, expected: Outcome) {
    let mut session = session_in(state);
    let answer = acknowledge(&mut session, ack, id(1));
    assert_eq!((answer, session.in_flight() == 1), expected, "{ack:?} in {state:?}");
}

#[test]
fn every_acknowledgement_in_every_state() {
    use Ack::{Puback, Pubcomp, Pubrec, PubrecRefusing};
    use AckError::{Unknown, WrongState};
    use State::{Qos1Published, Qos2Published, Qos2Released, Unused};

    check(Unused, Puback, (Err(Unknown), false));
    check(Unused, Pubrec, (Err(Unknown), false));
    check(Unused, PubrecRefusing, (Err(Unknown), false));
    check(Unused, Pubcomp, (Err(Unknown), false));

    check(Qos1Published, Puback, (Ok("a"), false));
    check(Qos1Published, Pubrec, (Err(WrongState), true));
    check(Qos1Published, PubrecRefusing, (Err(WrongState), true));
    check(Qos1Published, Pubcomp, (Err(WrongState), true));

    check(Qos2Published, Puback, (Err(WrongState), true));
    check(Qos2Published, Pubrec, (Ok("release"), true));
    check(Qos2Published, PubrecRefusing, (Ok("refused"), false));
    check(Qos2Published, Pubcomp, (Err(WrongState), true));

    check(Qos2Released, Puback, (Err(WrongState), true));
    check(Qos2Released, Pubrec, (Ok("release again"), true));
    check(Qos2Released, PubrecRefusing, (Err(WrongState), true));
    check(Qos2Released, Pubcomp, (Ok("completed"), false));
}

#[test]
fn a_wrong_acknowledgement_leaves_the_right_one_possible() {
    let mut session = session_in(State::Qos1Published);
    assert_eq!(session.pubrec(id(1), true), Err(AckError::WrongState));
    assert_eq!(session.puback(id(2)), Err(AckError::Unknown));
    assert_eq!(session.puback(id(u16::MAX)), Err(AckError::Unknown));
    assert_eq!(session.puback(id(1)).map(|message| message.name), Ok("a"));
}

#[test]
fn acknowledgements_may_come_in_any_order() {
    let mut session = attached(3);
    queue(&mut session, [("a", QOS1), ("b", QOS1), ("c", QOS1), ("d", QOS1)]);
    sent(&mut session);
    for (packet_id, name) in [(2, "b"), (3, "c"), (1, "a")] {
        assert_eq!(session.puback(id(packet_id)).map(|message| message.name), Ok(name));
    }
    assert_eq!(sent(&mut session), ["d/1 id 4"]);
}
