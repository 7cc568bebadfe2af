//! What a worker and the store's thread do, one thing at a time.

use std::mem;

use flux_auth::{Authentication, Identity};
use flux_mqtt::{Input, Timestamp};
use flux_storage::{ReadLimit, Store as _};

use super::{Wire, World};
use crate::hands::{Done, LinkId};

impl World {
    fn readable(&mut self, worker: usize) -> Vec<LinkId> {
        let mut readable = Vec::new();
        for link in self.oldest..self.links.len() {
            let Wire { worker: of, id, is_open, .. } = self.links[link];
            if of != worker || !is_open || self.links[link].up.is_empty() {
                continue;
            }
            // Inputs come in their order: it must have been opened.
            let is_known = !self.nodes[worker].inputs.iter().any(
                |input| matches!(input, Input::Opened { connection, .. } if *connection == id),
            );
            let socket = self.nodes[worker].hands.socket(id);
            if is_known && socket.is_some_and(|socket| !socket.is_paused && !socket.is_closing) {
                readable.push(link);
            }
        }
        readable
    }

    pub(super) fn has_work(&mut self, worker: usize) -> bool {
        let node = &self.nodes[worker];
        let is_busy = !node.inputs.is_empty() || !node.mail.is_empty() || node.worker.has_dirty();
        is_busy || !self.readable(worker).is_empty()
    }

    /// A worker does one thing.
    pub(super) fn work(&mut self, worker: usize) -> Result<(), String> {
        let now = Timestamp::from_millis(self.now);
        let readable = self.readable(worker);
        let node = &mut self.nodes[worker];
        let choices = [!node.inputs.is_empty(), !node.mail.is_empty(), !readable.is_empty(), true];
        let open: Vec<usize> = (0..4).filter(|choice| choices[*choice]).collect();
        match self.random.pick(&open) {
            0 => {
                let Some(input) = node.inputs.pop_front() else { return Ok(()) };
                let closed = if let Input::Closed(id) = &input { Some(*id) } else { None };
                self.told.hears(&input);
                node.worker.handle(now, input, &mut node.hands);
                if let Some(id) = closed {
                    node.hands.close(id);
                }
            }
            1 => {
                let Some(letter) = node.mail.pop_front() else { return Ok(()) };
                node.worker.handle(now, Input::Letter(letter), &mut node.hands);
            }
            2 => {
                let link = self.random.pick(&readable);
                let wire = &mut self.links[link];
                let part = self.random.between(1, wire.up.len() as u64);
                let part = usize::try_from(part).unwrap_or(usize::MAX).max(wire.up.len() / 2);
                let received = node.worker.receive(now, wire.id, &wire.up[..part], &mut node.hands);
                let taken: Vec<_> = wire.up.drain(..received.consumed).collect();
                if self.told.fails()
                    && let Some(customer) = wire.customer
                {
                    self.book.may_be_refused(customer, &taken);
                }
            }
            _ => node.worker.finish_turn(now, &mut node.hands),
        }
        let done = mem::take(&mut self.nodes[worker].hands.done);
        for done in done {
            self.carry_out(worker, done)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, worker: usize, done: Done) -> Result<(), String> {
        match done {
            Done::Letter(to, letter) => self.nodes[to.0].mail.push_back(letter),
            Done::Authenticate(link) => {
                let connection = self.links[link].id;
                let authentication = Authentication::Accepted(Identity::anonymous());
                self.push(
                    worker,
                    Input::Authenticated { connection, authentication, valid_for: None },
                );
            }
            Done::Persist(ticket, batch) => {
                if ticket.0 != self.last.0 + 1 {
                    return Err(format!("{ticket:?} comes after {:?}", self.last));
                }
                self.last = ticket;
                if let Some(log) = &mut self.log {
                    log.append(&batch);
                }
            }
            Done::Load(session, after) => self.nodes[worker].loads.push_back((session, after)),
            Done::Panicked => return Err("the broker panicked".to_owned()),
            Done::Sent(..)
            | Done::Closed(_)
            | Done::Paused(_)
            | Done::Authorize(..)
            | Done::Event(_) => {}
        }
        Ok(())
    }

    /// The store's thread has its turn: it makes safe what it has, and reads what it was asked for.
    pub(super) fn sync(&mut self) -> Result<(), String> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let is_new = log.unsynced() > 0;
        let is_safe = log.sync().is_ok();
        self.outcome.syncs += u64::from(is_new && is_safe);
        let last = self.last;
        let mut answers = Vec::new();
        for (worker, node) in self.nodes.iter_mut().enumerate() {
            for (session, after) in node.loads.drain(..) {
                let limit = ReadLimit { messages: 2, bytes: 1 << 20 };
                let stored = flux_storage::SessionKey(session.get());
                let messages = log.queue(stored, after, limit).map_err(|it| it.to_string())?;
                answers.push((worker, Input::Loaded { session, messages: Some(messages) }));
            }
            if is_new {
                let answer =
                    if is_safe { Input::Persisted(last) } else { Input::PersistFailed(last) };
                answers.push((worker, answer));
            }
        }
        if is_new {
            self.note(|| {
                format!("the disk: {last:?} is {}", if is_safe { "safe" } else { "not safe" })
            });
        }
        for (worker, answer) in answers {
            self.push(worker, answer);
        }
        Ok(())
    }
}
