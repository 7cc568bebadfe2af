//! The sessions that share one subscription: who is asked to take a message, and what waits
//! while nobody can.

mod aside;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use self::aside::Entry;
use self::pool::Pool;
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
/// some member is barred from is apart in the queue, with who that is, so that it is in nobody's way.
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
/// assert!(matches!(group.accepted(now, &ask.key), Step::Idle));
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
    /// Those who are asked next, in this order.
    ring: VecDeque<K>,
    pool: Pool<K, M>,
    /// Members that joined so far: numbers them for good.
    joined: u64,
}

/// Which of the members that have room gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Any, by the number that is drawn for the message.
    Random,
    /// The one that took the last, for as long as it has room.
    Sticky,
    /// The same one for the same drawn number, a hash of the publisher or of the topic say, for as
    /// long as it has room. When members come and go, only what must move does.
    Affine,
}

/// What bounds the messages that wait in a group because no member can take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// The most messages. Default 1,000,000.
    pub queued_messages: usize,
    /// The most bytes, counted as [`SessionLimits::queued_bytes`](crate::SessionLimits) counts
    /// them. Default 64 MiB.
    pub queued_bytes: usize,
    /// What goes when one of them is reached.
    pub when_full: GroupFull,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            queued_messages: 1_000_000,
            queued_bytes: 64 * 1024 * 1024,
            when_full: GroupFull::Newest,
        }
    }
}

/// Which message goes when a group's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupFull {
    /// The one that is to be queued, so that what was acknowledged before stays promised.
    #[default]
    Newest,
    /// Those that have waited longest, until there is room.
    Oldest,
}

/// What to do next.
#[derive(Debug)]
#[must_use = "a message is on its way"]
pub enum Step<K, T, M> {
    /// Offer this message to this member's session, then call [`Group::accepted`], [`Group::declined`] or
    /// [`Group::barred`]. Whoever has handed out enough for now calls [`Group::ready`] later in
    /// place of `accepted`.
    Ask(Ask<K, T, M>),
    /// The message just published waits in the group. Nothing else to do.
    Queued,
    /// The message just published cannot wait: the queue is full. Nothing else to do.
    Full(M),
    /// Nothing to do.
    Idle,
}

/// A question to a member: will its session take the message?
#[derive(Debug)]
pub struct Ask<K, T, M> {
    /// Who is asked.
    pub key: K,
    /// What the caller keeps of it.
    pub member: T,
    /// What is offered.
    pub message: M,
    /// The number that was drawn for the message.
    draw: u64,
    origin: Origin,
    /// Who was asked and may not have it.
    barred: Vec<K>,
}

/// Where a message was before somebody was asked to take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Not here: the limits apply if it has to wait.
    New,
    /// Among those for anybody.
    Pool,
    /// Among those that some may not have.
    Aside,
}

#[derive(Debug)]
struct Member<T> {
    value: T,
    /// Tells members apart for [`Strategy::Affine`].
    number: u64,
    /// Whether it stands in the ring.
    is_ready: bool,
    /// What it knows to be nothing for it among what some may not have.
    seen: u64,
}

