//! A group against a list of messages: whatever happens between question and answer, each message
//! is in exactly one place, nobody gets what it may not have, and nobody with room stands idle while something waits
//! that it may have.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use proptest::prelude::{Just, any, prop, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy as _;

use super::*;

proptest! {
    #[test]
    fn each_message_is_in_one_place(
        strategy in prop::sample::select(&STRATEGIES),
        limits in limits(),
        most_in_vain in 1_usize..4,
        actions in prop::collection::vec(action(), 1..200),
    ) {
        let mut world = World::new(strategy, limits, most_in_vain);
        for action in actions {
            world.play(action);
            world.check();
        }
        world.drain();
    }
}

const STRATEGIES: [Strategy; 4] =
    [Strategy::RoundRobin, Strategy::Random, Strategy::Sticky, Strategy::Affine];

fn limits() -> impl proptest::strategy::Strategy<Value = GroupLimits> {
    let when_full = prop_oneof![Just(GroupFull::Newest), Just(GroupFull::Oldest)];
    (0_usize..5, 0_usize..400, when_full).prop_map(|(queued_messages, queued_bytes, when_full)| {
        GroupLimits { queued_messages, queued_bytes, when_full }
    })
}

/// Something that can happen in every state; what makes no sense right now does nothing.
#[derive(Clone, Copy, Debug)]
enum Action {
    Join(char),
    Leave(char),
    Publish {
        draw: u64,
        lifetime: Option<u64>,
        barred: &'static str,
    },
    /// One of the open questions is answered: yes, or that the member may not have the message.
    Accept(Index),
    /// The same, and the member says later that it has room.
    Take(Index),
    Decline(Index),
    Ready(char),
    /// A member may have all from now on.
    Free(char),
    /// Somebody does a part of what is left to be done.
    GoOn,
    /// A member gives back what it took, the last few messages of it.
    GiveBack(char, usize),
    Wait(u64),
}

fn action() -> impl proptest::strategy::Strategy<Value = Action> {
    let key = || prop::sample::select(&['a', 'b', 'c']);
    prop_oneof![
        2 => key().prop_map(Action::Join),
        1 => key().prop_map(Action::Leave),
        8 => (any::<u64>(), prop::option::of(0_u64..20), barred())
            .prop_map(|(draw, lifetime, barred)| Action::Publish { draw, lifetime, barred }),
        6 => any::<Index>().prop_map(Action::Accept),
        1 => any::<Index>().prop_map(Action::Take),
        4 => any::<Index>().prop_map(Action::Decline),
        4 => key().prop_map(Action::Ready),
        1 => key().prop_map(Action::Free),
        3 => Just(Action::GoOn),
        1 => (key(), 1_usize..4).prop_map(|(key, count)| Action::GiveBack(key, count)),
        1 => (1_u64..10).prop_map(Action::Wait),
    ]
}

/// Who may not have a message.
fn barred() -> impl proptest::strategy::Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 4 => prop::sample::select(&["a", "b", "c", "ab", "bc", "abc"])]
}

struct World {
    group: Members,
    limits: GroupLimits,
    now: Timestamp,
    next_number: u32,
    members: BTreeSet<char>,
    /// What members are asked, and whether they may have it by the rules of the moment in which that was decided.
    open: Vec<(Ask<char, (), Numbered>, bool)>,
    /// Who has room as far as the group was told, and is not being asked.
    with_room: BTreeSet<char>,
    taken: BTreeMap<char, Vec<Numbered>>,
    /// Everything published and not refused, given up or expired, and who may not have it...
    held: BTreeMap<Numbered, &'static str>,
    /// ...but for these, who may have all.
    free: BTreeSet<char>,
}

impl World {
    fn new(strategy: Strategy, limits: GroupLimits, most_in_vain: usize) -> Self {
        let mut group = Group::new(strategy, limits);
        group.most_in_vain = most_in_vain;
        Self {
            group,
            limits,
            now: NOW,
            next_number: 0,
            members: BTreeSet::new(),
            open: Vec::new(),
            with_room: BTreeSet::new(),
            taken: BTreeMap::new(),
            held: BTreeMap::new(),
            free: BTreeSet::new(),
        }
    }

