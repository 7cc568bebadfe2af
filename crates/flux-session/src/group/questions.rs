//! [`Questions`]: the messages about which members are being asked.

use super::aside::Position;

/// What is on its way between the group and a member's session: nowhere in the group, and perhaps there again in a moment. As
/// many as threads ask, so they are simply looked through.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: Vec<Question>,
}

/// What happened while a question was open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Question {
    position: Position,
    /// A member was asked about a later one, and may not have that; or it may have this one after all.
    pub(super) was_passed: bool,
    /// A member with room found nothing to do.
    pub(super) was_idle: bool,
}

impl Questions {
    pub(super) fn open(&mut self, position: Position) {
        self.open.push(Question { position, ..Question::default() });
    }

    /// Returns what happened in the meantime.
    pub(super) fn close(&mut self, position: Position) -> Question {
        let index = self.open.iter().position(|question| question.position == position);
        index.map(|index| self.open.swap_remove(index)).unwrap_or_default()
    }

    /// Returns whether this one is open, which a member passes, or has passed before.
    pub(super) fn is_passed(&mut self, position: Position) -> bool {
        let mut open = self.open.iter_mut();
        let question = open.find(|question| question.position == position);
        question.map(|question| question.was_passed = true).is_some()
    }

    /// Returns those from this position on and before that, which a member passes.
    pub(super) fn pass(&mut self, from: Position, before: Position) -> Vec<Position> {
        let passes = |question: &&mut Question| (from..before).contains(&question.position);
        let passed = self.open.iter_mut().filter(passes).map(|question| {
            question.was_passed = true;
            question.position
        });
        passed.collect()
    }

    /// Notes that a member which was asked about them may perhaps have them.
    pub(super) fn note_look_again(&mut self) {
        for question in &mut self.open {
            question.was_passed = true;
        }
    }

    /// Notes that a member with room found nothing to do.
    pub(super) fn note_idle(&mut self) {
        for question in &mut self.open {
            question.was_idle = true;
        }
    }
}
