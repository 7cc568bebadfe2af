//! Who is asked next, and where the others stand meanwhile.

use super::aside::Position;
use super::line::Ticket;
use super::step::{Ask, Origin, Step};
use super::{Group, is_somebodys};
use crate::{DropReason, Message, Timestamp};

impl<K: Ord + Clone, T: Clone, M: Message> Group<K, T, M> {
    /// Asks another member about a new message, or has it wait.
    pub(super) fn ask_another(
        &mut self,
        now: Timestamp,
        message: M,
        draw: u64,
        position: Position,
        mut barred: Vec<K>,
    ) -> Step<K, T, M> {
        // They were to look again meanwhile.
        barred.retain(|key| !self.questions.is_passed_by(position, key));
        if barred.len() < self.most_in_vain {
            if let Some((key, member, look)) = self.next(draw, &barred) {
                let origin = Origin::New;
                let ask = Ask { key, member, message, draw, origin, position, barred, look };
                return Step::Ask(ask);
            }
        } else {
            self.rouse();
        }
        let step = self.have_wait(now, message, position, barred.is_empty());
        self.close(position);
        step
    }

    /// Has a new message wait about which members were asked, for anybody or for those who may have it.
    fn have_wait(
        &mut self,
        now: Timestamp,
        message: M,
        position: Position,
        is_for_anybody: bool,
    ) -> Step<K, T, M> {
        if is_for_anybody {
            // It came before all that was queued while the questions were open.
            if self.pool.make_room(now, &message) {
                self.pool.push_front(message);
                return Step::Queued;
            }
        } else if self.frontier.first().is_some_and(|first| position < first) {
            self.pool.drop(message, DropReason::Withheld);
            return Step::Idle;
        } else if self.pool.make_room_aside(now, &message) {
            self.pool.set_aside(position, message);
            return Step::Queued;
        }
        Step::Full(message)
    }

    /// Has a member take what waits; `None` when there is nothing for it to do.
    pub(super) fn serve(&mut self, now: Timestamp, key: &K) -> Option<Step<K, T, M>> {
        let Some(member) = self.members.get(key) else {
            // It left while it served the queue: another goes on.
            return Some(self.go_on(now).unwrap_or(Step::Idle));
        };
        if member.place.is_some() {
            return Some(Step::Idle);
        }
        if self.pool.is_empty() && !member.seen.has_missed() {
            return None;
        }
        let (member, look) = (member.value.clone(), member.look);
        self.pool.drop_expired(now);
        let unseen = self.unseen(key);
        let (message, origin, position) = if let Some(position) = unseen
            && let Some(message) = self.pool.take_aside(position)
        {
            self.questions.open(position);
            (message, Origin::Aside, position)
        } else {
            (self.pool.pop(now)?, Origin::Pool, self.open())
        };
        let (key, barred) = (key.clone(), Vec::new());
        Some(Step::Ask(Ask { key, member, message, draw: 0, origin, position, barred, look }))
    }

    /// Returns where the oldest stands, aside, that a member was not asked about.
    fn unseen(&mut self, key: &K) -> Option<Position> {
        let member = self.members.get_mut(key)?;
        if self.pool.aside().is_empty() && !member.seen.has_missed() {
            return None;
        }
        let before = member.seen.first_unseen();
        let unseen = member.seen.next(key, self.pool.aside(), &mut self.questions);
        let after = member.seen.first_unseen();
        self.move_frontier(before, after);
        unseen
    }

    /// Gives a member that has room its place.
    pub(super) fn stand(&mut self, key: &K) {
        if !self.is_sent_behind(key) {
            let _idle = self.stand_idle(key, false);
        }
    }

    /// Has a member look at what waits, if it has room.
    pub(super) fn have_look(&mut self, key: &K) {
        if self.members.get(key).is_some_and(|member| member.place.is_some()) {
            let _is_behind = self.is_sent_behind(key);
        }
    }

