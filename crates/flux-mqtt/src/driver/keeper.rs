//! The thread of the store, and how workers hear from it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flux_storage::{Batch, Committer, Completion, Health, ReadLimit, Sequence, Store, Ticket};
use parking_lot::Mutex;

use super::mailbox::{Mail, Mailboxes};
use crate::input::Input;
use crate::journal::Journal;
use crate::names::{SessionKey, WorkerId};
use crate::storage::key;

/// Has the store do what workers ask for.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// `None` once the broker has stopped.
    committer: Mutex<Option<Committer>>,
    answers: Arc<Answers>,
}

/// What the store has answered and not every worker was told.
#[derive(Debug)]
struct Answers {
    mailboxes: Mailboxes,
    state: Mutex<State>,
    /// Whether a worker has a letter about it already: so there is one at most for each.
    posted: Box<[AtomicBool]>,
}

#[derive(Debug, Default)]
struct State {
    /// The highest ticket that is safe.
    persisted: u64,
    /// The last attempt failed.
    is_failing: bool,
    /// Parts of queues that were asked for.
    questions: HashMap<Ticket, (WorkerId, SessionKey)>,
    asked: u64,
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start(store: impl Store + 'static, mailboxes: Mailboxes) -> io::Result<Self> {
        let posted = (0..mailboxes.len()).map(|_| AtomicBool::new(false)).collect();
        let answers = Arc::new(Answers { mailboxes, state: Mutex::default(), posted });
        let told = answers.clone();
        let complete = move |completion| told.complete(completion);
        let committer = Committer::start(store, REQUESTS, UNSYNCED, complete)?;
        Ok(Self { committer: Mutex::new(Some(committer)), answers })
    }

    /// Takes the records out of a batch, if it can.
    pub(crate) fn append(&self, ticket: Ticket, batch: &mut Batch) -> bool {
        let committer = self.committer.lock();
        committer.as_ref().is_some_and(|committer| committer.append(ticket, batch).is_ok())
    }

    /// Asks for a part of a session's queue.
    pub(crate) fn load(&self, worker: WorkerId, session: SessionKey, after: Option<Sequence>) {
        let ticket = {
            let mut state = self.answers.state.lock();
            state.asked += 1;
            let ticket = Ticket(state.asked);
            state.questions.insert(ticket, (worker, session));
            ticket
        };
        let committer = self.committer.lock();
        let is_asked = committer.as_ref().is_some_and(|committer| {
            committer.read_queue(ticket, key(session), after, AT_ONCE).is_ok()
        });
        if !is_asked {
            self.answers.read(ticket, None);
        }
    }

    /// Returns what a worker has not been told.
    pub(crate) fn news(&self, worker: WorkerId) -> Vec<Input> {
        if let Some(posted) = self.answers.posted.get(worker.0) {
            posted.store(false, Ordering::Release);
        }
        let state = self.answers.state.lock();
        let persisted = Ticket(state.persisted);
        let next = Ticket(state.persisted.saturating_add(1));
        let failed = state.is_failing.then_some(Input::PersistFailed(next));
        std::iter::once(Input::Persisted(persisted)).chain(failed).collect()
    }

    /// Returns how the store is; `None` once the broker has stopped.
    pub(crate) fn health(&self) -> Option<Health> {
        self.committer.lock().as_ref().map(Committer::health)
    }

    /// Makes safe what was written last, as far as the store can, and ends the thread.
    pub(crate) fn stop(&self, journal: &Journal) {
        let Some(committer) = self.committer.lock().take() else { return };
        journal.hand_over_all(|ticket, batch| committer.append(ticket, batch).is_ok());
    }
}

impl Answers {
    /// On the thread of the store.
    fn complete(&self, completion: Completion) {
        match completion {
            Completion::Persisted(tickets) => {
                let last = tickets.iter().map(|ticket| ticket.0).max().unwrap_or_default();
                {
                    let mut state = self.state.lock();
                    state.persisted = state.persisted.max(last);
                    if std::mem::take(&mut state.is_failing) {
                        tracing::info!("the store works again");
                    }
                }
                self.post_news();
            }
            // What it moves about by itself is nobody's who could be told that it is safe at last.
            Completion::Failed { tickets, .. }
                if tickets.is_empty() && !self.state.lock().is_failing => {}
            Completion::Failed { error, .. } => {
                if !std::mem::replace(&mut self.state.lock().is_failing, true) {
                    tracing::error!(%error, source = ?std::error::Error::source(&error), help = "make room on the disk, or look at it: it is tried again until it works", "the store fails");
                }
                self.post_news();
            }
            Completion::Queue { ticket, messages } => match messages {
                Ok(messages) => self.read(ticket, Some(messages)),
                Err(error) => {
                    tracing::error!(%error, help = "stop the broker and run flux-broker store check", "a queue cannot be read");
                    self.read(ticket, None);
                }
            },
        }
    }

    fn read(&self, ticket: Ticket, messages: Option<Vec<flux_storage::Queued>>) {
        let asked = self.state.lock().questions.remove(&ticket);
        if let Some((worker, session)) = asked {
            self.mailboxes.post(worker, Mail::Loaded(session, messages));
        }
    }

    fn post_news(&self) {
        for (index, posted) in self.posted.iter().enumerate() {
            if !posted.swap(true, Ordering::AcqRel) {
                self.mailboxes.post(WorkerId(index), Mail::StoreAnswered);
            }
        }
    }
}

/// So many batches and questions wait for the thread.
const REQUESTS: usize = 65_536;
/// So many bytes wait to be safe before batches stay with the workers.
const UNSYNCED: usize = 16 << 20;
/// What is read of a queue at once.
const AT_ONCE: ReadLimit = ReadLimit { messages: 512, bytes: 1 << 20 };

#[cfg(test)]
mod tests {
    use flux_storage::SyncError;

    use super::*;

    fn answers(workers: usize) -> Answers {
        let posted = (0..workers).map(|_| AtomicBool::new(false)).collect();
        Answers { mailboxes: Mailboxes::new(workers), state: Mutex::default(), posted }
    }

    fn failed(tickets: &[u64]) -> Completion {
        let error = SyncError { unsynced: 1, source: io::ErrorKind::StorageFull.into() };
        Completion::Failed { tickets: tickets.iter().copied().map(Ticket).collect(), error }
    }

    fn persisted(tickets: &[u64]) -> Completion {
        Completion::Persisted(tickets.iter().copied().map(Ticket).collect())
    }

    #[test]
    fn only_what_somebody_gave_the_store_can_fail_for_workers() {
        let answers = answers(1);
        answers.complete(persisted(&[4, 5]));
        answers.complete(failed(&[]));
        assert!(!answers.state.lock().is_failing, "nobody hears when that is written at last");
        answers.complete(failed(&[6]));
        answers.complete(failed(&[]));
        assert!(answers.state.lock().is_failing);
        answers.complete(persisted(&[6]));
        assert!(!answers.state.lock().is_failing);
    }
}