    fn play(&mut self, action: Action) {
        match action {
            Action::Join(key) => {
                assert_eq!(self.group.join(key, ()), self.members.insert(key));
            }
            Action::Leave(key) => {
                assert_eq!(self.group.leave(&key).is_some(), self.members.remove(&key));
                self.with_room.remove(&key);
            }
            Action::Publish { draw, lifetime, barred } => self.publish(draw, lifetime, barred),
            Action::Accept(which) => {
                if let Some((ask, may_have)) = self.answer(which) {
                    self.accept(ask, may_have, true);
                }
            }
            Action::Take(which) => {
                if let Some((ask, may_have)) = self.answer(which) {
                    self.accept(ask, may_have, false);
                }
            }
            Action::Decline(which) => {
                if let Some((ask, _)) = self.answer(which) {
                    let message = ask.message;
                    let step = self.group.declined(self.now, ask);
                    self.note(step, Some(message));
                }
            }
            Action::Ready(key) => {
                let step = self.group.ready(self.now, &key);
                self.has_room(key);
                self.note(step, None);
            }
            Action::Free(key) => {
                self.free.insert(key);
                self.group.look_again(&key);
            }
            Action::GoOn => {
                if let Some(step) = self.group.go_on(self.now) {
                    self.note(step, None);
                }
            }
            Action::GiveBack(key, count) => {
                let taken = self.taken.entry(key).or_default();
                let back = taken.split_off(taken.len().saturating_sub(count));
                let step = self.group.give_back(self.now, back);
                self.note(step, None);
            }
            Action::Wait(millis) => {
                self.now = self.now + Duration::from_millis(millis);
            }
        }
    }

    fn publish(&mut self, draw: u64, lifetime: Option<u64>, barred: &'static str) {
        let expires_at = lifetime.map(|millis| self.now + Duration::from_millis(millis));
        let message = Numbered { number: self.next_number, expires_at };
        self.next_number += 1;
        self.held.insert(message, barred);
        let step = self.group.publish(self.now, message, draw);
        if let Step::Ask(ask) = &step {
            assert_eq!(ask.message, message, "what is new is handed out first");
        }
        self.note(step, Some(message));
    }

    fn accept(&mut self, ask: Ask<char, (), Numbered>, may_have: bool, goes_on: bool) {
        let (key, message) = (ask.key, ask.message);
        if !may_have {
            let step = self.group.barred(self.now, ask);
            self.has_room(key);
            return self.note(step, Some(message));
        }
        self.taken.entry(key).or_default().push(message);
        if !goes_on {
            return self.group.took(&ask);
        }
        let step = self.group.accepted(self.now, &ask);
        self.has_room(key);
        self.note(step, None);
    }

    fn answer(&mut self, which: Index) -> Option<(Ask<char, (), Numbered>, bool)> {
        (!self.open.is_empty()).then(|| self.open.remove(which.index(self.open.len())))
    }

    fn has_room(&mut self, key: char) {
        if self.members.contains(&key) {
            self.with_room.insert(key);
        }
    }

    /// Notes what the group wants, where this was the message that had to go on.
    fn note(&mut self, step: Step<char, (), Numbered>, message: Option<Numbered>) {
        match step {
            Step::Ask(ask) => {
                assert!(
                    self.with_room.remove(&ask.key),
                    "{} did not say that it has room",
                    ask.key
                );
                let may_have = !self.is_barred(self.held[&ask.message], ask.key);
                self.open.push((ask, may_have));
            }
            Step::Full(message) => {
                assert!(self.has_no_room_for(message), "{message:?} had room");
                assert!(!self.is_wanted(message), "somebody has room");
                assert!(self.held.remove(&message).is_some());
            }
            Step::Queued => assert!(!self.is_wanted(message.unwrap()), "somebody has room"),
            Step::Idle => {}
        }
    }

    fn is_barred(&self, barred: &str, key: char) -> bool {
        barred.contains(key) && !self.free.contains(&key)
    }

    /// Whether there is no room for another message.
    fn is_full(&self) -> bool {
        let GroupLimits { queued_messages, queued_bytes, .. } = self.limits;
        self.group.queued() >= queued_messages.min(queued_bytes / (1 + QUEUED_OVERHEAD))
    }

