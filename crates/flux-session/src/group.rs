//! The sessions that share one subscription: who is asked to take a message, and what waits
//! while nobody can.

mod aside;
mod asking;
mod limits;
mod line;
mod pool;
mod questions;
mod seen;
mod step;
mod strategy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use self::aside::Position;
use self::line::{Line, Ticket};
use self::pool::Pool;
use self::questions::Questions;
use self::seen::{Frontier, Seen};
use self::step::Origin;

pub use self::limits::{GroupFull, GroupLimits};
pub use self::step::{Ask, Step};
pub use self::strategy::Strategy;
use crate::{DropReason, Message, Timestamp};

/// A shared subscription: members that divide the messages among them (MQTT 5.0 section 4.8.2).
///
/// The group neither knows sessions nor calls them: it says whom to [`Ask`], and is told what
/// became of it. So a caller can keep the group and each session behind locks of their own and
/// never hold two of them. `K` names a member and `T` is what the caller keeps of it.
///
/// Members that are believed to have room stand in the ring; the others are not asked again until
/// somebody says that they are [`ready`](Self::ready). A message that nobody can take now waits in
/// the group's own queue, bounded by [`GroupLimits`].
///
/// A member may have room and yet not be allowed a message: it is [`barred`](Self::barred) from it. What waits and
/// some member is barred from is apart in the queue, so that it is in nobody's way, and it stays for those who may have it: it
/// is [dropped](Self::take_dropped) as [`DropReason::Withheld`] once all members were asked and are barred, and before that only
/// by the limits, of which it may have half where the others need the rest. A message is asked about 16 times at once and not more. What is left to be asked is somebody's who
/// [claims](Self::claim_rest) it, and [goes on](Self::go_on) with that a little at a time. Members that were asked 16
/// times in a row in vain come after the others.
///
/// **Invariant:** while no question is open, nobody stands in the ring for whom something waits: a member with
/// room serves the queue first.
///
/// ```
/// # use flux_session::{Group, GroupLimits, Message, Step, Strategy, Timestamp};
/// # #[derive(Clone, Debug, PartialEq)]
/// # struct Text(&'static str);
/// # impl Message for Text {
/// #     fn size(&self) -> usize { self.0.len() }
/// #     fn expires_at(&self) -> Option<Timestamp> { None }
/// # }
/// let now = Timestamp::from_millis(0);
/// let mut group = Group::new(Strategy::RoundRobin, GroupLimits::default());
/// for name in ["alice", "bob"] {
///     group.join(name, ());
///     assert!(matches!(group.ready(now, &name), Step::Idle));
/// }
///
/// // Alice has no room; bob takes it.
/// let Step::Ask(ask) = group.publish(now, Text("21.5"), 0) else { panic!("two have room") };
/// assert_eq!(ask.key, "alice");
/// let Step::Ask(ask) = group.declined(now, ask) else { panic!("one has room") };
/// assert_eq!(ask.key, "bob");
/// assert!(matches!(group.accepted(now, &ask), Step::Idle));
///
/// // Once alice has room again it is her turn after bob's.
/// group.ready(now, &"alice");
/// let Step::Ask(ask) = group.publish(now, Text("21.6"), 0) else { panic!("two have room") };
/// assert_eq!(ask.key, "bob");
/// ```
#[derive(Debug)]
pub struct Group<K, T, M> {
    strategy: Strategy,
    members: BTreeMap<K, Member<T>>,
    /// The ring: those who are asked next, in this order. They have seen all that waits.
    idle: Line<K>,
    /// Those who have room and have not seen all that waits.
    behind: Line<K>,
    pool: Pool<M>,
    /// What members are asked about now.
    questions: Questions<K>,
    /// What no member may have.
    frontier: Frontier,
    /// Where the next message stands that somebody is asked about.
    next: Position,
    /// The last place that was given.
    last_place: Ticket,
    /// Members that joined so far: numbers them for good.
    joined: u64,
    /// How often a member began to look at what waits, from the beginning.
    looks: u64,
    /// So many times a message is asked about at once in vain, and a member in a row before it is doubted.
    most_in_vain: usize,
    /// Whether somebody sees to those who are behind.
    is_claimed: bool,
}

#[derive(Debug)]
struct Member<T> {
    value: T,
    /// Tells members apart for [`Strategy::Affine`].
    number: u64,
    /// Its place among those with room.
    place: Option<Ticket>,
    /// How often it was asked since it took something.
    in_vain: usize,
    seen: Seen,
    /// Which of the [looks](Group::looks) this is: what it was asked before says nothing any more of what it may have.
    look: u64,
}

