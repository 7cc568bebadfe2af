//! The sessions that share one subscription: who is asked to take a message, and what waits
//! while nobody can.

mod aside;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use self::aside::Aside;
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
/// **Invariant:** while no question is open, the ring and the queue are not both occupied: a member with
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
    pool: Pool<M>,
    /// What some members may not have and the others have no room for.
    aside: Aside<M>,
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
    /// Offer this message to this member's session, then call [`Group::accepted`] or
    /// [`Group::declined`]. Whoever has handed out enough for now calls [`Group::ready`] later in
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
    /// It never waited here, so the limits apply if it has to.
    is_new: bool,
}

#[derive(Debug)]
struct Member<T> {
    value: T,
    /// Tells members apart for [`Strategy::Affine`].
    number: u64,
    /// Whether it stands in the ring.
    is_ready: bool,
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
            aside: Aside::default(),
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
                let member = Member { value, number: self.joined, is_ready: false };
                self.members.insert(key, member);
                true
            }
        }
    }

    /// Removes a member. It may still be asked by whoever was told to a moment ago.
    pub fn leave(&mut self, key: &K) -> Option<T> {
        let member = self.members.remove(key)?;
        if member.is_ready {
            self.ring.retain(|other| other != key);
        }
        Some(member.value)
    }

    /// Takes a new message. `draw` decides where the strategy leaves it to that number: random, or a
    /// hash.
    pub fn publish(&mut self, now: Timestamp, message: M, draw: u64) -> Step<K, T, M> {
        match self.ask(message, draw, true) {
            Ok(step) => step,
            Err(message) if self.pool.make_room(now, &message) => {
                self.pool.push_back(message);
                Step::Queued
            }
            Err(message) => Step::Full(message),
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
        let Ask { message, draw, is_new, .. } = ask;
        if !is_new {
            return self.ask_again(message, draw);
        }
        match self.ask(message, draw, is_new) {
            Ok(step) => step,
            // It came before all that was queued while the questions were open.
            Err(message) if self.pool.make_room(now, &message) => {
                self.pool.push_front(message);
                Step::Queued
            }
            Err(message) => Step::Full(message),
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

    /// Returns all members but these, first those that are believed to have room: for a message that these may not have.
    #[must_use]
    pub fn others(&self, but: &[K]) -> Vec<(K, T)> {
        let standing = self.ring.iter().filter_map(|key| self.members.get_key_value(key));
        let rest = self.members.iter().filter(|(_, member)| !member.is_ready);
        let others = standing.chain(rest).filter(|(key, _)| !but.contains(key));
        others.map(|(key, member)| (key.clone(), member.value.clone())).collect()
    }

    /// Keeps a message that some members may not have and the others have no room for. There is place for 1,024.
    ///
    /// # Errors
    ///
    /// Gives the message back when there is none.
    pub fn set_aside(&mut self, message: M) -> Result<(), M> {
        self.aside.push(message)
    }

    /// Takes the first message that was set aside and `is_wanted`.
    pub fn take_aside(&mut self, is_wanted: impl FnMut(&M) -> bool) -> Option<M> {
        self.aside.take(is_wanted)
    }

    /// Takes all that waits here: for a group that is over. Whoever keeps groups behind locks drops
    /// it when it has let go of them.
    #[must_use = "dropping many messages takes time"]
    pub fn take_queued(&mut self) -> VecDeque<M> {
        let mut all = self.aside.take_all();
        all.append(&mut self.pool.take_all());
        all
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
        self.aside.len() + self.pool.len()
    }

    /// Returns the bytes of the messages that wait here, each with
    /// [`QUEUED_OVERHEAD`](crate::QUEUED_OVERHEAD).
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.aside.bytes() + self.pool.bytes()
    }

    /// Returns the messages that expired or were displaced in the queue since the last call.
    pub fn take_dropped(&mut self) -> Vec<(M, DropReason)> {
        self.pool.take_dropped()
    }

    /// Asks the next member; gives the message back when none has room.
    fn ask(&mut self, message: M, draw: u64, is_new: bool) -> Result<Step<K, T, M>, M> {
        while let Some(key) = self.next(draw) {
            if let Some(member) = self.members.get_mut(&key) {
                member.is_ready = false;
                let member = member.value.clone();
                return Ok(Step::Ask(Ask { key, member, message, draw, is_new }));
            }
        }
        Err(message)
    }

    /// The same for a message that has waited here, and does so again when none has room.
    fn ask_again(&mut self, message: M, draw: u64) -> Step<K, T, M> {
        match self.ask(message, draw, false) {
            Ok(step) => step,
            Err(message) => {
                self.pool.push_front(message);
                Step::Idle
            }
        }
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
        let Some(message) = self.pool.pop(now) else {
            member.is_ready = true;
            return None;
        };
        let (key, member) = (key.clone(), member.value.clone());
        Some(Step::Ask(Ask { key, member, message, draw: 0, is_new: false }))
    }

    /// Has somebody of the ring take what waits.
    fn pump(&mut self, now: Timestamp) -> Step<K, T, M> {
        match self.pool.pop(now) {
            Some(message) => self.ask_again(message, 0),
            None => Step::Idle,
        }
    }

    /// Takes the member that is asked next out of the ring.
    fn next(&mut self, draw: u64) -> Option<K> {
        match self.strategy {
            Strategy::RoundRobin | Strategy::Sticky => self.ring.pop_front(),
            Strategy::Random => {
                let len = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
                let index = draw.checked_rem(len)?;
                self.ring.remove(usize::try_from(index).unwrap_or_default())
            }
            Strategy::Affine => {
                let weight = |key: &K| self.members.get(key).map(|m| mix(draw ^ mix(m.number)));
                let ring = self.ring.iter().enumerate();
                let (index, _) = ring.max_by_key(|(_, key)| weight(key))?;
                self.ring.remove(index)
            }
        }
    }
}

/// Scatters a number, so that neighbours are far apart (the finaliser of splitmix64).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
