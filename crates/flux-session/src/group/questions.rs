//! [`Questions`]: the messages about which members are being asked.

use std::collections::BTreeSet;

use super::aside::Position;

/// What is on its way between the group and a member's session: nowhere in the group, and perhaps there again in a moment. As
/// many as threads ask, so they are simply looked through.
#[derive(Debug)]
pub(super) struct Questions<K> {
    open: Vec<Question<K>>,
}

/// What happened while a question was open.
#[derive(Debug)]
pub(super) struct Question<K> {
    position: Position,
    /// Who is to be asked about it, should it come back: who was asked about a later one, and may not have that, or was to look
    /// again at what waits.
    pub(super) passed_by: BTreeSet<K>,
    /// A member with room found nothing to do.
    pub(super) was_idle: bool,
}

impl<K> Default for Questions<K> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<K: Ord + Clone> Questions<K> {
    pub(super) fn open(&mut self, position: Position) {
        self.open.push(Question { position, passed_by: BTreeSet::new(), was_idle: false });
    }

    /// Returns what happened in the meantime.
    pub(super) fn close(&mut self, position: Position) -> Option<Question<K>> {
        let index = self.open.iter().position(|question| question.position == position)?;
        Some(self.open.swap_remove(index))
    }

    /// Notes that a member was asked about this one, and may not have it.
    pub(super) fn answer(&mut self, position: Position, by: &K) {
        let mut open = self.open.iter_mut();
        if let Some(question) = open.find(|question| question.position == position) {
            question.passed_by.remove(by);
        }
    }

    /// Returns whether a member passed this one, or is to look again.
    pub(super) fn is_passed_by(&self, position: Position, key: &K) -> bool {
        let mut open = self.open.iter();
        let question = open.find(|question| question.position == position);
        question.is_some_and(|question| question.passed_by.contains(key))
    }

    /// Returns whether this one is open, which a member passes, or has passed before.
    pub(super) fn is_passed(&mut self, position: Position, by: &K) -> bool {
        let mut open = self.open.iter_mut();
        let question = open.find(|question| question.position == position);
        question.map(|question| question.passed_by.insert(by.clone())).is_some()
    }

    /// Returns those from this position on and before that, which a member passes.
    pub(super) fn pass(&mut self, from: Position, before: Position, by: &K) -> Vec<Position> {
        let passes = |question: &&mut Question<K>| (from..before).contains(&question.position);
        let passed = self.open.iter_mut().filter(passes).map(|question| {
            question.passed_by.insert(by.clone());
            question.position
        });
        passed.collect()
    }

    /// Notes that a member which was asked about them may perhaps have them.
    pub(super) fn note_look_again(&mut self, key: &K) {
        for question in &mut self.open {
            question.passed_by.insert(key.clone());
        }
    }

    /// Notes that a member with room found nothing to do.
    pub(super) fn note_idle(&mut self) {
        for question in &mut self.open {
            question.was_idle = true;
        }
    }
}
