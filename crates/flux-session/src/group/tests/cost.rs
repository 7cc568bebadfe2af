//! What groups of many members cost, counted in comparisons of their names.

use std::cell::Cell;
use std::cmp::Ordering;

use super::*;

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

/// A name that counts how often it is compared.
#[derive(Clone, Debug, Eq)]
struct Counted(u32);

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

type Many = Group<Counted, (), Numbered>;

/// Returns how many comparisons this takes.
fn compared(act: impl FnOnce()) -> u64 {
    let before = COMPARED.get();
    act();
    COMPARED.get() - before
}

/// A message for one that is away, and so many members with room that may not have it and were asked.
fn group_of(members: u32) -> Many {
    let mut group = Many::new(Strategy::RoundRobin, GroupLimits::default());
    group.join(Counted(0), ());
    assert!(matches!(group.publish(NOW, message(0), 0), Step::Queued));
    for member in 1..=members {
        group.join(Counted(member), ());
        let ask = group.ready(NOW, &Counted(member));
        bar_all(&mut group, ask);
    }
    bar_all(&mut group, Step::Idle);
    group
}

/// Says of each member that is asked that it may not have the message; returns how many were.
fn bar_all(group: &mut Many, mut step: Step<Counted, (), Numbered>) -> u32 {
    let mut asked = 0;
    loop {
        step = match step {
            Step::Ask(ask) => {
                asked += 1;
                group.barred(NOW, ask)
            }
            Step::Full(message) => panic!("{message:?} found no room"),
            Step::Queued | Step::Idle => match group.go_on(NOW) {
                Some(step) => step,
                None => return asked,
            },
        };
    }
}

/// Each member was looked for among all, under the lock of the group: with 50,000 of them that took seconds.
#[test]
fn a_reload_and_the_end_of_all_cost_each_member_the_same_however_many_there_are() {
    for members in [1_000_u32, 4_000] {
        let most = u64::from(members) * 32 * u64::from(members.ilog2());
        let mut group = group_of(members);
        let looks =
            compared(|| (1..=members).for_each(|member| group.look_again(&Counted(member))));
        assert!(looks <= most, "{members} that look again: {looks}");
        let questions = compared(|| assert_eq!(bar_all(&mut group, Step::Idle), members));
        assert!(questions <= most, "{members} that are asked again: {questions}");
        let ends = compared(|| {
            for member in 1..=members {
                assert_eq!(group.leave(&Counted(member)), Some(()));
            }
        });
        assert!(ends <= most, "{members} that leave: {ends}");
        assert_eq!((group.queued(), group.take_dropped()), (1, Vec::new()));
    }
}

/// The whole ring had to look whether what one may not have is for nobody, and meanwhile all that was published waited.
#[test]
fn a_member_that_passes_a_question_looks_again_alone() {
    let mut group = group(Strategy::RoundRobin, "abcdefgh");
    let first = asked(group.publish(NOW, message(0), 0));
    assert_eq!(first.key, 'a');
    // Another worker asks `b`, who may not have what is published meanwhile.
    let ask = asked(group.publish(NOW, message(1), 0));
    assert_eq!(ask.key, 'b');
    let ask = asked(group.barred(NOW, ask));
    assert!(matches!(group.accepted(NOW, &ask), Step::Idle));
    assert!(matches!(group.accepted(NOW, &first), Step::Idle));
    assert_eq!((group.behind().count(), group.claim_rest()), (0, false));
    assert_eq!(takers(&mut group, [0; 8]), "defghbca", "nothing waits");
}

/// What looks again and again and has no turn leaves nothing behind.
#[test]
fn places_that_were_left_are_forgotten() {
    let mut group = group(Strategy::RoundRobin, "ab");
    group.join('c', ());
    let ask = asked(group.publish(NOW, message(0), 0));
    let ask = asked(group.barred(NOW, ask));
    assert!(matches!(group.barred(NOW, ask), Step::Queued));
    for _ in 0..1_000 {
        group.look_again(&'b');
        let ask = asked(group.go_on(NOW).unwrap());
        assert!(matches!(group.barred(NOW, ask), Step::Idle));
    }
    assert!(group.idle.len() + group.behind.len() < 100);
    assert_eq!(group.ring().collect::<String>(), "ab");
}
