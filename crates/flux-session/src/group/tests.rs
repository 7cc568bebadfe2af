//! Groups: who is asked, and what waits.

mod barred;
mod cost;
mod model;

use super::line::Line;
use super::{Ask, Group, GroupFull, GroupLimits, Step, Strategy, is_somebodys};
use crate::limits::QUEUED_OVERHEAD;
use crate::{DropReason, Message, Timestamp};

/// A message with a number instead of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Numbered {
    number: u32,
    expires_at: Option<Timestamp>,
}

impl Message for Numbered {
    fn size(&self) -> usize {
        1
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

type Members = Group<char, (), Numbered>;

const NOW: Timestamp = Timestamp::from_millis(1_000);
const LATER: Timestamp = Timestamp::from_millis(2_000);

/// Who stands where, for tests.
impl<K: Ord + Clone, T, M> Group<K, T, M> {
    fn ring(&self) -> impl Iterator<Item = K> {
        self.members_in(&self.idle)
    }

    fn behind(&self) -> impl Iterator<Item = K> {
        self.members_in(&self.behind)
    }

    fn members_in(&self, line: &Line<K>) -> impl Iterator<Item = K> {
        let is_somebodys = is_somebodys(&self.members);
        line.places().filter(move |(key, ticket)| is_somebodys(key, *ticket)).map(|it| it.0.clone())
    }
}

fn message(number: u32) -> Numbered {
    Numbered { number, expires_at: None }
}

fn group(strategy: Strategy, members: &str) -> Members {
    let mut group = Group::new(strategy, GroupLimits::default());
    for key in members.chars() {
        assert!(group.join(key, ()));
        assert!(matches!(group.ready(NOW, &key), Step::Idle));
    }
    group
}

#[track_caller]
fn asked(step: Step<char, (), Numbered>) -> Ask<char, (), Numbered> {
    match step {
        Step::Ask(ask) => ask,
        other => panic!("somebody should be asked: {other:?}"),
    }
}

/// Publishes numbers 0, 1, 2 and so on with these draws; returns who takes each.
fn takers(group: &mut Members, draws: impl IntoIterator<Item = u64>) -> String {
    let publish = |(draw, number)| {
        let ask = asked(group.publish(NOW, message(number), draw));
        assert_eq!(ask.message, message(number));
        assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
        ask.key
    };
    draws.into_iter().zip(0..).map(publish).collect()
}

#[test]
fn strategies_choose_among_those_with_room() {
    assert_eq!(takers(&mut group(Strategy::RoundRobin, "abc"), [0; 7]), "abcabca");
    assert_eq!(takers(&mut group(Strategy::Sticky, "abc"), [0; 7]), "aaaaaaa");

    let mut random = group(Strategy::Random, "abc");
    let takers_of_all = takers(&mut random, [0, 2, 1, 5, 4]);
    assert_eq!(takers_of_all.len(), 5, "every draw finds somebody");

    let mut affine = group(Strategy::Affine, "abcd");
    let first = takers(&mut affine, 0..64);
    assert_eq!(takers(&mut affine, 0..64), first, "the same draw, the same member");
    for key in "abcd".chars() {
        assert!(first.contains(key), "{key} gets a share of {first}");
    }
    affine.leave(&'c');
    let second = takers(&mut affine, 0..64);
    let moved = first.chars().zip(second.chars()).filter(|(before, after)| before != after);
    assert!(moved.into_iter().all(|(before, _)| before == 'c'), "{first}\n{second}");
}

#[test]
fn a_member_that_declines_is_not_asked_until_it_is_ready() {
    let mut group = group(Strategy::RoundRobin, "ab");
    let ask = asked(group.publish(NOW, message(0), 0));
    let ask = asked(group.declined(NOW, ask));
    assert_eq!(ask.key, 'b');
    assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
    assert_eq!(takers(&mut group, [0; 3]), "bbb");
    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    assert_eq!(takers(&mut group, [0; 3]), "bab");
}

#[test]
fn what_nobody_can_take_waits_and_goes_first() {
    let mut group = group(Strategy::RoundRobin, "a");
    let ask = asked(group.publish(NOW, message(0), 0));
    assert!(matches!(group.publish(NOW, message(1), 0), Step::Queued), "a is being asked");
    assert!(matches!(group.declined(NOW, ask), Step::Queued));
    assert!(matches!(group.publish(NOW, message(2), 0), Step::Queued));

    let mut step = group.ready(NOW, &'a');
    for number in [0, 1, 2] {
        let ask = asked(step);
        assert_eq!(ask.message, message(number), "in the order in which they came");
        step = group.accepted(NOW, &ask);
    }
    assert!(matches!(step, Step::Idle));
    assert_eq!(group.queued(), 0);
}

/// Readiness that is said while the question is open is not forgotten.
#[test]
fn a_member_may_become_ready_before_its_refusal_is_told() {
    let mut group = group(Strategy::RoundRobin, "a");
    let ask = asked(group.publish(NOW, message(0), 0));
    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    assert_eq!(asked(group.declined(NOW, ask)).key, 'a');
}

#[test]
fn what_was_not_sent_comes_back_before_the_rest() {
    let mut group = group(Strategy::RoundRobin, "ab");
    assert_eq!(takers(&mut group, [0; 2]), "ab");
    let ask = asked(group.give_back(NOW, [message(7), message(8)]));
    assert_eq!((ask.key, ask.message), ('a', message(7)));
    let ask = asked(group.accepted(NOW, &ask));
    assert_eq!((ask.key, ask.message), ('a', message(8)));
    let ask = asked(group.declined(NOW, ask));
    assert_eq!((ask.key, ask.message), ('b', message(8)));
    assert!(matches!(group.declined(NOW, ask), Step::Idle), "it waits, and it is not a new one");
    assert_eq!(group.queued(), 1);
}

#[test]
fn who_left_is_not_asked_and_not_heard() {
    let mut group = group(Strategy::RoundRobin, "ab");
    assert_eq!(group.leave(&'a'), Some(()));
    assert_eq!(group.leave(&'a'), None);
    assert_eq!(takers(&mut group, [0; 2]), "bb");
    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    assert_eq!(takers(&mut group, [0; 2]), "bb");
    group.leave(&'b');
    assert!(group.is_empty());
    assert!(matches!(group.publish(NOW, message(0), 0), Step::Queued));
}

/// Found by the model: the rest of the queue stood still although `b` had room.
#[test]
fn who_leaves_while_serving_the_queue_hands_it_on() {
    let mut group = group(Strategy::RoundRobin, "ab");
    let ask = asked(group.give_back(NOW, [message(0), message(1)]));
    assert_eq!(ask.key, 'a');
    group.leave(&'a');
    let ask = asked(group.accepted(NOW, &ask));
    assert_eq!((ask.key, ask.message), ('b', message(1)));
}

#[test]
fn a_full_queue_refuses_or_displaces() {
    for (when_full, expected) in [(GroupFull::Newest, [0, 1]), (GroupFull::Oldest, [1, 2])] {
        for by_bytes in [false, true] {
            let mut limits = GroupLimits { when_full, ..GroupLimits::default() };
            match by_bytes {
                true => limits.queued_bytes = 2 * (QUEUED_OVERHEAD + 1),
                false => limits.queued_messages = 2,
            }
            let mut group = Members::new(Strategy::RoundRobin, limits);
            group.join('a', ());
            for number in 0..2 {
                assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
            }
            let third = group.publish(NOW, message(2), 0);
            match when_full {
                GroupFull::Newest => assert!(matches!(third, Step::Full(m) if m == message(2))),
                GroupFull::Oldest => {
                    assert!(matches!(third, Step::Queued));
                    assert_eq!(group.take_dropped(), [(message(0), DropReason::Displaced)]);
                }
            }
            let mut step = group.ready(NOW, &'a');
            for number in expected {
                let ask = asked(step);
                assert_eq!(ask.message, message(number));
                step = group.accepted(NOW, &ask);
            }
        }
    }
}

#[test]
fn expired_messages_make_room_and_are_not_handed_out() {
    let limits = GroupLimits { queued_messages: 1, ..GroupLimits::default() };
    let mut group = Members::new(Strategy::RoundRobin, limits);
    group.join('a', ());
    let expiring = |number| Numbered { number, expires_at: Some(LATER) };
    assert!(matches!(group.publish(NOW, expiring(0), 0), Step::Queued));
    assert!(matches!(group.publish(NOW, expiring(1), 0), Step::Full(_)));
    assert!(matches!(group.publish(LATER, message(2), 0), Step::Queued));
    assert_eq!(group.take_dropped(), [(expiring(0), DropReason::Expired)]);
    assert_eq!(asked(group.ready(LATER, &'a')).message, message(2));
    assert_eq!((group.queued(), group.queued_bytes()), (0, 0));
}

#[test]
fn what_waits_can_be_taken_away() {
    let mut group = group(Strategy::RoundRobin, "");
    for number in 0..3 {
        assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
    }
    assert_eq!(group.take_queued(), [0, 1, 2].map(message));
    assert_eq!((group.queued(), group.queued_bytes()), (0, 0));
}