impl<K: Ord + Clone, T: Clone, M: Message> Group<K, T, M> {
    /// Returns a group without members.
    #[must_use]
    pub fn new(strategy: Strategy, limits: GroupLimits) -> Self {
        Self {
            strategy,
            members: BTreeMap::new(),
            idle: Line::default(),
            behind: Line::default(),
            pool: Pool::new(limits),
            questions: Questions::default(),
            frontier: Frontier::default(),
            next: Position::default(),
            last_place: Ticket::default(),
            joined: 0,
            looks: 0,
            most_in_vain: MOST_IN_VAIN,
            is_claimed: false,
        }
    }

    /// Adds a member, or changes what is kept of it, and returns whether it is new. A new one is
    /// not asked before it is [`ready`](Self::ready).
    pub fn join(&mut self, key: K, value: T) -> bool {
        match self.members.get_mut(&key) {
            Some(member) => {
                member.value = value;
                false
            }
            None => {
                self.joined += 1;
                self.looks += 1;
                let (number, look, seen) = (self.joined, self.looks, Seen::default());
                self.frontier.add(seen.first_unseen());
                let member = Member { value, number, place: None, in_vain: 0, seen, look };
                // It may be one of before, which was barred.
                self.questions.note_look_again(&key);
                self.members.insert(key, member);
                true
            }
        }
    }

    /// Removes a member. It may still be asked by whoever was told to a moment ago. What no other may have is
    /// [dropped](Self::take_dropped); if there is no other, all waits for anybody.
    pub fn leave(&mut self, key: &K) -> Option<T> {
        let member = self.members.remove(key)?;
        self.forget_places();
        self.frontier.remove(member.seen.first_unseen());
        self.drop_for_nobody();
        Some(member.value)
    }

    /// Takes a new message. `draw` decides where the strategy leaves it to that number: random, or a
    /// hash.
    pub fn publish(&mut self, now: Timestamp, message: M, draw: u64) -> Step<K, T, M> {
        if let Some((key, member, look)) = self.next(draw, &[]) {
            let (position, origin, barred) = (self.open(), Origin::New, Vec::new());
            return Step::Ask(Ask { key, member, message, draw, origin, position, barred, look });
        }
        if self.pool.make_room(now, &message) {
            self.pool.push_back(message);
            return Step::Queued;
        }
        Step::Full(message)
    }

    /// A member's session took what it was asked to take: it may have room for more.
    pub fn accepted(&mut self, now: Timestamp, ask: &Ask<K, T, M>) -> Step<K, T, M> {
        self.took(ask);
        let is_first = self.strategy == Strategy::Sticky;
        self.serve(now, &ask.key).unwrap_or_else(|| self.stand_idle(&ask.key, is_first))
    }

    /// The same for a caller that has handed out enough: the member is not asked again before it is
    /// [`ready`](Self::ready).
    pub fn took(&mut self, ask: &Ask<K, T, M>) {
        if let Some(member) = self.members.get_mut(&ask.key) {
            member.in_vain = 0;
        }
        // What stands behind it may be for nobody, and nobody knew.
        self.close(ask.position);
    }

    /// A member's session has no room, or has no connection. The message goes to another, or waits.
    /// The member is not asked again before it is [`ready`](Self::ready).
    pub fn declined(&mut self, now: Timestamp, ask: Ask<K, T, M>) -> Step<K, T, M> {
        let Ask { message, draw, origin, position, barred, .. } = ask;
        match origin {
            Origin::New => return self.ask_another(now, message, draw, position, barred),
            Origin::Pool => self.pool.push_front(message),
            Origin::Aside => self.pool.set_aside(position, message),
        }
        self.came_back(position);
        self.go_on(now).unwrap_or(Step::Idle)
    }

    /// A member may not have the message, whatever room it has; it stays where it is asked about others. The message goes to
    /// another, or waits for one, apart from what is for anybody.
    pub fn barred(&mut self, now: Timestamp, ask: Ask<K, T, M>) -> Step<K, T, M> {
        let Ask { key, message, draw, origin, position, mut barred, look, .. } = ask;
        let mut is_noted = false;
        // Else it was asked before it was to look again: it is asked once more.
        if let Some(member) = self.members.get_mut(&key).filter(|member| member.look == look) {
            member.in_vain = member.in_vain.saturating_add(1);
            let before = member.seen.first_unseen();
            is_noted = member.seen.note(&key, position, self.pool.aside(), &mut self.questions);
            let after = member.seen.first_unseen();
            self.move_frontier(before, after);
        }
        if is_noted {
            self.questions.answer(position, &key);
        }
        match origin {
            Origin::New => {
                self.stand(&key);
                if is_noted {
                    barred.push(key);
                }
                self.ask_another(now, message, draw, position, barred)
            }
            Origin::Pool | Origin::Aside => {
                self.pool.set_aside(position, message);
                self.came_back(position);
                self.stand(&key);
                self.drop_for_nobody();
                Step::Idle
            }
        }
    }