    /// Whether what some members may not have has its half of the limits, or more.
    fn is_aside_full(&self) -> bool {
        let GroupLimits { queued_messages, queued_bytes, .. } = self.limits;
        let by_bytes = queued_bytes.div_ceil(2) / (1 + QUEUED_OVERHEAD);
        self.group.pool.aside().len() >= queued_messages.div_ceil(2).min(by_bytes)
    }

    /// Whether a message may be refused: what is for all has its place beside what is aside, and that has half.
    fn has_no_room_for(&self, message: Numbered) -> bool {
        let GroupLimits { queued_messages, queued_bytes, .. } = self.limits;
        let most = queued_messages.min(queued_bytes / (1 + QUEUED_OVERHEAD));
        let aside = self.group.pool.aside().len();
        match self.held[&message] {
            "" => self.is_full() && aside <= most.div_ceil(2),
            _ => self.is_full() || self.is_aside_full(),
        }
    }

    /// Whether somebody in the ring has room for a message that may have it.
    fn is_wanted(&self, message: Numbered) -> bool {
        self.group.ring().any(|key| !self.is_barred(self.held[&message], key))
    }

    fn check(&mut self) {
        for (message, reason) in self.group.take_dropped() {
            let barred = self.held.remove(&message);
            let barred = barred.unwrap_or_else(|| panic!("{message:?} was dropped twice"));
            match reason {
                DropReason::Expired => assert!(message.expires_at.unwrap() <= self.now),
                DropReason::Withheld => {
                    assert!(self.members.iter().all(|key| self.is_barred(barred, *key)));
                }
                // Nothing that was accepted, and somebody may have, is dropped under the limits.
                DropReason::QueueFull => {
                    assert_eq!(self.limits.when_full, GroupFull::Newest);
                    assert!(self.is_full() && self.is_aside_full(), "{message:?} had room");
                }
                other => {
                    assert_eq!(other, DropReason::Displaced);
                    assert_eq!(self.limits.when_full, GroupFull::Oldest);
                    assert!(self.is_full() || self.is_aside_full(), "{message:?} had room");
                }
            }
        }
        let elsewhere = self.open.len() + self.taken.values().map(Vec::len).sum::<usize>();
        let queued = self.group.queued();
        assert_eq!(queued + elsewhere, self.held.len(), "each message is in one place");
        assert_eq!(self.group.queued_bytes(), queued * (1 + QUEUED_OVERHEAD));
        let idle: BTreeSet<char> = self.group.ring().collect();
        let behind: BTreeSet<char> = self.group.behind().collect();
        let lines = self.group.ring().chain(self.group.behind());
        assert_eq!(lines.count(), self.with_room.len(), "nobody stands there twice");
        assert!(idle.union(&behind).eq(&self.with_room));
        if self.open.is_empty() {
            let taken: BTreeSet<_> = self.taken.values().flatten().copied().collect();
            let mut waiting = self.held.keys().filter(|message| !taken.contains(message));
            assert!(!waiting.any(|message| self.is_wanted(*message)), "somebody has room");
            let all_have_room = !idle.is_empty() && idle == self.members;
            assert!(!all_have_room || queued == 0, "it waits for nobody");
        }
        if self.group.claim_rest() {
            self.group.release_rest();
        } else {
            assert!(behind.is_empty(), "nobody serves those with room");
        }
    }

    /// Whoever is there takes everything.
    fn drain(&mut self) {
        self.play(Action::Join('z'));
        self.play(Action::Ready('z'));
        loop {
            if let Some((ask, may_have)) = self.open.pop() {
                self.accept(ask, may_have, true);
            } else if let Some(step) = self.group.go_on(self.now) {
                self.note(step, None);
            } else {
                break;
            }
            self.check();
        }
        self.check();
        assert_eq!(self.group.queued(), 0, "nothing waits");
        let taken: BTreeSet<Numbered> = self.taken.values().flatten().copied().collect();
        assert!(taken.iter().eq(self.held.keys()), "everything arrived");
    }
}
