//! Groups: who is asked, and what waits.

mod model;

use super::{Ask, Group, GroupFull, GroupLimits, Step, Strategy};
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
        assert!(matches!(group.accepted(NOW, &ask.key), Step::Idle));
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
    assert!(matches!(group.accepted(NOW, &'b'), Step::Idle));
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
        assert_eq!(asked(step).message, message(number), "in the order in which they came");
        step = group.accepted(NOW, &'a');
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
    let ask = asked(group.accepted(NOW, &'a'));
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
    let ask = asked(group.accepted(NOW, &'a'));
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
                assert_eq!(asked(step).message, message(number));
                step = group.accepted(NOW, &'a');
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

#[test]
fn what_one_may_not_have_waits_for_another_in_its_order_and_in_nobodys_way() {
    let mut group = group(Strategy::RoundRobin, "a");
    group.join('b', ());
    for number in 0..3 {
        let ask = asked(group.publish(NOW, message(number), 0));
        assert!(matches!(group.barred(NOW, ask), Step::Queued));
        assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    }
    assert_eq!(takers(&mut group, [0; 2]), "aa");
    assert_eq!((group.queued(), group.queued_bytes()), (3, 3 * (1 + QUEUED_OVERHEAD)));
    for number in 0..3 {
        let ask = asked(group.ready(NOW, &'b'));
        assert_eq!((ask.key, ask.message), ('b', message(number)));
        if number < 2 {
            let ask = asked(group.accepted(NOW, &'b'));
            assert_eq!(ask.message, message(number + 1));
            assert!(matches!(group.declined(NOW, ask), Step::Idle), "back to where it was");
        } else {
            assert!(matches!(group.accepted(NOW, &'b'), Step::Idle));
        }
    }
    assert_eq!((group.queued(), group.queued_bytes()), (0, 0));
}

#[test]
fn who_is_barred_from_one_message_is_asked_for_the_next_whatever_the_strategy() {
    for strategy in [Strategy::RoundRobin, Strategy::Random, Strategy::Sticky, Strategy::Affine] {
        for draw in 0..10 {
            let mut group = group(strategy, "abc");
            let ask = asked(group.publish(NOW, message(0), draw));
            let first = ask.key;
            let ask = asked(group.barred(NOW, ask));
            assert_ne!(ask.key, first);
            assert!(matches!(group.ready(NOW, &first), Step::Idle));
            let second = ask.key;
            let ask = asked(group.barred(NOW, ask));
            assert!(
                ![first, second].contains(&ask.key),
                "{first} has room, and is not asked again"
            );
            assert!(matches!(group.accepted(NOW, &ask.key), Step::Idle));
            assert!(matches!(group.ready(NOW, &second), Step::Idle));
            let mut all = takers(&mut group, 0..200).into_bytes();
            all.sort_unstable();
            all.dedup();
            let expected: &[u8] = if strategy == Strategy::Sticky { &all } else { b"abc" };
            assert_eq!(all, expected);
        }
    }
}

#[test]
fn a_message_that_no_member_may_have_is_dropped() {
    let mut group = group(Strategy::RoundRobin, "ab");
    let ask = asked(group.publish(NOW, message(0), 0));
    let ask = asked(group.barred(NOW, ask));
    assert!(matches!(group.barred(NOW, ask), Step::Idle));
    assert_eq!(group.take_dropped(), [(message(0), DropReason::Withheld)]);
    // Also when the last goes that could have had it.
    for key in ['a', 'b'] {
        assert!(matches!(group.ready(NOW, &key), Step::Idle));
    }
    let ask = asked(group.publish(NOW, message(1), 0));
    let ask = asked(group.barred(NOW, ask));
    assert!(matches!(group.declined(NOW, ask), Step::Queued));
    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    assert_eq!((group.take_dropped(), group.queued()), (Vec::new(), 1));
    group.leave(&'b');
    assert_eq!(group.take_dropped(), [(message(1), DropReason::Withheld)]);
    assert_eq!((group.queued(), group.queued_bytes()), (0, 0));
}