    /// Gives a member that has room its place behind the ring if something waits about which it was not asked.
    fn is_sent_behind(&mut self, key: &K) -> bool {
        if self.unseen(key).is_none() && !self.pool.has_some_for_anybody() {
            return false;
        }
        let place = self.new_place();
        if let Some(member) = self.members.get_mut(key) {
            // It may have one already, in the ring: it said that it has room while it was asked.
            member.place = Some(place);
            self.behind.push_back(key.clone(), place, member.in_vain >= self.most_in_vain);
            self.forget_places();
        }
        true
    }

    /// Gives a member that has room, and has seen all that waits, its place in the ring.
    pub(super) fn stand_idle(&mut self, key: &K, is_first: bool) -> Step<K, T, M> {
        let place = self.new_place();
        if let Some(member) = self.members.get_mut(key).filter(|member| member.place.is_none()) {
            member.place = Some(place);
            let is_doubted = member.in_vain >= self.most_in_vain;
            match is_first {
                true => self.idle.push_front(key.clone(), place),
                false => self.idle.push_back(key.clone(), place, is_doubted),
            }
            self.questions.note_idle();
        }
        Step::Idle
    }

    const fn new_place(&mut self) -> Ticket {
        self.last_place = self.last_place.next();
        self.last_place
    }

    /// Forgets places that are nobody's any more, if they are many.
    pub(super) fn forget_places(&mut self) {
        if self.idle.len() + self.behind.len() > 2 * self.members.len() + MOST_PLACES {
            self.idle.retain(is_somebodys(&self.members));
            self.behind.retain(is_somebodys(&self.members));
        }
    }

    /// Has all who stand in the ring look at what waits.
    pub(super) fn rouse(&mut self) {
        self.behind.append(&mut self.idle);
    }

    /// A message is back about which a member was asked: others may have missed it.
    pub(super) fn came_back(&mut self, position: Position) {
        if self.close(position) {
            self.rouse();
        }
    }

    /// Nobody is asked about a message any more. Whoever passed it looks what is there now. Returns whether a member with room found
    /// nothing to do meanwhile.
    pub(super) fn close(&mut self, position: Position) -> bool {
        let Some(question) = self.questions.close(position) else { return false };
        for key in &question.passed_by {
            self.have_look(key);
        }
        question.was_idle
    }

    /// A member has seen all before another position than until now.
    pub(super) fn move_frontier(&mut self, before: Position, after: Position) {
        if before != after {
            self.frontier.remove(before);
            self.frontier.add(after);
            self.drop_for_nobody();
        }
    }

    pub(super) fn drop_for_nobody(&mut self) {
        if let Some(first) = self.frontier.first() {
            self.pool.drop_before(first);
        }
    }

    /// Opens a question about a message that no other member was asked about.
    pub(super) fn open(&mut self) -> Position {
        let position = self.next;
        self.next = position.next();
        self.questions.open(position);
        position
    }

    /// Takes the member that is asked next out of the ring; and says which look at what waits this is.
    pub(super) fn next(&mut self, draw: u64, barred: &[K]) -> Option<(K, T, u64)> {
        loop {
            let doubted = if barred.is_empty() { self.idle.pop_doubted_in_turn() } else { None };
            let (key, ticket) = doubted
                .or_else(|| self.next_trusted(draw, barred))
                .or_else(|| self.idle.take_doubted(|key| !barred.contains(key)))?;
            let member = self.members.get_mut(&key);
            if let Some(member) = member.filter(|member| member.place == Some(ticket)) {
                member.place = None;
                return Some((key, member.value.clone(), member.look));
            }
        }
    }

    fn next_trusted(&mut self, draw: u64, barred: &[K]) -> Option<(K, Ticket)> {
        let number = |key: &K, ticket: Ticket| {
            let member = self.members.get(key).filter(|member| member.place == Some(ticket));
            member.map(|member| member.number)
        };
        let index = self.strategy.choose(self.idle.trusted(), draw, barred, number)?;
        self.idle.take_trusted(index, self.strategy.needs_order())
    }
}

/// So many places are kept that are nobody's, beside as many as there are members.
const MOST_PLACES: usize = 16;
