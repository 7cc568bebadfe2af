//! Bytes of a connection that wait: answers that its client does not read, packets that are not complete.

use flux_eventbus::Limit;
use flux_session::Timestamp;

use super::Worker;
use super::connection::Stage;
use super::end::End;
use super::tell::tell_limit_of;
use crate::effects::Effects;
use crate::ledger::Account;
use crate::names::ConnectionId;

impl Worker {
    /// Stops reading from a client that does not read its answers.
    pub(super) fn choke(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut stage: Stage,
        fx: &mut impl Effects,
    ) -> Stage {
        let limit = self.limit_of_answers();
        let held = self.held_answers(id);
        if let Stage::Online(online) = &mut stage
            && !online.is_choked
            && let Some(unsent) = fx.unsent(id).map(|unsent| unsent + held)
            && unsent > self.settings.unsent_for_deliveries.min(limit)
        {
            let added = self.note_unsent(id, unsent);
            fx.notify_writable(id);
            self.add(now, added, fx);
            if unsent <= limit {
                return stage;
            }
            online.is_choked = true;
            tell_limit_of(Limit::UnsentAnswers, &online.client, fx);
            fx.pause(id);
        }
        stage
    }

    pub(super) fn writable(&mut self, now: Timestamp, id: ConnectionId, fx: &mut impl Effects) {
        self.note_unsent(id, 0);
        // What waits for the store is read on from when it has answered.
        let is_held = self.held_answers(id) > self.limit_of_answers();
        if !is_held
            && let Some(online) = self.connections.online(id)
            && online.is_choked
        {
            online.is_choked = false;
            if online.reads() {
                fx.resume(id);
            }
        }
        self.drain(now, id, fx);
    }

    /// Deals with bytes that were read and not handled; with `more` there may be whole packets among them.
    /// Who goes on with a large packet that is not complete is slowed as if it had published, and at the
    /// limit it ends.
    pub(super) fn hold_back(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        mut stage: Stage,
        unread: usize,
        more: bool,
        fx: &mut impl Effects,
    ) -> Stage {
        let added = self.note_unread(id, if unread < COUNTED { 0 } else { unread });
        if added == 0 {
            return stage;
        }
        self.add(now, added, fx);
        if let Stage::Online(online) = &mut stage
            && online.reads()
            && !more
            && unread >= LARGE
        {
            if self.memory.is_full() {
                tell_limit_of(Limit::Bytes, &online.client, fx);
                return self.end(now, id, online, &End::MemoryFull, fx);
            }
            self.slow(now, id, online, fx);
        }
        stage
    }

    /// Writes down how many bytes of a connection are held back, and returns by how many there are
    /// more.
    pub(super) fn note_unread(&mut self, id: ConnectionId, unread: usize) -> usize {
        let Some(connection) = self.connections.get(id) else { return 0 };
        let added = unread.saturating_sub(connection.counted_unread);
        self.broker.ledger.change(Account::Unread, &mut connection.counted_unread, unread);
        added
    }

    /// Writes down how many bytes a connection does not take as fast as they come.
    pub(super) fn note_unsent(&mut self, id: ConnectionId, unsent: usize) -> usize {
        let Some(connection) = self.connections.get(id) else { return 0 };
        let added = unsent.saturating_sub(connection.counted_unsent);
        self.broker.ledger.change(Account::Unsent, &mut connection.counted_unsent, unsent);
        added
    }

    /// How many answers may wait unsent: less while too much is held.
    pub(super) fn limit_of_answers(&self) -> usize {
        let (most, least) = (self.settings.unsent_for_answers, self.settings.unsent_for_deliveries);
        if self.memory.is_under_pressure() { most.min(least) } else { most }
    }
}

/// From how many bytes on what is read and not handled counts.
const COUNTED: usize = 16 * 1024;

/// From how many bytes on a packet that is not complete is a large one.
const LARGE: usize = 64 * 1024;