#[test]
fn no_more_than_16_are_asked_in_vain() {
    let names: String = ('A'..='Z').collect();
    let mut group = group(Strategy::RoundRobin, &names);
    let mut step = group.publish(NOW, message(0), 0);
    for _ in 0..16 {
        step = group.barred(NOW, asked(step));
    }
    assert!(matches!(step, Step::Idle));
    assert_eq!(group.take_dropped(), [(message(0), DropReason::Withheld)]);
}

#[test]
fn there_are_1024_places_for_what_some_may_not_have() {
    for when_full in [GroupFull::Newest, GroupFull::Oldest] {
        for was_queued in [false, true] {
            let limits = GroupLimits { when_full, ..GroupLimits::default() };
            let mut group = Members::new(Strategy::RoundRobin, limits);
            group.join('a', ());
            group.join('b', ());
            let mut step = Step::Idle;
            if was_queued {
                for number in 0..=1_024 {
                    assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
                }
                step = group.ready(NOW, &'a');
            }
            for number in 0..=1_024 {
                if !was_queued {
                    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
                    step = group.publish(NOW, message(number), 0);
                }
                step = group.barred(NOW, asked(step));
                if was_queued {
                    step = group.ready(NOW, &'a');
                }
            }
            assert_eq!(group.queued(), 1_024);
            let dropped = group.take_dropped();
            match (when_full, was_queued) {
                (GroupFull::Newest, false) => assert!(matches!(step, Step::Full(_))),
                (GroupFull::Newest, true) => {
                    assert_eq!(dropped, [(message(1_024), DropReason::QueueFull)]);
                }
                (GroupFull::Oldest, _) => {
                    assert_eq!(dropped, [(message(0), DropReason::Displaced)]);
                }
            }
        }
    }
}

#[test]
fn what_expired_aside_makes_room_wherever_it_stands() {
    let limits = GroupLimits { queued_messages: 2, ..GroupLimits::default() };
    let mut group = Members::new(Strategy::RoundRobin, limits);
    group.join('a', ());
    group.join('b', ());
    let expiring = Numbered { number: 1, expires_at: Some(LATER) };
    for message in [message(0), expiring] {
        assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
        let ask = asked(group.publish(NOW, message, 0));
        assert!(matches!(group.barred(NOW, ask), Step::Queued));
    }
    assert!(matches!(group.publish(NOW, message(2), 0), Step::Full(_)));
    assert!(matches!(group.publish(LATER, message(3), 0), Step::Queued));
    assert_eq!(group.take_dropped(), [(expiring, DropReason::Expired)]);
}

/// Found by the model: it waited for somebody else for ever.
#[test]
fn when_all_have_left_what_waits_is_for_anybody_again() {
    let mut group = group(Strategy::RoundRobin, "a");
    group.join('b', ());
    let ask = asked(group.publish(NOW, message(0), 0));
    assert!(matches!(group.barred(NOW, ask), Step::Queued));
    group.leave(&'a');
    group.leave(&'b');
    group.join('a', ());
    let ask = asked(group.ready(NOW, &'a'));
    assert!(matches!(group.barred(NOW, ask), Step::Idle));
    assert_eq!(group.take_dropped(), [(message(0), DropReason::Withheld)]);
}

/// Found by the model: who was asked last left before it answered.
#[test]
fn a_message_is_for_nobody_also_when_the_last_that_may_have_it_leaves_while_asked() {
    let mut group = group(Strategy::RoundRobin, "ab");
    let ask = asked(group.publish(NOW, message(0), 0));
    let ask = asked(group.barred(NOW, ask));
    group.leave(&'b');
    assert!(matches!(group.declined(NOW, ask), Step::Idle));
    assert_eq!(group.take_dropped(), [(message(0), DropReason::Withheld)]);
}
