//! Members that may not have a message: it waits for the others, and in nobody's way.

use super::super::step::Origin;
use super::*;

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
            let ask = asked(group.accepted(NOW, &ask));
            assert_eq!(ask.message, message(number + 1));
            assert!(matches!(group.declined(NOW, ask), Step::Idle), "back to where it was");
        } else {
            assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
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
            assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
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

/// Asks on until nothing is left to be done; says whom this may have it takes what it is asked about. Returns
/// how often somebody was asked.
fn go_on(group: &mut Members, may_have: impl Fn(char, u32) -> bool) -> Vec<(char, u32)> {
    let mut all = Vec::new();
    let mut step: Step<char, (), Numbered> = Step::Idle;
    loop {
        step = match step {
            Step::Ask(ask) => {
                all.push((ask.key, ask.message.number));
                match may_have(ask.key, ask.message.number) {
                    true => group.accepted(NOW, &ask),
                    false => group.barred(NOW, ask),
                }
            }
            Step::Full(message) => panic!("{message:?} found no room"),
            Step::Queued | Step::Idle => match group.go_on(NOW) {
                Some(step) => step,
                None => return all,
            },
        };
    }
}

#[test]
fn no_more_than_16_are_asked_at_once_in_vain_and_all_before_it_is_for_nobody() {
    let names: String = ('A'..='Z').collect();
    let mut group = group(Strategy::RoundRobin, &names);
    let mut step = group.publish(NOW, message(0), 0);
    for _ in 0..16 {
        step = group.barred(NOW, asked(step));
    }
    assert!(matches!(step, Step::Queued));
    assert_eq!((group.take_dropped(), group.queued()), (Vec::new(), 1));
    assert!(group.claim_rest() && !group.claim_rest(), "by one");
    group.release_rest();
    assert!(group.claim_rest());
    let asked: String = go_on(&mut group, |_, _| false).into_iter().map(|(key, _)| key).collect();
    assert_eq!(asked, "QRSTUVWXYZ", "each once");
    assert_eq!(group.take_dropped(), [(message(0), DropReason::Withheld)]);
    group.release_rest();
    assert!(!group.claim_rest());
}

/// 5,000 messages waited for a worker; a guest came that may have none of them, and most were dropped.
#[test]
fn who_may_not_have_what_waits_takes_nothing_of_it_from_who_may() {
    for when_full in [GroupFull::Newest, GroupFull::Oldest] {
        let limits = GroupLimits { queued_messages: 5_000, when_full, ..GroupLimits::default() };
        let mut group = Members::new(Strategy::RoundRobin, limits);
        group.join('w', ());
        for number in 0..5_000 {
            assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
        }
        for guest in "abc".chars() {
            group.join(guest, ());
            let ask = asked(group.ready(NOW, &guest));
            assert!(matches!(group.barred(NOW, ask), Step::Idle));
        }
        let asked_in_vain = go_on(&mut group, |_, _| false);
        assert_eq!(asked_in_vain.len(), 3 * 4_999, "each once about each");
        assert_eq!((group.take_dropped(), group.queued()), (Vec::new(), 5_000));

        let mut step = group.ready(NOW, &'w');
        for number in 0..5_000 {
            let ask = asked(step);
            assert_eq!((ask.key, ask.message), ('w', message(number)));
            step = group.accepted(NOW, &ask);
        }
        assert!(matches!(step, Step::Idle));
        assert_eq!((group.queued(), group.queued_bytes()), (0, 0));
    }
}

/// Of what was published while there were 17 guests the worker got half, though it had room.
#[test]
fn any_number_of_those_who_are_asked_in_vain_costs_the_others_next_to_nothing() {
    for strategy in [Strategy::RoundRobin, Strategy::Random, Strategy::Sticky, Strategy::Affine] {
        let names: String = ('\u{4e00}'..'\u{4e64}').chain(['w']).collect();
        let guests = names.chars().count() - 1;
        let mut group = group(strategy, &names);
        let (mut asked_in_vain, mut taken) = (0, Vec::new());
        let mut play = |group: &mut Members, number: u32| {
            let mut step = group.publish(NOW, message(number), u64::from(number) * 7);
            while let Step::Ask(ask) = step {
                step = if ask.key == 'w' {
                    taken.push(ask.message.number);
                    group.accepted(NOW, &ask)
                } else {
                    asked_in_vain += 1;
                    group.barred(NOW, ask)
                };
            }
            let others = go_on(group, |key, _| key == 'w');
            asked_in_vain += others.iter().filter(|(key, _)| *key != 'w').count();
            taken.extend(others.iter().filter(|(key, _)| *key == 'w').map(|(_, number)| *number));
            (asked_in_vain, taken.len())
        };
        for number in 0..10_000 {
            play(&mut group, number);
        }
        let before = play(&mut group, 10_000);
        for number in 10_001..20_000 {
            play(&mut group, number);
        }
        let after = play(&mut group, 20_000);
        assert_eq!((after.1, group.queued()), (20_001, 0), "{strategy:?}");
        assert!(taken.is_sorted(), "in their order");
        assert!(before.0 <= guests * (16 + 1) + 10_000 / 16, "{strategy:?} {before:?}");
        assert!(after.0 - before.0 <= 10_000 / 16, "{strategy:?}: with each 16th one guest");
    }
}

#[test]
fn who_was_asked_often_in_vain_gets_what_it_may_have_though_others_are_busy() {
    let mut group = group(Strategy::RoundRobin, "");
    for key in ['w', 'a'] {
        group.join(key, ());
    }
    // What waits is for `w`, who is away, but for the last, which is for `a`.
    for number in 0..1_000 {
        assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
    }
    let ask = asked(group.ready(NOW, &'a'));
    assert!(matches!(group.barred(NOW, ask), Step::Idle));
    let asked = go_on(&mut group, |_, number| number == 999);
    assert_eq!(asked.last(), Some(&('a', 999)));
    assert_eq!((group.queued(), group.take_dropped()), (999, Vec::new()));
    // It is not doubted any more.
    assert_eq!(group.idle.trusted().iter().map(|(key, _)| *key).collect::<String>(), "a");
}

#[test]
fn what_expired_aside_makes_room_wherever_it_stands() {
    let limits = GroupLimits { queued_messages: 3, ..GroupLimits::default() };
    let mut group = Members::new(Strategy::RoundRobin, limits);
    group.join('a', ());
    group.join('b', ());
    let expiring = Numbered { number: 1, expires_at: Some(LATER) };
    for message in [message(0), expiring] {
        assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
        let ask = asked(group.publish(NOW, message, 0));
        assert!(matches!(group.barred(NOW, ask), Step::Queued));
    }
    for (now, number) in [(NOW, 2), (LATER, 3)] {
        assert!(matches!(group.ready(now, &'a'), Step::Idle));
        let ask = asked(group.publish(now, message(number), 0));
        let step = group.barred(now, ask);
        assert!(if now == NOW {
            matches!(step, Step::Full(_))
        } else {
            matches!(step, Step::Queued)
        });
    }
    assert_eq!(group.take_dropped(), [(expiring, DropReason::Expired)]);
}

/// `a` may not have what is for `b`, who is away: with that the queue was full, and what `a` may have was refused.
#[test]
fn what_some_may_not_have_leaves_half_of_the_queue_to_the_others() {
    for (when_full, displaced) in [(GroupFull::Newest, 0), (GroupFull::Oldest, 10)] {
        for by_bytes in [false, true] {
            let mut group = Members::new(Strategy::RoundRobin, ten(when_full, by_bytes));
            group.join('a', ());
            group.join('b', ());
            let mut refused = 0;
            for number in 0..15 {
                assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
                let ask = asked(group.publish(NOW, message(number), 0));
                refused += u32::from(matches!(group.barred(NOW, ask), Step::Full(_)));
            }
            let dropped: Vec<_> =
                (0..displaced).map(|n| (message(n), DropReason::Displaced)).collect();
            assert_eq!(
                (refused, group.take_dropped(), group.queued()),
                (10 - displaced, dropped, 5)
            );

            // Then `a` has no room for a while, and all is back in order that it may have.
            let ask = asked(group.publish(NOW, message(100), 0));
            assert!(matches!(group.declined(NOW, ask), Step::Queued));
            for number in 101..105 {
                assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
            }
            assert_eq!((group.queued(), group.take_dropped()), (10, Vec::new()));
            let mut step = group.ready(NOW, &'a');
            for number in 100..105 {
                let ask = asked(step);
                assert_eq!(ask.message, message(number));
                step = group.accepted(NOW, &ask);
            }
        }
    }
}

/// Nobody had room for it, so nobody knew that it is for `b` alone.
#[test]
fn what_waits_longer_than_it_is_known_for_whom_makes_room_for_the_others() {
    for (when_full, reason) in
        [(GroupFull::Newest, DropReason::QueueFull), (GroupFull::Oldest, DropReason::Displaced)]
    {
        for by_bytes in [false, true] {
            let mut group = Members::new(Strategy::RoundRobin, ten(when_full, by_bytes));
            group.join('a', ());
            group.join('b', ());
            for number in 0..10 {
                assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
            }
            let ask = asked(group.ready(NOW, &'a'));
            assert!(matches!(group.barred(NOW, ask), Step::Idle));
            assert_eq!(go_on(&mut group, |_, _| false).len(), 9);
            assert_eq!((group.queued(), group.take_dropped()), (10, Vec::new()), "nobody needs it");

            let ask = asked(group.publish(NOW, message(10), 0));
            assert!(matches!(group.declined(NOW, ask), Step::Queued));
            for number in 11..15 {
                assert!(matches!(group.publish(NOW, message(number), 0), Step::Queued));
            }
            let dropped: Vec<u32> = group
                .take_dropped()
                .into_iter()
                .map(|(message, why)| (assert_eq!(why, reason), message.number).1)
                .collect();
            match when_full {
                GroupFull::Newest => {
                    assert_eq!(dropped, [9, 8, 7, 6, 5]);
                    assert!(matches!(group.publish(NOW, message(15), 0), Step::Full(_)));
                }
                GroupFull::Oldest => assert_eq!(dropped, [0, 1, 2, 3, 4]),
            }
            assert_eq!(group.queued(), 10);
        }
    }
}

/// Limits of ten messages, by their number or by their bytes.
fn ten(when_full: GroupFull, by_bytes: bool) -> GroupLimits {
    let mut limits = GroupLimits { when_full, ..GroupLimits::default() };
    match by_bytes {
        true => limits.queued_bytes = 10 * (QUEUED_OVERHEAD + 1),
        false => limits.queued_messages = 10,
    }
    limits
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

/// It was dropped as for nobody: the answer was by the rules of before, and nothing said so.
#[test]
fn what_was_denied_before_the_right_was_given_is_asked_about_again() {
    for origin in [Origin::New, Origin::Pool, Origin::Aside] {
        for joins_again in [false, true] {
            let mut group = group(Strategy::RoundRobin, "");
            group.join('a', ());
            let ask = match origin {
                Origin::New => {
                    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
                    asked(group.publish(NOW, message(0), 0))
                }
                Origin::Pool => {
                    assert!(matches!(group.publish(NOW, message(0), 0), Step::Queued));
                    asked(group.ready(NOW, &'a'))
                }
                Origin::Aside => {
                    group.join('b', ());
                    assert!(matches!(group.publish(NOW, message(0), 0), Step::Queued));
                    let ask = asked(group.ready(NOW, &'b'));
                    assert!(matches!(group.barred(NOW, ask), Step::Idle));
                    asked(group.ready(NOW, &'a'))
                }
            };
            assert_eq!(ask.origin, origin);
            // Meanwhile the rules change, and after that comes what was said by those of before.
            group.look_again(&'a');
            if joins_again {
                group.leave(&'a');
                group.join('a', ());
            }
            let step = group.barred(NOW, ask);
            let ask = match step {
                Step::Ask(ask) => ask,
                _ => asked(group.go_on(NOW).unwrap()),
            };
            assert_eq!((ask.key, ask.message), ('a', message(0)), "{origin:?}");
            assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
            assert_eq!((group.queued(), group.take_dropped()), (0, Vec::new()));
        }
    }
}

/// Found by the model: it stood in the ring, and what it was barred from as a member of before waited for it.
#[test]
fn who_joins_again_may_have_what_it_was_barred_from() {
    let mut group = group(Strategy::RoundRobin, "ab");
    let ask = asked(group.publish(NOW, message(0), 0));
    let ask = asked(group.barred(NOW, ask));
    group.leave(&'a');
    group.join('a', ());
    assert!(matches!(group.ready(NOW, &'a'), Step::Idle));
    let ask = asked(group.declined(NOW, ask));
    assert_eq!((ask.key, ask.message), ('a', message(0)));
}