impl<K: Ord + Clone, T: Clone, M: Message> Group<K, T, M> {
    /// Returns a group without members.
    #[must_use]
    pub fn new(strategy: Strategy, limits: GroupLimits) -> Self {
        Self {
            strategy,
            members: BTreeMap::new(),
            ring: VecDeque::new(),
            pool: Pool::new(limits),
            joined: 0,
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
                let member = Member { value, number: self.joined, is_ready: false, seen: 0 };
                self.members.insert(key, member);
                true
            }
        }
    }

    /// Removes a member. It may still be asked by whoever was told to a moment ago. What no other may have is
    /// [dropped](Self::take_dropped); if there is no other, all waits for anybody.
    pub fn leave(&mut self, key: &K) -> Option<T> {
        let member = self.members.remove(key)?;
        if member.is_ready {
            self.ring.retain(|other| other != key);
        }
        let members = &self.members;
        if members.is_empty() {
            self.pool.forget_barred();
        } else if members.len() < MOST_BARRED {
            self.pool.drop_for_nobody(|barred| is_for_nobody(members, barred));
        }
        Some(member.value)
    }

    /// Takes a new message. `draw` decides where the strategy leaves it to that number: random, or a
    /// hash.
    pub fn publish(&mut self, now: Timestamp, message: M, draw: u64) -> Step<K, T, M> {
        match self.ask(message, draw, Origin::New, Vec::new()) {
            Ok(step) => step,
            Err(Entry { message, .. }) if self.pool.make_room(now, &message) => {
                self.pool.push_back(message);
                Step::Queued
            }
            Err(Entry { message, .. }) => Step::Full(message),
        }
    }

    /// A member's session took what it was asked to take: it may have room for more.
    pub fn accepted(&mut self, now: Timestamp, key: &K) -> Step<K, T, M> {
        if let Some(step) = self.serve(now, key) {
            return step;
        }
        match self.strategy {
            Strategy::Sticky => self.ring.push_front(key.clone()),
            Strategy::RoundRobin | Strategy::Random | Strategy::Affine => {
                self.ring.push_back(key.clone());
            }
        }
        Step::Idle
    }

    /// A member's session has no room, or has no connection. The message goes to another, or waits.
    /// The member is not asked again before it is [`ready`](Self::ready).
    pub fn declined(&mut self, now: Timestamp, ask: Ask<K, T, M>) -> Step<K, T, M> {
        let Ask { message, draw, origin, barred, .. } = ask;
        match self.ask(message, draw, origin, barred) {
            Ok(step) => step,
            Err(entry) => self.wait(now, entry, origin),
        }
    }

    /// A member may not have the message, whatever room it has. The message goes to another, or waits for one, apart
    /// from what is for anybody; there are 1,024 places for that, beside the limits. It is
    /// [dropped](Self::take_dropped) as [`DropReason::Withheld`] when all members are barred from it, or the first 16
    /// that were asked: to find one who is not among any number of others is not worth the time.
    ///
    /// Whoever calls this says that the member is [`ready`](Self::ready) once what is returned is seen to.
    pub fn barred(&mut self, now: Timestamp, ask: Ask<K, T, M>) -> Step<K, T, M> {
        let Ask { key, message, draw, origin, mut barred, .. } = ask;
        barred.push(key);
        if barred.len() >= MOST_BARRED {
            self.pool.drop(message, DropReason::Withheld);
            return Step::Idle;
        }
        match self.ask(message, draw, origin, barred) {
            Ok(step) => step,
            Err(entry) => self.wait(now, entry, origin),
        }
    }

    /// A member's session has room: it serves what waits here, or takes its place in the ring. Who
    /// is no member is not heard.
    pub fn ready(&mut self, now: Timestamp, key: &K) -> Step<K, T, M> {
        if let Some(step) = self.serve(now, key) {
            return step;
        }
        self.ring.push_back(key.clone());
        Step::Idle
    }

    /// Takes messages back that a member was given and that were not sent, in their order. They go
    /// before all that waits here, whatever the limits: they had been accepted.
    pub fn give_back(
        &mut self,
        now: Timestamp,
        messages: impl IntoIterator<Item = M, IntoIter: DoubleEndedIterator>,
    ) -> Step<K, T, M> {
        for message in messages.into_iter().rev() {
            self.pool.push_front(message);
        }
        self.pump(now)
    }

    /// Takes messages over that waited in the group of an earlier process, in their order and whatever the limits,
    /// behind all that waits here. Before a member is ready only.
    pub fn restore(&mut self, messages: impl IntoIterator<Item = M>) {
        debug_assert!(self.ring.is_empty(), "whoever has room would have had them");
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

    /// Asks the next member that is not known to be barred; gives the message back when none has room.
    fn ask(
        &mut self,
        message: M,
        draw: u64,
        origin: Origin,
        barred: Vec<K>,
    ) -> Result<Step<K, T, M>, Entry<K, M>> {
        while let Some(key) = self.next(draw, &barred) {
            if let Some(member) = self.members.get_mut(&key) {
                member.is_ready = false;
                let member = member.value.clone();
                return Ok(Step::Ask(Ask { key, member, message, draw, origin, barred }));
            }
        }
        Err(Entry { message, barred })
    }

    /// Has a message wait that nobody took who was asked and has room.
    fn wait(&mut self, now: Timestamp, entry: Entry<K, M>, origin: Origin) -> Step<K, T, M> {
        let is_for_all = entry.barred.is_empty();
        if !is_for_all && is_for_nobody(&self.members, &entry.barred) {
            self.pool.drop(entry.message, DropReason::Withheld);
            return Step::Idle;
        }
        match origin {
            Origin::Aside => self.pool.put_back_aside(entry),
            Origin::Pool if is_for_all => self.pool.push_front(entry.message),
            Origin::Pool if self.pool.make_place_aside(now, &entry.message) => {
                self.pool.push_aside(entry);
            }
            Origin::Pool => self.pool.drop(entry.message, DropReason::QueueFull),
            // It came before all that was queued while the questions were open.
            Origin::New if is_for_all && self.pool.make_room(now, &entry.message) => {
                self.pool.push_front(entry.message);
                return Step::Queued;
            }
            Origin::New if !is_for_all && self.pool.make_room_aside(now, &entry.message) => {
                self.pool.push_aside(entry);
                return Step::Queued;
            }
            Origin::New => return Step::Full(entry.message),
        }
        Step::Idle
    }

    /// Has a member take what waits; `None` when there is nothing for it to do and it now counts
    /// as standing in the ring.
    fn serve(&mut self, now: Timestamp, key: &K) -> Option<Step<K, T, M>> {
        let Some(member) = self.members.get_mut(key) else {
            // It left while it served the queue: another goes on.
            return Some(self.pump(now));
        };
        if member.is_ready {
            return Some(Step::Idle);
        }
        let (message, origin, barred) = if let Some(Entry { message, barred }) =
            self.pool.take_aside(now, key, &mut member.seen)
        {
            (message, Origin::Aside, barred)
        } else if let Some(message) = self.pool.pop(now) {
            (message, Origin::Pool, Vec::new())
        } else {
            member.is_ready = true;
            return None;
        };
        let (key, member) = (key.clone(), member.value.clone());
        Some(Step::Ask(Ask { key, member, message, draw: 0, origin, barred }))
    }

    /// Has somebody of the ring take what waits. What some may not have is for none of the ring: it was asked before
    /// that was set aside, or looked there before it took its place.
    fn pump(&mut self, now: Timestamp) -> Step<K, T, M> {
        let Some(message) = self.pool.pop(now) else { return Step::Idle };
        match self.ask(message, 0, Origin::Pool, Vec::new()) {
            Ok(step) => step,
            Err(entry) => self.wait(now, entry, Origin::Pool),
        }
    }

    /// Takes the member that is asked next out of the ring.
    fn next(&mut self, draw: u64, barred: &[K]) -> Option<K> {
        let may_be_asked = |key: &K| !barred.contains(key);
        let index = match self.strategy {
            Strategy::RoundRobin | Strategy::Sticky => self.ring.iter().position(may_be_asked)?,
            Strategy::Random => {
                let len = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
                let first = usize::try_from(draw.checked_rem(len)?).unwrap_or_default();
                let places = (first..self.ring.len()).chain(0..first);
                places.into_iter().find(|place| self.ring.get(*place).is_some_and(may_be_asked))?
            }
            Strategy::Affine => {
                let weight = |key: &K| self.members.get(key).map(|m| mix(draw ^ mix(m.number)));
                let ring = self.ring.iter().enumerate().filter(|(_, key)| may_be_asked(key));
                ring.max_by_key(|(_, key)| weight(key))?.0
            }
        };
        self.ring.remove(index)
    }
}

/// After so many members that may not have it a message is given up.
const MOST_BARRED: usize = 16;

/// Whether none of these members may have a message.
fn is_for_nobody<K: Ord, T>(members: &BTreeMap<K, Member<T>>, barred: &[K]) -> bool {
    barred.len() >= members.len() && members.keys().all(|key| barred.contains(key))
}

/// Scatters a number, so that neighbours are far apart (the finaliser of splitmix64).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