    /// A member may perhaps have what it was barred from: it is asked about all that waits once more, and about what it is being
    /// asked now, should the answer be that it may not have that.
    pub fn look_again(&mut self, key: &K) {
        let Some(member) = self.members.get_mut(key) else { return };
        let before = member.seen.first_unseen();
        self.looks += 1;
        (member.seen, member.in_vain, member.look) = (Seen::default(), 0, self.looks);
        let after = member.seen.first_unseen();
        self.move_frontier(before, after);
        self.questions.note_look_again(key);
        if !self.pool.is_empty() {
            self.have_look(key);
        }
    }

    /// A member's session has room: it serves what waits here, or takes its place in the ring. Who
    /// is no member is not heard.
    pub fn ready(&mut self, now: Timestamp, key: &K) -> Step<K, T, M> {
        self.serve(now, key).unwrap_or_else(|| self.stand_idle(key, false))
    }

    /// Takes messages back that a member was given and that were not sent, in their order. They go
    /// before all that waits here for anybody, whatever the limits: they had been accepted.
    pub fn give_back(
        &mut self,
        now: Timestamp,
        messages: impl IntoIterator<Item = M, IntoIter: DoubleEndedIterator>,
    ) -> Step<K, T, M> {
        for message in messages.into_iter().rev() {
            self.pool.push_front(message);
        }
        if self.pool.has_some_for_anybody() {
            self.rouse();
        }
        self.go_on(now).unwrap_or(Step::Idle)
    }

    /// Returns whether something is left to be done, for members with room have not been asked about all that waits, and
    /// nobody does it. Whoever hears that [does](Self::go_on) some of it soon, and [releases](Self::release_rest) it before.
    pub fn claim_rest(&mut self) -> bool {
        let is_for_nobody = |first| self.pool.aside().has_before(first);
        let is_behind = !self.behind.is_empty(is_somebodys(&self.members));
        let is_left = is_behind || self.frontier.first().is_some_and(is_for_nobody);
        is_left && !mem::replace(&mut self.is_claimed, true)
    }

    /// Leaves what is left to be done to whoever claims it next.
    pub const fn release_rest(&mut self) {
        self.is_claimed = false;
    }

    /// Has one of those served who have room and were not asked about all that waits. Nothing if there are none.
    pub fn go_on(&mut self, now: Timestamp) -> Option<Step<K, T, M>> {
        self.drop_for_nobody();
        for _ in 0..LOOKS {
            let (key, ticket) = self.behind.pop()?;
            let Some(member) = self.members.get_mut(&key).filter(|it| it.place == Some(ticket))
            else {
                continue;
            };
            member.place = None;
            if let Some(step) = self.serve(now, &key) {
                return Some(step);
            }
            let _idle = self.stand_idle(&key, false);
        }
        Some(Step::Idle)
    }

    /// Takes messages over that waited in the group of an earlier process, in their order and whatever the limits,
    /// behind all that waits here. Before a member is ready only.
    pub fn restore(&mut self, messages: impl IntoIterator<Item = M>) {
        debug_assert!(self.idle.len() == 0, "whoever has room would have had them");
        for message in messages {
            self.pool.push_back(message);
        }
    }

    /// Takes all that waits here: for a group that is over. Whoever keeps groups behind locks drops
    /// it when it has let go of them.
    #[must_use = "dropping many messages takes time"]
    pub fn take_queued(&mut self) -> VecDeque<M> {
        self.pool.take_all()
    }

    /// Returns whether nobody shares the subscription any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns how many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns how many messages wait here.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.pool.len()
    }

    /// Returns the bytes of the messages that wait here, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD).
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.pool.bytes()
    }

    /// Returns the messages that expired or were displaced in the queue, or were withheld, since the last call.
    pub fn take_dropped(&mut self) -> Vec<(M, DropReason)> {
        self.pool.take_dropped()
    }
}

/// Says of a place among those with room whether it is still that of a member.
const fn is_somebodys<K: Ord, T>(
    members: &BTreeMap<K, Member<T>>,
) -> impl Fn(&K, Ticket) -> bool + Copy {
    |key, ticket| members.get(key).is_some_and(|member| member.place == Some(ticket))
}

/// A message is asked about so many times at once in vain, and then waits. A member that was asked so many times in a row in vain
/// is doubted.
const MOST_IN_VAIN: usize = 16;

/// At so many of those who are behind is looked at once to find one for whom something waits.
const LOOKS: usize = 16;
